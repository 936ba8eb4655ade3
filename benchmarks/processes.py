"""Starts a contender, and reads from /proc what its process tree uses."""

import contextlib
import ctypes
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.contenders import Contender, fill
from benchmarks.environments import FOLDER
from benchmarks.loads import Question, dump

START_SECONDS = 120
STOP_SECONDS = 20
PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf('SC_CLK_TCK')


class Failed(SystemExit):
    """A server that does not start, stop or answer as it must; it ends the benchmark unless it is caught."""


class Server(NamedTuple):
    """A contender that runs, and the seconds from its start until every endpoint had answered."""

    contender: Contender
    port: int
    ready_s: float
    pid: int

    def ask(self, endpoint: str, body: bytes) -> tuple[int, bytes]:
        """The status and the body of an answer; status 0 where there is none."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=20)
        try:
            connection.request(
                'POST', self.contender.paths[endpoint], body, {'Content-Type': 'application/json'}
            )
            response = connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error).encode()
        finally:
            connection.close()

    def body(self, question: Question) -> bytes:
        """A question in the contender's own form."""
        return dump(self.contender.form.body(question.endpoint, question.value))

    def answer(self, endpoint: str, content: bytes) -> Any:
        """What an answer says."""
        return self.contender.form.answer(endpoint, json.loads(content))


def adopt_orphans() -> None:
    """Let processes whose parent has ended become ours, so that none is missed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@contextlib.contextmanager
def started(contender: Contender, questions: Iterable[Question], workers: int = 2) -> Iterator[Server]:
    """Run a contender with the endpoints of these questions; the seconds end when all have been answered."""
    questions = list(questions)
    ports = free_ports(3)
    command, variables = fill(contender, [question.endpoint for question in questions], ports, workers)
    home = FOLDER / 'home'
    home.mkdir(parents=True, exist_ok=True)
    log = FOLDER / f'{re.sub("[^a-z]+", "-", contender.name)}.log'
    environment = {'HOME': str(home), 'TMPDIR': str(home), 'LANG': 'C.UTF-8', **variables}
    with log.open('w') as output:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=contender.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            server = Server(contender, ports[0], 0, process.pid)
            wait(server, questions, process, log)
            yield server._replace(ready_s=time.perf_counter() - begin)
        finally:
            stop(process)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback that nobody uses."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(('127.0.0.1', 0))
        return [probe.getsockname()[1] for probe in probes]


def wait(
    server: Server, questions: Iterable[Question], process: 'subprocess.Popen[bytes]', log: Path
) -> None:
    """Return when each of the questions has been answered; else raise Failed with the end of the log."""
    end = time.monotonic() + START_SECONDS
    for question in questions:
        while server.ask(question.endpoint, server.body(question))[0] != 200:
            if process.poll() is not None or time.monotonic() > end:
                raise Failed(f'{server.contender.name} did not start; from {log}:\n{log.read_text()[-3000:]}')
            time.sleep(0.01)


def stop(process: 'subprocess.Popen[bytes]') -> None:
    """End a contender and all that it has started, the stubborn by force, and wait until they are gone."""
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in descendants(os.getpid()):  # Orphans have become ours.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if nobody_left():
            return
    raise Failed(f'these processes do not end: {descendants(os.getpid())}')


def nobody_left(seconds: float = 5) -> bool:
    """Whether all that we started has ended within so long; what has is taken note of."""
    end = time.monotonic() + seconds
    while descendants(os.getpid()):
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def fields(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the third, the state, on; none if there is no such process."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    except OSError:
        return []


def descendants(pid: int) -> list[int]:
    """All children of a process, theirs included, that have not ended."""
    children: dict[int, list[int]] = {}
    for entry in Path('/proc').iterdir():
        if entry.name.isdigit() and (stat := fields(int(entry.name))) and stat[0] not in 'ZX':
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, remaining = [], [pid]
    while remaining:
        new = children.get(remaining.pop(), [])
        found += new
        remaining += new
    return found


def cpu_seconds() -> float:
    """CPU time, user and system, of all that runs below us, and of what has ended there."""
    return sum(int(ticks) for pid in descendants(os.getpid()) for ticks in fields(pid)[11:15]) / TICKS


def busy_seconds() -> tuple[float, float]:
    """CPU time of the machine: of whatever is at work, and all there was."""
    with open('/proc/stat') as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / TICKS, sum(ticks) / TICKS


def memory_mb() -> float:
    """Proportional set size of all that runs below us."""
    kilobytes = 0
    for pid in descendants(os.getpid()):
        with contextlib.suppress(OSError):
            kilobytes += int(
                re.findall(r'^Pss: +(\d+)', Path(f'/proc/{pid}/smaps_rollup').read_text(), re.M)[0]
            )
    return kilobytes / 1024
