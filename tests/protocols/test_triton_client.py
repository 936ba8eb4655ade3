"""The Open Inference Protocol, as Triton's own client speaks it with the real service."""

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import numpy
import pytest
import tritonclient.http as triton
import tritonclient.http.aio as triton_aio
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from model_serving import __version__
from model_serving.protocols.signature import DTYPES
from model_serving.resources.digits_model_resource import HANDWRITTEN_SEVEN
from tests.protocols.echo_service import VALUES
from tests.raw_http import post
from tests.service_process import running_service

pytestmark = pytest.mark.elaborate

SEVENS = numpy.array([HANDWRITTEN_SEVEN, HANDWRITTEN_SEVEN[::-1]], 'float32')
FLOWERS = numpy.array([[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]])
COLUMNS = ('sepal_length', 'sepal_width', 'petal_length', 'petal_width')


def address(url: str) -> str:
    return urlsplit(url).netloc


@pytest.fixture
def client(ready_service: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address(ready_service), concurrency=4) as found:
        yield found


@pytest.fixture
def echo(echo_service: str) -> Iterator[Any]:
    with triton.InferenceServerClient(address(echo_service)) as found:
        yield found


def given(name: str, values: Any, binary: bool, client: Any = triton) -> Any:
    tensor = client.InferInput(name, list(values.shape), np_to_triton_dtype(values.dtype))
    tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def asked(*names: str, binary: bool) -> list[Any]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in names]


def predictions(service: str, model: str, instances: Any) -> Any:
    """What the service answers in its own words."""
    return post(service, f'/v1/{model}', json.dumps({'instances': instances}).encode()).json['predictions']


