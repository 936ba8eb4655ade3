"""What a worker tells gunicorn's first process, and what that allows it."""

import contextlib
import json
import mmap
import struct
from collections.abc import Mapping

SIZE = 256 * 1024
"""Of memory; only what is written to is taken from the system."""

MAX_MODELS = 100
MAX_REASON = 300
HEAD, LENGTH = struct.Struct('<BBxxI'), struct.Struct('<I')
SERVICE = 'The service'
"""Stands for a model's name where nothing could be loaded."""

BOOTING, BOOTED, TRIED = range(3)


class Standing:
    """Memory that a worker shares with gunicorn's first process, which makes it before the fork.

    The worker says how far it has come: `BOOTING`, `BOOTED` (all is loaded), `TRIED` (each model has answered
    its example, or is in `failures`). The first process says whether it may serve: `is_open`.
    """

    def __init__(self, is_open: bool) -> None:
        self._memory = mmap.mmap(-1, SIZE)
        self._failures: dict[str, str] = {}
        self.refused_at = 0.0
        self.is_open = is_open

    @property
    def state(self) -> int:
        """How far the worker has come."""
        return self._memory[0]

    @state.setter
    def state(self, state: int) -> None:
        self._memory[0] = state

    @property
    def is_open(self) -> bool:
        """Whether the worker may accept connections."""
        return bool(self._memory[1])

    @is_open.setter
    def is_open(self, is_open: bool) -> None:
        self._memory[1] = is_open

    @property
    def is_serving(self) -> bool:
        """Whether clients are answered by this worker."""
        return self.is_open and self.state != BOOTING

    @property
    def failures(self) -> dict[str, str]:
        """The models that do not answer, and why, in words that follow a model's name."""
        length = HEAD.unpack_from(self._memory)[2]
        with contextlib.suppress(ValueError):  # It may be being written.
            self._failures = json.loads(self._memory[HEAD.size : HEAD.size + length] or b'{}')
        return self._failures

    @failures.setter
    def failures(self, failures: Mapping[str, str]) -> None:
        some = {name: reason[:MAX_REASON] for name, reason in list(failures.items())[:MAX_MODELS]}
        text = json.dumps(some, ensure_ascii=False).encode(errors='replace')
        self._memory[HEAD.size : HEAD.size + len(text)] = text
        # Not the bytes before it: the first process may be setting its own.
        LENGTH.pack_into(self._memory, HEAD.size - LENGTH.size, len(text))
