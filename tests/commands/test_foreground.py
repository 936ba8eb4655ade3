"""`model-serving serve`: gunicorn takes the place of the command, whose pid and signals are then its own."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.raw_http import post
from tests.service_process import ROOT, free_port, wait_until_it_answers

COMMAND = [sys.executable, '-m', 'model_serving', 'serve']


def test_service_runs_in_the_process_of_the_command_until_sigterm(tmp_path: Path) -> None:
    url = f'http://127.0.0.1:{(port := free_port())}'
    settings = {'PORT': str(port), 'WORKERS': '1', 'MODEL_SERVING_MODELS': 'XXXModel'}
    log = tmp_path / 'log'
    with (
        log.open('w') as output,
        subprocess.Popen(
            COMMAND, cwd=ROOT, env={**os.environ, **settings}, stdout=output, stderr=output
        ) as process,
    ):
        try:
            wait_until_it_answers(url, process, log)
            assert post(url, '/v1/XXXModel', b'{"name": "Leo"}').status == 200
            assert f'Listening at: {url} ({process.pid})' in log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(45) == 0


def test_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    ran = subprocess.run(COMMAND, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 1
    assert ran.stderr == (
        f'{tmp_path}/conf/gunicorn.conf.py is missing; give this command in the folder of a project\n'
    )
