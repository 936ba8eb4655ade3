"""The manifests in deploy/, as kubectl renders them: schemas of their projects and checks of ours."""

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.complaints import (
    grace_complaints,
    port_complaints,
    probe_complaints,
    security_complaints,
    selector_complaints,
)
from tests.kubernetes.manifests import Manifest, of_kind, pods_of, read_manifests
from tests.kubernetes.scaling_complaints import budget_complaints, scaler_complaints, size_complaints
from tests.kubernetes.tools import kustomize, model_complaints, validate_strictly
from tests.raw_http import send
from tests.service_process import ROOT, running_service

pytestmark = pytest.mark.elaborate

DEPLOY = ROOT / 'deploy'
FOLDERS = ['kubernetes/overlays/small', 'kubernetes/overlays/production', 'kserve/standard', 'kserve/knative']
CUSTOM = 'ScaledObject', 'PodMonitor', 'PrometheusRule', 'ServiceMonitor'
VERSIONS = ['1.30', '1.37']
"""Of Kubernetes: the first in which preStop may sleep, and the newest whose schemas are here."""
IN_FLIGHT_S = 30
"""The time that gunicorn gives requests in flight, of which a test below makes sure."""


@pytest.fixture(scope='module')
def rendered() -> dict[str, list[Manifest]]:
    return {folder: read_manifests(kustomize(DEPLOY / folder)) for folder in FOLDERS}


@pytest.fixture(params=FOLDERS)
def manifests(rendered: dict[str, list[Manifest]], request: pytest.FixtureRequest) -> list[Manifest]:
    return rendered[request.param]


def test_everything_is_rendered(rendered: dict[str, list[Manifest]]) -> None:
    core = ['Deployment', 'NetworkPolicy', 'PodDisruptionBudget', 'Service']
    assert {folder: sorted(each['kind'] for each in found) for folder, found in rendered.items()} == {
        'kubernetes/overlays/small': core,
        'kubernetes/overlays/production': sorted(
            [*core, 'HorizontalPodAutoscaler', 'Namespace', 'PrometheusRule', 'ServiceMonitor']
        ),
        'kserve/standard': ['InferenceService', 'PodMonitor', 'ScaledObject'],
        'kserve/knative': ['InferenceService'],
    }


def test_overlays_change_what_they_say(rendered: dict[str, list[Manifest]]) -> None:
    small, production, *kserve = (pods_of(found)[0] for found in rendered.values())

    assert (small.replicas, production.replicas) == (1, None)
    assert small.container['image'] == 'model-serving'
    assert {each.container['image'] for each in (production, *kserve)} == {
        'registry.example.com/model-serving:1'
    }
    assert {each['metadata'].get('namespace') for each in rendered['kubernetes/overlays/small']} == {None}
    [scaled] = of_kind(rendered['kserve/standard'], 'ScaledObject')
    namespace = scaled['metadata']['namespace']
    assert f'namespace="{namespace}"' in scaled['spec']['triggers'][0]['metadata']['query']


def test_nothing_is_wrong(manifests: list[Manifest], paths: set[str], metric_types: dict[str, str]) -> None:
    assert [
        *grace_complaints(manifests, IN_FLIGHT_S),
        *scaler_complaints(manifests, metric_types),
        *budget_complaints(manifests),
        *size_complaints(manifests),
        *probe_complaints(manifests, paths),
        *port_complaints(manifests),
        *selector_complaints(manifests),
        *security_complaints(manifests),
    ] == []


@pytest.mark.parametrize('version', VERSIONS)
def test_kubernetes_schemas_accept_them(
    rendered: dict[str, list[Manifest]], tmp_path: Path, version: str
) -> None:
    found = [each for folder in FOLDERS[:2] for each in rendered[folder] if each['kind'] not in CUSTOM]

    assert len(found) == 10
    assert validate_strictly(found, tmp_path, version) == ''


