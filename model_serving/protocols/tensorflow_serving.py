"""TensorFlow Serving's REST protocol, version 1, and KServe's, which is less of it: objects in, arrays out.

After api_rest.md of tensorflow/serving, and v1-protocol.md of KServe. Where they differ, this follows
TensorFlow Serving: `instances` are answered with `predictions`, `inputs` with `outputs`.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.protocols.signature import Signature, Tensor
from model_serving.protocols.tensor_data import element_bytes, from_lists, infer_shape, to_json

SIGNATURE = 'serving_default'
TENSORFLOW_NAMES = {'FP16': 'HALF', 'FP32': 'FLOAT', 'FP64': 'DOUBLE', 'BYTES': 'STRING'}
"""The datatypes that TensorFlow calls by another name."""
TENSORFLOW_STATES = {'ready': 'AVAILABLE', 'starting': 'LOADING', 'failed': 'END', 'stopping': 'UNLOADING'}
"""What it calls the states of a model."""


def version_status(version: str, state: str, reason: str | None) -> dict[str, Any]:
    """The status of a version, whose `state` is that of ModelState."""
    status = {'error_code': 'UNAVAILABLE' if reason else 'OK', 'error_message': reason or ''}
    return {'version': version, 'state': TENSORFLOW_STATES[state], 'status': status}


def model_metadata(name: str, version: str, signature: Signature) -> dict[str, Any]:
    """The metadata of a model."""
    inputs, outputs = (
        {tensor.name: _tensor_info(tensor) for tensor in tensors}
        for tensors in (signature.inputs, signature.outputs)
    )
    tensors = {'inputs': inputs, 'outputs': outputs, 'method_name': 'tensorflow/serving/predict'}
    spec = {'name': name, 'signature_name': '', 'version': version}
    return {'model_spec': spec, 'metadata': {'signature_def': {'signature_def': {SIGNATURE: tensors}}}}


def _tensor_info(tensor: Tensor) -> dict[str, Any]:
    dim = [{'size': str(size), 'name': ''} for size in tensor.shape]
    shape = {'dim': dim, 'unknown_rank': False}
    dtype = f'DT_{TENSORFLOW_NAMES.get(tensor.datatype, tensor.datatype)}'
    return {'dtype': dtype, 'tensor_shape': shape, 'name': f'{tensor.name}:0'}


def parse_request(signature: Signature, request: Any) -> list[Any]:
    """The arrays of the inputs, from `instances` (rows) or `inputs` (columns). Raises InvalidInput."""
    if not isinstance(request, dict) or ('instances' in request) == ('inputs' in request):
        raise InvalidInput('Send an object with either instances (a list of rows) or inputs (columns)')
    if request.get('signature_name', SIGNATURE) not in (SIGNATURE, ''):
        raise InvalidInput(f'The only signature_name is {SIGNATURE}')
    if 'inputs' in request:
        return read_columns(signature, request['inputs'])
    return read_rows(signature, request['instances'])


def read_rows(signature: Signature, rows: Any) -> list[Any]:
    """The arrays of a list of rows. Raises InvalidInput.

    A row is the value of the only input, or an object of all inputs by name, or of the columns of the only
    input if these have names.
    """
    if not isinstance(rows, list):
        raise InvalidInput('instances is not a list of rows')
    keys = {tuple(sorted(row)) if isinstance(row, dict) and set(row) != {'b64'} else () for row in rows}
    if len(keys) > 1:
        raise InvalidInput('The rows of instances differ: all must be values, or objects with the same keys')
    names = keys.pop() if keys else ()
    if not names:
        return read_columns(signature, rows)
    return read_columns(signature, {name: [row[name] for row in rows] for name in names})


def read_columns(signature: Signature, columns: Any) -> list[Any]:
    """The arrays of an object of all inputs, of the only input, or of its columns. Raises InvalidInput."""
    inputs, names = signature.inputs, [tensor.name for tensor in signature.inputs]
    if not isinstance(columns, dict):
        if len(inputs) > 1:
            raise InvalidInput(f'The model has several inputs; name them: {", ".join(names)}')
        return [_array(inputs[0], columns)]
    if columns_of(signature, columns) != names:
        return [_array(inputs[0], _rows_of(inputs[0].columns, columns))]
    require_names(names, columns)
    return [_array(tensor, columns[tensor.name]) for tensor in inputs]


def columns_of(signature: Signature, given: Iterable[str]) -> list[str]:
    """The names that the columns `given` must have: those of the inputs, or of the only input's columns."""
    tensor, *others = signature.inputs
    if not others and tensor.columns and set(given) != {tensor.name}:
        return list(tensor.columns)
    return [tensor.name for tensor in signature.inputs]


def require_names(names: Sequence[str], given: Iterable[str]) -> None:
    """Raise InvalidInput for a name that is unknown, or missing."""
    if unknown := sorted(set(given) - set(names)):
        raise InvalidInput(f'{echo(unknown[0])} is unknown; there are: {", ".join(names)}')
    if missing := [name for name in names if name not in given]:
        raise InvalidInput(f'{missing[0]!r} is missing')


def _rows_of(names: Sequence[str], columns: dict[str, Any]) -> list[list[Any]]:
    """The rows of these columns, in the order of `names`."""
    require_names(names, columns)
    if not all(isinstance(column, list) for column in columns.values()):
        raise InvalidInput('Each column is a list of its values')
    if len({len(column) for column in columns.values()}) > 1:
        raise InvalidInput('The columns differ in length')
    return [list(row) for row in zip(*(columns[name] for name in names), strict=True)]


def _array(tensor: Tensor, value: Any) -> Any:
    if tensor.datatype == 'BYTES':
        value = _base64_decoded(tensor, value, len(tensor.shape))
    data = value if isinstance(value, list) else [value]
    return from_lists(tensor, infer_shape(tensor, value), data)


def _base64_decoded(tensor: Tensor, value: Any, depth: int) -> Any:
    """`value`, lists `depth` deep, with each `{"b64": ...}` replaced by its bytes."""
    if isinstance(value, list) and depth:
        return [_base64_decoded(tensor, item, depth - 1) for item in value]
    if isinstance(value, dict) and set(value) == {'b64'} and isinstance(value['b64'], str):
        try:
            return base64.b64decode(value['b64'], validate=True)
        except (binascii.Error, ValueError) as error:
            raise tensor.invalid(f'b64 is not base64: {error}') from error
    return value


def build_response(signature: Signature, results: Sequence[Any], by_rows: bool) -> dict[str, Any]:
    """The response: `predictions` for rows, `outputs` for columns. A single output has no name in it.

    Raises InvalidInput for rows if the outputs differ in their number of rows.
    """
    values = {
        tensor.name: _value(tensor, array) for tensor, array in zip(signature.outputs, results, strict=True)
    }
    if not by_rows:
        return {'outputs': values if len(values) > 1 else next(iter(values.values()))}
    columns = [list(value) if value.ndim else [value] for value in values.values()]
    if len(columns) == 1:
        return {'predictions': columns[0]}
    if len(set(map(len, columns))) > 1:
        raise InvalidInput('The outputs of this model have no common rows; send inputs, not instances')
    return {'predictions': [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]}


def _value(tensor: Tensor, array: Any) -> Any:
    """An output as JSON; if its name ends in _bytes, its elements are base64."""
    if tensor.datatype != 'BYTES' or not tensor.name.endswith('_bytes'):
        return to_json(tensor, array)
    import numpy

    encoded = numpy.empty(array.size, object)
    encoded[:] = [{'b64': base64.b64encode(element_bytes(value)).decode()} for value in array.ravel()]
    return encoded.reshape(array.shape)
