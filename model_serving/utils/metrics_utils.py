"""What the service counts of itself; exposition_utils.py shows it to Prometheus.

It is counted as prometheus_client would, in memory of our own: a request takes 3 us there, and 30 with
prometheus_client's files.
"""

import contextlib
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from model_serving.utils.current_request_utils import CurrentRequest, current_request
from model_serving.utils.shared_cells_utils import PASSING, Region, shared_cells

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SEPARATOR = '\x1f'


class Metric(NamedTuple):
    """A name, what it says, its labels, and the bounds of a histogram."""

    name: str
    help: str
    labels: tuple[str, ...] = ('model',)
    bounds: tuple[float, ...] = ()
    passing: bool = False

    def key(self, *labels: str) -> str:
        """The name in memory."""
        return SEPARATOR.join([PASSING * self.passing + self.name, *labels])

    @property
    def cells(self) -> int:
        """How many numbers it takes: of a histogram the count of each bucket, then the sum."""
        return len(self.bounds) + 2 if self.bounds else 1


REQUESTS = Metric(
    'model_serving_requests_total', 'Requests answered, or given up.', ('model', 'status', 'reason')
)
REQUEST_SECONDS = Metric(
    'model_serving_request_duration_seconds', 'From the request to its answer.', bounds=SECONDS
)
MODEL_SECONDS = Metric(
    'model_serving_model_duration_seconds',
    'Each run of a model: a call of its resource or, where it batches, a batch.',
    bounds=SECONDS,
)
BATCH_ROWS = Metric('model_serving_batch_rows', 'Rows that were run together.', bounds=ROWS)
QUEUE_SECONDS = Metric(
    'model_serving_batch_queue_seconds', 'From a call of a model that batches to its batch.', bounds=SECONDS
)
IN_FLIGHT = Metric('model_serving_requests_in_flight', 'Requests that wait or are answered.', passing=True)
LOAD_SECONDS = Metric(
    'model_serving_model_load_seconds', 'How long the slowest worker took to load a model.', passing=True
)
METRICS = (REQUESTS, REQUEST_SECONDS, MODEL_SECONDS, BATCH_ROWS, QUEUE_SECONDS, IN_FLIGHT, LOAD_SECONDS)


def reason_of(status: int) -> str:
    """Why a request ended with this status, in one word."""
    if status < 400:
        return 'ok'
    return REASONS.get(status) or ('invalid' if status < 500 else 'crash')


REASONS = {
    408: 'late',
    413: 'too_large',
    414: 'too_large',
    429: 'overloaded',
    431: 'too_large',
    499: 'gone',
    503: 'overloaded',
    504: 'late',
}


def expect(model: str) -> None:
    """Show a model before its first request."""
    region = shared_cells.region
    region.place(REQUESTS.key(model, '200', 'ok'), REQUESTS.cells)
    region.place(IN_FLIGHT.key(model), IN_FLIGHT.cells)


def enter(model: str) -> None:
    """The current request is for this model, and in flight from now on."""
    request = current_request.get()
    if request is None or request.over or request.in_flight is not None:
        return
    request.model = model
    region = shared_cells.region
    place = region.known.get(model)
    if place is None:
        place = region.known[model] = region.place(IN_FLIGHT.key(model), IN_FLIGHT.cells)
    request.in_flight = place
    with region.lock:
        region.cells[place] += 1


def leave(request: CurrentRequest) -> None:
    """Count a request that is over."""
    region = shared_cells.region
    kind = request.model, request.status, request.reason
    number, duration = region.known.get(kind) or _find(region, *kind)
    bucket = duration + bisect_left(SECONDS, request.seconds)
    cells = region.cells
    with region.lock:
        cells[number] += 1
        cells[bucket] += 1
        cells[duration + SUM_OF_SECONDS] += request.seconds
        if request.in_flight is not None:
            cells[request.in_flight] -= 1


SUM_OF_SECONDS = len(SECONDS) + 1


def _find(region: Region, model: str, status: int, reason: str | None) -> tuple[int, int]:
    key = REQUESTS.key(model, str(status), reason or reason_of(status))
    places = (
        region.place(key, REQUESTS.cells),
        region.place(REQUEST_SECONDS.key(model), REQUEST_SECONDS.cells),
    )
    region.known[model, status, reason] = places
    return places


def observe_call(seconds: float) -> None:
    """Count a call of a resource, unless it was for no model, or a batch did the work."""
    request = current_request.get()
    if request is not None and request.in_flight is not None and not request.batched:
        _observe(MODEL_SECONDS, request.model, seconds)


def observe_batch(rows: int, seconds: float, queued_seconds: list[float]) -> None:
    """Count a batch, and how long each call has waited for it."""
    request = current_request.get()
    if request is None:  # The service itself asks, or nobody.
        return
    _observe(MODEL_SECONDS, request.model, seconds)
    _observe(BATCH_ROWS, request.model, rows)
    for queued in queued_seconds:
        _observe(QUEUE_SECONDS, request.model, queued)


def _observe(metric: Metric, model: str, value: float) -> None:
    region = shared_cells.region
    key = metric.name, model
    place = region.known.get(key)
    if place is None:
        place = region.known[key] = region.place(metric.key(model), metric.cells)
    bucket = place + bisect_left(metric.bounds, value)
    with region.lock:
        region.cells[bucket] += 1
        region.cells[place + len(metric.bounds) + 1] += value


@contextlib.contextmanager
def observe_load(model: str) -> Iterator[None]:
    """Count how long it takes to load a model; one that fails is not counted."""
    begin = time.perf_counter()
    yield
    region = shared_cells.region
    place = region.place(LOAD_SECONDS.key(model), LOAD_SECONDS.cells)
    region.cells[place] = time.perf_counter() - begin
