import io
import logging
import os
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_serving.observability import access_log as log_utils
from model_serving.observability import log_formats as log_format_utils
from model_serving.observability.access_log import add_request_ids, log_requests
from model_serving.observability.log_formats import JSONFormatter, TextFormatter
from model_serving.observability.log_handlers import MAX_BUFFERED_LINES, MAX_WRITE_BYTES, BulkStreamHandler
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.settings import ROOT
from model_serving.web.app import ServiceApp
from tests.linux import linux_only

FORM = '[%(asctime)s] - [%(levelname)s] - [%(request_id)s] - [%(name)s] - %(message)s'
DATE = '%Y/%m/%d %H:%M:%S'


def request_for(path: str = '/v1/XXXModel', **more: Any) -> CurrentRequest:
    request = CurrentRequest({'REQUEST_METHOD': 'POST', 'PATH_INFO': path, 'HTTP_X_REQUEST_ID': 'abc'})
    request.__dict__.update({'status': 200, 'seconds': 0.0004, **more})
    return request


class Log:
    """The logger of the access log, which writes to a stream; `records` are those that it has made."""

    def __init__(self, stream: TextIO, monkeypatch: pytest.MonkeyPatch) -> None:
        self.logger = logging.getLogger('access')
        self.stream = stream
        self.handler = BulkStreamHandler(stream)
        self.handler.setFormatter(TextFormatter(FORM, DATE))
        app = ServiceApp('test')
        log_requests(app, True)
        (self.write,) = app.observers
        self.records: list[logging.LogRecord] = []
        make = log_utils._record
        monkeypatch.setattr(
            log_utils, '_record', lambda *args: (self.records.append(made := make(*args)), made)[1]
        )

    def lines(self) -> list[str]:
        return Path(self.stream.name).read_text().splitlines()


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Log]:
    monkeypatch.setattr(logging.Logger, 'makeRecord', logging.Logger.makeRecord)
    add_request_ids()
    token = current_request.set(None)
    with open(tmp_path / 'log', 'w') as stream:
        log = Log(stream, monkeypatch)
        monkeypatch.setattr(log.logger, 'handlers', [log.handler])
        monkeypatch.setattr(
            log.logger, 'parent', None
        )  # pytest listens at the root, and where there is no request.
        log.logger.setLevel(logging.INFO)
        yield log
        log.handler.close()
        log.logger.setLevel(logging.NOTSET)
    current_request.reset(token)


# The line of the access log

FORMATTERS = {
    'text': TextFormatter(FORM, DATE),
    'wide': TextFormatter('%(levelname)-9s%(request_id)20.15s %% %(message)r', DATE),
    'json': JSONFormatter(),
}
TEXT = st.text(st.characters(max_codepoint=255), max_size=300)


@pytest.mark.parametrize('formatter', FORMATTERS.values(), ids=FORMATTERS)
@given(
    method=st.sampled_from(['GET', 'POST']) | TEXT,
    path=TEXT,
    status=st.integers(0, 999),
    seconds=st.floats(0, 1e6),
    request_id=st.just('-') | st.from_regex('[A-Za-z0-9._~+/=:@-]{1,128}', fullmatch=True),
    trace=st.sampled_from(['', '00-105445aa7843bc8bf206b12000100000-123456789abcdef0-01', 'x']),
    now=st.floats(0, 4e9),
)
def test_line_by_hand_is_that_of_a_record(
    formatter: Any, path: str, now: float, request_id: str, **more: Any
) -> None:
    request = request_for(path, id=request_id, **more)
    by_hand = formatter.format_access(request, now)
    record = log_utils._record(request)
    record.created = now

    assert not formatter.needs_records
    assert by_hand == formatter.format(record)


def test_line_is_made_by_hand_as_it_ships(log: Log) -> None:
    log.write(request_for('/a b\n'))
    log.handler.flush()

    (line,) = log.lines()
    form = (
        r'\[\d{4}/\d\d/\d\d \d\d:\d\d:\d\d] - \[INFO] - \[abc] - \[access] - POST /a%20b%0A 200 0.4 ms - B -'
    )
    assert re.fullmatch(form, line)
    assert not log.records


class OtherHandler(BulkStreamHandler):
    pass


class OtherFormatter(TextFormatter):
    pass


def other_handler(log: Log) -> None:
    log.logger.handlers = [OtherHandler(log.stream)]
    log.logger.handlers[0].setFormatter(log.handler.formatter)


def second_handler(log: Log) -> None:
    log.logger.handlers = [log.handler, logging.NullHandler()]


