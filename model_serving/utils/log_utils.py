"""Logging: set up once by the program, and one line for each request."""

import contextlib
import logging
import logging.config
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, request

from model_serving.utils.deadline_utils import STARTED
from model_serving.utils.settings_utils import ROOT


def configure_logging() -> None:
    """Set logging up from conf/logging.conf. For the program to call, once."""
    logging.config.fileConfig(ROOT / 'conf' / 'logging.conf', disable_existing_loggers=False)
    logging.captureWarnings(True)


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
    return quote(environ['PATH_INFO'].encode('latin-1'), safe='/:')


HEALTH_PATHS = frozenset(('/health/live', '/health/ready', '/_ah/warmup'))
"""What is asked for so often, or by the platform alone, that it would drown the rest of the log."""


def log_requests(app: Flask, enabled: bool, health: bool = False) -> None:
    """Write a line of method, path, status and duration for each request of `app`, or all but its health."""
    if not enabled:
        return
    logger = logging.getLogger('access')
    left_out = frozenset[str]() if health else HEALTH_PATHS

    @app.after_request
    def write(response: Response) -> Response:
        environ = request.environ
        if logger.isEnabledFor(logging.INFO) and environ['PATH_INFO'] not in left_out:
            milliseconds = (time.perf_counter() - environ[STARTED]) * 1000
            values = environ['REQUEST_METHOD'], quoted_path(environ), response.status_code, milliseconds
            # Made by hand, because `info` would look through the stack for its caller first.
            logger.handle(logger.makeRecord('access', logging.INFO, '', 0, '%s %s %d %.1f ms', values, None))
        return response
