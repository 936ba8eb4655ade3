"""FastAPI tuned by hand: orjson, one check of the array's shape, and a micro-batcher of our own.

It does not look at the single numbers, which the other servers' validation does.
"""
# mypy: ignore-errors

import asyncio
from contextlib import asynccontextmanager

import numpy
import orjson
from app import brightness, digits_network, heavy_network, hello, labels
from fastapi import FastAPI, HTTPException, Request, Response

MAX_BATCH_SIZE = 32
MAX_WAIT_S = 0.005


class Batcher:
    """Joins calls that arrive within MAX_WAIT_S into one of at most MAX_BATCH_SIZE rows."""

    def __init__(self, function):
        self.function = function
        self.queue = asyncio.Queue()

    async def __call__(self, rows):
        """The results of these rows."""
        future = asyncio.get_running_loop().create_future()
        self.queue.put_nowait((rows, future))
        return await future

    async def run(self):
        """Answer calls for ever."""
        while True:
            calls = await self.gather()
            try:
                rows = numpy.concatenate([rows for rows, _ in calls])
                results = await asyncio.get_running_loop().run_in_executor(None, self.function, rows)
            except Exception as error:
                for _, future in calls:
                    future.set_exception(error)
                continue
            self.answer(calls, results)

    async def gather(self):
        """Wait for a first call, then a little for others."""
        loop = asyncio.get_running_loop()
        calls = [await self.queue.get()]
        end = loop.time() + MAX_WAIT_S
        while len(calls) < MAX_BATCH_SIZE:
            if not self.queue.empty():
                calls.append(self.queue.get_nowait())
            elif (left := end - loop.time()) > 0:
                try:
                    calls.append(await asyncio.wait_for(self.queue.get(), left))
                except TimeoutError:
                    break
            else:
                break
        return calls

    @staticmethod
    def answer(calls, results):
        """Give each call its part of the results."""
        begin = 0
        for rows, future in calls:
            if not future.done():
                future.set_result(results[begin : begin + len(rows)])
            begin += len(rows)


@asynccontextmanager
async def lifespan(app):
    """Run the batcher while the application runs."""
    app.state.heavy = Batcher(lambda rows: labels(heavy_network, rows))
    task = asyncio.create_task(app.state.heavy.run())
    yield
    task.cancel()


app = FastAPI(lifespan=lifespan)
app.post('/hello')(hello)


async def json_body(request, key):
    """The value at `key` of the body."""
    try:
        return orjson.loads(await request.body())[key]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise HTTPException(422, f'{key}: {error}') from error


async def rows_of(request):
    """The body's rows as an array [n, 64]."""
    try:
        rows = numpy.asarray(await json_body(request, 'instances'), numpy.float32)
    except (TypeError, ValueError) as error:
        raise HTTPException(422, f'instances: {error}') from error
    if rows.ndim != 2 or rows.shape[1] != 64 or not len(rows):
        raise HTTPException(422, f'instances: not n rows of 64 numbers but {rows.shape}')
    return rows


def answer(document):
    """A response of JSON."""
    content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return Response(content, media_type='application/json')


@app.post('/digits')
async def digits(request: Request) -> Response:
    """Read digits."""
    return answer({'predictions': labels(digits_network, await rows_of(request))})


@app.post('/heavy')
async def heavy(request: Request) -> Response:
    """Label rows, in batches."""
    return answer({'predictions': numpy.ascontiguousarray(await app.state.heavy(await rows_of(request)))})


@app.post('/image')
async def image(request: Request) -> Response:
    """Measure an image."""
    return answer({'mean': brightness(await json_body(request, 'image'))})
