"""Calls a service by KServe's own client, and prints what it got as JSON. Run where `kserve` is installed.

Usage: kserve_calls.py <url of the service> <url of the echo service>
"""

import asyncio
import json
import sys
from typing import Any

import numpy
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

given = json.loads(sys.stdin.read())
SERVICE, ECHO = sys.argv[1:]


def tensor(name: str, datatype: str, values: Any, binary: bool) -> Any:
    array = numpy.array(values, given['dtypes'][datatype])
    if datatype == 'BYTES':
        array = numpy.array([[value.encode() for value in row] for row in values], object)
    found = InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def request(model: str, inputs: list[Any], outputs: list[str], binary: bool) -> Any:
    asked = [RequestedOutput(name, {'binary_data': binary}) for name in outputs]
    return InferRequest(model, inputs, request_id='7', request_outputs=asked)


def values(response: Any) -> Any:
    found = {output.name: output.as_numpy() for output in response.outputs}
    plain = {
        name: [[text(item) for item in row] for row in array.tolist()]
        if array.dtype == object and array.ndim > 1
        else [text(item) for item in array.tolist()]
        if array.dtype == object
        else array.tolist()
        for name, array in found.items()
    }
    return {'id': response.id, 'model': response.model_name, **plain}


def text(item: Any) -> Any:
    return item.decode() if isinstance(item, bytes) else item


async def version_2() -> Any:
    client = InferenceRESTClient(RESTConfig(protocol='v2', retries=0, timeout=30))
    answers: dict[str, Any] = {
        'live': await client.is_server_live(SERVICE),
        'ready': await client.is_server_ready(SERVICE),
        'model_ready': await client.is_model_ready(SERVICE, 'DigitsModel'),
        'unknown_ready': await client.is_model_ready(SERVICE, 'NoModel'),
    }
    for binary in (False, True):
        for model, name, datatype in (('DigitsModel', 'pixels', 'FP32'), ('IrisModel', 'flowers', 'FP64')):
            inputs = [tensor(name, datatype, given[model], binary)]
            asked = request(model, inputs, ['label', 'probabilities'], binary)
            answers[f'{model} {binary}'] = values(await client.infer(SERVICE, asked, model_name=model))
        inputs = [
            tensor(name.lower(), name, [rows] * 3, binary or name == 'FP16')
            for name, rows in given['echo'].items()
        ]
        asked = request('EchoModel', inputs, [f'{name.lower()}_out' for name in given['echo']], binary)
        answers[f'EchoModel {binary}'] = values(await client.infer(ECHO, asked, model_name='EchoModel'))
    try:
        await client.infer(
            SERVICE, request('DigitsModel', [tensor('x', 'FP32', [[1]], True)], [], True), 'DigitsModel'
        )
    except Exception as error:
        answers['refused'] = str(error)
    await client.close()
    return answers


async def version_1() -> Any:
    client = InferenceRESTClient(RESTConfig(protocol='v1', retries=0, timeout=30))
    answers = {
        'model_ready': await client.is_model_ready(SERVICE, 'DigitsModel'),
        'DigitsModel': await client.infer(
            SERVICE, {'instances': given['DigitsModel']}, model_name='DigitsModel'
        ),
        'IrisModel': await client.infer(SERVICE, {'instances': given['IrisModel']}, model_name='IrisModel'),
    }
    try:
        await client.infer(SERVICE, {'instances': [[1]]}, model_name='DigitsModel')
    except Exception as error:
        answers['refused'] = str(error)
    await client.close()
    return answers


print(json.dumps({'v2': asyncio.run(version_2()), 'v1': asyncio.run(version_1())}))
