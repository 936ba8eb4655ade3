"""Prometheus' own tool checks and tries the alerts, and what the autoscalers ask Prometheus for."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from model_serving.errors import reason_of
from tests.kubernetes.complaints import metric_complaints
from tests.kubernetes.manifests import read_files
from tests.kubernetes.queries import ADAPTER_RULE, PRODUCTION, adapter_query, keda_query

pytestmark = pytest.mark.system

[RULE, SCALER] = read_files(
    PRODUCTION / f'{name}.yaml' for name in ('prometheus-rule', 'horizontal-pod-autoscaler')
)
KUBE_STATE_METRICS = {'kube_deployment_status_replicas_available', 'kube_deployment_spec_replicas'}


def promtool(*arguments: object, cwd: Path) -> str:
    done = subprocess.run(
        ['promtool', *map(str, arguments)], cwd=cwd, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder with the alerts, and two recording rules of what the autoscalers ask for."""
    asked = {'adapter': as_the_adapter_asks(), 'keda': keda_query()}
    recorded = [
        {'record': f'{name}:model_serving_requests_in_flight', 'expr': query} for name, query in asked.items()
    ]
    groups = [*RULE['spec']['groups'], {'name': 'autoscalers', 'rules': recorded}]
    (tmp_path / 'rules.yaml').write_text(yaml.safe_dump({'groups': groups}))
    return tmp_path


def as_the_adapter_asks() -> str:
    pods = 'model-serving-predictor-a|model-serving-predictor-b'
    return adapter_query(f'namespace="models",pod=~"{pods}"', 'pod')


def test_prometheus_accepts_the_rules(rules: Path) -> None:
    assert '6 rules found' in promtool('check', 'rules', 'rules.yaml', cwd=rules)


def test_alerts_fire_when_they_should(rules: Path) -> None:
    shutil.copy(Path(__file__).with_name('alerts_test.yaml'), rules)

    promtool('test', 'rules', 'alerts_test.yaml', cwd=rules)


def test_alerts_ask_for_metrics_that_there_are(metric_types: dict[str, str]) -> None:
    alerts = {rule['alert']: rule['expr'] for group in RULE['spec']['groups'] for rule in group['rules']}

    assert len(alerts) == 4
    assert metric_complaints(alerts, metric_types.keys() | KUBE_STATE_METRICS) == []
    reasons = {reason for alert in alerts.values() for reason in re.findall('reason="(.+?)"', alert)}
    assert reasons == {reason_of(500), reason_of(503)}


def test_adapter_gives_the_autoscaler_its_metric(metric_types: dict[str, str]) -> None:
    [metric] = SCALER['spec']['metrics']

    assert ADAPTER_RULE['name']['as'] == metric['pods']['metric']['name']
    assert metric_complaints({'adapter': ADAPTER_RULE['seriesQuery']}, metric_types) == []
    assert ADAPTER_RULE['resources']['overrides'].keys() == {'namespace', 'pod'}
    assert '<<' not in as_the_adapter_asks()