def handler_of_the_root(log: Log) -> None:
    log.logger.parent = logging.getLogger()  # pytest's are there.


OTHERS: dict[str, Callable[[Log], Any]] = {
    'handler': other_handler,
    'second': second_handler,
    'root': handler_of_the_root,
    'formatter': lambda log: log.handler.setFormatter(OtherFormatter(FORM, DATE)),
    'field': lambda log: log.handler.setFormatter(TextFormatter(f'%(process)d {FORM}', DATE)),
    'milliseconds': lambda log: log.handler.setFormatter(TextFormatter(FORM)),
    'style': lambda log: log.handler.setFormatter(TextFormatter('{message}', DATE, '{')),
    'filter': lambda log: log.handler.addFilter(lambda record: True),
}


@pytest.mark.parametrize('change', OTHERS.values(), ids=OTHERS)
def test_anything_else_gets_a_record(log: Log, change: Callable[[Log], None]) -> None:
    log.write(request_for())
    assert not log.records

    change(log)
    log.write(request_for())
    for handler in (log.handler, log.logger.handlers[0]):
        handler.flush()

    assert len(log.records) == 1
    assert [line.endswith('POST /v1/XXXModel 200 0.4 ms - B -') for line in log.lines()] == [True, True]


def test_change_of_a_second_handler_is_seen(log: Log) -> None:
    second = logging.NullHandler()
    log.logger.handlers = [log.handler, second]
    log.write(request_for())
    known = log.write._known_state
    log.write(request_for())
    assert log.write._known_state is known
    second.setLevel(logging.CRITICAL)
    log.write(request_for())
    assert log.write._known_state is not known


def test_filter_of_the_logger_gets_a_record(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log.logger, 'filters', [lambda record: 'XXXModel' not in record.getMessage()])
    log.write(request_for())
    log.write(request_for('/other'))
    log.handler.flush()

    assert [line.split()[-7] for line in log.lines()] == ['/other']


