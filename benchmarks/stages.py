"""Where the time of a greeting goes in the service's own code: microseconds of each stage, as JSON.

Run in the service's environment and folder; one thread does it all, without a socket, so caches are warm.
"""

import asyncio
import gc
import json
import timeit
from collections.abc import Callable
from typing import Any

from main import MODELS
from model_serving import create_app
from model_serving.engine.call import Call
from model_serving.engine.fast_context import FastRequest, FastRequestContext
from model_serving.engine.http_connection import HTTPConnection
from model_serving.engine.http_receiver import HTTPReceiver
from model_serving.engine.http_request import base_environment
from model_serving.engine.server import Server
from model_serving.requests.current import current_request

REPEATS, NUMBER = 7, 5000
BODY = b'{"name":"Leo"}'
REQUEST = (
    b'POST /v1/XXXModel HTTP/1.1\r\nHost: 127.0.0.1:9999\r\nContent-Type: application/json\r\n'
    b'Content-Length: %d\r\n\r\n%b' % (len(BODY), BODY)
)


class Transport:
    """Takes what is written."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits."""
        return 0

    def __getattr__(self, name: str) -> Any:
        return None if name.startswith('_') else lambda *_: None


def microseconds(function: Callable[[], Any]) -> float:
    """The least time of a call."""
    return min(timeit.repeat(function, repeat=REPEATS, number=NUMBER)) / NUMBER * 1e6


def main() -> None:
    """Print the stages."""
    app = create_app(MODELS, only=['XXXModel'])
    server: Any = Server(app, asyncio.new_event_loop(), 8, 75)
    server.scheduler._adjust_timer = server._tick_timer = Transport()
    base = base_environment(('127.0.0.1', '9999'), ('127.0.0.1', '1'), 2, 'http')
    connection: Any = HTTPConnection(server, base, {})
    connection.connection_made(Transport())
    receiver = HTTPReceiver(base, {}, 1024)

    def parse() -> Any:
        receiver.feed(REQUEST)
        return receiver.complete.popleft()

    incoming = parse()
    route = server.application.fast_path.routes['/v1/XXXModel']
    queue = server.scheduler.queue('XXXModel')
    calls: list[Call] = []
    queue.add = calls.append
    server.scheduler._to_start.add(queue)
    server.buffer[: len(REQUEST)] = REQUEST

    def receive() -> Call:
        connection.buffer_updated(len(REQUEST))
        return calls.pop()

    def forget() -> None:
        receive()
        connection.call = None
        server._in_flight.clear()

    def contexts() -> None:
        server.application.fast_path.is_open(route, incoming.environ)
        context = FastRequestContext(app, FastRequest(app, incoming.environ, route.rule))
        context.push()
        context.pop_fast()

    def view() -> Any:
        incoming.environ['wsgi.input'].seek(0)
        context = FastRequestContext(app, FastRequest(app, incoming.environ, route.rule))
        context.push()
        result = route.view_class().post()
        context.pop_fast()
        return result

    def whole() -> None:
        receive().run()
        server._write_delivered()

    server.loop = Transport()
    current_request.set(receive().request)
    connection.call = None
    gc.collect()
    gc.freeze()
    stages = {'parse': parse, 'receive': forget, 'contexts': contexts, 'view': view, 'whole': whole}
    print(json.dumps({name: microseconds(stage) for name, stage in stages.items()}))


if __name__ == '__main__':
    main()
