"""The errors that models and the service raise on purpose, independent of Flask.

Each class has an HTTP status. The message is sent to the client, so it says what to do next and contains no
secret. Any other exception is a crash: the client gets 500 without details, and the log has the traceback.
"""

import hashlib
import secrets
import traceback
from collections import deque
from collections.abc import Mapping
from typing import Any, ClassVar

from model_serving.echo import MAX_WORDS, cut


class ServingError(Exception):
    """An error with a status and a message for the client; `details` are added to the JSON body.

    `retry_after_s` is sent as the header Retry-After: the seconds after which to try again. `reason` is a
    label for the metrics; None means that of the status. `headers` are further ones of the answer.
    """

    status: ClassVar[int] = 500
    reason: ClassVar[str | None] = None
    headers: ClassVar[tuple[tuple[str, str], ...]] = ()
    retry_after_s: int | None = None
    message: str = 'Internal Server Error'

    def __init__(self, message: str | None = None, retry_after_s: int | None = None, **details: Any) -> None:
        self.message = message or self.message
        self.retry_after_s = retry_after_s or self.retry_after_s
        self.details = details
        super().__init__(self.message)


class InvalidInput(ServingError):
    """The request is invalid: 400."""

    status = 400
    message = 'The request is not valid'


class Unauthorized(ServingError):
    """The request has no valid key: 401."""

    status = 401
    reason = 'unauthorized'
    headers = (('WWW-Authenticate', 'Bearer realm="model-serving"'),)
    message = 'A key is needed'


class Forbidden(ServingError):
    """The request may not do this: 403."""

    status = 403
    reason = 'forbidden'
    message = 'This is not allowed'


class LimitReached(ServingError):
    """More requests have come than may within a time: 429."""

    status = 429
    reason = 'limited'
    retry_after_s = 1
    message = 'The limit is reached'


class UnsupportedMediaType(ServingError):
    """The endpoint does not read bodies of this type: 415."""

    status = 415
    message = 'Send the header Content-Type: application/json'


class BodyTooLarge(ServingError):
    """The body is larger than the service accepts: 413."""

    status = 413
    message = 'The body is too large'


class ModelNotReady(ServingError):
    """The model cannot answer yet: 503."""

    status = 503
    reason = 'not_ready'
    retry_after_s = 10
    message = 'The model is not ready; try again later'


class Overloaded(ServingError):
    """More requests are waiting than can be answered in time: 503."""

    status = 503
    retry_after_s = 1
    message = 'The model has too much to do; try again later'


class DeadlineExceeded(ServingError):
    """There was no answer within the time that a request may take: 504."""

    status = 504
    message = 'The model did not answer in time'


class ClientGone(ServingError):
    """The client closed the connection before the answer: 499, which appears in the log only."""

    status = 499
    message = 'The client closed the connection'


def openai_error(message: str, status: int, details: Mapping[str, Any]) -> dict[str, Any]:
    """What OpenAI's clients read as the `error` of an answer; `details` may have its `param` and `code`."""
    kind = 'invalid_request_error' if status < 500 else 'server_error'
    return {'message': message, 'type': kind, 'param': details.get('param'), 'code': details.get('code')}


def in_words(error: BaseException) -> str:
    """What anybody may read of `error`, in one line: its class and, of a ServingError, its message.

    The text of any other error may hold a password or a path: the log has it, and is found there by an id.
    The same error has the same id for as long as the process lives.
    """
    if isinstance(error, ServingError):
        return cut(' '.join(f'{type(error).__name__}: {error}'.split()), MAX_WORDS)
    text = ''.join(traceback.format_exception_only(error))
    digest = hashlib.blake2b(text.encode(errors='replace'), key=_KEY, digest_size=4).hexdigest()
    words = f'{type(error).__name__} (error {digest} in the log)'
    _left_out.append((words, cut(' '.join(text.split()), MAX_WORDS)))
    return words


def with_texts(reason: str) -> str:
    """The same for whoever runs the service: with the texts that `in_words` has left out lately."""
    for words, text in list(_left_out):
        reason = reason.replace(words, text)
    return reason


_KEY = secrets.token_bytes(16)
"""So that nobody can try texts until one has the id that was shown."""
_left_out: deque[tuple[str, str]] = deque(maxlen=100)


REASONS = {
    **dict.fromkeys((408, 504), 'late'),
    **dict.fromkeys((413, 414, 431), 'too_large'),
    **dict.fromkeys((429, 503), 'overloaded'),
    499: 'gone',
}
"""The word for a status; for any other, that depends on its class."""


def reason_of(status: int) -> str:
    """Why a request ended with this status, in one word."""
    if status < 400:
        return 'ok'
    return REASONS.get(status) or ('invalid' if status < 500 else 'crash')