def test_function_in_place_of_loggings_own_gets_a_record(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(logging.Logger, 'callHandlers', lambda _logger, record: seen.append(record))
    log.write(request_for())

    assert seen == log.records != []


@pytest.mark.parametrize('who', ['logger', 'handler'])
def test_level_is_respected(log: Log, who: str) -> None:
    getattr(log, who).setLevel(logging.WARNING)
    log.write(request_for())
    log.handler.flush()

    assert log.lines() == []


def test_long_path_is_not_kept() -> None:
    log_format_utils._cached_quote.cache_clear()
    assert log_format_utils.quoted('/' + 'é' * 255) == '/' + '%E9' * 255
    assert log_format_utils.quoted('/é') == '/%E9'

    assert log_format_utils._cached_quote.cache_info().currsize == 1


# When it is written


@pytest.mark.alone
def test_line_is_written_within_100_ms(log: Log) -> None:
    seconds = []
    for count in range(1, 11):
        start = time.monotonic()
        log.write(request_for())
        wait_for(lambda count=count: len(log.lines()) == count)
        seconds.append(time.monotonic() - start)

    assert 0.02 < statistics.median(seconds) < 0.1  # One may be longer, on a busy machine.


@pytest.mark.parametrize('level', [logging.WARNING, logging.ERROR])
def test_warning_is_written_at_once_and_after_what_came_before(log: Log, level: int) -> None:
    log.write(request_for('/first'))
    current_request.set(request_for())
    log.logger.log(level, 'second')
    log.write(request_for('/third'))

    assert [line.split(' - ')[-1].split()[-1] for line in log.lines()] == ['-', 'second']


def test_line_that_is_of_no_request_is_written_at_once_and_needs_no_thread(log: Log) -> None:
    log.logger.info('Starting')

    assert log.lines()[0].endswith('Starting')
    assert log.handler._thread is None


def test_line_of_a_model_waits_too(log: Log) -> None:
    current_request.set(request_for())
    log.logger.info('of a request')
    assert log.lines() == []
    log.handler.flush()
    assert log.lines()[0].endswith('of a request')


def test_many_lines_are_written_in_pieces_of_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []
    stream = io.StringIO()
    monkeypatch.setattr(stream, 'write', pieces.append)
    handler = BulkStreamHandler(stream)
    lines = [f'line {number}'.ljust(200) + '\n' for number in range(1000)]
    for line in lines:
        handler.write(line[:-1])
    assert sum(piece.count('\n') for piece in pieces) >= 1000 - MAX_BUFFERED_LINES
    handler.close()

    assert ''.join(pieces) == ''.join(lines)
    assert all(piece.endswith('\n') and len(piece) <= MAX_WRITE_BYTES for piece in pieces)
    assert len(pieces) < 100


def test_line_is_written_at_once_where_no_thread_can_be_had(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, 'start', refuse)
    for count in (1, 2):
        log.write(request_for())
        assert len(log.lines()) == count


def test_line_after_the_end_is_written_at_once(log: Log) -> None:
    log.write(request_for())
    log.handler.close()
    log.write(request_for())

    assert len(log.lines()) == 2


# Streams that do not take it


def test_line_that_cannot_be_encoded_harms_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(tmp_path / 'log', 'w', encoding='ascii') as stream:
        handler = BulkStreamHandler(stream)
        for line in ('first', 'zweit\xe4', 'third'):
            handler.write(line, may_wait=True)
        handler.close()

    assert (tmp_path / 'log').read_text() == 'first\nthird\n'
    assert 'UnicodeEncodeError' in capsys.readouterr().err


def test_line_that_cannot_be_made_harms_no_other(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    for request in (request_for('/first'), request_for(status=None), request_for('/third')):
        log.write(request)
    log.handler.flush()

    assert [line.split()[-7] for line in log.lines()] == ['/first', '/third']
    assert 'TypeError' in capsys.readouterr().err


class Closed(io.StringIO):
    broken = True

    def write(self, text: str) -> int:
        if self.broken:
            raise BrokenPipeError('nobody reads')
        return super().write(text)


def test_broken_stream_harms_nobody(log: Log, capsys: pytest.CaptureFixture[str]) -> None:
    stream = Closed()
    log.handler.setStream(stream)
    for _ in range(200):
        log.write(request_for())
    log.logger.error('crashed')
    assert 'BrokenPipeError: nobody reads' in capsys.readouterr().err
    wait_for(lambda: not log.handler._buffer)
    stream.broken = False
    log.write(request_for('/later'))
    wait_for(stream.getvalue)

    assert [line.split()[-7] for line in stream.getvalue().splitlines()] == ['/later']


def test_full_disk_harms_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    handler = BulkStreamHandler(open('/dev/full', 'w'))  # noqa: SIM115
    for _ in range(1000):
        handler.write('line', may_wait=True)
    handler.write('line', may_wait=False)

    assert 'No space left on device' in capsys.readouterr().err
    handler.close()
    os.dup2(os.open(os.devnull, os.O_WRONLY), handler.stream.fileno())  # So that it can be closed.
    handler.stream.close()


# Processes

PROGRAM = """
import logging, os, sys, time
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.observability.access_log import configure_logging
configure_logging()
logger = logging.getLogger('model')
current_request.set(CurrentRequest({}))
logger.info('first')
"""

ENDS = {
    'end': ('logger.info("last")', 0, ['first', 'last']),
    'exit': ('logger.info("last"); sys.exit(3)', 3, ['first', 'last']),
    'error': ('logger.info("last"); 1 / 0', 1, ['first', 'last']),
    'killed': (
        'logger.error("oh"); logger.info("lost"); os.kill(os.getpid(), 9)',
        -signal.SIGKILL,
        ['first', 'oh'],
    ),
    'killed_later': ('time.sleep(0.2); os.kill(os.getpid(), 9)', -signal.SIGKILL, ['first']),
    'fork': (
        'child = os.fork() or (logger.info("of the child"), os._exit(0))\n'
        'os.waitpid(child, 0); time.sleep(0.2); logger.info("of the parent")',
        0,
        ['of the child', 'first', 'of the parent'],
    ),
    'multiprocessing': (
        'import multiprocessing\n'
        'child = multiprocessing.get_context("fork").Process(target=logger.info, args=["of the child"])\n'
        'child.start(); child.join(); logger.info("of the parent")',
        0,
        ['of the child', 'first', 'of the parent'],
    ),
    'late': (
        'import atexit\natexit.unregister(logging.shutdown); atexit.register(logger.info, "last")\n'
        'atexit.register(logging.shutdown)',
        0,
        ['first', 'last'],
    ),
}


@pytest.mark.alone
@pytest.mark.parametrize(('program', 'status', 'expected'), ENDS.values(), ids=ENDS)
def test_lines_of_a_process_that_ends(program: str, status: int, expected: list[str]) -> None:
    ran = subprocess.run(
        [sys.executable, '-c', PROGRAM + program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    # Whether the lines of a child come before those that its parent has yet to write is a matter of time.
    assert sorted(line.split(' - ')[-1] for line in ran.stdout.splitlines()) == sorted(expected)
    assert ran.returncode == status


def test_process_is_not_forked_while_a_thread_writes() -> None:
    class Slow(io.StringIO):
        busy = False

        def write(self, text: str) -> int:
            self.busy = True
            time.sleep(0.3)
            self.busy = False
            return len(text)

    handler = BulkStreamHandler(stream := Slow())
    handler.write('line')
    wait_for(lambda: stream.busy)
    child = os.fork()
    if child == 0:
        os._exit(stream.busy)
    assert os.waitpid(child, 0)[1] == 0
    assert handler.lock.acquire(timeout=1)  # The parent's goes on.
    handler.lock.release()
    handler.close()


def test_fork_waits_for_no_full_pipe() -> None:
    reading, writing = os.pipe()
    handler = BulkStreamHandler(open(writing, 'w'))  # noqa: SIM115
    thread = threading.Thread(target=handler.write, args=['x' * 100_000, False])
    thread.start()
    time.sleep(0.1)
    child = os.fork()
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert thread.is_alive()
    with open(reading) as reader:
        assert len(reader.read(100_001)) == 100_001
    thread.join()
    handler.close()
    handler.stream.close()


def test_long_line_does_not_wait(log: Log) -> None:
    current_request.set(request_for())
    log.logger.info('x' * 2000)

    assert len(log.lines()) == 1


def test_processes_forked_while_others_write_neither_hang_nor_repeat(tmp_path: Path) -> None:
    program = """
import threading
def write(name, count):
    for number in range(count):
        logger.info('%s %d', name, number)
def write_for_a_request(name):
    current_request.set(CurrentRequest({}))
    write(name, 5000)
threads = [threading.Thread(target=write_for_a_request, args=[name]) for name in 'ab']
[thread.start() for thread in threads]
for number in range(20):
    child = os.fork()
    if not child:
        write(f'child-{number}', 3)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
[thread.join() for thread in threads]
"""
    ran = subprocess.run(
        [sys.executable, '-c', PROGRAM + program], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    found = sorted(line.split(' - ')[-1] for line in ran.stdout.splitlines())
    children = [f'child-{number}' for number in range(20)]
    each = [f'{name} {number}' for name in children for number in range(3)]
    assert found == sorted(['first', *each, *(f'{name} {number}' for name in 'ab' for number in range(5000))])


def test_workers_of_gunicorn_write_each_line_once(tmp_path: Path) -> None:
    (tmp_path / 'small.py').write_text(
        'from model_serving.web.app import ServiceApp\n'
        'from model_serving.observability.access_log import log_requests, add_request_ids\n'
        'add_request_ids()\n'
        'app = ServiceApp("small")\n'
        'app.get("/<name>")(lambda name: name)\n'
        'log_requests(app, True)\n'
    )
    command = (
        f'{sys.executable} -m gunicorn small:app --workers 2 --worker-class gthread --threads 4 --preload'
    )
    options = [
        '--bind',
        f'unix:{tmp_path}/socket',
        '--log-config',
        f'{ROOT}/conf/logging.conf',
        '--no-control-socket',
    ]
    with open(tmp_path / 'log', 'w') as out:
        server = subprocess.Popen(
            [*command.split(), *options],
            cwd=tmp_path,
            stdout=out,
            stderr=out,
            env={**os.environ, 'PYTHONPATH': str(ROOT)},
        )
    try:
        wait_for(lambda: (tmp_path / 'log').read_text().count('Booting worker') == 2)
        for number in range(40):
            get = ['curl', '-sf', '--unix-socket', f'{tmp_path}/socket', f'http://x/request-{number}-']
            subprocess.run(get, check=True, capture_output=True, timeout=10)
    finally:
        server.terminate()
        server.wait(30)
    text = (tmp_path / 'log').read_text()
    assert [text.count(f'GET /request-{number}- 200') for number in range(40)] == [1] * 40
    assert text.count('Starting gunicorn') == text.count('Shutting down: Master') == 1


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


@linux_only
def test_full_disk_costs_lines_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is room again when the file is another one."""
    monkeypatch.setattr(logging, 'raiseExceptions', False)  # Standard error would be full as well.
    with Path('/dev/full').open('w') as stream, (tmp_path / 'log').open('w') as file:
        handler = BulkStreamHandler(stream)
        for number in range(3000):
            handler.write(f'lost {number}', may_wait=False)
        os.dup2(file.fileno(), stream.fileno())
        for number in range(3):
            handler.write(f'kept {number}', may_wait=False)
        lines = (tmp_path / 'log').read_text().splitlines()
    assert lines[-3:] == ['kept 0', 'kept 1', 'kept 2']
    assert len(lines) < 1000
