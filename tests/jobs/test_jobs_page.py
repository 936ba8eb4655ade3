"""docs/jobs.md is followed: its commands and its code do what it says."""

import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.service_process import ROOT, running_service

PAGE = (ROOT / 'docs' / 'jobs.md').read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf'^```{language}\n(.*?)^```', PAGE, re.DOTALL | re.MULTILINE)


def run(*command: str) -> 'subprocess.CompletedProcess[str]':
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_page_is_as_it_says(tmp_path: Path) -> None:
    start, curl = blocks('sh')
    [accepted] = blocks('json')
    [python] = blocks('python')
    setting = start.partition('=')[0]
    with running_service(tmp_path / 'log', **{setting: str(tmp_path / 'jobs.sqlite')}) as url:
        port = str(urlsplit(url).port)
        said = run('sh', '-c', curl.replace('9999', port)).stdout
        given, shown = json.loads(said), json.loads(accepted)
        assert given.keys() == shown.keys()
        assert [given[name] for name in ('model', 'status')] == [shown[name] for name in ('model', 'status')]
        (tmp_path / 'call.py').write_text(python.replace('9999', port))
        done = run(sys.executable, str(tmp_path / 'call.py'))
        assert done.stdout == 'setosa\n', done.stderr
