"""What is wrong with manifests that every schema lets through; each check gives a list of complaints."""

import re
from collections.abc import Iterable, Iterator, Mapping

from tests.kubernetes.manifests import (
    DEFAULT_GRACE_S,
    PROBES,
    Manifest,
    Pods,
    name_of,
    of_kind,
    pods_of,
    selects,
)

TO_SPARE_S = 5
"""Between the end of the last request and SIGKILL."""
RATES = re.compile(r'\b(rate|irate|increase)\(')
# A series in PromQL, as long as each has a selector or a range.
SERIES = re.compile(r'([a-zA-Z_:][\w:]*)\s*[{\[]')


def grace_complaints(manifests: list[Manifest], in_flight_s: int) -> list[str]:
    """A pod is killed before it has done what a stop takes: preStop, drain, requests in flight."""
    return [
        f'{pods.name}: a stop takes up to {seconds} s, and terminationGracePeriodSeconds is {grace}'
        for pods in pods_of(manifests)
        if not pods.is_knative
        for seconds, grace in [(stop_seconds(pods, in_flight_s), _grace(pods))]
        if seconds + TO_SPARE_S > grace
    ]


def stop_seconds(pods: Pods, in_flight_s: int) -> float:
    """How long a pod takes to stop, at most."""
    pre_stop = pods.container.get('lifecycle', {}).get('preStop', {}).get('sleep', {}).get('seconds', 0)
    drain = float(pods.environment.get('MODEL_SERVING_DRAIN_S', 0))
    return float(pre_stop + drain + in_flight_s)


def _grace(pods: Pods) -> int:
    grace: int = pods.spec.get('terminationGracePeriodSeconds', DEFAULT_GRACE_S)
    return grace


def probe_complaints(manifests: list[Manifest], paths: Iterable[str]) -> list[str]:
    """A probe or Prometheus asks for what the service does not have, or a probe says too little."""
    served = set(paths)
    of_probes = [complaint for pods in pods_of(manifests) for complaint in _of_probes(pods, served)]
    return of_probes + [
        f'{name_of(monitor)} asks for {endpoint["path"]}, which the service does not have'
        for monitor in of_kind(manifests, 'ServiceMonitor', 'PodMonitor')
        for endpoint in monitor['spec'].get('endpoints', monitor['spec'].get('podMetricsEndpoints', ()))
        if endpoint['path'] not in served
    ]


def _of_probes(pods: Pods, paths: set[str]) -> Iterator[str]:
    asked = {}
    for probe in PROBES:
        get = pods.container.get(probe, {}).get('httpGet')
        if get is None:
            if probe != 'startupProbe':
                yield f'{pods.name}: no {probe} over HTTP; an open port does not show that models are ready'
            continue
        asked[probe] = get['path']
        if get['path'] not in paths:
            yield f'{pods.name}: {probe} asks for {get["path"]}, which the service does not have'
        if pods.is_knative and 'port' in get:
            yield f'{pods.name}: {probe} names a port, which Knative chooses'
        if not pods.is_knative and pods.port(get['port']) is None:
            yield f'{pods.name}: {probe} asks at port {get["port"]}, which the container does not have'
    if asked.get('livenessProbe') and asked['livenessProbe'] == asked.get('readinessProbe'):
        yield f'{pods.name}: livenessProbe restarts what is only not ready'


def port_complaints(manifests: list[Manifest]) -> list[str]:
    """The ports of a pod, and of what sends requests to it, differ."""
    return [*_of_container_ports(manifests), *_of_ports_elsewhere(manifests)]


def _of_container_ports(manifests: list[Manifest]) -> Iterator[str]:
    for pods in pods_of(manifests):
        port = pods.environment.get('PORT')
        if port is not None and pods.port(int(port)) is None:
            yield f'{pods.name}: PORT is {port}, which is not a port of the container'


