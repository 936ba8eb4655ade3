"""What is wrong with how many pods there are to be, and how large, and every schema lets through."""

from collections.abc import Iterator, Mapping
from typing import Any

from tests.kubernetes.complaints import RATES, SERIES
from tests.kubernetes.manifests import Manifest, name_of, of_kind, pods_of, selects

BOUNDS = {
    'HorizontalPodAutoscaler': ('minReplicas', 'maxReplicas'),
    'ScaledObject': ('minReplicaCount', 'maxReplicaCount'),
    'InferenceService': ('minReplicas', 'maxReplicas'),
}


def scaler_complaints(manifests: list[Manifest], types: Mapping[str, str]) -> list[str]:
    """An autoscaler cannot do its work; `types` are those of the service's metrics."""
    return [*_of_bounds(manifests), *_of_targets(manifests), *_of_signals(manifests, types)]


def _of_bounds(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in of_kind(manifests, *BOUNDS):
        least, most = BOUNDS[manifest['kind']]
        spec = manifest['spec'].get('predictor', manifest['spec'])
        if spec.get(least, 1) > spec.get(most, spec.get(least, 1)):
            yield f'{name_of(manifest)}: {least} is above {most}'
    for manifest in of_kind(manifests, 'ScaledObject'):
        if manifest['spec'].get('minReplicaCount', 0) == 0:
            yield f'{name_of(manifest)}: without a pod, there is no metric that asks for one'


def _of_targets(manifests: list[Manifest]) -> Iterator[str]:
    pods = {each.name: each for each in pods_of(manifests)}
    for manifest in of_kind(manifests, 'HorizontalPodAutoscaler', 'ScaledObject'):
        target = manifest['spec']['scaleTargetRef']['name']
        if target not in pods:
            yield f'{name_of(manifest)}: there is no Deployment {target}'
        elif pods[target].replicas is not None:
            yield f'{name_of(manifest)}: the Deployment sets replicas, which come back whenever it is applied'


def _of_signals(manifests: list[Manifest], types: Mapping[str, str]) -> Iterator[str]:
    for manifest in of_kind(manifests, 'HorizontalPodAutoscaler', 'ScaledObject'):
        for query in scaling_queries(manifest):
            for series in SERIES.findall(query) or [query]:
                if series not in types:
                    yield f'{name_of(manifest)} asks for {series}, which there is not'
                elif types[series] != 'gauge' and not RATES.search(query):
                    yield f'{name_of(manifest)}: {series} is a {types[series]}, which never falls'


def scaling_queries(manifest: Manifest) -> list[str]:
    """The names of metrics of a HorizontalPodAutoscaler, or the queries of a ScaledObject."""
    spec = manifest['spec']
    pods = [each['pods']['metric']['name'] for each in spec.get('metrics', ()) if each['type'] == 'Pods']
    return pods + [each['metadata']['query'] for each in spec.get('triggers', ())]


def budget_complaints(manifests: list[Manifest]) -> list[str]:
    """A PodDisruptionBudget is refused by the API server, or lets no pod be evicted."""
    return [
        f'{name_of(budget)}: {complaint}'
        for budget in of_kind(manifests, 'PodDisruptionBudget')
        for complaint in _of_budget(budget['spec'], _least_replicas(manifests, budget))
    ]


def _of_budget(spec: Mapping[str, Any], replicas: int) -> Iterator[str]:
    bounds = [bound for bound in ('minAvailable', 'maxUnavailable') if bound in spec]
    if len(bounds) != 1:
        yield f'needs minAvailable or maxUnavailable, and not both; it has {len(bounds)} of them'
    elif spec.get('maxUnavailable') in (0, '0%'):
        yield 'blocks every eviction'
    elif spec.get('minAvailable') == '100%' or _number(spec.get('minAvailable')) >= replicas:
        yield f'blocks every eviction while there are {replicas} pods'


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _least_replicas(manifests: list[Manifest], budget: Manifest) -> int:
    """How many pods there may be of those that a budget selects."""
    selected = [
        each for each in pods_of(manifests) if selects(budget['spec'].get('selector', {}), each.labels)
    ]
    scaled = {
        each['spec']['scaleTargetRef']['name']: each['spec'].get('minReplicas', 1)
        for each in of_kind(manifests, 'HorizontalPodAutoscaler')
    }
    return sum(scaled.get(each.name, each.replicas if each.replicas is not None else 1) for each in selected)


def size_complaints(manifests: list[Manifest]) -> list[str]:
    """A pod takes its node's cores for its own, or its memory without limit."""
    return [
        f'{pods.name}: {complaint}'
        for pods in pods_of(manifests)
        for complaint in _of_size(pods.container.get('resources', {}).get('limits', {}), pods.environment)
    ]


def _of_size(limits: Mapping[str, Any], environment: Mapping[str, str]) -> Iterator[str]:
    if 'cpu' not in limits and 'WORKERS' not in environment:
        yield 'without a limit of CPU or WORKERS, it starts a worker for each core of its node'
    if 'memory' not in limits:
        yield 'needs a limit of memory'
