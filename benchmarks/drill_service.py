"""A copy of the project that also serves DrillModel, started and stopped by its own scripts."""

import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

from benchmarks.processes import descendants, free_ports
from benchmarks.traffic import post
from tests.project_copy import END_OF_MODELS, copy_files, link_environments, project_files
from tests.service_process import ROOT

FOLDER = ROOT / 'tmp' / 'operations'
MOUNT = "    Mount('DrillModel', 'benchmarks.served.drill_model_resource:DrillModelResource'),\n"
HELLO = post('/v1/XXXModel', {'name': 'Leo'})
SCRIPT_SECONDS = 180
KIB_PER_MIB = 1024


def drill(what: str, seconds: float = 0, size: int = 0) -> bytes:
    """A request that tells DrillModel what to do."""
    return post('/v1/DrillModel', {'what': what, 'seconds': seconds, 'size': size})


class DrillService:
    """The copy, and the service that runs in it."""

    def __init__(self, **environment: str) -> None:
        self.folder = FOLDER / 'service'
        shutil.rmtree(self.folder, ignore_errors=True)
        copy_files(project_files(), self.folder)
        link_environments(self.folder)
        main = self.folder / 'main.py'
        main.write_text(main.read_text().replace(END_OF_MODELS, f'{MOUNT}{END_OF_MODELS}'))
        self.port = free_ports(1)[0]
        self._environment = {
            **os.environ,
            'HOST': '127.0.0.1',
            'PORT': str(self.port),
            'MODEL_SERVING_MODELS': 'XXXModel,DrillModel',
            **environment,
        }

    @property
    def log(self) -> str:
        """What was logged since the last start."""
        return (self.folder / 'tmp' / 'model-serving.log').read_text(errors='replace')

    def script(self, name: str) -> None:
        """Run a script of bin/. Raises RuntimeError where it fails."""
        command = [self.folder / 'bin' / name]
        # To a file: what the script starts would keep a pipe open.
        with (FOLDER / 'script.log').open('w+') as output:
            done = subprocess.run(
                command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=SCRIPT_SECONDS,
                check=False,
            )
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f'{name}: {output.read()}')

    def start(self) -> None:
        """Start it."""
        self.script('start.sh')

    def stop(self) -> None:
        """Stop it."""
        self.script('stop.sh')

    def master(self) -> int:
        """The pid of gunicorn's first process."""
        return int((self.folder / 'tmp' / 'model-serving.pid').read_text())

    def workers(self) -> set[int]:
        """The pids of its workers."""
        return set(descendants(self.master()))

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one of them."""
        os.kill(pid, number)

    def memory_mib(self) -> float:
        """Proportional set size of all its processes."""
        kib = 0
        for pid in (self.master(), *self.workers()):
            rollup = Path(f'/proc/{pid}/smaps_rollup').read_text()
            kib += int(re.findall(r'^Pss: +(\d+)', rollup, re.MULTILINE)[0])
        return kib / KIB_PER_MIB
