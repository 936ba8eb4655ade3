"""docs/protocols.md is run: its commands and its code give what it says."""

import io
import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.protocols.test_kserve_client import kserve_python
from tests.service_process import ROOT, running_service

PAGE = (ROOT / 'docs' / 'protocols.md').read_text()
CODE = re.findall(
    r'^```(sh|python)\n((?:(?!^```).)*)^```\n\n```(?:json|text)\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE
)
__all__ = ['kserve_python']


def blocks(language: str, word: str) -> list[tuple[str, str]]:
    """The blocks that contain `word`, each with what it gives."""
    return [(code, given) for kind, code, given in CODE if kind == language and word in code]


@pytest.fixture(scope='module')
def iris_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp('iris') / 'service.log'
    with running_service(log, MODEL_SERVING_MODELS='IrisModel') as url:
        yield url


def with_port(code: str, url: str) -> str:
    return code.replace('9999', str(urlsplit(url).port))


def require_given(command: str, url: str, given: str) -> None:
    found = subprocess.run(['sh', '-c', with_port(command, url)], capture_output=True, text=True, timeout=60)
    assert json.loads(found.stdout, parse_float=rounded) == json.loads(given, parse_float=rounded)


def rounded(text: str) -> float:
    """A number without the last digits, which differ from processor to processor."""
    return round(float(text), 6)


@pytest.mark.parametrize('path', ['/v2/', '/v1/models/'])
def test_commands_give_what_the_page_says(service: str, path: str) -> None:
    assert blocks('sh', path)
    for command, given in blocks('sh', path):
        require_given(command, service, given)


def test_command_for_a_single_model_gives_what_the_page_says(iris_service: str) -> None:
    [(command, given)] = blocks('sh', '/invocations')
    require_given(command, iris_service, given)


def test_code_for_tritons_client_gives_what_the_page_says(service: str) -> None:
    [(code, given)] = blocks('python', 'tritonclient')
    with redirect_stdout(io.StringIO()) as output:
        exec(with_port(code, service), {})
    assert output.getvalue() == given


def test_code_for_kserves_client_gives_what_the_page_says(service: str, kserve_python: Path) -> None:
    [(code, given)] = blocks('python', 'kserve')
    command = [kserve_python, '-W', 'ignore', '-c', with_port(code, service)]
    assert subprocess.run(command, capture_output=True, text=True, timeout=120).stdout == given


def test_declaration_is_that_of_the_model() -> None:
    declared = re.search(r'^    tensors = .*?^    \)\n', PAGE, re.DOTALL | re.MULTILINE)
    resource = ROOT / 'model_serving' / 'resources' / 'digits_model_resource.py'
    assert declared
    assert declared[0] in resource.read_text()
