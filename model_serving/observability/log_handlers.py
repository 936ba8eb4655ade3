"""The handler for conf/logging.conf: lines about requests are buffered, and written several at a time.

gunicorn's first process uses it as well, so this module imports little.
"""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

FLUSH_SECONDS = 0.05
"""A line is written within 100 ms; the rest is for a thread to get its turn from busy models."""

MAX_BUFFERED_LINES = 64
MAX_BUFFERED_LENGTH = 1024
"""A longer line is written at once."""
MAX_WRITE_BYTES = 4096
"""A pipe takes so many atomically, so the lines of several processes do not mix."""

Line = str | tuple[Callable[..., str], Any, float]
"""A line, or a function and the arguments to make it from: to make many in a row is cheaper."""


class BulkStreamHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream, and buffers lines below WARNING that belong to a request.

    They wait for FLUSH_SECONDS at most, and not past the end of the process. Any other line is written at
    once, after those in the buffer. A process that answers no requests, such as gunicorn's first, needs no
    thread for that.
    """

    lock: Any

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        self._may_buffer = True
        self._reset()
        if hasattr(os, 'register_at_fork'):  # Windows has no fork.
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork,
                after_in_child=self._after_fork_in_child,
            )

    def _reset(self) -> None:
        self._buffer: list[Line] = []
        self._has_lines = threading.Event()
        self._thread: threading.Thread | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of a record, or buffer it."""
        try:
            line = self.format(record)
        except RecursionError:  # As in logging: to report it would take more frames.
            raise
        except Exception:
            self.handleError(record)
        else:
            of_request = record.__dict__.get('current_request') is not None
            is_short = len(line) <= MAX_BUFFERED_LENGTH
            self.write(line, of_request and is_short and record.levelno < logging.WARNING)

    def write(self, line: Line, may_wait: bool = True) -> None:
        """Write a line that has no record, or buffer it."""
        with self.lock:
            self._buffer.append(line)
            if not (may_wait and self._may_buffer) or len(self._buffer) >= MAX_BUFFERED_LINES:
                self._write_buffer()
            elif len(self._buffer) == 1:
                self._flush_soon()

    def _flush_soon(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._flush_repeatedly, name='log', daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # The system has no more threads.
                self._thread = None
                self._write_buffer()
        self._has_lines.set()

    def _flush_repeatedly(self) -> None:
        while self._may_buffer:
            self._has_lines.wait()
            time.sleep(FLUSH_SECONDS)
            self._has_lines.clear()
            self.flush()

    def _write_buffer(self) -> None:
        lines, self._buffer = self._buffer, []
        joined = ''
        for line in lines:
            try:
                text = (line if isinstance(line, str) else line[0](*line[1:])) + self.terminator
            except Exception:
                self.handleError(logging.makeLogRecord({'msg': repr(line)}))
                continue
            # Text that may fail to be encoded is written alone: the stream would lose all of it.
            if len(joined) + len(text) > MAX_WRITE_BYTES or not (joined.isascii() and text.isascii()):
                self._write_text(joined)
                joined = ''
            joined += text
        self._write_text(joined)

    def _write_text(self, text: str) -> None:
        try:
            if text:
                self.stream.write(text)
                self.stream.flush()
        except Exception:
            self.handleError(logging.makeLogRecord({'msg': text}))

    def flush(self) -> None:
        """Write the lines in the buffer."""
        with self.lock:
            self._write_buffer()

    def close(self) -> None:
        """Write the lines in the buffer; later ones are written at once."""
        self._may_buffer = False
        self.flush()
        self._has_lines.set()
        super().close()

    def _before_fork(self) -> None:
        """Wait while another thread writes, or the child might write the same; but not for a full pipe."""
        self.lock.acquire(timeout=1)

    def _after_fork(self) -> None:
        with contextlib.suppress(RuntimeError):  # The lock could not be acquired.
            self.lock.release()

    def _after_fork_in_child(self) -> None:
        """Leave the buffer and the thread to the parent. logging has replaced the lock already.

        What a worker forks buffers nothing: it may end with os._exit, as multiprocessing's processes do.
        """
        self._may_buffer = self._may_buffer and self._thread is None
        self._reset()
