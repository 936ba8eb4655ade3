"""The errors that models and utilities raise on purpose, free of Flask.

Each class carries the HTTP status it becomes; its message reaches the client word for word, so it
must say what to do next and hold no secret. Any other exception is a crash: the client sees 500 and
no detail, the log has the trace.
"""

from typing import Any, ClassVar

from model_serving.utils.echo_utils import cut


class ServingError(Exception):
    """A failure with a status and a message for the client; `details` join the JSON body.

    `retry_after_s` becomes the header Retry-After: seconds after which another try makes sense.
    """

    status: ClassVar[int] = 500
    retry_after_s: int | None = None
    message: str = 'Internal Server Error'

    def __init__(self, message: str | None = None, retry_after_s: int | None = None, **details: Any) -> None:
        self.message = message or self.message
        self.retry_after_s = retry_after_s or self.retry_after_s
        self.details = details
        super().__init__(self.message)


class InvalidInput(ServingError):
    """The request cannot be answered as it stands: 400."""

    status = 400
    message = 'The request is not valid'


class UnsupportedMediaType(ServingError):
    """The body is of a type that the endpoint does not read: 415."""

    status = 415
    message = 'Send the header Content-Type: application/json'


class BodyTooLarge(ServingError):
    """The body is larger than the service accepts: 413."""

    status = 413
    message = 'The body is too large'


class ModelNotReady(ServingError):
    """The model cannot answer now, but may later: 503."""

    status = 503
    retry_after_s = 10
    message = 'The model is not ready; try again later'


class Overloaded(ServingError):
    """More is waiting than can be served in time: 503."""

    status = 503
    retry_after_s = 1
    message = 'The model has too much to do; try again later'


class DeadlineExceeded(ServingError):
    """No answer in the time that a request may take: 504."""

    status = 504
    message = 'The model did not answer in time'


class ClientGone(ServingError):
    """The client has closed the connection before it was answered: 499, which only the log sees."""

    status = 499
    message = 'The client closed the connection'


def in_words(error: BaseException) -> str:
    """The class and the message of `error`, in one line, without its trace."""
    return cut(' '.join(f'{type(error).__name__}: {error}'.split()))
