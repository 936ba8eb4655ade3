"""What a view that takes long may ask: whether anybody still waits."""

from model_serving.errors import ClientGone
from model_serving.requests.current import current_request


def check_cancelled() -> None:
    """Raise ClientGone where nobody waits for the answer to the current request any more.

    Its client has closed the connection, its time is over, or its job was canceled.
    """
    request = current_request.get()
    if request is not None and request.client_gone:
        raise ClientGone
