"""What the autoscalers ask Prometheus for."""

from tests.kubernetes.manifests import read_files
from tests.service_process import ROOT

DEPLOY = ROOT / 'deploy'
PRODUCTION = DEPLOY / 'kubernetes' / 'overlays' / 'production'
[ADAPTER] = read_files([PRODUCTION / 'prometheus-adapter-values.yaml'])
[SCALED_OBJECT] = read_files([DEPLOY / 'kserve' / 'standard' / 'scaled-object.yaml'])
[ADAPTER_RULE] = ADAPTER['rules']['custom']


def adapter_query(matchers: str, group_by: str) -> str:
    """The query that prometheus-adapter makes of its rule."""
    filled = {
        'Series': 'model_serving_requests_in_flight',
        'LabelMatchers': matchers,
        'GroupBy': group_by,
    }
    query: str = ADAPTER_RULE['metricsQuery']
    for name, value in filled.items():
        query = query.replace(f'<<.{name}>>', value)
    return query


def keda_query() -> str:
    [trigger] = SCALED_OBJECT['spec']['triggers']
    query: str = trigger['metadata']['query']
    return query
