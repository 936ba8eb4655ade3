"""The request being answered: its id, and what the log and the metrics say about it."""

import itertools
import os
import re
import secrets
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

from model_serving.requests.client_address import client_address

REQUEST_KEY = 'model_serving.request'
"""Where the WSGI environment of a request keeps its CurrentRequest."""

VALID_ID = re.compile(r'[A-Za-z0-9._~+/=:@-]{1,128}')


class CurrentRequest:
    """A request that started at `started`, by time.perf_counter, and took `seconds`.

    `client` is its client's address, `key` the name of the key that it came with, `sent_bytes` the size of
    the response with its head, where it is known, `room` the memory that it has taken for its body, if it
    `takes_room`. `trace` is the header of a tracing front end. `finished`: the log and the metrics have it
    already. `client_gone`: nobody waits for the response any more; `cancel` then ends a coroutine that the
    view waits for.
    `model_status` is that of the model's own answer, where the path named no model.
    `error` has the message and the details of a refusal, `payload` what the payload log knows of the bodies.
    `finished_by_engine`: the engine, not the application, records its end. `in_event_loop`: the view is a
    task of the event loop, where its asynchronous stream can be sent as well.
    """

    model = 'other'
    key = ''
    reason: str | None = None
    status = 0
    seconds = 0.0
    sent_bytes: int | None = None
    in_flight_cell: int | None = None
    room = 0
    takes_room = True
    cancel: Callable[[], None] | None = None
    model_status: int | None = None
    error: tuple[str, dict[str, Any]] | None = None
    payload: Any = None
    batched = finished = client_gone = finished_by_engine = in_event_loop = False

    def __init__(self, environ: Mapping[str, Any]) -> None:
        get = environ.get
        self.started = time.perf_counter()
        self.method = get('REQUEST_METHOD', '')
        self.path = get('PATH_INFO', '')
        self.trace = get('HTTP_TRACEPARENT') or get('HTTP_X_CLOUD_TRACE_CONTEXT') or ''
        is_direct = 'HTTP_X_FORWARDED_FOR' not in environ
        self.client = get('REMOTE_ADDR') or '-' if is_direct else client_address(environ)
        given = get('HTTP_X_REQUEST_ID')
        self.id: str = given if given and VALID_ID.fullmatch(given) else new_id()

    def __str__(self) -> str:
        return f'{self.method} {self.path!r}'

    def finish(self, status: int) -> None:
        """Set the status that it ended with, and the time that it took."""
        self.finished = True
        self.status = status
        self.seconds = time.perf_counter() - self.started


current_request: ContextVar[CurrentRequest | None] = ContextVar('current_request', default=None)

on_trial: ContextVar[list[Callable[[], None]] | None] = ContextVar('on_trial', default=None)
"""Where a model is being run on its own example: what is tried when it has answered."""

_prefix = ''
_count = itertools.count(1)


def new_id() -> str:
    """A unique id: the random number of this process, and a count."""
    return f'{_prefix}-{next(_count):06x}'


def _new_prefix() -> None:
    global _prefix, _count
    _prefix, _count = secrets.token_hex(8), itertools.count(1)


_new_prefix()
if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=_new_prefix)
