"""What manifests say, in the words of the checks: which pods there will be, and who selects them."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Manifest = dict[str, Any]

MODE = 'serving.kserve.io/deploymentMode'
DEFAULT_GRACE_S = 30
PROBES = 'startupProbe', 'readinessProbe', 'livenessProbe'


class Pods(NamedTuple):
    """The pods that a Deployment or an InferenceService makes."""

    name: str
    """That of the Deployment, which KServe names itself."""
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    replicas: int | None
    is_knative: bool = False

    @property
    def container(self) -> Mapping[str, Any]:
        """The service's, which is the only one."""
        [container] = self.spec['containers']
        found: Mapping[str, Any] = container
        return found

    @property
    def environment(self) -> dict[str, str]:
        return {each['name']: each['value'] for each in self.container.get('env', ())}

    def port(self, port: int | str) -> int | None:
        """The number of a port given by name or number; None where the container has none such."""
        listed = self.container.get('ports', ())
        found = [
            each['containerPort'] for each in listed if port in (each.get('name'), each['containerPort'])
        ]
        return found[0] if found else None


def read_manifests(text: str) -> list[Manifest]:
    """The documents of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


def read_files(paths: Iterable[Path]) -> list[Manifest]:
    return [manifest for path in paths for manifest in read_manifests(path.read_text())]


def of_kind(manifests: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest['kind'] in kinds]


def name_of(manifest: Manifest) -> str:
    return f'{manifest["kind"]} {manifest["metadata"]["name"]}'


def pods_of(manifests: Iterable[Manifest]) -> list[Pods]:
    return list(_pods_of(manifests))


def _pods_of(manifests: Iterable[Manifest]) -> Iterator[Pods]:
    for manifest in of_kind(manifests, 'Deployment', 'InferenceService'):
        name, spec = manifest['metadata']['name'], manifest['spec']
        if manifest['kind'] == 'Deployment':
            template = spec['template']
            yield Pods(name, template['metadata']['labels'], template['spec'], spec.get('replicas'))
        else:
            labels = {'serving.kserve.io/inferenceservice': name, 'component': 'predictor'}
            mode = manifest['metadata'].get('annotations', {}).get(MODE, 'Knative')
            yield Pods(f'{name}-predictor', labels, spec['predictor'], None, mode == 'Knative')


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a selector of labels alone does; it may be that of a Service, which has no matchLabels."""
    wanted = selector.get('matchLabels', selector)
    return wanted.items() <= labels.items()
