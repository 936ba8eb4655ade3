"""Logging: set up once by the program, and one line for each request."""

import contextlib
import logging
import logging.config
import time
from collections.abc import Iterator
from urllib.parse import quote

from flask import Flask, Response, request

from model_serving.utils.settings_utils import ROOT

STARTED = 'model_serving.started'
"""Where a request keeps the time it came."""


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


def quoted_path() -> str:
    """The path of the request, quoted: a line break in it must not start a line of the log."""
    return quote(request.path, safe='/:')


def log_requests(app: Flask) -> None:
    """Write a line of method, path, status and duration for each request of `app`."""
    logger = logging.getLogger('access')

    @app.before_request
    def start() -> None:
        request.environ[STARTED] = time.perf_counter()

    @app.after_request
    def write(response: Response) -> Response:
        milliseconds = (time.perf_counter() - request.environ[STARTED]) * 1000
        logger.info('%s %s %d %.1f ms', request.method, quoted_path(), response.status_code, milliseconds)
        return response
