"""The class of gunicorn's workers that runs the event loop: `worker_class` in conf/gunicorn.conf.py."""

import contextlib
import gc
import ipaddress
import logging
import math
import os
import resource
import socket
import time
from typing import Any

from gunicorn.workers.base import Worker

from model_serving.engine.connection_listener import ConnectionCounts, ConnectionListener
from model_serving.engine.event_loop import EventLoop
from model_serving.engine.http_request import base_environment
from model_serving.engine.wsgi_server import WSGIServer

WATCH_SECONDS = 0.025
NOTIFY_SECONDS = 1.0
END_SECONDS = 2.0
TOLERANCE = 16
DEFAULT_BODY_BYTES = 32 * 1024 * 1024

logger = logging.getLogger('engine')


class LoopWorker(Worker):  # type: ignore[misc]
    """Serves the application from an event loop in a thread, and watches over that in the main thread."""

    counts = ConnectionCounts()
    quick = False

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse what this worker cannot do. Raises ValueError."""
        if cfg.is_ssl:
            raise ValueError('this worker speaks no TLS: let a load balancer do it, or use the class gthread')

    def init_process(self) -> None:
        """Begin, in the worker's own process."""
        allow_many_files()
        super().init_process()

    def run(self) -> None:
        """Serve until gunicorn says that it is enough."""
        spare_the_collector()
        self.loop = EventLoop(self.cfg.threads)
        self.server = WSGIServer(self.wsgi, self.loop, self.cfg.keepalive, body_limit(self.wsgi))
        self.scheme_headers = {
            f'HTTP_{name.replace("-", "_")}': value for name, value in self.cfg.secure_scheme_headers.items()
        }
        self.loop.on_look_round.append(self._write_count)
        self.server.on_change = lambda: self._write_count(time.monotonic())
        self.listeners = [self._listener(each.sock) for each in self.sockets]
        for listener in self.listeners:
            listener.open()
        self.loop.start()
        self._watch(lambda: self.alive and self.server.served < self.max_requests)
        self._stop()

    def handle_quit(self, sig: int, frame: Any) -> None:
        """Stop without waiting for requests in flight."""
        self.quick = True
        self.alive = False

    def _listener(self, listener: socket.socket) -> ConnectionListener:
        listener.setblocking(False)
        name = listener.getsockname()
        place = (str(name[0]), str(name[1])) if isinstance(name, tuple) else (str(name), '')

        def add(connection: socket.socket, address: Any) -> None:
            scheme_headers = self.scheme_headers if self._trusts(address) else {}
            self.server.add(connection, self._environment(place, address), scheme_headers)

        return ConnectionListener(self.loop, listener, self._has_more_than_others, add)

    def _environment(self, place: tuple[str, str], address: Any) -> dict[str, Any]:
        client = (str(address[0]), str(address[1])) if isinstance(address, tuple) else ('', '')
        return base_environment(place, client, self.cfg.workers)

    def _trusts(self, address: Any) -> bool:
        """Whether a client is a proxy that may say that its own client came by https."""
        if not isinstance(address, tuple) or '*' in self.cfg.forwarded_allow_ips:
            return True
        client = ipaddress.ip_address(address[0].partition('%')[0])
        return any(client in network for network in self.cfg.forwarded_allow_networks())

    def _has_more_than_others(self) -> bool:
        mine = len(self.server.connections)
        return mine > self.counts.least(self.age, time.monotonic()) + 1 + mine // TOLERANCE

    def _write_count(self, now: float) -> None:
        count = math.inf if self.server.stopping else len(self.server.connections)
        self.counts.write(self.age, count, now)

    def _watch(self, wanted: Any) -> None:
        notified = 0.0
        while wanted():
            self.loop.relieve()
            now = time.monotonic()
            if now - notified > NOTIFY_SECONDS:
                notified = now
                self.notify()
                if os.getppid() != self.ppid:
                    logger.warning('gunicorn has gone; so does this worker')
                    return
            time.sleep(WATCH_SECONDS)

    def _stop(self) -> None:
        """Finish the requests that are here, and end."""
        with self.loop.lock:
            for listener in self.listeners:
                listener.close()
            self.server.stop()
        # gunicorn itself kills a worker after that time.
        end = time.monotonic() + max(1, self.cfg.graceful_timeout - END_SECONDS - 1)
        self._watch(lambda: self.server.connections and time.monotonic() < end and not self.quick)
        if not self.loop.stop(END_SECONDS):
            # The end of the interpreter would wait for a model that hangs, or pull it from under its feet.
            logger.warning('A model is still busy; the worker ends without it')
            logging.shutdown()
            os._exit(0)


def allow_many_files() -> None:
    """Let the process have as many connections as the system lets it: the usual limit is 1,024 files."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS says "unlimited" and means less.
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def spare_the_collector() -> None:
    """Keep the garbage collector from walking again and again through what stays anyway."""
    gc.collect()
    gc.freeze()


def body_limit(application: Any) -> int:
    """The largest body that a Flask application reads, in bytes; a default for others."""
    limit: int | None = getattr(application, 'config', {}).get('MAX_CONTENT_LENGTH')
    return limit or DEFAULT_BODY_BYTES
