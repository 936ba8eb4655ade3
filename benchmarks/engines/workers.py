"""Two of gunicorn's workers for ASGI, as the measured engines run them."""

import functools
from typing import Any

from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers.gasgi import ASGIWorker
from uvicorn_worker import UvicornWorker

MOST_KEPT_BYTES = 64 * 1024 * 1024


class QuietUvicornWorker(UvicornWorker):  # type: ignore[misc]
    """uvicorn's worker on its C libraries, without a log of its own."""

    CONFIG_KWARGS = {'loop': 'uvloop', 'http': 'httptools', 'lifespan': 'off', 'access_log': False}  # noqa: RUF012


class RoomyASGIWorker(ASGIWorker):  # type: ignore[misc]
    """gunicorn's own worker, which loses no large request when its C parser is installed.

    A client may send its next request once it has the answer, which can be before the worker has told the
    parser that the last one is over. The C parser keeps 64 KiB of what comes meanwhile; of more, the worker
    hangs up and says nothing. More room is enough.
    """

    def init_process(self) -> Any:
        """Make room, then serve."""
        if ASGIProtocol._check_h1c_protocol_available():
            roomy = functools.partial(ASGIProtocol._h1c_protocol_class, limit_remaining=MOST_KEPT_BYTES)
            ASGIProtocol._h1c_protocol_class = roomy
        super().init_process()
