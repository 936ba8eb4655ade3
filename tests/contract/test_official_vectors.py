"""The official JSON Schema test suite, which jsonschema's source distribution carries."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from model_serving.utils.schema_utils import CompiledSchema

REMOTE = 'http://localhost:1234/'
"""Where the suite expects a server of schemas: a service that fetched schemas would be a hole."""


@pytest.fixture(scope='module')
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the suite's tests for draft 2020-12."""
    folder = tmp_path_factory.mktemp('suite')
    requirement = f'jsonschema=={version("jsonschema")}'
    command = [sys.executable, '-m', 'pip', 'download', '--no-deps', '--no-binary', 'jsonschema', requirement]
    subprocess.run([*command, '--quiet', '--dest', folder], check=True, timeout=300)
    (archive,) = folder.glob('*.tar.gz')
    subprocess.run(['tar', '-xzf', archive, '-C', folder], check=True)
    (tests,) = folder.glob('*/json/tests/draft2020-12')
    return tests


def test_every_vector_is_judged_and_worded_as_it_should_be(suite: Path) -> None:
    judged = 0
    for file in sorted(set(suite.glob('*.json')) - {suite / 'format.json'}):  # We do assert formats.
        for case in json.loads(file.read_text()):
            if REMOTE in json.dumps(case['schema']):
                continue
            compiled = CompiledSchema(
                case['schema'] if isinstance(case['schema'], dict) else {'allOf': [case['schema']]}
            )
            for vector in case['tests']:
                small, large = (compiled.violations(vector['data'], size) for size in (0, 10**6))
                assert [not small, not large] == [vector['valid']] * 2, (file.name, case, vector)
                assert words_agree(case['schema'], vector['data'], small), (file.name, case, vector)
                judged += 1
    assert judged > 1000


def words_agree(schema: Any, data: Any, violations: Any) -> bool:
    if isinstance(schema, bool) or not violations:
        return True
    if 'unevaluatedProperties' in str(schema) and 'patternProperties' in str(schema):
        return True  # jsonschema would match the patterns with Python's re: other words are used.
    expected = best_match(Draft202012Validator(schema).iter_errors(data))
    return expected is None or expected.message == violations[0].message
