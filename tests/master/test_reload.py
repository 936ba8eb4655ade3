"""What becomes of workers that are replaced, by a reload or because they have ended."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.linux import linux_only
from tests.master.updated import CODE, Clients, Project, Updated, until, updated
from tests.project_copy import END_OF_MODELS

pytestmark = linux_only


@pytest.fixture
def service(tmp_path: Path, project: Project) -> Iterator[Updated]:
    with updated(tmp_path, project) as service:
        yield service


MISTAKES: dict[str, tuple[Callable[[Project], object], set[int]]] = {
    'package': (lambda project: project.code.write_text('import a_package_that_is_missing'), {400}),
    'schema': (lambda project: project.write(2, schema='objekt'), {400}),
    'setting': (lambda project: project.settings.write_text('[model_serving]\ntimeout_s = soon'), {503}),
    'main': (lambda project: project.main.write_text('raise SystemExit(1)'), {503}),
}
"""What is wrong on the disk, and how a model answers that is not concerned."""


@pytest.mark.parametrize(('change', 'others'), MISTAKES.values(), ids=MISTAKES)
def test_lone_worker_that_replaces_another_serves_what_it_can(
    tmp_path: Path, project: Project, change: Callable[[Project], object], others: set[int]
) -> None:
    with updated(
        tmp_path, project, ready=1, WORKERS='1', MODEL_SERVING_MODELS='XXXModel,VersionModel'
    ) as service:
        change(project)
        service.kill_a_worker()
        until(lambda: 503 in service.statuses())
        assert service.get('/health/live') == 200
        assert service.get('/health/ready') == 503
        assert service.statuses('/v1/XXXModel') == others
        project.mend()
        project.write(2)
        assert service.reload()[0] == 'done'
        assert service.call()['version'] == 2


def test_worker_that_is_worse_than_the_other_waits(service: Updated, project: Project) -> None:
    project.write(2, schema='objekt')
    service.kill_a_worker()
    until(lambda: 'failed to load' in service.log.read_text())
    assert service.statuses(count=30) == {200}
    assert service.call()['version'] == 1


def test_worker_more_is_let_in_when_it_is_ready(service: Updated, project: Project) -> None:
    project.write(2, seconds=1)
    os.kill(service.master, signal.SIGTTIN)
    until(lambda: len(service.workers()) == 3)
    assert service.statuses() == {200}
    until(lambda: service.call()['version'] == 2)
    os.kill(service.master, signal.SIGTTOU)
    until(lambda: len(service.workers()) == 2)


def test_last_of_several_reloads_counts(service: Updated, project: Project) -> None:
    service.outcome.unlink(missing_ok=True)
    for version in (2, 3, 4):
        project.write(version, seconds=1)
        os.kill(service.master, signal.SIGHUP)
        until(lambda version=version: [event[0] for event in service.events()].count('begun') == version - 1)
    assert service.end()[0] == 'done'
    assert {service.call()['version'] for _ in range(8)} == {4}
    assert len(service.workers()) == 2


def test_worker_that_never_loads_is_ended_in_time(tmp_path: Path, project: Project) -> None:
    with updated(tmp_path, project, RELOAD_TIMEOUT_S='1') as service:
        before = service.workers()
        project.write(2, seconds=600)
        word, text = service.reload()
        assert (word, text) == ('failed', 'a new worker was not ready within 1 s (RELOAD_TIMEOUT_S)')
        until(lambda: service.workers() == before)
        assert 'version_model_resource.py", line 11 in <module>' in service.log.read_text()
        assert service.call()['version'] == 1


def test_model_that_had_failed_before_hinders_no_other(tmp_path: Path, project: Project) -> None:
    project.weight.write_text('x')
    with updated(tmp_path, project, ready=0, MODEL_SERVING_MODELS='XXXModel,VersionModel') as service:
        word, text = service.reload()
        assert word == 'unready'
        assert 'VersionModel failed to load' in text
        project.weight.write_text('2')
        assert service.reload() == ['done', 'all workers are new and ready']
        assert service.call()['weight'] == 2


def test_service_that_answers_nothing_takes_what_loads(tmp_path: Path, project: Project) -> None:
    with updated(
        tmp_path, project, ready=1, WORKERS='1', MODEL_SERVING_MODELS='XXXModel,VersionModel'
    ) as service:
        project.main.write_text('raise SystemExit(1)')
        service.kill_a_worker()
        until(lambda: service.statuses('/v1/XXXModel') == {503})
        project.mend()
        project.weight.write_text('x')
        assert service.reload()[0] == 'unready'
        assert service.statuses('/v1/XXXModel') == {400}


def test_stop_does_not_wait_for_a_worker_that_loads(service: Updated, project: Project) -> None:
    project.write(2, seconds=600)
    os.kill(service.master, signal.SIGHUP)
    until(lambda: len(service.workers()) == 3)
    os.kill(service.master, signal.SIGTERM)
    until(lambda: not service.pid_file.exists())


KINDS = {'asyncio': '', 'threads': '--worker-class gthread'}


@pytest.mark.parametrize('arguments', KINDS.values(), ids=KINDS)
def test_idle_connections_learn_that_they_close(tmp_path: Path, project: Project, arguments: str) -> None:
    with (
        updated(tmp_path, project, GUNICORN_CMD_ARGS=arguments) as service,
        Clients(service.url) as clients,
    ):
        until(lambda: clients.counts.total() > 50)
        project.write(2)
        assert service.reload()[0] == 'done'
    counts, _ = clients.take()
    lost = sum(count for said, count in counts.items() if not said.startswith('{"version"'))
    assert lost <= (0 if not arguments else 8), counts  # gthread resets those that are idle.


def test_default_version_follows_a_setting_and_no_call_is_lost(tmp_path: Path, project: Project) -> None:
    second = project.code.with_name('version_model_2_resource.py')
    second.write_text(CODE.replace('VERSION = 1', 'VERSION = 2'))
    module = 'model_serving.resources.version_model_2_resource:VersionModelResource'
    mount = f"    Mount('VersionModel', '{module}', version='2'),\n"
    project.main.write_text(project.main.read_text().replace(END_OF_MODELS, mount + END_OF_MODELS))
    with updated(tmp_path, project, ready=4) as service, Clients(service.url) as clients:
        assert service.call()['version'] == 1
        project.settings.write_text('[model_serving]\ndefault_versions = VersionModel=2\n')
        assert service.reload()[0] == 'done'
        assert service.call()['version'] == 2
        clients.stopping.wait(0.5)
        answered, _ = clients.take()
        assert set(answered) == {'{"version":1,"weight":1}', '{"version":2,"weight":1}'}
        project.settings.write_text('[model_serving]\ndefault_versions = VersionModel=3\n')
        word, text = service.reload()
        assert word != 'done'
        assert "'VersionModel=3': no such version; VersionModel has: 1, 2" in text
        assert service.call()['version'] == 2
