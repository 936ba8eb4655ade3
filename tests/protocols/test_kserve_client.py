"""The Open Inference Protocol and KServe's first one, as KServe's own client speaks them.

The client gets an environment of its own, made once: it pulls 66 distributions, some older than ours.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy
import pytest

from model_serving.protocols.signature import DTYPES
from model_serving.resources.digits_model_resource import HANDWRITTEN_SEVEN
from tests import kept_environment
from tests.protocols.echo_service import VALUES
from tests.raw_http import post

HERE = Path(__file__).parent
FLOWERS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
COLUMNS = ('sepal_length', 'sepal_width', 'petal_length', 'petal_width')


@pytest.fixture(scope='module')
def kserve_python() -> Path:
    """The interpreter of the environment."""
    return kept_environment.kserve_python()


@pytest.fixture(scope='module')
def answers(kserve_python: Path, ready_service: str, echo_service: str) -> Any:
    given = {'dtypes': DTYPES, 'echo': VALUES, 'DigitsModel': [HANDWRITTEN_SEVEN], 'IrisModel': FLOWERS}
    found = subprocess.run(
        [kserve_python, HERE / 'kserve_calls.py', ready_service, echo_service],
        input=json.dumps(given),
        env={**os.environ, 'PYTHONWARNINGS': 'ignore', 'PYTHONPATH': ''},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert found.returncode == 0, found.stderr[-3000:]
    return json.loads(found.stdout.splitlines()[-1])


def own(service: str, model: str, instances: Any) -> Any:
    """What the service answers in its own words."""
    return post(service, f'/v1/{model}', json.dumps({'instances': instances}).encode()).json['predictions']


def test_server_and_models_are_ready(answers: Any) -> None:
    assert {name: answers['v2'][name] for name in ('live', 'ready', 'model_ready', 'unknown_ready')} == {
        'live': True,
        'ready': True,
        'model_ready': True,
        'unknown_ready': False,
    }
    assert answers['v1']['model_ready'] is True


@pytest.mark.parametrize('binary', [False, True])
def test_digits_are_those_of_v1(answers: Any, service: str, binary: bool) -> None:
    [expected] = own(service, 'DigitsModel', [HANDWRITTEN_SEVEN])
    answer = answers['v2'][f'DigitsModel {binary}']

    assert (answer['id'], answer['model'], answer['label']) == ('7', 'DigitsModel', [7])
    assert answer['probabilities'][0] == pytest.approx(expected['probabilities'], abs=1e-7)


@pytest.mark.parametrize('binary', [False, True])
def test_irises_are_those_of_v1(answers: Any, service: str, binary: bool) -> None:
    expected = own(service, 'IrisModel', [dict(zip(COLUMNS, row, strict=True)) for row in FLOWERS])
    answer = answers['v2'][f'IrisModel {binary}']

    assert answer['label'] == [each['label'] for each in expected]
    assert answer['probabilities'] == [list(each['probabilities'].values()) for each in expected]


@pytest.mark.parametrize('binary', [False, True])
def test_every_datatype_comes_back(answers: Any, binary: bool) -> None:
    answer = answers['v2'][f'EchoModel {binary}']

    assert {name: answer[f'{name.lower()}_out'] for name in VALUES} == {
        name: [as_datatype(name, values)] * 3 for name, values in VALUES.items()
    }


def as_datatype(name: str, values: list[Any]) -> list[Any]:
    """The values, rounded as those of the datatype are."""
    return values if name == 'BYTES' else numpy.array(values, DTYPES[name]).tolist()


def test_first_version_is_answered_in_rows(answers: Any, service: str) -> None:
    digits = own(service, 'DigitsModel', [HANDWRITTEN_SEVEN])
    assert answers['v1']['DigitsModel'] == {'predictions': digits}
    labels = [each['label'] for each in answers['v1']['IrisModel']['predictions']]
    assert labels == ['setosa', 'virginica']


def test_refusals_reach_the_client(answers: Any) -> None:
    assert "unknown; the inputs are: pixels, '400 " in answers['v2']['refused']
    assert "does not fit [-1, 64], '400 " in answers['v1']['refused']
