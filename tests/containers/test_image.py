"""The image of the Dockerfile: what is in it, who may run it, in which limits, and how it ends."""

from pathlib import Path

import pytest

from tests.containers import images
from tests.containers.container import running
from tests.containers.tools import run
from tests.deployment.upload_set import upload_set
from tests.linux import linux_only
from tests.project_copy import copy_files

pytestmark = linux_only

PORT = 8080
READY = '/health/ready'
HELLO = '/v1/XXXModel', {'name': 'Leo'}
ALONE = '--env=MODEL_SERVING_MODELS=XXXModel', '--env=WORKERS=1'
FOLDER = '/srv/model-serving'
SMALL = 'localhost/model-serving:small'
MOST_MB = 45
"""What the image without a model runtime may add to its base."""

USERS = {
    'its_own': [],
    'root': ['--user=0:0'],
    'any': ['--user=54321:0'],
    'read_only': ['--read-only', '--read-only-tmpfs=false', '--tmpfs=/tmp'],
    'any_read_only': ['--user=54321:54321', '--read-only', '--read-only-tmpfs=false', '--tmpfs=/tmp'],
}


def files_in(image: str) -> set[str]:
    """The files of the project's folder there, without bytecode."""
    listed = run('podman', 'run', '--rm', '--network=none', '--entrypoint=find', image, FOLDER, '-type', 'f')
    return {name.removeprefix(f'{FOLDER}/') for name in listed.splitlines() if not name.endswith('.pyc')}


def test_image_has_what_the_service_runs_on_and_nothing_else(image: str) -> None:
    others = {'.dockerignore', 'app.yaml', 'Dockerfile', 'bin/common.sh', 'requirements.txt'}
    assert files_in(image) == set(upload_set()) - others | {'data/co2_model.pt'}


@pytest.mark.parametrize('options', USERS.values(), ids=USERS)
def test_service_runs_as(image: str, options: list[str]) -> None:
    with running(image, *ALONE, *options) as container:
        container.wait_until(PORT, READY)
        assert container.call(PORT, *HELLO) == (200, {'result': 'Hello, Leo!'})
        assert container.healthcheck() == 0
        assert f'Listening at: http://0.0.0.0:{PORT} (1)' in container.log()
        container.terminate()
        assert container.exit_status(within_s=10) == 0
        assert 'Shutting down: Master' in container.log()


def test_user_is_a_number_that_is_not_root(image: str) -> None:
    with running(image, *ALONE) as container:
        assert container.inspect('.Config.User') == '10001:10001'
        assert 'Uid:\t10001\t10001\t10001\t10001' in Path(f'/proc/{container.pid}/status').read_text()


def test_service_is_unhealthy_while_it_does_not_answer(image: str) -> None:
    with running(image, *ALONE, '--env=GUNICORN_CMD_ARGS=--bind=127.0.0.1:8081') as container:
        container.wait_until(8081, READY)
        assert container.healthcheck() == 1


def test_worker_follows_the_limits_of_the_container(image: str) -> None:
    with running(image, '--cpus=0.5', '--memory=230m') as container:
        container.wait_until(PORT, READY)
        assert container.workers() == 1
        container.wait_for('of 230 MiB, which leaves little for requests')


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """What is uploaded to be built by Cloud Run, and a list of packages without a model runtime."""
    project = copy_files(upload_set(), tmp_path)
    listed = (project / 'requirements.txt').read_text().partition('# Numbers')[0]
    (project / 'requirements-service.txt').write_text(listed)
    return project


def build_small(project: Path) -> list[str]:
    """Build the image without a model runtime; its layers."""
    with images.alone():
        images.build(project, SMALL, REQUIREMENTS='requirements-service.txt')
    return images.layers(SMALL)


def test_packages_are_chosen_and_only_what_changed_is_built_again(image: str, small: Path) -> None:
    first = build_small(small)
    added_mb = images.size_mb(SMALL) - images.size_mb(images.BASE)
    assert added_mb < MOST_MB
    with running(SMALL, *ALONE) as container:
        container.wait_until(PORT, READY)
    with (small / 'data' / 'iris_model.skops').open('ab') as file:
        file.write(b'new')
    data = build_small(small)
    assert (data[:-1], data[-1] != first[-1]) == (first[:-1], True)
    (small / 'main.py').write_text((small / 'main.py').read_text() + '# new\n')
    code = build_small(small)
    packages = 2  # The base, and they.
    assert code[:packages] == first[:packages]
    assert code[packages:] != data[packages:]
