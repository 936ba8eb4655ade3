"""The manifests of this project, and changes that break them."""

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.kubernetes.manifests import Manifest, read_files
from tests.service_process import ROOT

KUBERNETES, KSERVE = ROOT / 'deploy' / 'kubernetes', ROOT / 'deploy' / 'kserve'


class Parts:
    """The manifests of this project as they are written, for a change to be made in one."""

    def __init__(self) -> None:
        base, production = KUBERNETES / 'base', KUBERNETES / 'overlays' / 'production'
        files = ['deployment', 'service', 'pod-disruption-budget', 'network-policy']
        (self.deployment, self.service, self.budget, self.policy) = read_files(
            base / f'{name}.yaml' for name in files
        )
        files = ['horizontal-pod-autoscaler', 'service-monitor', 'prometheus-rule']
        (self.scaler, self.monitor, self.rule) = read_files(production / f'{name}.yaml' for name in files)
        (self.inference, self.scaled) = read_files(
            KSERVE / 'standard' / f'{name}.yaml' for name in ['inference-service', 'scaled-object']
        )
        [self.pod_monitor] = read_files([KSERVE / 'standard' / 'pod-monitor.yaml'])
        [self.knative] = read_files([KSERVE / 'knative' / 'inference-service.yaml'])
        self.knative['metadata']['name'] = 'on-knative'
        # As the overlays have it.
        del self.deployment['spec']['replicas']
        self.service['metadata']['labels'] = {'app.kubernetes.io/name': 'model-serving'}
        self.pods = self.deployment['spec']['template']['spec']
        self.container = self.pods['containers'][0]

    @property
    def manifests(self) -> list[Manifest]:
        return [value for value in vars(self).values() if 'kind' in value]


class Broken(NamedTuple):
    """The check that complains once a change has been made, and what its complaint says."""

    check: str
    change: Callable[[Parts], Any]
    complaint: str


def sets(part: str, *path: str | int, to: Any) -> Callable[[Parts], Any]:
    def change(parts: Parts) -> None:
        place: Any = getattr(parts, part)
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return change


def removes(part: str, *path: str | int) -> Callable[[Parts], Any]:
    def change(parts: Parts) -> None:
        place: Any = getattr(parts, part)
        for key in path[:-1]:
            place = place[key]
        del place[path[-1]]

    return change
