"""The metrics of all workers together, as Prometheus reads them."""

import platform
from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from model_serving.observability.metrics import LOAD_SECONDS, METRICS, SEPARATOR, Metric
from model_serving.observability.shared_cells import GAUGE_PREFIX, shared_cells
from model_serving.version import __version__

if TYPE_CHECKING:
    from prometheus_client import metrics_core

Series = dict[tuple[str, ...], list[float]]
"""The values of one metric by the values of its labels."""


def exposition(accept: str, version: str = '') -> tuple[bytes, str]:
    """The metrics as text, and its media type: OpenMetrics where `accept` names it, else Prometheus' own.

    `version` is that of what is served, if it has one.
    """
    from prometheus_client.exposition import choose_encoder  # On first use: it brings an HTTP server along.

    encode, media_type = choose_encoder(accept)
    collector: Any = SimpleNamespace(collect=lambda: _families(version))
    return encode(collector), media_type


def _families(version: str) -> Iterator['metrics_core.Metric']:
    from prometheus_client.metrics_core import InfoMetricFamily

    versions = {'version': __version__, 'python': platform.python_version()}
    yield InfoMetricFamily('model_serving_build', 'What serves.', value=versions)
    if version:
        # A series of its own, not a label of each: a new version would begin all of them anew.
        yield InfoMetricFamily('model_serving', 'The version of what is served.', value={'version': version})
    series = _series_of_all_workers()
    for metric in METRICS.values():
        family = _family(metric, series[metric.name])
        family.samples = [sample._replace(labels=_with_version(sample.labels)) for sample in family.samples]
        yield family


def _with_version(labels: dict[str, str]) -> dict[str, str]:
    """The labels of a series; a version of a model, as in DigitsModel@2, is a label of its own."""
    model, _, version = labels.get('model', '').partition('@')
    return {**labels, 'model': model, 'model_version': version} if version else labels


def _series_of_all_workers() -> dict[str, Series]:
    """The values of all workers by the names of metrics: their sum or, of the time to load, the largest."""
    result: dict[str, Series] = defaultdict(dict)
    for key, values in shared_cells.items():
        name, *labels = key.removeprefix(GAUGE_PREFIX).split(SEPARATOR)
        metric = METRICS.get(name)
        if metric is None or metric.cells != len(values):
            continue  # Written by other code, before a reload.
        series = result[name]
        others = series.get(tuple(labels), [0.0] * len(values))
        combine = max if metric is LOAD_SECONDS else float.__add__
        series[tuple(labels)] = [combine(*pair) for pair in zip(others, values, strict=True)]
    return result


def _family(metric: Metric, series: Series) -> 'metrics_core.Metric':
    from prometheus_client import metrics_core

    if metric.bounds:
        bounds = [*(str(float(bound)) for bound in metric.bounds), '+Inf']
        histogram = metrics_core.HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, values in sorted(series.items()):
            buckets = list(zip(bounds, accumulate(values[:-1]), strict=True))
            histogram.add_metric(labels, buckets, sum_value=values[-1])
        return histogram
    kind = metrics_core.GaugeMetricFamily if metric.is_gauge else metrics_core.CounterMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, values in sorted(series.items()):
        family.add_metric(labels, values[0])
    return family
