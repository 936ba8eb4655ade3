"""Odd resources whose views are coroutines."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

from flask import Response, g, request
from flask_restful import Resource

from model_serving.errors import InvalidInput
from model_serving.schemas.validation import validate_json
from tests.engine.odd_models import BY_NAME, fail, model, notes, schema, state

left: list[asyncio.Task[None]] = []


class AsyncResource(Resource):  # type: ignore[misc]
    """Awaits."""

    lock = asyncio.Lock()

    @validate_json(schema)
    async def post(self) -> Any:
        what, n = request.json['what'], request.json['n']
        g.n = n
        try:
            return await getattr(self, f'do_{what}', self.do_raise)(n)
        except asyncio.CancelledError:
            notes.append(f'cancelled {n}')
            raise

    async def do_raise(self, n: float) -> Any:
        await asyncio.sleep(n)
        if request.json['what'] == 'task':
            fail('SystemExit')
        if request.json['what'] not in BY_NAME:
            raise ZeroDivisionError('a secret')
        fail(request.json['what'])

    async def do_sleep(self, n: float) -> Any:
        await asyncio.sleep(n)
        return {'result': [n, g.n, request.json['n'], request.headers['Host'], threading.active_count()]}

    async def do_batch(self, n: float) -> Any:
        doubled: Any = model.double([n])
        return {'result': (await doubled)[0]}

    async def do_hang(self, n: float) -> Any:
        waiting: Any = model.hang([n])
        return {'result': (await waiting)[0]}

    async def do_lock(self, n: float) -> Any:
        async with self.lock:
            state['at_once'] += 1
            state['most_at_once'] = max(state['at_once'], state['most_at_once'])
            await asyncio.sleep(n)
            state['at_once'] -= 1
        return {'result': n}

    async def do_invalid(self, n: float) -> Any:
        await asyncio.sleep(0)
        raise InvalidInput('n is odd')

    async def do_tuple(self, n: float) -> Any:
        return {'result': n}, 201, {'X-Odd': 'yes'}

    async def do_block(self, n: float) -> Any:
        time.sleep(n)
        return {'result': n}

    async def do_leave(self, n: float) -> Any:
        for kind in BY_NAME:
            left.append(asyncio.create_task(self.late(kind, n)))
        return {'result': n}

    async def do_nested(self, n: float) -> Any:
        await asyncio.create_task(self.late('SystemExit', n))

    async def late(self, kind: str, n: float) -> None:
        await asyncio.sleep(n)
        fail(kind)


class AsyncStreamResource(Resource):  # type: ignore[misc]
    """Streams five events from a coroutine, `n` seconds apart."""

    @validate_json(schema)
    async def post(self) -> Any:
        return Response(self.events(request.json['what'], request.json['n']), mimetype='text/event-stream')

    async def events(self, what: str, n: float) -> AsyncIterator[str]:
        try:
            for number in range(5):
                if what == f'block {number}':
                    time.sleep(n)
                elif what.endswith(f' {number}'):
                    fail(what.split(maxsplit=1)[0])
                yield f'data: {number} {"x" * (10_000_000 if what == "large" else 1)}\n\n'
                await asyncio.sleep(n)
        finally:
            notes.append(f'closed {what}')
