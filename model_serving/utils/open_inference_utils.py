"""The Open Inference Protocol, version 2, and its binary tensor extension: bytes in, arrays out, and back.

After inference_rest.md of kserve/open-inference-protocol, and extension_binary_data.md of Triton.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from model_serving.utils.echo_utils import echo
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.json_utils import decode, encode
from model_serving.utils.open_inference_schema_utils import require_valid
from model_serving.utils.tensor_data_utils import from_bytes, from_lists, to_bytes, to_json
from model_serving.utils.tensor_utils import ANY, Signature, Tensor

VERSION = '1'
"""The one version that every model has."""

EXTENSIONS = ['binary_tensor_data']
MOST_LENGTH_DIGITS = 18


class Inference(NamedTuple):
    """A request: its id, the arrays of the inputs in the signature's order, and which outputs are due.

    `outputs` are the numbers of the outputs in the signature, and whether each is to be sent as bytes.
    """

    id: str | None
    arrays: list[Any]
    outputs: list[tuple[int, bool]]


def describe(name: str, signature: Signature) -> dict[str, Any]:
    """The metadata of a model."""
    return {
        'name': name,
        'versions': [VERSION],
        'platform': 'python',
        'inputs': [_described(tensor) for tensor in signature.inputs],
        'outputs': [_described(tensor) for tensor in signature.outputs],
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    return {'name': tensor.name, 'datatype': tensor.datatype, 'shape': list(tensor.shape)}


def read_request(signature: Signature, body: bytes, json_bytes: str | None) -> Inference:
    """The request in `body`; `json_bytes` is the header Inference-Header-Content-Length. Raises InvalidInput.

    Arrays of binary data share the memory of `body`.
    """
    size = _json_size(json_bytes, len(body))
    if size == 0 and json_bytes is not None:
        return _read_raw(signature, body)
    request = decode(body[:size])
    require_valid(request, size)
    arrays = _read_inputs(signature, request['inputs'], memoryview(body)[size:])
    return Inference(request.get('id'), arrays, _read_outputs(signature, request))


def _json_size(text: str | None, body_bytes: int) -> int:
    if text is None:
        return body_bytes
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_LENGTH_DIGITS):
        raise InvalidInput('The header Inference-Header-Content-Length is not a number of bytes')
    if int(text) > body_bytes:
        raise InvalidInput(
            f'The header Inference-Header-Content-Length says {text} bytes, but the body has {body_bytes}'
        )
    return int(text)


def _read_inputs(signature: Signature, inputs: list[dict[str, Any]], binary: memoryview) -> list[Any]:
    """The arrays, in the order of the signature; the binary data stands in the order of the request."""
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    arrays: dict[str, Any] = {}
    for given in inputs:
        name = given['name']
        if name not in tensors or name in arrays:
            wrong = 'is given twice' if name in arrays else 'is unknown'
            raise InvalidInput(f'input {echo(name)} {wrong}; the inputs are: {", ".join(tensors)}')
        arrays[name], binary = _read_input(tensors[name], given, binary)
    if missing := [name for name in tensors if name not in arrays]:
        raise InvalidInput(f'input {missing[0]!r} is missing')
    if len(binary):
        raise InvalidInput(f'{len(binary)} bytes follow the data of the last input')
    return [arrays[name] for name in tensors]


def _read_input(tensor: Tensor, given: dict[str, Any], binary: memoryview) -> tuple[Any, memoryview]:
    if given['datatype'] != tensor.datatype:
        raise InvalidInput(f'input {tensor.name!r} is {tensor.datatype}, not {given["datatype"]}')
    shape = [int(size) for size in given['shape']]
    size = given.get('parameters', {}).get('binary_data_size')
    if ('data' in given) == (size is not None):
        raise InvalidInput(f'input {tensor.name!r} needs either data or the parameter binary_data_size')
    if size is None:
        return from_lists(tensor, shape, given['data']), binary
    if size > len(binary):
        raise InvalidInput(
            f'input {tensor.name!r}: binary_data_size is {size}, but {len(binary)} bytes are left;'
            ' is the header Inference-Header-Content-Length right?'
        )
    return from_bytes(tensor, shape, binary[: int(size)]), binary[int(size) :]


def _read_outputs(signature: Signature, request: dict[str, Any]) -> list[tuple[int, bool]]:
    binary = request.get('parameters', {}).get('binary_data_output', False)
    names = [tensor.name for tensor in signature.outputs]
    if not request.get('outputs'):
        return [(number, binary) for number in range(len(names))]
    asked: dict[int, bool] = {}
    for output in request['outputs']:
        if output['name'] not in names:
            raise InvalidInput(
                f'output {echo(output["name"])} is unknown; the outputs are: {", ".join(names)}'
            )
        number = names.index(output['name'])
        asked[number] = output.get('parameters', {}).get('binary_data', binary)
    return list(asked.items())


def _read_raw(signature: Signature, body: bytes) -> Inference:
    """The request whose whole body is the one tensor of the model; a body of BYTES is one element."""
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
    return Inference(None, [array], [(number, True) for number in range(len(signature.outputs))])


def write_response(
    name: str, signature: Signature, inference: Inference, results: Sequence[Any]
) -> tuple[bytes, int | None]:
    """The body of an answer, and the length of the JSON at its start where bytes follow that.

    `results` are all outputs of the model.
    """
    outputs, binary = [], []
    for number, as_bytes in inference.outputs:
        tensor, array = signature.outputs[number], results[number]
        output: dict[str, Any] = {
            'name': tensor.name,
            'datatype': tensor.datatype,
            'shape': list(array.shape),
        }
        if as_bytes:
            binary.append(to_bytes(tensor, array))
            output['parameters'] = {'binary_data_size': len(binary[-1])}
        else:
            output['data'] = to_json(tensor, array).ravel()
        outputs.append(output)
    answer: dict[str, Any] = {'model_name': name, 'model_version': VERSION, 'outputs': outputs}
    if inference.id is not None:
        answer['id'] = inference.id
    head = encode(answer)
    return (b''.join([head, *binary]), len(head)) if binary else (head, None)
