"""gunicorn's threaded worker, hardened against clients that come in bursts, stall or do not hang up."""

import errno
import socket
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

NAP_SECONDS = 0.0002
STALLED_SECONDS = 15
LINGER_SECONDS = 0.2


class PatientSocket(socket.socket):
    """A connection whose blocking calls give up after STALLED_SECONDS without a byte."""

    def setblocking(self, flag: bool) -> None:
        """Wait for a while where gunicorn would wait for ever: a head or a body may never arrive whole."""
        self.settimeout(STALLED_SECONDS if flag else 0)

    def recv(self, *arguments: Any) -> bytes:
        """Receive bytes. Raises ConnectionResetError, which gunicorn takes quietly, where none come."""
        try:
            return super().recv(*arguments)
        except TimeoutError as error:
            reason = f'nothing came for {STALLED_SECONDS} seconds'
            raise ConnectionResetError(errno.ECONNRESET, reason) from error


class FairThreadWorker(ThreadWorker):  # type: ignore[misc]
    """A ThreadWorker that leaves new connections to the others, too, and waits for no client's farewell.

    All workers wait at one socket. Without a pause the first to wake often takes a whole burst of
    connections, and keeps them while the other cores idle: 0.58 and 0.80 times the requests per second for
    hello, with 32 connections and two workers, in two runs of benchmarks/serving.py.
    """

    def accept(self, listener: Any) -> None:
        """Take one connection, if no other worker was faster."""
        had = self.nr_conns
        super().accept(listener)
        if self.nr_conns > had > 0:
            time.sleep(NAP_SECONDS)

    def enqueue_req(self, conn: Any) -> None:
        """Hand a connection to a thread."""
        if not isinstance(conn.sock, PatientSocket):
            conn.sock = PatientSocket(fileno=conn.sock.detach())
        super().enqueue_req(conn)

    def handle(self, conn: Any) -> Any:
        """Answer one request, in a thread.

        A connection that ends is closed here: gunicorn would wait up to two seconds for the client to close
        its side, in the loop that accepts connections, and serve nobody meanwhile.
        """
        keep = super().handle(conn)
        if keep is False:
            hang_up(conn.sock)
            conn.close = lambda graceful=False: None
        return keep


def hang_up(connection: socket.socket) -> None:
    """Close a connection, once the client has or after LINGER_SECONDS: earlier might cut the answer off."""
    try:
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(LINGER_SECONDS)
        connection.recv(65536)
    except OSError:
        pass
    finally:
        connection.close()
