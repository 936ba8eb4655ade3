"""Responses that are sent in parts. The next part is produced when the client has read the one before."""

import asyncio
import threading
import time
from functools import partial

from model_serving.engine.call import Call, ClientDisconnected
from model_serving.engine.http_response import WSGIResponse, close
from model_serving.errors import Overloaded
from model_serving.requests.deadline import deadline
from model_serving.requests.slots import thread_state


def stream(call: Call, response: WSGIResponse) -> None:
    """Send a synchronous stream, in the thread of its view, whose slot another call has from now on."""
    thread_state.slot.release()
    try:
        with call.queue.stream(call):
            for chunk in response.chunks:
                if chunk:
                    _send(call, _framed(call, response, chunk))
                    _extend_deadline(call)
    except Overloaded as error:
        call.error = error
    finally:
        close(response.chunks)
    call.deliver(_end(call, response))


async def stream_in_loop(call: Call, response: WSGIResponse) -> None:
    """Send an asynchronous stream."""
    try:
        async for chunk in response.chunks:
            if chunk and (connection := call.connection):
                data = chunk.encode() if isinstance(chunk, str) else chunk
                connection.output.write(_framed(call, response, data))
                drained: asyncio.Future[None] = call.server.loop.create_future()
                connection.output.when_drained(partial(_resolve, drained))
                await drained
                _extend_deadline(call)
    finally:
        await response.chunks.aclose()
    call.deliver(_end(call, response))


def _resolve(future: 'asyncio.Future[None]') -> None:
    if not future.done():
        future.set_result(None)


def _send(call: Call, pieces: list[bytes]) -> None:
    """Have the event loop write a part, and wait until the client has read most of it."""
    drained = threading.Lock()
    drained.acquire()

    def write() -> None:
        if call.connection is None:
            drained.release()
        else:
            call.connection.output.write(pieces)
            call.connection.output.when_drained(drained.release)

    call.server.loop.call_soon_threadsafe(write)
    drained.acquire()
    if call.connection is None:
        raise ClientDisconnected


def _framed(call: Call, response: WSGIResponse, chunk: bytes) -> list[bytes]:
    if not isinstance(chunk, bytes | bytearray | memoryview):
        raise TypeError(f'a stream yields text or bytes, not {type(chunk).__name__}')
    pieces = [b'%x\r\n' % len(chunk), chunk, b'\r\n'] if response.is_chunked else [chunk]
    if not call.streaming:
        call.keep_alive &= response.is_chunked
        pieces.insert(0, response.stream_head(call.stays_open()))
        call.last_part = time.monotonic()  # First: who sees `streaming` relies on it.
        call.streaming = True
    return pieces


def _extend_deadline(call: Call) -> None:
    call.last_part = time.monotonic()
    call.deadline = call.last_part + call.server.timeout_s
    deadline.set(call.deadline)


def _end(call: Call, response: WSGIResponse) -> list[bytes]:
    if not call.streaming:
        return response.complete(call.stays_open())
    return [b'0\r\n\r\n'] if response.is_chunked else []