def test_kubernetes_schemas_are_strict(rendered: dict[str, list[Manifest]], tmp_path: Path) -> None:
    [deployment] = of_kind(rendered['kubernetes/overlays/small'], 'Deployment')
    deployment = copy.deepcopy(deployment)
    deployment['spec']['template']['spec']['containers'][0]['livenesProbe'] = {}

    assert 'livenesProbe' in validate_strictly([deployment], tmp_path, VERSIONS[-1])


def every(rendered: dict[str, list[Manifest]], *kinds: str) -> list[Any]:
    return copy.deepcopy([each for found in rendered.values() for each in of_kind(found, *kinds)])


def test_models_of_the_custom_resources_accept_them(rendered: dict[str, list[Manifest]]) -> None:
    [knative] = rendered['kserve/knative']
    custom = every(rendered, *CUSTOM)

    assert len(custom) == 4
    assert model_complaints('custom_resource_models.py', [*custom, knative]) == []


def test_models_of_the_custom_resources_are_strict(rendered: dict[str, list[Manifest]]) -> None:
    [standard, knative] = every(rendered, 'InferenceService')
    [scaled] = every(rendered, 'ScaledObject')
    scaled['spec']['minReplicas'] = 1
    # What Standard mode has, and Knative refuses.
    container = knative['spec']['predictor']['containers'][0]
    container['lifecycle'] = standard['spec']['predictor']['containers'][0]['lifecycle']
    knative['spec']['predictor']['terminationGracePeriodSeconds'] = 50

    assert sorted(model_complaints('custom_resource_models.py', [scaled, knative])) == [
        'ScaledObject.spec.minReplicas is unknown',
        'Service.spec.template.spec.containers[0].lifecycle is unknown',
        'Service.spec.template.spec.terminationGracePeriodSeconds is unknown',
    ]


def test_models_of_kserve_accept_them(rendered: dict[str, list[Manifest]]) -> None:
    services = every(rendered, 'InferenceService')

    assert len(services) == 2
    assert model_complaints('kserve_models.py', services) == []


def test_models_of_kserve_are_strict(rendered: dict[str, list[Manifest]]) -> None:
    [standard, _] = every(rendered, 'InferenceService')
    standard['spec']['predictor']['minReplica'] = 1

    assert model_complaints('kserve_models.py', [standard]) == [
        'InferenceService.spec.predictor.minReplica is unknown'
    ]


def test_gunicorn_makes_of_the_environment_what_the_checks_take_it_to(manifests: list[Manifest]) -> None:
    [pods] = pods_of(manifests)
    script = (
        'import json; from model_serving.gunicorn_conf import *; print(json.dumps([bind, graceful_timeout]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', script],
        cwd=ROOT,
        env={'PORT': '8080', **pods.environment},  # Knative sets PORT to the container's.
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    drain = float(pods.environment.get('MODEL_SERVING_DRAIN_S', 0))

    assert json.loads(done.stdout) == ['0.0.0.0:8080', IN_FLIGHT_S + drain]
    assert pods.port(8080) == 8080


def test_service_started_with_the_environment_answers_the_probes(
    rendered: dict[str, list[Manifest]], tmp_path: Path
) -> None:
    every_pod = [pods for found in rendered.values() for pods in pods_of(found)]
    environment = {name: value for pods in every_pod for name, value in pods.environment.items()}
    del environment['HOST'], environment['PORT']
    asked = {
        probe['httpGet']['path']
        for pods in every_pod
        for probe in (pods.container.get(f'{name}Probe') for name in ('startup', 'readiness', 'liveness'))
        if probe
    }
    with running_service(tmp_path / 'log', MODEL_SERVING_MODELS='XXXModel', **environment) as url:
        send(
            url, b'GET /_ah/warmup HTTP/1.1\r\nHost: service\r\n\r\n'
        )  # It waits until the models are ready.
        answers = {
            path: send(url, f'GET {path} HTTP/1.1\r\nHost: service\r\n\r\n'.encode()).status for path in asked
        }

    assert answers == dict.fromkeys(
        ['/health/live', '/health/ready', '/v2/health/live', '/v2/health/ready'], 200
    )
