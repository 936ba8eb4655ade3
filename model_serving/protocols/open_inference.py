"""The Open Inference Protocol, version 2, and its binary tensor extension: bytes in, arrays out, and back.

After inference_rest.md of kserve/open-inference-protocol, and extension_binary_data.md of Triton.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.json_codec import encode
from model_serving.protocols.body import json_value, take_room_for_data
from model_serving.protocols.signature import ANY, DTYPES, Signature, Tensor
from model_serving.protocols.tensor_data import from_bytes, from_lists, to_bytes, to_json
from model_serving.schemas.compiled import CompiledSchema
from model_serving.schemas.validation import require_valid

EXTENSIONS = ['binary_tensor_data']
MAX_LENGTH_DIGITS = 18


@functools.cache
def _request_schema() -> CompiledSchema:
    """The schema of a request."""
    text, flag, count = {'type': 'string'}, {'type': 'boolean'}, {'type': 'integer', 'minimum': 0}
    tensor = {
        'name': text,
        'datatype': {'enum': list(DTYPES)},
        'shape': {'type': 'array', 'items': count, 'maxItems': 64},
        'parameters': _object(binary_data_size=count),
        'data': {'type': 'array'},
    }
    output = _object(['name'], name=text, parameters=_object(binary_data=flag))
    inputs = {'type': 'array', 'items': _object(['name', 'shape', 'datatype'], **tensor)}
    outputs = {'type': 'array', 'items': output}
    parameters = _object(binary_data_output=flag)
    return CompiledSchema(_object(['inputs'], id=text, parameters=parameters, inputs=inputs, outputs=outputs))


def _object(required: Sequence[str] = (), **properties: Any) -> dict[str, Any]:
    return {'type': 'object', 'properties': properties, 'required': list(required)}


class InferenceRequest(NamedTuple):
    """A request: its id, the arrays of the inputs in the signature's order, and the requested outputs.

    `outputs` are the indexes of the outputs in the signature, and whether each is to be sent as bytes.
    """

    id: str | None
    arrays: list[Any]
    outputs: list[tuple[int, bool]]


def model_metadata(name: str, versions: Sequence[str], signature: Signature) -> dict[str, Any]:
    """The metadata of a model."""
    inputs, outputs = (
        [{'name': each.name, 'datatype': each.datatype, 'shape': list(each.shape)} for each in tensors]
        for tensors in (signature.inputs, signature.outputs)
    )
    head = {'name': name, 'versions': versions, 'platform': 'python'}
    return {**head, 'inputs': inputs, 'outputs': outputs}


def parse_request(signature: Signature, body: bytes, json_bytes: str | None) -> InferenceRequest:
    """Parse `body`; `json_bytes` is the header Inference-Header-Content-Length. Raises InvalidInput.

    Arrays of binary data share the memory of `body`.
    """
    size = _json_size(json_bytes, len(body))
    if size == 0 and json_bytes is not None:
        return _parse_raw(signature, body)
    if size < len(body):
        take_room_for_data(len(body))
    request = json_value(body[:size])
    require_valid(_request_schema(), request, size)
    arrays = _parse_inputs(signature, request['inputs'], memoryview(body)[size:])
    return InferenceRequest(request.get('id'), arrays, _parse_outputs(signature, request))


def _json_size(text: str | None, body_bytes: int) -> int:
    if text is None:
        return body_bytes
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_LENGTH_DIGITS):
        raise InvalidInput('The header Inference-Header-Content-Length is not a number of bytes')
    if int(text) > body_bytes:
        raise InvalidInput(
            f'The header Inference-Header-Content-Length says {text} bytes, but the body has {body_bytes}'
        )
    return int(text)


def _parse_inputs(signature: Signature, inputs: list[dict[str, Any]], binary: memoryview) -> list[Any]:
    """The arrays in the order of the signature; `binary` has the data in the order of the request."""
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    arrays: dict[str, Any] = {}
    for given in inputs:
        name = given['name']
        if name not in tensors or name in arrays:
            fault = 'is given twice' if name in arrays else 'is unknown'
            raise InvalidInput(f'input {echo(name)} {fault}; the inputs are: {", ".join(tensors)}')
        arrays[name], binary = _parse_input(tensors[name], given, binary)
    if missing := [name for name in tensors if name not in arrays]:
        raise InvalidInput(f'input {missing[0]!r} is missing')
    if len(binary):
        raise InvalidInput(f'{len(binary)} bytes follow the data of the last input')
    return [arrays[name] for name in tensors]


def _parse_input(tensor: Tensor, given: dict[str, Any], binary: memoryview) -> tuple[Any, memoryview]:
    if given['datatype'] != tensor.datatype:
        raise InvalidInput(f'input {tensor.name!r} is {tensor.datatype}, not {given["datatype"]}')
    shape = [int(size) for size in given['shape']]
    size = given.get('parameters', {}).get('binary_data_size')
    if ('data' in given) == (size is not None):
        raise InvalidInput(f'input {tensor.name!r} needs either data or the parameter binary_data_size')
    if size is None:
        return from_lists(tensor, shape, given['data']), binary
    if size > len(binary):
        raise tensor.invalid(
            f'binary_data_size is {size}, but {len(binary)} bytes are left;'
            ' is the header Inference-Header-Content-Length right?'
        )
    return from_bytes(tensor, shape, binary[: int(size)]), binary[int(size) :]


def _parse_outputs(signature: Signature, request: dict[str, Any]) -> list[tuple[int, bool]]:
    binary = request.get('parameters', {}).get('binary_data_output', False)
    names = [tensor.name for tensor in signature.outputs]
    if not request.get('outputs'):
        return [(index, binary) for index in range(len(names))]
    requested = {
        each['name']: each.get('parameters', {}).get('binary_data', binary) for each in request['outputs']
    }
    if unknown := [name for name in requested if name not in names]:
        raise InvalidInput(f'output {echo(unknown[0])} is unknown; the outputs are: {", ".join(names)}')
    return [(names.index(name), is_binary) for name, is_binary in requested.items()]


def _parse_raw(signature: Signature, body: bytes) -> InferenceRequest:
    """The request whose whole body is the only input of the model; a body of BYTES is one element."""
    tensor = signature.inputs[0]
    if len(signature.inputs) > 1 or list(tensor.shape).count(ANY) > 1:
        raise InvalidInput('A raw body is for models of one input with one variable dimension; send JSON')
    if tensor.datatype == 'BYTES':
        array = from_lists(tensor, [1] * len(tensor.shape), [body])
    else:
        import numpy

        fixed = math.prod(size for size in tensor.shape if size != ANY)
        rows = len(body) // (fixed * numpy.dtype(tensor.dtype).itemsize)
        shape = [rows if size == ANY else size for size in tensor.shape]
        array = from_bytes(tensor, shape, memoryview(body))
    return InferenceRequest(None, [array], [(index, True) for index in range(len(signature.outputs))])


def build_response(
    name: str, version: str, signature: Signature, request: InferenceRequest, results: Sequence[Any]
) -> tuple[bytes, int | None]:
    """The body of the response to `request`, and the length of its JSON if binary data follows that.

    `results` are all outputs of the model.
    """
    outputs, binary = [], []
    for index, is_binary in request.outputs:
        tensor, array = signature.outputs[index], results[index]
        output: dict[str, Any] = {'name': tensor.name, 'datatype': tensor.datatype, 'shape': array.shape}
        if is_binary:
            binary.append(to_bytes(tensor, array))
            output['parameters'] = {'binary_data_size': len(binary[-1])}
        else:
            output['data'] = to_json(tensor, array).ravel()
        outputs.append(output)
    response: dict[str, Any] = {'model_name': name, 'model_version': version, 'outputs': outputs}
    if request.id is not None:
        response['id'] = request.id
    head = encode(response)
    return (b''.join([head, *binary]), len(head)) if binary else (head, None)
