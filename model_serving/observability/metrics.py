"""What the service counts of itself; exposition.py shows it to Prometheus.

It counts in shared memory of its own, which takes 2 us for a request. With several processes,
prometheus_client takes 7 us, a directory to be emptied at each start, and a file for each worker there was.
"""

import contextlib
import time
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from model_serving.errors import reason_of
from model_serving.observability.shared_cells import GAUGE_PREFIX, Region, shared_cells
from model_serving.requests.current import CurrentRequest, current_request

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
SEPARATOR = '\x1f'


class Metric(NamedTuple):
    """A counter, a gauge or, where it has bounds, a histogram."""

    name: str
    help: str
    labels: tuple[str, ...] = ('model',)
    bounds: tuple[float, ...] = ()
    is_gauge: bool = False

    def find(self, region: Region, *labels: str) -> int:
        """The index of its first number in the cells of a region."""
        key = self.name, *labels
        cell: int | None = region.cache.get(key)
        if cell is None:
            name = SEPARATOR.join([GAUGE_PREFIX * self.is_gauge + self.name, *labels])
            cell = region.cache[key] = region.find(name, self.cells)
        return cell

    @property
    def cells(self) -> int:
        """How many numbers it has: a histogram the count of each bucket, then the sum."""
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
IN_FLIGHT = Metric('model_serving_requests_in_flight', 'Requests that wait or are answered.', is_gauge=True)
LOAD_SECONDS = Metric(
    'model_serving_model_load_seconds', 'How long the slowest worker took to load a model.', is_gauge=True
)
KEY_REQUESTS = Metric(
    'model_serving_key_requests_total', 'Requests of each key, where keys are on.', ('key', 'outcome')
)
PAYLOADS = Metric('model_serving_payloads_total', 'Calls for the payload log.', ('model', 'outcome'))
REMEMBERED = Metric(
    'model_serving_remembered_answers_total',
    'Calls that a remembered answer was sought for.',
    ('model', 'outcome'),
)
JOBS = Metric('model_serving_jobs_total', 'Jobs accepted, and how they ended.', ('model', 'outcome'))
METRICS = {metric.name: metric for metric in (
    REQUESTS, REQUEST_SECONDS, MODEL_SECONDS, BATCH_ROWS, QUEUE_SECONDS, IN_FLIGHT, LOAD_SECONDS,
    KEY_REQUESTS, PAYLOADS, REMEMBERED, JOBS,
)}  # fmt: skip

MAX_KEY_SERIES = 300
KEY_REFUSALS = 'unauthorized', 'forbidden', 'limited'
SUM_OF_SECONDS = len(SECONDS) + 1


def init_model(model: str) -> None:
    """Show a model before its first request."""
    REQUESTS.find(shared_cells.region, model, '200', 'ok')
    IN_FLIGHT.find(shared_cells.region, model)


def begin_request(model: str, request: CurrentRequest | None = None) -> None:
    """Count a request, the current one by default, as one for this model, and in flight."""
    request = request or current_request.get()
    if request is None or request.finished or request.in_flight_cell is not None:
        return
    request.model = model
    region = shared_cells.region
    cell = region.cache.get(model)
    if cell is None:
        cell = region.cache[model] = IN_FLIGHT.find(region, model)
    request.in_flight_cell = cell
    with region.lock:
        region.cells[cell] += 1


def unanswered_requests(region: int | None) -> dict[str, int]:
    """How many requests to each model the process that counted in this region has not answered."""
    gauges = shared_cells.items_of(region)
    name = f'{GAUGE_PREFIX}{IN_FLIGHT.name}{SEPARATOR}'
    return {
        key.removeprefix(name): int(cell) for key, (cell, *_) in gauges if key.startswith(name) and cell > 0
    }


def record_request(request: CurrentRequest) -> None:
    """Count a request that has ended."""
    region = shared_cells.region
    key = request.model, request.status, request.reason
    count, duration = region.cache.get(key) or _find_cells(region, *key)
    bucket = duration + bisect_left(SECONDS, request.seconds)
    cells = region.cells
    key_cell = _key_cell(region, request.key, request.reason) if request.key else None
    with region.lock:
        if key_cell is not None:
            cells[key_cell] += 1
        cells[count] += 1
        cells[bucket] += 1
        cells[duration + SUM_OF_SECONDS] += request.seconds
        if request.in_flight_cell is not None:
            cells[request.in_flight_cell] -= 1


def _find_cells(region: Region, model: str, status: int, reason: str | None) -> tuple[int, int]:
    count = REQUESTS.find(region, model, str(status), reason or reason_of(status))
    found = region.cache[model, status, reason] = count, REQUEST_SECONDS.find(region, model)
    return found


def count_refused_key() -> None:
    """Count a request that had no key, or none that is valid."""
    count(KEY_REQUESTS.name, 'none', 'unauthorized')


def _key_cell(region: Region, name: str, reason: str | None) -> int:
    """The cell of a key; those that there is no room for, as the file may change, are one: `other`."""
    cell: int | None = region.cache.get(('key', name, reason))
    if cell is None:
        outcome = reason if reason in KEY_REFUSALS else 'admitted'
        prefix = KEY_REQUESTS.name + SEPARATOR
        known = [series for series, _ in region.items() if series.startswith(prefix)]
        is_new = SEPARATOR.join([prefix + name, outcome]) not in known
        shown = 'other' if is_new and len(known) >= MAX_KEY_SERIES else name
        cell = region.cache['key', name, reason] = KEY_REQUESTS.find(region, shown, outcome)
    return cell


def observe_call(seconds: float) -> None:
    """Count a call of a resource, unless it was for no model, or a batch did the work."""
    request = current_request.get()
    if request is not None and request.in_flight_cell is not None and not request.batched:
        _observe(MODEL_SECONDS, request.model, seconds)


def observe_batch(rows: int, seconds: float, queued_seconds: list[float]) -> None:
    """Count a batch, and how long each call has waited for it."""
    request = current_request.get()
    if request is None:  # It was run for no client.
        return
    _observe(MODEL_SECONDS, request.model, seconds)
    _observe(BATCH_ROWS, request.model, rows)
    for queued in queued_seconds:
        _observe(QUEUE_SECONDS, request.model, queued)


def _observe(metric: Metric, model: str, value: float) -> None:
    region = shared_cells.region
    first = region.cache.get((metric.name, model))
    if first is None:  # From now on, the cache has it.
        first = metric.find(region, model)
    bucket = first + bisect_left(metric.bounds, value)
    with region.lock:
        region.cells[bucket] += 1
        region.cells[first + len(metric.bounds) + 1] += value


def count(name: str, *labels: str) -> None:
    """Count one more of the counter of that name, with these values of its labels."""
    region = shared_cells.region
    cell = METRICS[name].find(region, *labels)
    with region.lock:
        region.cells[cell] += 1


@contextlib.contextmanager
def observe_load(model: str) -> Iterator[None]:
    """Record how long a model takes to load, unless it fails to."""
    begin = time.perf_counter()
    yield
    region = shared_cells.region
    region.cells[LOAD_SECONDS.find(region, model)] = time.perf_counter() - begin
