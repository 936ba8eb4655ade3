"""Each check complains of a manifest that is broken as it says, and of nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.kubernetes.complaints import (
    grace_complaints,
    metric_complaints,
    port_complaints,
    probe_complaints,
    security_complaints,
    selector_complaints,
)
from tests.kubernetes.manifests import Manifest, read_manifests
from tests.kubernetes.parts import Broken, Parts, removes, sets
from tests.kubernetes.scaling_complaints import budget_complaints, scaler_complaints, size_complaints

IN_FLIGHT_S = 30
OURS = {'matchLabels': {'app.kubernetes.io/name': 'model-serving'}}
KNATIVE = 'spec', 'predictor', 'containers', 0
BROKEN = {
    'preStop is longer than the grace period': Broken(
        'grace', sets('container', 'lifecycle', 'preStop', 'sleep', 'seconds', to=60), 'takes up to 95.0 s'
    ),
    'nothing to spare': Broken(
        'grace', sets('pods', 'terminationGracePeriodSeconds', to=44), 'terminationGracePeriodSeconds is 44'
    ),
    'the grace period is the default': Broken(
        'grace', removes('pods', 'terminationGracePeriodSeconds'), 'terminationGracePeriodSeconds is 30'
    ),
    'the minimum of the HPA is above its maximum': Broken(
        'scaler', sets('scaler', 'spec', 'minReplicas', to=11), 'minReplicas is above maxReplicas'
    ),
    'the minimum of KEDA is above its maximum': Broken(
        'scaler', sets('scaled', 'spec', 'minReplicaCount', to=11), 'minReplicaCount is above maxReplicaCount'
    ),
    'the minimum of KServe is above its maximum': Broken(
        'scaler', sets('knative', 'spec', 'predictor', 'minReplicas', to=11), 'is above maxReplicas'
    ),
    'KEDA scales to zero by what the pods say': Broken(
        'scaler', removes('scaled', 'spec', 'minReplicaCount'), 'there is no metric that asks for one'
    ),
    'the HPA scales something else': Broken(
        'scaler', sets('scaler', 'spec', 'scaleTargetRef', 'name', to='models'), 'no Deployment models'
    ),
    'KEDA forgets how KServe names a Deployment': Broken(
        'scaler', sets('scaled', 'spec', 'scaleTargetRef', 'name', to='served'), 'no Deployment served'
    ),
    'both the HPA and the Deployment set replicas': Broken(
        'scaler', sets('deployment', 'spec', 'replicas', to=2), 'come back whenever it is applied'
    ),
    'the HPA follows a counter': Broken(
        'scaler',
        sets('scaler', 'spec', 'metrics', 0, 'pods', 'metric', 'name', to='model_serving_requests_total'),
        'model_serving_requests_total is a counter, which never falls',
    ),
    'KEDA follows a metric that there is not': Broken(
        'scaler',
        sets('scaled', 'spec', 'triggers', 0, 'metadata', 'query', to='sum(model_serving_in_flight{a="b"})'),
        'asks for model_serving_in_flight, which there is not',
    ),
    'the budget has both bounds': Broken(
        'budget', sets('budget', 'spec', 'minAvailable', to=1), 'and not both; it has 2'
    ),
    'the budget has no bound': Broken('budget', removes('budget', 'spec', 'maxUnavailable'), 'it has 0'),
    'the budget allows nothing': Broken(
        'budget', sets('budget', 'spec', 'maxUnavailable', to=0), 'blocks every eviction'
    ),
    'the budget wants as many pods as there may be': Broken(
        'budget',
        sets('budget', 'spec', to={'minAvailable': 2, 'selector': OURS}),
        'blocks every eviction while there are 2 pods',
    ),
    'the budget wants all pods': Broken(
        'budget', sets('budget', 'spec', to={'minAvailable': '100%', 'selector': {}}), 'blocks every eviction'
    ),
    'a probe asks for what there is not': Broken(
        'probe', sets('container', 'readinessProbe', 'httpGet', 'path', to='/healthz'), 'asks for /healthz'
    ),
    'a probe asks at another port': Broken(
        'probe', sets('container', 'livenessProbe', 'httpGet', 'port', to=9999), 'asks at port 9999'
    ),
    'KServe would check the port alone': Broken(
        'probe',
        removes('inference', *KNATIVE, 'readinessProbe'),
        'predictor: no readinessProbe over HTTP',
    ),
    'a probe on Knative names a port': Broken(
        'probe',
        sets('knative', *KNATIVE, 'readinessProbe', 'httpGet', 'port', to=8080),
        'readinessProbe names a port',
    ),
    'a pod is restarted while it is not ready': Broken(
        'probe',
        sets('container', 'livenessProbe', 'httpGet', 'path', to='/health/ready'),
        'restarts what is only not ready',
    ),
    'Prometheus asks for what there is not': Broken(
        'probe', sets('monitor', 'spec', 'endpoints', 0, 'path', to='/stats'), 'asks for /stats'
    ),
    'a pod has as many workers as its node has cores': Broken(
        'size', removes('container', 'resources', 'limits', 'cpu'), 'a worker for each core of its node'
    ),
    'a pod may take all memory': Broken(
        'size', removes('container', 'resources', 'limits', 'memory'), 'needs a limit of memory'
    ),
    'PORT is not the port of the container': Broken(
        'port', sets('container', 'env', 1, 'value', to='9999'), 'PORT is 9999'
    ),
    'the Service sends to another port': Broken(
        'port', sets('service', 'spec', 'ports', 0, 'targetPort', to=9999), 'has no port 9999'
    ),
    'the policy lets in to another port': Broken(
        'port', sets('policy', 'spec', 'ingress', 0, 'ports', 0, 'port', to='web'), 'has no port web'
    ),
    'Prometheus asks at another port of the Service': Broken(
        'port', sets('monitor', 'spec', 'endpoints', 0, 'port', to='metrics'), 'no Service has a port metrics'
    ),
    'Prometheus asks at another port of the pod': Broken(
        'port',
        sets('pod_monitor', 'spec', 'podMetricsEndpoints', 0, 'port', to='metrics'),
        'predictor has no port metrics',
    ),
    'the Service selects nothing': Broken(
        'selector', sets('service', 'spec', 'selector', to={'app': 'models'}), 'Service model-serving selects'
    ),
    'the Deployment does not select its own pods': Broken(
        'selector',
        sets('deployment', 'spec', 'selector', 'matchLabels', to={'app': 'models'}),
        'Deployment model-serving selects nothing',
    ),
    'the budget selects nothing': Broken(
        'selector',
        sets('budget', 'spec', 'selector', 'matchLabels', to={'app': 'models'}),
        'PodDisruptionBudget model-serving selects nothing',
    ),
    'the policy protects nothing': Broken(
        'selector',
        sets('policy', 'spec', 'podSelector', 'matchLabels', to={'app': 'models'}),
        'NetworkPolicy model-serving selects nothing',
    ),
    'Prometheus finds no Service': Broken(
        'selector', removes('service', 'metadata', 'labels'), 'ServiceMonitor model-serving selects nothing'
    ),
    'nothing is spread': Broken(
        'selector',
        sets('pods', 'topologySpreadConstraints', 0, 'labelSelector', to={'matchLabels': {'app': 'models'}}),
        'topologySpreadConstraints of model-serving selects nothing',
    ),
    'a pod runs as root': Broken('security', removes('pods', 'securityContext', 'runAsUser'), 'as root'),
    'a pod has no seccomp profile': Broken(
        'security', removes('pods', 'securityContext', 'seccompProfile'), 'no seccomp profile'
    ),
    'a pod may gain privileges': Broken(
        'security', removes('container', 'securityContext', 'allowPrivilegeEscalation'), 'may gain privileges'
    ),
    'a pod keeps capabilities': Broken(
        'security', removes('container', 'securityContext', 'capabilities'), 'keeps capabilities'
    ),
    'a pod cannot write to /tmp': Broken(
        'security', removes('container', 'volumeMounts'), 'a volume for /tmp'
    ),
}  # fmt: skip


@pytest.fixture
def complaints(
    paths: set[str], metric_types: dict[str, str]
) -> Callable[[list[Manifest]], dict[str, list[str]]]:
    """What each check says of manifests."""
    return lambda manifests: {
        'grace': grace_complaints(manifests, IN_FLIGHT_S),
        'scaler': scaler_complaints(manifests, metric_types),
        'budget': budget_complaints(manifests),
        'size': size_complaints(manifests),
        'probe': probe_complaints(manifests, paths),
        'port': port_complaints(manifests),
        'selector': selector_complaints(manifests),
        'security': security_complaints(manifests),
    }


def test_what_is_sound_has_no_complaints(complaints: Any) -> None:
    found = complaints(Parts().manifests)

    assert len(Parts().manifests) == 11
    assert found == {check: [] for check in found}


@pytest.mark.parametrize('broken', BROKEN.values(), ids=BROKEN.keys())
def test_what_is_broken_has_one(complaints: Any, broken: Broken) -> None:
    parts = Parts()
    broken.change(parts)
    found = complaints(parts.manifests)

    assert [each for each in found[broken.check] if broken.complaint in each], found
    assert len(found[broken.check]) == 1


def test_metric_that_there_is_not_is_found(metric_types: dict[str, str]) -> None:
    asked = {
        'alert': 'sum(rate(model_serving_failures_total[5m])) / sum(model_serving_requests_total{a="b"})'
    }

    assert metric_complaints(asked, metric_types) == [
        'alert asks for model_serving_failures_total, which there is not'
    ]


def test_documents_are_read_from_a_stream() -> None:
    assert read_manifests('kind: A\n---\n---\nkind: B\n') == [{'kind': 'A'}, {'kind': 'B'}]
