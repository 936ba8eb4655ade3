"""Logging: set up once by the program, and one line for each request."""

import contextlib
import functools
import logging
import logging.config
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from model_serving.utils.app_utils import ServiceApp
from model_serving.utils.current_request_utils import CurrentRequest, current_request
from model_serving.utils.settings_utils import ROOT


def configure_logging() -> None:
    """Set logging up from conf/logging.conf. For the program to call, once."""
    name_requests()
    logging.config.fileConfig(ROOT / 'conf' / 'logging.conf', disable_existing_loggers=False)
    logging.captureWarnings(True)


def name_requests() -> None:
    """Let each record know the request that it is of: `asked`, and its id, `request_id`."""
    make = logging.getLogRecordFactory()
    if hasattr(make, 'names_requests'):
        return

    @functools.wraps(make)
    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = make(*args, **kwargs)
        asked = current_request.get()
        record.__dict__.update(asked=asked, request_id=asked.id if asked is not None else '-')
        return record

    make_record.names_requests = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(make_record)


@contextlib.contextmanager
def log_failed_start() -> Iterator[None]:
    """Say in one line of the log why the application cannot be made; the exception goes on."""
    try:
        yield
    except Exception as error:
        reason = ' '.join([f'{type(error).__name__}: {error}', *getattr(error, '__notes__', ())])
        logging.getLogger('main').critical('Cannot start: %s', reason)
        raise


def quoted_path(environ: Mapping[str, Any]) -> str:
    """The path of a request, quoted: a line break in it must not start a line of the log."""
    return _quoted(environ['PATH_INFO'])


@functools.lru_cache(256)
def _quoted(path: str) -> str:
    return quote(path.encode('latin-1'), safe='/:')


FREQUENT = ('/health/live', '/health/ready', '/_ah/warmup', '/metrics')
FREQUENT_ELSEWHERE = ('/v2/health/live', '/v2/health/ready', '/ping')
HEALTH_PATHS = frozenset((*FREQUENT, *FREQUENT_ELSEWHERE))
"""What is asked for so often, or by the platform alone, that it would drown the rest of the log."""


def log_requests(app: ServiceApp, enabled: bool, health: bool = False) -> None:
    """Write a line of method, path, status and duration for each request of `app`, or all but its health."""
    if not enabled:
        return
    logger = logging.getLogger('access')
    left_out = frozenset[str]() if health else HEALTH_PATHS

    def write(asked: CurrentRequest) -> None:
        if asked.path not in left_out and logger.isEnabledFor(logging.INFO):
            logger.handle(_record(asked))

    app.observers = (*app.observers, write)


LINE = '%s %s %d %.1f ms'


def _record(asked: CurrentRequest) -> logging.LogRecord:
    """The line of a request; to have `logging` make it takes four times as long."""
    now = time.time()
    values = {
        **_of_process(os.getpid()),
        'args': (asked.method, _quoted(asked.path), asked.status, asked.seconds * 1000),
        'created': now,
        'msecs': now % 1 * 1000,
        'thread': threading.get_ident(),
        'asked': asked,
        'request_id': asked.id,
    }
    record: logging.LogRecord = object.__new__(logging.LogRecord)
    record.__dict__ = values
    return record


@functools.lru_cache(1)
def _of_process(_pid: int) -> dict[str, Any]:
    """What all these records have in common."""
    return vars(logging.LogRecord('access', logging.INFO, '', 0, LINE, (), None))
