"""Reads manifests as KEDA, Knative and Prometheus Operator define them, and prints what these do not know.

Runs in the environment of requirements.txt. A field that a definition lacks is lost when its model reads it.
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

from cloudcoil.models.keda.v1alpha1 import ScaledObject
from cloudcoil.models.knative_serving.serving.v1 import Service
from cloudcoil.models.prometheus_operator.v1 import PodMonitor, PrometheusRule, ServiceMonitor

MODELS = {model.__name__: model for model in (ScaledObject, PodMonitor, PrometheusRule, ServiceMonitor)}


def main() -> None:
    manifests = json.load(sys.stdin)
    print(json.dumps([complaint for manifest in manifests for complaint in complaints_of(manifest)]))


def complaints_of(manifest: Any) -> list[str]:
    if manifest['kind'] == 'InferenceService':
        model, manifest = Service, as_knative_service(manifest)
    else:
        model = MODELS[manifest['kind']]
    try:
        found = model.model_validate_json(json.dumps(manifest), strict=True)
        read = found.model_dump(mode='json', by_alias=True, exclude_unset=True)
    except ValueError as error:
        return [str(error)]
    return list(lost(manifest, read, manifest['kind']))


def as_knative_service(manifest: Any) -> Any:
    """The Knative Service that KServe makes of an InferenceService, as far as its pods are concerned."""
    own = {'minReplicas', 'maxReplicas', 'scaleMetric', 'scaleTarget', 'timeout'}
    predictor = manifest['spec']['predictor']
    spec = {name: value for name, value in predictor.items() if name not in own}
    return {
        'apiVersion': 'serving.knative.dev/v1',
        'kind': 'Service',
        'metadata': {'name': manifest['metadata']['name']},
        'spec': {'template': {'spec': {**spec, 'timeoutSeconds': predictor['timeout']}}},
    }


def lost(given: Any, read: Any, place: str) -> Iterator[str]:
    """What was given and has not been read."""
    if isinstance(given, dict):
        for name, value in given.items():
            if name not in read:
                yield f'{place}.{name} is unknown'
            else:
                yield from lost(value, read[name], f'{place}.{name}')
    elif isinstance(given, list):
        for number, (each, other) in enumerate(zip(given, read, strict=True)):
            yield from lost(each, other, f'{place}[{number}]')
    elif given != read:
        yield f'{place} is {given!r}, and is read as {read!r}'


if __name__ == '__main__':
    main()
