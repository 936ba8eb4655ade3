"""The class of gunicorn's workers that serves from asyncio: `worker_class` in conf/gunicorn.conf.py."""

import asyncio
import contextlib
import faulthandler
import gc
import logging
import math
import os
import selectors
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from gunicorn.sock import ssl_context
from gunicorn.workers.base import Worker

from model_serving.engine.children import end_children, isolate_children
from model_serving.engine.http_connection import HTTPConnection
from model_serving.engine.http_request import base_environment
from model_serving.engine.listener import ConnectionCounts, Listener
from model_serving.engine.process import allow_many_files, yield_to_running_threads
from model_serving.engine.server import Server
from model_serving.engine.shutdown import service_ends
from model_serving.platforms import chosen_prefix
from model_serving.queues import use_queues
from model_serving.requests.client_address import proxies
from model_serving.requests.coroutines import use_loop
from model_serving.settings import SettingError

NOTIFY_SECONDS = 1.0
PAUSE_SECONDS = 0.05
END_SECONDS = 2.0
IDLE_SECONDS_AT_STOP = 0.5
IDLE_SECONDS_AT_RELOAD = 3.0
"""Longer, as others serve meanwhile: who calls again in that time learns that the connection closes."""
TLS_TIMEOUTS = {'ssl_handshake_timeout': 15.0, 'ssl_shutdown_timeout': 2.0}
WITHOUT_EFFECT = (
    'limit_request_line', 'limit_request_fields', 'limit_request_field_size', 'proxy_protocol', 'header_map',
    'worker_connections', 'pre_request', 'post_request', 'worker_int', 'worker_abort', 'accesslog',
    'access_log_format', 'permit_obsolete_folding', 'permit_unconventional_http_method',
    'permit_unconventional_http_version', 'casefold_http_method', 'strip_header_spaces',
)  # fmt: skip

logger = logging.getLogger('engine')


