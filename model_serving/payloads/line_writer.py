"""Appends lines to a file in a thread of its own: those who log wait for nothing, and lose lines instead."""

import atexit
import contextlib
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from io import FileIO

from model_serving.observability.metrics import count

MAX_BYTES = 16 * 1024 * 1024
PAUSE_S = 0.05
"""Several lines are made at a time, so that a busy worker changes threads less often."""
END_S = 2.0
QUIET_S = 60.0


class LineWriter(logging.Handler):
    """Writes each line at once to the end of a file, which only its owner may read; anew if it was moved.

    What exceeds MAX_BYTES, and what cannot be written, is counted, and logged once a minute. It is a handler
    because a worker that ends while a model is busy closes only what logging knows.
    """

    def __init__(self, path: str) -> None:
        """Raises OSError where the file cannot be opened, or is a pipe that nobody reads."""
        super().__init__()
        self._path = path
        flags = os.O_WRONLY | os.O_CREAT | getattr(os, 'O_NONBLOCK', 0)  # It waits for no reader.
        os.close(os.open(path, flags, 0o600))
        self._lost, self._is_torn, self._next_words = 0, False, 0.0
        self._reset()
        atexit.register(self.close)
        if hasattr(os, 'register_at_fork'):  # Windows has no fork.
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._guard, self._has_lines = threading.Lock(), threading.Event()
        self._queue: deque[tuple[str, int, Callable[[], bytes]]] = deque()
        self._bytes = 0
        self._thread: threading.Thread | None = None

    def put(self, model: str, size: int, line: Callable[[], bytes]) -> None:
        """Have the line about a call of `model`, which holds `size` bytes of memory, made and written."""
        with self._guard:
            if self._bytes + size > MAX_BYTES:
                return self._lose(model, 'dropped', 'the queue is full')
            self._queue.append((model, size, line))
            self._bytes += size
            if self._thread is None:
                thread = threading.Thread(target=self._run, name='payloads', daemon=True)
                with contextlib.suppress(RuntimeError):  # The system has no more threads; later, perhaps.
                    thread.start()
                    self._thread = thread
        return self._has_lines.set()

    def close(self) -> None:
        """Give the thread a little time to write what waits."""
        end = time.monotonic() + END_S
        while self._bytes and time.monotonic() < end:
            time.sleep(PAUSE_S / 5)

    def _open(self) -> FileIO:
        return open(self._path, 'ab', buffering=0, opener=partial(os.open, mode=0o600))

    def _run(self) -> None:
        while self._has_lines.wait():
            time.sleep(PAUSE_S)
            self._has_lines.clear()
            # Opened each time, it is the file of that name now. To close it may fail, as on a full share.
            with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
                file = None
                for _ in range(len(self._queue)):
                    model, size, line = self._queue.popleft()
                    try:
                        file = file or stack.enter_context(self._open())
                        self._append(file, line())
                        count('model_serving_payloads_total', model, 'written')
                    except Exception as error:  # Such as a full disk: the next line may fit.
                        self._lose(model, 'failed', getattr(error, 'strerror', None) or type(error).__name__)
                    with self._guard:
                        self._bytes -= size

    def _append(self, file: FileIO, line: bytes) -> None:
        text = b'\n' + line if self._is_torn else line
        self._is_torn = file.write(text) != len(text)
        if self._is_torn:
            raise OSError(0, 'only a part of a line could be written')

    def _lose(self, model: str, outcome: str, why: str) -> None:
        count('model_serving_payloads_total', model, outcome)
        self._lost += 1
        if time.monotonic() >= self._next_words:
            words = 'Payloads of %d calls are lost: %s'
            logging.getLogger('payload_log').warning(words, self._lost, why)
            self._lost, self._next_words = 0, time.monotonic() + QUIET_S
