"""gunicorn's threaded worker, which leaves new connections to the others, too."""

import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

NAP_SECONDS = 0.0002


class FairThreadWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker that pauses after it took a connection beside others it has.

    All workers wait at one socket. Without the pause the first to wake often takes a whole burst of
    connections, and keeps them while the other cores idle: 0.58 times the requests per second for hello
    with 32 connections and two workers (median of five starts, benchmarks/serving.py).
    """

    def accept(self, listener: Any) -> None:
        """Take one connection, if no other worker was faster."""
        had = self.nr_conns
        super().accept(listener)
        if self.nr_conns > had > 0:
            time.sleep(NAP_SECONDS)
