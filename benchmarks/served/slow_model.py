"""A model that computes in Python itself, and so holds the interpreter."""

import logging
import time

SECONDS = 0.02


class SlowModel:
    """Greets after 20 ms of computing."""

    def __init__(self) -> None:
        self.logger = logging.getLogger(type(self).__name__)
        self.logger.info('Initializing Slow Model ...')

    def hello(self, name: str) -> str:
        """Return a greeting, after 20 ms of CPU time of the calling thread."""
        end = time.thread_time() + SECONDS
        while time.thread_time() < end:
            sum(range(100))
        return f'Hello, {name}!'
