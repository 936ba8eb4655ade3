"""Answers that are given again to the same body, for a resource with an attribute `remember_mib`."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Response, request
from flask.globals import request_ctx
from flask_restful import Resource

from model_serving.json_codec import encode, encoded
from model_serving.observability.metrics import count
from model_serving.payloads.around import then, with_post
from model_serving.requests.current import current_request
from model_serving.settings import SettingError

BYTES_PER_MIB = 1024 * 1024
ENTRY_BYTES = 300
"""What an answer takes besides its text."""
PASSING_BY = 'no-cache', 'no-store'


class Memory:
    """The answers that were used last, by keys of 32 bytes, in at most `max_bytes`."""

    def __init__(self, max_bytes: float) -> None:
        self._max_bytes = self._left = max_bytes
        self._answers: OrderedDict[bytes, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> bytes | None:
        """The answer, if it is known."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)

    def put(self, key: bytes, answer: bytes) -> None:
        """Remember an answer, and forget others for it."""
        with self._lock:
            if key not in self._answers and len(answer) + ENTRY_BYTES <= self._max_bytes:
                self._answers[key] = answer
                self._left -= len(answer) + ENTRY_BYTES
            while self._left < 0:
                self._left += len(self._answers.popitem(last=False)[1]) + ENTRY_BYTES


def remembering(resource: type[Any]) -> type[Any]:
    """The same resource, whose answers are remembered if it asks for that. Raises SettingError."""
    mib, post = getattr(resource, 'remember_mib', 0), getattr(resource, 'post', None)
    if not mib:
        return resource
    wrong = ''
    if not isinstance(mib, int | float) or mib < 0 or not getattr(resource, 'safe_to_retry', True):
        wrong = 'it is a number of MiB, for a model that is safe_to_retry'
    elif post is None or getattr(post, 'itself', None) is not post or _is_decorated(resource):
        wrong = 'nothing may stand around post but @validate_json: it might have to run each time'
    if wrong:
        raise SettingError(f'remember_mib of {resource.__name__}: {wrong}')
    memory = Memory(mib * BYTES_PER_MIB)

    def remembered(view: Callable[[], Any]) -> Any:
        current, environ = current_request.get(), request.environ
        asked = environ.get('HTTP_CACHE_CONTROL', '').lower()
        if current is None or 'HTTP_CONTENT_ENCODING' in environ or any(each in asked for each in PASSING_BY):
            return view()  # The first is a warm-up, which is to run the model.
        head = f'{environ.get("CONTENT_TYPE")}\n{environ.get("QUERY_STRING")}\n'.encode()
        key = hashlib.sha256(head + hashlib.sha256(request.get_data()).digest()).digest()
        answer = memory.get(key)
        count('model_serving_remembered_answers_total', current.model, 'miss' if answer is None else 'hit')
        if answer is None:
            return then(view(), partial(_remember, memory, key))
        current.batched = True  # This is no run of the model.
        return encoded(answer)

    return with_post(resource, remembered)


def _is_decorated(resource: type[Any]) -> bool:
    replaced = resource.dispatch_request is not Resource.dispatch_request
    return bool(replaced or resource.method_decorators or resource.decorators or resource.representations)


def _remember(memory: Memory, key: bytes, result: Any) -> Any:
    """Remember what a view has returned, if that is all that it wants to say."""
    context = vars(request_ctx._get_current_object())  # type: ignore[attr-defined]
    session = context.get('opened') or context.get('_session')
    says_more = context['_after_request_functions'] or getattr(session, 'accessed', False)
    if says_more or isinstance(result, Response | tuple):
        return result
    answer = encode(result)
    memory.put(key, answer)
    return encoded(answer)
