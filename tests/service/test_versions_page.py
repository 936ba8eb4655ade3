"""docs/versions.md is followed: what it writes is served, and its commands give what it says."""

import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tests.project_copy import copy_of_project, run_in
from tests.raw_http import send
from tests.service_process import ROOT, running_service

PAGE = (ROOT / 'docs' / 'versions.md').read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)


def rounded(text: str) -> float:
    """A number without the last digits, which differ from processor to processor."""
    return round(float(text), 6)


def test_page_is_as_it_says(tmp_path: Path) -> None:
    copy = copy_of_project(tmp_path)
    new, *curls = blocks('sh')
    own, service = blocks('ini')
    written = run_in(copy, *new.split()[1:])
    assert written.returncode == 0, written.stderr
    assert 'conf/iris_model_2.conf' in written.stdout
    assert 'file of `conf/`, iris_model_2.conf' in PAGE
    (copy / 'conf' / 'iris_model_2.conf').write_text(own)
    (copy / 'conf' / 'model_serving.conf').write_text(service)
    with running_service(tmp_path / 'log', root=copy, MODEL_SERVING_MODELS='IrisModel') as url:
        for command, given in zip(curls, blocks('json'), strict=True):
            line = command.replace('9999', str(urlsplit(url).port))
            said = subprocess.run(['sh', '-c', line], capture_output=True, text=True, timeout=60).stdout
            assert json.loads(said, parse_float=rounded) == json.loads(given, parse_float=rounded)
        for path in re.findall('`GET (/[^`]*)`', PAGE):
            listed = send(url, f'GET {path} HTTP/1.1\r\nHost: x\r\n\r\n'.encode()).body
            assert b'IrisModel@2' in listed
