"""The metrics of all workers together, as Prometheus reads them."""

import platform
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from typing import TYPE_CHECKING

from model_serving import __version__
from model_serving.utils.metrics_utils import LOAD_SECONDS, METRICS, SEPARATOR, Metric
from model_serving.utils.shared_cells_utils import PASSING, shared_cells

if TYPE_CHECKING:
    from prometheus_client import metrics_core

Series = dict[tuple[str, ...], list[float]]
"""The values of one metric by the values of its labels."""


def exposition(accept: str) -> tuple[bytes, str]:
    """The metrics as text, and its media type: OpenMetrics where `accept` names it, else Prometheus' own."""
    # Imported when it is needed first: it brings a server along.
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder
    from prometheus_client.registry import Collector

    class AllWorkers(Collector):
        def collect(self) -> Iterator['metrics_core.Metric']:
            return _families()

    registry = CollectorRegistry(auto_describe=False)
    registry.register(AllWorkers())
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def _families() -> Iterator['metrics_core.Metric']:
    from prometheus_client.metrics_core import InfoMetricFamily

    versions = {'version': __version__, 'python': platform.python_version()}
    yield InfoMetricFamily('model_serving_build', 'What serves.', value=versions)
    merged = _merged()
    for metric in METRICS:
        yield _family(metric, merged[metric.name])


def _merged() -> dict[str, Series]:
    """The values of all workers together: their sum, or the largest."""
    known = {metric.name: metric for metric in METRICS}
    merged: dict[str, Series] = defaultdict(dict)
    for key, values in shared_cells.items():
        name, *labels = key.removeprefix(PASSING).split(SEPARATOR)
        metric = known.get(name)
        if metric is None or metric.cells != len(values):
            continue  # Of other code, which a reload has replaced.
        series = merged[name]
        before = series.get(tuple(labels), [0.0] * len(values))
        together = max if metric is LOAD_SECONDS else float.__add__
        series[tuple(labels)] = [together(*pair) for pair in zip(before, values, strict=True)]
    return merged


def _family(metric: Metric, series: Series) -> 'metrics_core.Metric':
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    if metric.bounds:
        histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, values in sorted(series.items()):
            histogram.add_metric(labels, _buckets(metric, values), sum_value=values[-1])
        return histogram
    kind = GaugeMetricFamily if metric.passing else CounterMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, values in sorted(series.items()):
        family.add_metric(labels, values[0])
    return family


def _buckets(metric: Metric, values: list[float]) -> list[tuple[str, float]]:
    bounds = [*(str(float(bound)) for bound in metric.bounds), '+Inf']
    return list(zip(bounds, accumulate(values[:-1]), strict=True))
