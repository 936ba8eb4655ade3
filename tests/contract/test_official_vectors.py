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

from model_serving.schemas.compiled import CompiledSchema

REMOTE = 'http://localhost:1234/'
"""Where the suite expects a server of schemas: a service that fetched schemas would be a hole."""


OTHER_WORDS = {
    'allOf combined with anyOf, oneOf': 'of equals, the first reported is the best match',
    'minContains=2 with contains': 'the message does not say how many items match',
    'minContains=2 with contains with a decimal value': 'the message does not say how many items match',
    'maxContains = minContains': 'the message does not say how many items match',
    'maxContains < minContains': 'the message does not say how many items match',
    'propertyNames with boolean schema false': 'jsonschema_rs does not say which name it is',
    'unevaluatedProperties schema': 'the message does not tell a schema from false',
    'unevaluatedProperties not affected by propertyNames': 'the message does not tell a schema from false',
    'unevaluatedProperties with adjacent non-bool additionalProperties': 'jsonschema_rs reports one more',
    'dynamic evalation inside nested refs': 'of equals, the first reported is the best match',
}
"""Cases of the suite that are refused in other words than those of jsonschema, and why."""


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
    judged, other_words = 0, set()
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
                if not words_agree(case['schema'], vector['data'], small):
                    other_words.add(case['description'])
                judged += 1
    assert judged > 1000
    assert other_words == set(OTHER_WORDS)


def words_agree(schema: Any, data: Any, violations: Any) -> bool:
    if isinstance(schema, bool) or not violations:
        return True
    expected = best_match(Draft202012Validator(schema).iter_errors(data))
    return expected is None or expected.message == violations[0].message
