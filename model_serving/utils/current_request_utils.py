"""The request that is being answered: its id, and what the log and the metrics say of it."""

import itertools
import os
import re
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from model_serving.utils.deadline_utils import STARTED

REQUEST = 'model_serving.request'
"""Where the environment of a request keeps its CurrentRequest."""

OTHER = 'other'
"""Stands for a model where a request is for none."""

SANE_ID = re.compile(r'[A-Za-z0-9._~+/=:@-]{1,128}')


class CurrentRequest:
    """A request; `started` in seconds of time.perf_counter, `seconds` how long it took.

    `trace` is the header that a tracing front end has set. `over` says that the log and the metrics have it
    already.
    """

    model = OTHER
    reason: str | None = None
    status = 0
    seconds = 0.0
    in_flight: int | None = None
    batched = over = False

    def __init__(self, environ: Mapping[str, Any]) -> None:
        get = environ.get
        self.started = get(STARTED) or time.perf_counter()
        self.method = get('REQUEST_METHOD', '')
        self.path = get('PATH_INFO', '')
        self.trace = get('HTTP_TRACEPARENT') or get('HTTP_X_CLOUD_TRACE_CONTEXT') or ''
        given = get('HTTP_X_REQUEST_ID')
        self.id: str = given if given and SANE_ID.fullmatch(given) else new_id()


current_request: ContextVar[CurrentRequest | None] = ContextVar('current_request', default=None)


def new_id() -> str:
    """An id that no other request has, in this process or in another: a random number, and a count."""
    return f'{_prefix}-{next(_count):06x}'


_prefix = ''
_count = itertools.count(1)


def _begin_to_count() -> None:
    """Be another than the process that this one was forked from."""
    global _prefix, _count
    _prefix, _count = secrets.token_hex(8), itertools.count(1)


_begin_to_count()
if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    os.register_at_fork(after_in_child=_begin_to_count)