def _of_ports_elsewhere(manifests: list[Manifest]) -> Iterator[str]:
    for manifest in of_kind(manifests, 'Service', 'NetworkPolicy', 'PodMonitor'):
        spec = manifest['spec']
        asked = {
            'Service': [each.get('targetPort', each['port']) for each in spec.get('ports', ())],
            'NetworkPolicy': [
                each['port'] for rule in spec.get('ingress', ()) for each in rule.get('ports', ())
            ],
            'PodMonitor': [each['port'] for each in spec.get('podMetricsEndpoints', ())],
        }[manifest['kind']]
        selector = spec.get('podSelector', spec.get('selector'))
        for pods in pods_of(manifests):
            for port in asked if selects(selector, pods.labels) else ():
                if pods.port(port) is None:
                    yield f'{name_of(manifest)}: {pods.name} has no port {port}'
    services = of_kind(manifests, 'Service')
    names = {port.get('name') for service in services for port in service['spec']['ports']}
    for monitor in of_kind(manifests, 'ServiceMonitor'):
        for endpoint in monitor['spec']['endpoints']:
            if endpoint['port'] not in names:
                yield f'{name_of(monitor)}: no Service has a port {endpoint["port"]}'


def selector_complaints(manifests: list[Manifest]) -> list[str]:
    """Something selects nothing."""
    labels = [pods.labels for pods in pods_of(manifests)]
    of_services = [each['metadata'].get('labels', {}) for each in of_kind(manifests, 'Service')]
    selectors = [
        *((name_of(each), each['spec']['selector'], labels) for each in _that_select(manifests)),
        *(
            (name_of(each), each['spec']['podSelector'], labels)
            for each in of_kind(manifests, 'NetworkPolicy')
        ),
        *(
            (name_of(each), each['spec']['selector'], of_services)
            for each in of_kind(manifests, 'ServiceMonitor')
        ),
        *(
            (f'topologySpreadConstraints of {pods.name}', each['labelSelector'], [pods.labels])
            for pods in pods_of(manifests)
            for each in pods.spec.get('topologySpreadConstraints', ())
        ),
    ]
    return [
        f'{name} selects nothing'
        for name, selector, selectable in selectors
        if not any(selects(selector, each) for each in selectable)
    ]


def _that_select(manifests: list[Manifest]) -> list[Manifest]:
    return of_kind(manifests, 'Deployment', 'Service', 'PodDisruptionBudget', 'PodMonitor')


def security_complaints(manifests: list[Manifest]) -> list[str]:
    """A pod is refused where Kubernetes' restricted profile is enforced, or may write where it need not."""
    return [complaint for pods in pods_of(manifests) for complaint in _of_security(pods)]


def _of_security(pods: Pods) -> Iterator[str]:
    of_pod, of_container = pods.spec.get('securityContext', {}), pods.container.get('securityContext', {})
    effective = {**of_pod, **of_container}
    if not effective.get('runAsNonRoot') or not effective.get('runAsUser'):
        yield f'{pods.name}: may run as root'
    if effective.get('seccompProfile', {}).get('type') != 'RuntimeDefault':
        yield f'{pods.name}: no seccomp profile'
    if effective.get('allowPrivilegeEscalation') is not False:
        yield f'{pods.name}: may gain privileges'
    if effective.get('capabilities', {}).get('drop') != ['ALL']:
        yield f'{pods.name}: keeps capabilities'
    mounted = {each['mountPath'] for each in pods.container.get('volumeMounts', ())}
    if not effective.get('readOnlyRootFilesystem') or '/tmp' not in mounted:
        yield f'{pods.name}: needs a read-only root file system, and a volume for /tmp'


def metric_complaints(expressions: Mapping[str, str], known: Iterable[str]) -> list[str]:
    """An expression asks for a series that nobody has."""
    return [
        f'{place} asks for {series}, which there is not'
        for place, expression in expressions.items()
        for series in SERIES.findall(expression)
        if series not in set(known)
    ]
