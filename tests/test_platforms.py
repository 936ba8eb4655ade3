"""Where the service listens unless it is told."""

import os
import subprocess
import sys

import pytest

from model_serving.platforms import PLATFORMS, served_version
from model_serving.settings import SettingError
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


VERSIONS = {
    'none': ('', {}, ''),
    'chosen': ('3f9a1c2', {'K_REVISION': 'models-00004-vid'}, '3f9a1c2'),
    'cloud_run': ('', {'K_REVISION': 'models-00004-vid'}, 'models-00004-vid'),
    'app_engine': ('', {'GAE_VERSION': '20260131t120000'}, '20260131t120000'),
}


@pytest.mark.parametrize(('setting', 'given', 'version'), VERSIONS.values(), ids=VERSIONS)
def test_version_is_chosen_or_that_of_the_platform(
    monkeypatch: pytest.MonkeyPatch, setting: str, given: dict[str, str], version: str
) -> None:
    for name in ('K_REVISION', 'GAE_VERSION'):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert served_version(setting) == version


@pytest.mark.parametrize('text', ['two words', 'a"b', 'a\nb', 'x' * 65, 'Lösung'])
def test_version_that_would_break_a_line_of_the_log_stops_the_start(text: str) -> None:
    with pytest.raises(SettingError, match='version: '):
        served_version(text)
