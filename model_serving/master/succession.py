"""A new first process beside the old one, by gunicorn's USR2: the old one leaves once the new one serves.

The new one tells the old one through a pipe how far it has come. That it has ended, the old one sees itself.
"""

import contextlib
import json
import os
import signal
import time
from typing import Any

VARIABLE = '_MODEL_SERVING_PREDECESSOR'
END_SECONDS = 40.0
"""After SIGTERM, a first process that does not end is killed."""


class Successor:
    """The new first process, as the old one sees it."""

    def __init__(self, server: Any, reexec: Any, failing: set[str], timeout_s: float) -> None:
        self._server = server
        self._reader, writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_inheritable(writer, True)
        server.cfg.env_orig[VARIABLE] = json.dumps({'writer': writer, 'failing': sorted(failing)})
        try:
            reexec()  # In the new process this does not return.
        finally:
            del server.cfg.env_orig[VARIABLE]
            os.close(writer)
        self._end = time.monotonic() + timeout_s
        self._text = b''
        self.is_ending = False
        self.failure = 'the new first process has ended before its workers were ready'

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return bool(self._server.reexec_pid)

    def messages(self) -> list[tuple[str, str]]:
        """What it has said since the last call, a word and a text each; nothing once it is being ended."""
        with contextlib.suppress(BlockingIOError):
            while piece := os.read(self._reader, 4096):
                self._text += piece
        *lines, self._text = self._text.split(b'\n')
        return [] if self.is_ending else [tuple(json.loads(line)) for line in lines]

    def check_time(self) -> None:
        """End it if it takes too long, or is to end."""
        late_s = time.monotonic() - self._end
        if late_s > 0 and self.is_alive():
            self.is_ending = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._server.reexec_pid, signal.SIGTERM if late_s < END_SECONDS else signal.SIGKILL)

    def end(self) -> None:
        """Have it end, from now on."""
        self._end = min(self._end, time.monotonic())

    def close(self) -> None:
        """Forget it."""
        os.close(self._reader)


class Predecessor:
    """The old first process, as the new one sees it. `failing` are the models that do not answer there."""

    def __init__(self, writer: int, failing: list[str]) -> None:
        self.failing = set(failing)
        self._writer = writer
        os.set_inheritable(writer, False)

    @classmethod
    def found(cls) -> 'Predecessor | None':
        """The one that has started this process, if one has."""
        text = os.environ.pop(VARIABLE, None)
        return cls(**json.loads(text)) if text else None

    def tell(self, word: str, text: str = '') -> None:
        """Say how far this process has come: a 'step', 'failed' or 'done'."""
        with contextlib.suppress(OSError):  # It has gone.
            os.write(self._writer, json.dumps([word, text]).encode() + b'\n')
