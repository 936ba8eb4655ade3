"""Logging: set up once by the program, and one line for each request."""

import contextlib
import functools
import logging
import logging.config
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from model_serving.observability.log_formats import ACCESS, JSONFormatter, TextFormatter, access_values
from model_serving.observability.log_guard import LogGuard, guard_logging
from model_serving.observability.log_handlers import BulkStreamHandler
from model_serving.platforms import platform_route
from model_serving.project import project_file
from model_serving.requests.current import CurrentRequest, current_request

HEALTH_PATHS = {
    '/health/live', '/health/ready', '/health', '/v2/health/live', '/v2/health/ready', '/ping', '/_ah/warmup',
    '/metrics',
}  # fmt: skip
"""Requested so often, or by the platform alone, that they would drown the rest of the log."""


class Observed(Protocol):
    """An application that calls each of its `observers` with every request that has ended."""

    observers: tuple[Callable[[CurrentRequest], None], ...]


def configure_logging() -> None:
    """Configure logging from conf/logging.conf. For the program to call, once."""
    add_request_ids()
    logging.config.fileConfig(project_file('conf/logging.conf'), disable_existing_loggers=False)
    logging.captureWarnings(True)


def set_up_logging() -> None:
    """Configure logging, unless the program that serves the application has done that."""
    add_request_ids()
    if not logging.getLogger().handlers:
        configure_logging()


def add_request_ids() -> None:
    """Give each log record its request, `current_request`, and the id of that, `request_id`.

    A call may set an id of its own: `logger.info('hello', extra={'request_id': '1'})`.
    """
    original = logging.Logger.makeRecord
    if hasattr(original, 'adds_request_ids'):
        return

    @functools.wraps(original)
    def make_record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = original(*args, **kwargs)
        request = current_request.get()
        record.__dict__['current_request'] = request
        record.__dict__.setdefault('request_id', request.id if request is not None else '-')
        return record

    make_record.adds_request_ids = True  # type: ignore[attr-defined]
    # Not logging.setLogRecordFactory: `extra` may name no field that the factory has set.
    logging.Logger.makeRecord = make_record  # type: ignore[method-assign]


@contextlib.contextmanager
def log_failed_start() -> Iterator[None]:
    """Log, in one line, why the application cannot be made, and raise that again."""
    try:
        yield
    except Exception as error:
        reason = ' '.join([f'{type(error).__name__}: {error}', *getattr(error, '__notes__', ())])
        logging.getLogger('main').critical('Cannot start: %s', reason)
        raise


class AccessLog:
    """Writes a line for each request that has ended, by a log record where anybody would see that."""

    def __init__(self, guard: LogGuard, health: bool) -> None:
        self._guard = guard
        self._ignored = set[str]() if health else {*HEALTH_PATHS, platform_route('AIP_HEALTH_ROUTE')}
        self._logger, self._root = logging.getLogger('access'), logging.getLogger()
        self._look()

    def __call__(self, request: CurrentRequest) -> None:
        """Write the line of a request."""
        if request.path in self._ignored:
            return
        if self._state() != self._known_state:
            self._guard.check(request.model)
            self._look()
        if not self._is_enabled:
            return
        if handler := self._direct:
            handler.write((handler.formatter.format_access, request, time.time()))  # type: ignore[union-attr]
        else:
            self._logger.handle(_record(request))

    def _look(self) -> None:
        """See how logging is set up, and remember that."""
        handlers = [*self._logger.handlers, *self._root.handlers] or [logging.NullHandler()]
        self._first, *self._others = handlers
        self._is_enabled = self._logger.isEnabledFor(logging.INFO)
        self._direct = _direct_handler(self._logger)
        self._known_state = tuple(list(each) if type(each) is list else each for each in self._state())

    def _state(self) -> tuple[object, ...]:
        """All that counts for a line. It runs for each request: most of it is compared by identity."""
        root, logger, first = self._root, self._logger, self._first
        return (
            root.handlers, root.level, root.manager.disable,
            logger.handlers, logger.filters, logger.level, logger.disabled, logger.propagate, logger.parent,
            logger.handle, logger.callHandlers,
            first.filters, first.level, first.formatter,
            self._others and [(each.level, each.formatter, *each.filters) for each in self._others],
        )  # fmt: skip


def log_requests(app: Observed, enabled: bool, health: bool = False) -> None:
    """Log method, path, status and duration of each request of `app`; health checks only with `health`."""
    guard = guard_logging()
    if enabled:
        app.observers = (*app.observers, AccessLog(guard, health))


def _direct_handler(logger: logging.Logger) -> BulkStreamHandler | None:
    """The only handler of `logger`, if neither it nor anything on the way to it needs a log record."""
    handlers: list[logging.Handler] = []
    ancestor: logging.Logger | None = logger
    while ancestor is not None:
        handlers += ancestor.handlers
        ancestor = ancestor.parent if ancestor.propagate else None
    # Sentry, for one, replaces callHandlers.
    replaced = logger.handle.__module__ != 'logging' or logger.callHandlers.__module__ != 'logging'
    if len(handlers) != 1 or replaced or logger.filters:
        return None
    handler = handlers[0]
    if type(handler) is not BulkStreamHandler or handler.filters or handler.level > logging.INFO:
        return None
    formatter: Any = handler.formatter
    is_ours = type(formatter) in (TextFormatter, JSONFormatter)
    return handler if is_ours and not formatter.needs_records else None


def _record(request: CurrentRequest) -> logging.LogRecord:
    record = logging.LogRecord('access', logging.INFO, '', 0, ACCESS, access_values(request), None)
    record.__dict__.update(current_request=request, request_id=request.id)
    return record