class LoopWorker(Worker):  # type: ignore[misc]
    """Reads and writes in the main thread, by asyncio, and runs views in other threads."""

    counts = ConnectionCounts()
    alive: bool
    skips_drain = skips_grace = False
    server: Server
    # False before its turn to serve, and when others have taken its place.
    may_accept: Callable[[], bool] = staticmethod(lambda: True)

    @classmethod
    def check_config(cls, cfg: Any, log: Any) -> None:
        """Refuse settings that would do nothing: the start ends here."""
        for name in WITHOUT_EFFECT:
            setting = cfg.settings[name]
            if setting.get() != setting.default:
                sys.exit(f'{name}: {setting.get()!r} has no effect on this worker; use the class gthread')
        try:
            chosen_prefix()
        except SettingError as error:
            sys.exit(str(error))

    def init_process(self) -> None:
        """Begin, in the worker's own process."""
        self.connecting: dict[asyncio.Task[None], socket.socket] = {}
        self.selector = selectors.DefaultSelector()
        self.loop = asyncio.SelectorEventLoop(self.selector)
        proxies.trust(self.cfg.forwarded_allow_ips)
        self.prefix = chosen_prefix()
        use_loop(self.loop)  # For the examples of models, which may run before it does.
        self.loop.add_signal_handler(signal.SIGWINCH, lambda: None)
        self.wakeup_file = signal.set_wakeup_fd(-1)  # One end of the pipe that wakes up the loop.
        isolate_children(self._server_files)
        allow_many_files()
        super().init_process()

    def init_signals(self) -> None:
        """Let a worker that gunicorn finds hanging end with the stacks of all its threads in the log."""
        super().init_signals()
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        faulthandler.enable()

    def run(self) -> None:
        """Serve until gunicorn ends it."""
        yield_to_running_threads()
        gc.collect()
        gc.freeze()  # Else each collection examines all that stays anyway.
        asyncio.set_event_loop(self.loop)
        self.server = Server(self.wsgi, self.loop, self.cfg.threads, self.cfg.keepalive)
        self.server.on_disconnect = self._write_count
        use_loop(self.loop, self.server.pool.run)
        use_queues(self.server.errands.run)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self.loop.add_signal_handler(number, self._stop, number != signal.SIGTERM)
        serving = self.loop.create_task(self._serve())
        while not serving.done():
            try:
                self.loop.run_until_complete(serving)
            except (SystemExit, KeyboardInterrupt):
                logger.exception('A task in the event loop tried to exit the process; ignored')
        self._exit_if_busy()

    async def _serve(self) -> None:
        self.wakeup = asyncio.Event()
        while self.alive and not self.may_accept() and not self._is_orphan():
            await self._wait(PAUSE_SECONDS)
        if not self.may_accept():
            return
        listeners = [self._listener(each.sock) for each in self.sockets]
        for listener in listeners:
            listener.open()
        while self.alive and self.server.served < self.max_requests and not self._is_orphan():
            await self._wait(NOTIFY_SECONDS)
        # gunicorn itself kills a worker after graceful_timeout.
        end = time.monotonic() + max(1, self.cfg.graceful_timeout - END_SECONDS - 1)
        is_replaced = not self.may_accept()
        self.server.stopping = True
        if service_ends() and not is_replaced:
            await self._drain(end)
        for listener in listeners:
            listener.close()
        self.server.idle_seconds = IDLE_SECONDS_AT_RELOAD if is_replaced else IDLE_SECONDS_AT_STOP
        unfinished = self.server.application.unfinished_jobs
        while (self._count() or unfinished()) and time.monotonic() < end and not self.skips_grace:
            self.wakeup.clear()
            await self._wait(PAUSE_SECONDS)

    async def _drain(self, latest: float) -> None:
        """Go on as a service that is not ready, until those who send it clients have learned of that."""
        application = self.server.application
        application.announce_stop()
        end = min(time.monotonic() + application.drain_s, latest)
        while (left := end - time.monotonic()) > 0 and not (self.skips_drain or self._is_orphan()):
            self.wakeup.clear()
            await self._wait(min(left, NOTIFY_SECONDS))

    async def _wait(self, seconds: float) -> None:
        self.notify()
        self._write_count()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.wakeup.wait(), seconds)

    def _stop(self, skips_grace: bool) -> None:
        self.skips_drain = skips_grace or not self.alive  # The second time.
        self.skips_grace |= skips_grace
        self.alive = False
        self.wakeup.set()

    def _is_orphan(self) -> bool:
        if os.getppid() == self.ppid:
            return False
        logger.warning("gunicorn's first process has ended; so does this worker")
        return True

    def _exit_if_busy(self) -> None:
        """End the process, and what the models have started, if a model is still running."""
        if self.server.pool.is_busy() or self.server.application.unfinished_jobs():
            end_children(END_SECONDS, self.ppid)
            # The interpreter's own exit would wait for a model that hangs, or break one that still computes.
            logger.warning('A model is still busy; the worker ends without it')
            logging.shutdown()
            os._exit(0)

    def _listener(self, listener: socket.socket) -> Listener:
        name = listener.getsockname()
        server = (str(name[0]), str(name[1])) if isinstance(name, tuple) else (str(name), '')
        context: ssl.SSLContext | None = ssl_context(self.cfg) if self.cfg.is_ssl else None
        scheme = 'https' if context else 'http'
        headers = {
            f'HTTP_{key.replace("-", "_")}': value for key, value in self.cfg.secure_scheme_headers.items()
        }

        def add(connection: socket.socket, address: Any) -> None:
            client = (str(address[0]), str(address[1])) if isinstance(address, tuple) else ('', '')
            base = base_environment(server, client, self.cfg.workers, scheme, self.prefix)
            protocol = HTTPConnection(self.server, base, headers if proxies.have_peer(address) else {})
            task = self.loop.create_task(self._connect(protocol, connection, context))
            self.connecting[task] = connection
            task.add_done_callback(self.connecting.pop)
            self._write_count()

        return Listener(self.loop, listener, self._has_more, add)

    async def _connect(
        self, protocol: HTTPConnection, sock: socket.socket, context: ssl.SSLContext | None
    ) -> None:
        try:
            timeouts = {} if context is None else TLS_TIMEOUTS
            await self.loop.connect_accepted_socket(lambda: protocol, sock, ssl=context, **timeouts)
        except OSError as error:  # The client has gone, or does not speak TLS.
            logger.debug('No connection: %s', error)

    def _count(self) -> int:
        return len(self.server.connections) + len(self.connecting)

    def _has_more(self) -> bool:
        return self.counts.has_more(self.age, self._count())

    def _write_count(self) -> None:
        accepts = self.may_accept() and not self.server.stopping
        self.counts.write(self.age, self._count() if accepts else math.inf)

    def _server_files(self) -> Iterator[int]:
        """The descriptors that a child of this process must not have."""
        yield from (self.selector.fileno(), self.wakeup_file, *self.selector.get_map())  # type: ignore[misc]
        yield from (each.fileno() for each in [*self.sockets, *self.connecting.values()])
        if 'server' in vars(self):
            yield from (connection.output.fileno() for connection in self.server.connections)
