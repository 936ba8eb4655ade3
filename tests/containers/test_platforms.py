"""What platforms demand of a container: each starts it as that platform does, and keeps to its times."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.containers.container import Container, running
from tests.linux import linux_only
from tests.service_process import ROOT

pytestmark = linux_only

PORT = 8080
IRIS = {'instances': [{'sepal_length': 5.1, 'sepal_width': 3.5, 'petal_length': 1.4, 'petal_width': 0.2}]}
IRIS_CSV = 'sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n'
ONE_MODEL = '--env=MODEL_SERVING_MODELS=IrisModel'
PAGE = (ROOT / 'docs' / 'containers.md').read_text()

SAGEMAKER_PING_S = 2
SAGEMAKER_STOP_S = 30
CLOUD_RUN_STOP_S = 10


def configuration_in_docs(first_line: str) -> dict[str, Any]:
    """The example of a configuration in docs/containers.md that begins so."""
    text = PAGE.partition(f'```yaml\n{first_line}')[2].partition('```')[0]
    found: dict[str, Any] = yaml.safe_load(f'# {text}')
    return found


def label(answer: tuple[int, Any]) -> tuple[int, str]:
    """Status, and the only prediction's label."""
    status, body = answer
    [prediction] = body['predictions']
    return status, prediction['label']


@contextlib.contextmanager
def busy(container: Container, port: int, path: str, body: Any) -> Iterator[list[tuple[int, Any]]]:
    """A request that is in flight meanwhile; afterwards the list has its answer."""
    answers: list[tuple[int, Any]] = []
    request = threading.Thread(target=lambda: answers.append(container.call(port, path, body)))
    request.start()
    yield answers
    request.join()


def test_sagemaker(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    options = [f'--volume={tmp_path}:/opt/ml/model:ro', '--env=SAGEMAKER_BIND_TO_PORT=8080', '--user=0:0']
    with running(image, ONE_MODEL, *options, command=('serve',)) as container:
        container.wait_until(PORT, '/ping')
        assert container.call(PORT, '/ping', timeout_s=SAGEMAKER_PING_S)[0] == 200
        assert label(container.call(PORT, '/invocations', IRIS)) == (200, 'setosa')
        assert label(container.call(PORT, '/invocations', IRIS_CSV, 'text/csv')) == (200, 'setosa')
        with busy(container, PORT, '/invocations', {'instances': IRIS['instances'] * 20_000}) as answers:
            while not answers:
                assert container.call(PORT, '/ping', timeout_s=SAGEMAKER_PING_S)[0] == 200
        assert (answers[0][0], len(answers[0][1]['predictions'])) == (200, 20_000)
        container.terminate()
        assert container.exit_status(within_s=SAGEMAKER_STOP_S) == 0


def test_vertex_ai(image: str) -> None:
    health = '/v1/endpoints/1/deployedModels/2'
    predict = f'{health}:predict'
    variables = {
        'AIP_HTTP_PORT': '8501',
        'AIP_HEALTH_ROUTE': health,
        'AIP_PREDICT_ROUTE': predict,
        'AIP_MODE': 'PREDICTION',
        'AIP_STORAGE_URI': '',
    }
    with running(
        image, ONE_MODEL, *(f'--env={name}={value}' for name, value in variables.items())
    ) as container:
        container.wait_until(8501, health)
        assert label(container.call(8501, predict, IRIS)) == (200, 'setosa')
        assert container.healthcheck() == 0


def test_azure_ml(image: str) -> None:
    routes = configuration_in_docs('# Azure ML')['environment']['inference_config']
    with running(
        image, ONE_MODEL, '--env=AZUREML_MODEL_DIR=/var/azureml-app/azureml-models/iris/1'
    ) as container:
        for name in ('readiness_route', 'liveness_route'):
            container.wait_until(routes[name]['port'], routes[name]['path'])
        scoring = routes['scoring_route']
        assert label(container.call(scoring['port'], scoring['path'], IRIS)) == (200, 'setosa')


def test_hugging_face(image: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    chosen = configuration_in_docs('# Hugging Face')['model']['image']['custom']
    with running(image, f'--volume={tmp_path}:/repository:ro', '--env=HF_MODEL_DIR=/repository') as container:
        container.wait_until(chosen['port'], chosen['health_route'])
        assert label(container.call(chosen['port'], '/v1/IrisModel', IRIS)) == (200, 'setosa')


def test_cloud_run(image: str, tmp_path: Path) -> None:
    variables = {'PORT': '8090', 'K_SERVICE': 'models', 'K_REVISION': 'models-1', 'K_CONFIGURATION': 'models'}
    options = [f'--env={name}={value}' for name, value in variables.items()]
    with running(image, *options, '--cpus=1', '--memory=512m', slow_model(tmp_path)) as container:
        container.wait_until(8090, '/health/ready')
        with busy(container, 8090, '/v1/XXXModel', {'name': 'Leo'}) as answers:
            time.sleep(0.5)
            assert answers == []
            container.terminate()
            assert container.exit_status(within_s=CLOUD_RUN_STOP_S) == 0
        assert answers == [(200, {'result': 'Hello, Leo!'})]


def slow_model(folder: Path) -> str:
    """The option that mounts, over the resource of XXXModel, one that takes two seconds."""
    name = 'model_serving/resources/xxx_model_resource.py'
    first = '        json = request.json\n'
    slow = folder / 'slow.py'
    slow.write_text((ROOT / name).read_text().replace(first, f"        __import__('time').sleep(2)\n{first}"))
    return f'--volume={slow}:/srv/model-serving/{name}:ro'