def test_server_is_alive_ready_and_described(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    metadata = client.get_server_metadata()
    assert metadata == {
        'name': 'model-serving',
        'version': __version__,
        'extensions': ['binary_tensor_data'],
    }


@pytest.mark.parametrize('version', ['', '1'])
def test_model_is_ready_and_described(client: Any, version: str) -> None:
    assert client.is_model_ready('DigitsModel', version)
    assert client.get_model_metadata('DigitsModel', version) == {
        'name': 'DigitsModel',
        'versions': ['1'],
        'platform': 'python',
        'inputs': [{'name': 'pixels', 'datatype': 'FP32', 'shape': [-1, 64]}],
        'outputs': [
            {'name': 'label', 'datatype': 'INT64', 'shape': [-1]},
            {'name': 'probabilities', 'datatype': 'FP32', 'shape': [-1, 10]},
        ],
    }


def test_unknown_model_and_version_are_not_ready(client: Any) -> None:
    assert not client.is_model_ready('NoModel')
    assert not client.is_model_ready('XXXModel')
    assert not client.is_model_ready('DigitsModel', '2')
    with pytest.raises(InferenceServerException, match='GET /v1/models lists') as caught:
        client.get_model_metadata('NoModel')
    assert caught.value.status() == '404'


@pytest.mark.parametrize('binary_in', [False, True])
@pytest.mark.parametrize('binary_out', [False, True])
def test_digits_are_those_of_v1(client: Any, service: str, binary_in: bool, binary_out: bool) -> None:
    result = client.infer(
        'DigitsModel',
        [given('pixels', SEVENS, binary_in)],
        outputs=asked('label', 'probabilities', binary=binary_out),
        request_id='seven',
        model_version='1',
    )

    expected = predictions(service, 'DigitsModel', SEVENS.tolist())
    assert result.as_numpy('label').tolist() == [each['label'] for each in expected]
    probabilities = numpy.array([each['probabilities'] for each in expected], 'float32')
    assert (result.as_numpy('probabilities') == probabilities).all()
    assert result.get_response()['id'] == 'seven'
    assert result.get_response()['model_name'] == 'DigitsModel'


@pytest.mark.parametrize('binary', [False, True])
def test_irises_are_those_of_v1(client: Any, service: str, binary: bool) -> None:
    result = client.infer(
        'IrisModel',
        [given('flowers', FLOWERS, binary)],
        outputs=asked('probabilities', 'label', binary=binary),
    )

    expected = predictions(service, 'IrisModel', [dict(zip(COLUMNS, row, strict=True)) for row in FLOWERS])
    labels = result.as_numpy('label')
    assert [bytes(label).decode() if binary else label for label in labels] == [
        each['label'] for each in expected
    ]
    assert result.as_numpy('probabilities').tolist() == [
        list(each['probabilities'].values()) for each in expected
    ]


def test_outputs_alone_that_are_asked_for_come(client: Any) -> None:
    result = client.infer('DigitsModel', [given('pixels', SEVENS, True)], outputs=asked('label', binary=True))

    assert [output['name'] for output in result.get_response()['outputs']] == ['label']


def test_all_outputs_come_as_bytes_unless_asked_for(client: Any) -> None:
    result = client.infer('DigitsModel', [given('pixels', SEVENS, True)])

    assert [output['parameters'] for output in result.get_response()['outputs']] == [
        {'binary_data_size': 16},
        {'binary_data_size': 80},
    ]


@pytest.mark.parametrize('algorithm', ['gzip', 'deflate'])
@pytest.mark.parametrize('binary', [False, True])
def test_compressed_body_is_read(client: Any, algorithm: str, binary: bool) -> None:
    result = client.infer(
        'DigitsModel',
        [given('pixels', SEVENS, binary)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )

    assert result.as_numpy('label')[0] == 7


def test_calls_in_flight_at_the_same_time_are_answered(client: Any) -> None:
    calls = [client.async_infer('DigitsModel', [given('pixels', SEVENS, True)]) for _ in range(16)]

    assert [call.get_result().as_numpy('label')[0] for call in calls] == [7] * 16


def test_client_for_asyncio_is_answered(service: str) -> None:
    async def infer() -> Any:
        async with triton_aio.InferenceServerClient(address(service)) as client:
            calls = [client.infer('DigitsModel', [given('pixels', SEVENS, True)]) for _ in range(8)]
            return await asyncio.gather(*calls)

    with ThreadPoolExecutor(1) as pool:  # The browser of other tests keeps an event loop in this thread.
        results = pool.submit(asyncio.run, infer()).result()
    assert [result.as_numpy('label')[0] for result in results] == [7] * 8


def values_of(datatype: str) -> Any:
    values = VALUES[datatype]
    if datatype == 'BYTES':
        return numpy.array([[value.encode() for value in values]] * 3, object)
    return numpy.array([values] * 3, DTYPES[datatype])


@pytest.mark.parametrize('binary_out', [False, True])
@pytest.mark.parametrize('binary_in', [False, True])
def test_every_datatype_comes_back(echo: Any, binary_in: bool, binary_out: bool) -> None:
    # The client itself refuses FP16 as JSON.
    inputs = [given(name.lower(), values_of(name), binary_in or name == 'FP16') for name in DTYPES]
    result = echo.infer(
        'EchoModel', inputs, outputs=asked(*[f'{name.lower()}_out' for name in DTYPES], binary=binary_out)
    )

    for name in DTYPES:
        found = result.as_numpy(f'{name.lower()}_out')
        if name == 'BYTES' and not binary_out:
            found = numpy.array([[value.encode() for value in row] for row in found], object)
        assert found.shape == (3, 2)
        assert (found == values_of(name)).all(), name


REFUSED = {
    'unknown_input': (['pixel'], SEVENS, 'unknown; the inputs are: pixels'),
    'wrong_datatype': (['pixels'], SEVENS.astype('float64'), "'pixels' is FP32, not FP64"),
    'wrong_shape': (['pixels'], SEVENS[:, 1:], 'does not fit [-1, 64]'),
    'out_of_bounds': (['pixels'], SEVENS + 99, 'is greater than the maximum of 16 (at /'),
    'not_a_number': (['pixels'], SEVENS * numpy.float32('nan'), "None is not of type 'number' (at /"),
    'twice': (['pixels', 'pixels'], SEVENS, 'is given twice'),
}


@pytest.mark.parametrize(('names', 'values', 'message'), REFUSED.values(), ids=REFUSED)
def test_refusal_reaches_the_client(client: Any, names: list[str], values: Any, message: str) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer('DigitsModel', [given(name, values, True) for name in names])

    assert caught.value.status() == '400'
    assert message in caught.value.message()


def test_late_crashed_and_large_calls_have_the_shape_too(echo: Any) -> None:
    def status(seconds: Any, binary: bool = True) -> tuple[str, str]:
        with pytest.raises(InferenceServerException) as caught:
            echo.infer('NapModel', [given('seconds', numpy.array(seconds, 'float32'), binary)])
        return caught.value.status(), caught.value.message()

    assert status([3])[0] == '504'
    assert status([0, -0.0001]) == ('500', 'Internal Server Error')
    assert status([0.0] * 30000)[0] == '413'


@pytest.fixture(scope='module')
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    log = tmp_path_factory.mktemp('versions') / 'log'
    factory = 'tests.service.versions_service:create_app()'
    with (
        running_service(log, application=factory) as url,
        triton.InferenceServerClient(address(url)) as found,
    ):
        while not found.is_server_ready():
            time.sleep(0.05)
        yield found


@pytest.mark.parametrize(('version', 'added'), [('', 1), ('1', 1), ('2', 2)])
def test_version_that_is_asked_for_answers(versions: Any, version: str, added: int) -> None:
    assert versions.is_model_ready('SumModel', version)
    assert versions.get_model_metadata('SumModel', version)['versions'] == ['1', '2']
    ones = given('x', numpy.ones(2), True)
    result = versions.infer('SumModel', [ones], model_version=version)
    assert result.as_numpy('sum').tolist() == [1 + added] * 2
    assert result.get_response()['model_version'] == str(added)


def test_unknown_version_is_named_with_those_that_are(versions: Any) -> None:
    assert not versions.is_model_ready('SumModel', '3')
    with pytest.raises(InferenceServerException, match='SumModel has versions/1, versions/2') as caught:
        versions.infer('SumModel', [given('x', numpy.ones(2), True)], model_version='3')
    assert caught.value.status() == '404'


def test_index_of_the_repository_lists_the_versions(versions: Any, client: Any) -> None:
    index = versions.get_model_repository_index()
    assert [(each['name'], each['version'], each['state']) for each in index] == [
        ('SumModel', '1', 'READY'),
        ('SumModel', '2', 'READY'),
    ]
    assert {(each['name'], each['version']) for each in client.get_model_repository_index()} == {
        ('DigitsModel', '1'),
        ('IrisModel', '1'),
    }
    with pytest.raises(InferenceServerException):
        versions.load_model('SumModel')
