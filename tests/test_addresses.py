"""Where the service listens unless it is told."""

import os
import subprocess
import sys

import pytest

from model_serving.addresses import PLATFORMS
from tests.deployment.upload_set import app_yaml
from tests.service_process import ROOT

HOSTS = {
    'by_itself': ({}, '127.0.0.1:9999'),
    'empty': ({'HOST': ''}, '127.0.0.1:9999'),
    'told': ({'HOST': '0.0.0.0', 'PORT': '80'}, '0.0.0.0:80'),
    'six': ({'HOST': '::'}, '[::]:9999'),
    'app_engine': ({'GAE_ENV': 'standard', 'PORT': '8081'}, '0.0.0.0:8081'),
    'cloud_run': ({'K_SERVICE': 'models'}, '0.0.0.0:9999'),
    'vertex_ai': ({'AIP_HTTP_PORT': '8085', 'PORT': '8080'}, '0.0.0.0:8085'),
    'kubernetes': ({'KUBERNETES_SERVICE_HOST': '10.0.0.1'}, '0.0.0.0:9999'),
    'kubernetes_told': ({'KUBERNETES_SERVICE_HOST': '10.0.0.1', 'HOST': '127.0.0.1'}, '127.0.0.1:9999'),
}


@pytest.mark.parametrize(('given', 'bind'), HOSTS.values(), ids=HOSTS)
def test_gunicorn_listens_at(given: dict[str, str], bind: str) -> None:
    script = 'import model_serving.gunicorn_conf as conf; print(conf.bind)'
    inherited = {
        name: value for name, value in os.environ.items() if name not in (*PLATFORMS, 'HOST', 'PORT')
    }
    environment = {**inherited, 'PYTHONPATH': str(ROOT), **given}
    assert subprocess.check_output([sys.executable, '-c', script], env=environment, text=True).strip() == bind


def test_app_engine_is_told() -> None:
    assert app_yaml()['env_variables']['HOST'] == '0.0.0.0'
