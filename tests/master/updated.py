"""A service that is updated while clients call it: its project, and what becomes of each of their calls."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.project_copy import copy_files, copy_with_models, link_environments, project_files
from tests.raw_http import post, send
from tests.service_process import running_service

CODE = """
import time
from pathlib import Path

from flask_restful import Resource

from model_serving.project import ROOT
from model_serving.schemas.validation import validate_json

VERSION = 1
time.sleep(0)
weight = int((ROOT / 'data' / 'weight.txt').read_text())


class VersionModelResource(Resource):
    @validate_json({'type': 'object', 'examples': [{}]})
    def post(self):
        return {'version': VERSION, 'weight': weight}
"""
PATH = '/v1/VersionModel'
ENDS = 'done', 'unready', 'failed'


class Project:
    """A project whose one model tells its version, and that of its file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        copy_with_models(root, {'VersionModel': CODE})
        self.code = root / 'model_serving' / 'resources' / 'version_model_resource.py'
        self.weight = root / 'data' / 'weight.txt'
        self.weight.write_text('1')
        self.main = root / 'main.py'
        self._main_text = self.main.read_text()
        self.settings = root / 'conf' / 'model_serving.conf'
        self.gunicorn = root / 'conf' / 'gunicorn.conf.py'

    def add_scripts(self) -> None:
        """Give it the scripts of bin/, and an environment that is complete."""
        copy_files([*project_files('bin'), 'requirements.txt', 'requirements-dev.txt'], self.root)
        link_environments(self.root)

    def mend(self) -> None:
        """Undo what has been done to main.py and the settings."""
        self.main.write_text(self._main_text)
        self.settings.write_text('')

    def set_in_gunicorn(self, line: str) -> None:
        """Add a line to gunicorn's configuration."""
        self.gunicorn.write_text(f'{self.gunicorn.read_text()}\n{line}\n')

    def write(self, version: int, seconds: float = 0, schema: str = 'object') -> None:
        """Write the code of this version, which takes so long to load."""
        code = CODE.replace('VERSION = 1', f'VERSION = {version}').replace('sleep(0)', f'sleep({seconds})')
        self.code.write_text(code.replace("'object'", f"'{schema}'"))


class Updated:
    """The running service, as the one who updates it sees it."""

    def __init__(self, url: str, log: Path, pid_file: Path) -> None:
        self.url, self.log, self.pid_file = url, log, pid_file
        self.outcome = pid_file.with_name(f'{pid_file.name}.reload')

    @property
    def master(self) -> int:
        return int(self.pid_file.read_text())

    def workers(self) -> list[int]:
        tasks = Path(f'/proc/{self.master}/task').glob('*/children')
        return [int(child) for task in tasks for child in task.read_text().split()]

    def events(self) -> list[list[str]]:
        if not self.outcome.exists():
            return []
        return [list(json.loads(line).values()) for line in self.outcome.read_text().splitlines()]

    def begin(self) -> None:
        """Have it reload."""
        self.outcome.unlink(missing_ok=True)
        os.kill(self.master, signal.SIGHUP)

    def end(self) -> list[str]:
        """How the reload ends: a word and a text."""
        until(lambda: any(event[0] in ENDS for event in self.events()), 60)
        return self.events()[-1]

    def reload(self) -> list[str]:
        self.begin()
        return self.end()

    def call(self) -> dict[str, int]:
        answer = post(self.url, PATH, b'{}')
        assert answer.status == 200, answer
        return answer.json

    def statuses(self, path: str = PATH, count: int = 8) -> set[int]:
        return {post(self.url, path, b'{}').status for _ in range(count)}

    def get(self, path: str) -> int:
        return send(self.url, f'GET {path} HTTP/1.1\r\nHost: service\r\n\r\n'.encode()).status

    def kill_a_worker(self) -> None:
        """Kill one as the system does when memory is short, and wait for the one that replaces it."""
        booted = self.log.read_text().count('Booting worker')
        os.kill(self.workers()[0], signal.SIGKILL)
        until(lambda: self.log.read_text().count('Booting worker') > booted)


@contextlib.contextmanager
def updated(folder: Path, project: Project, ready: int = 2, **environment: str) -> Iterator[Updated]:
    """The service of the project, with a pid file, once so many of its workers are ready."""
    log, pid_file = folder / 'log', folder / 'pid'
    settings = {'MODEL_SERVING_MODELS': 'VersionModel', 'WORKERS': '2', **environment}
    arguments = f'--pid {pid_file} {settings.pop("GUNICORN_CMD_ARGS", "")}'
    with running_service(log, project.root, GUNICORN_CMD_ARGS=arguments, **settings) as url:
        service = Updated(url, log, pid_file)
        until(lambda: log.read_text().count('ready: VersionModel') == ready)
        try:
            yield service
        finally:
            if service.pid_file.exists():
                os.kill(service.master, signal.SIGTERM)
                until(lambda: not service.pid_file.exists(), 40)


def until(condition, seconds: float = 20):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


class Clients:
    """Eight of them: some keep their connections, some pause between calls, some connect for each."""

    KINDS = (1, 0.0), (1, 0.05), (10, 0.0), (10, 0.0), (100, 0.0), (100, 0.3), (1000, 0.9), (1000, 1.7)
    """How many calls a connection is used for, and the seconds between them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.counts: Counter[str] = Counter()
        self.slowest = 0.0
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self._run, args=kind) for kind in self.KINDS]

    def __enter__(self) -> 'Clients':
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def take(self) -> tuple[Counter[str], float]:
        """What was answered since the last time, and the longest time that an answer took."""
        counts, slowest = self.counts, self.slowest
        self.counts, self.slowest = Counter(), 0.0
        return counts, slowest

    def _run(self, calls: int, pause: float) -> None:
        while not self.stopping.is_set():
            place = urlsplit(self.url)
            connection = http.client.HTTPConnection(place.hostname or '', place.port, timeout=30)
            with contextlib.closing(connection):
                for number in range(calls):
                    if self.stopping.wait(pause) or not self._call(connection, number):
                        break

    def _call(self, connection: http.client.HTTPConnection, number: int) -> bool:
        begin = time.monotonic()
        try:
            connection.request('POST', PATH, b'{}', {'Content-Type': 'application/json'})
            response = connection.getresponse()
            body = response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.counts[f'lost, call {number} of a connection: {error!r}'] += 1
            return False
        self.slowest = max(self.slowest, time.monotonic() - begin)
        said = re.sub(r'\s', '', body) if response.status == 200 else f'{response.status} {body}'
        self.counts[said] += 1
        return not response.will_close


def run(checkout: Path, script: str, **environment: str) -> 'subprocess.CompletedProcess[str]':
    """Run a script of bin/."""
    return subprocess.run(
        [checkout / 'bin' / script],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
