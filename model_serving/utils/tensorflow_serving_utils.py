"""TensorFlow Serving's REST protocol, version 1, and KServe's, which is less of it: objects in, arrays out.

After api_rest.md of tensorflow/serving, and v1-protocol.md of KServe. Where they differ, TensorFlow
Serving's form counts: `instances` are answered with `predictions`, `inputs` with `outputs`.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from model_serving.utils.echo_utils import echo
from model_serving.utils.error_utils import InvalidInput
from model_serving.utils.open_inference_utils import VERSION
from model_serving.utils.tensor_data_utils import from_lists, shape_of, to_json
from model_serving.utils.tensor_utils import Signature, Tensor

SIGNATURE = 'serving_default'
DTYPES = {
    'BOOL': 'DT_BOOL',
    'UINT8': 'DT_UINT8',
    'UINT16': 'DT_UINT16',
    'UINT32': 'DT_UINT32',
    'UINT64': 'DT_UINT64',
    'INT8': 'DT_INT8',
    'INT16': 'DT_INT16',
    'INT32': 'DT_INT32',
    'INT64': 'DT_INT64',
    'FP16': 'DT_HALF',
    'FP32': 'DT_FLOAT',
    'FP64': 'DT_DOUBLE',
    'BYTES': 'DT_STRING',
}


def describe_status(name: str) -> dict[str, Any]:
    """The status of a model that serves, with the keys of both systems."""
    status = {'error_code': 'OK', 'error_message': ''}
    states = [{'version': VERSION, 'state': 'AVAILABLE', 'status': status}]
    return {'model_version_status': states, 'name': name, 'ready': True}


def describe(name: str, signature: Signature) -> dict[str, Any]:
    """The metadata of a model."""
    tensors = {
        'inputs': {tensor.name: _described(tensor) for tensor in signature.inputs},
        'outputs': {tensor.name: _described(tensor) for tensor in signature.outputs},
        'method_name': 'tensorflow/serving/predict',
    }
    return {
        'model_spec': {'name': name, 'signature_name': '', 'version': VERSION},
        'metadata': {'signature_def': {'signature_def': {SIGNATURE: tensors}}},
    }


def _described(tensor: Tensor) -> dict[str, Any]:
    dim = [{'size': str(size), 'name': ''} for size in tensor.shape]
    shape = {'dim': dim, 'unknown_rank': False}
    return {'dtype': DTYPES[tensor.datatype], 'tensor_shape': shape, 'name': f'{tensor.name}:0'}


def read_request(signature: Signature, request: Any) -> list[Any]:
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

    A row is the value of the one input, or an object of all inputs by their names, or of the columns of the
    one input where these have names.
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
    """The arrays of an object of all inputs, of the one input, or of its columns. Raises InvalidInput."""
    inputs = signature.inputs
    if not isinstance(columns, dict):
        if len(inputs) > 1:
            raise InvalidInput(f'The model has several inputs; name them: {", ".join(_names(inputs))}')
        return [_array(inputs[0], columns)]
    if len(inputs) == 1 and inputs[0].columns and set(columns) != set(_names(inputs)):
        return [_array(inputs[0], _joined(inputs[0].columns, columns))]
    _require_names(_names(inputs), columns)
    return [_array(tensor, columns[tensor.name]) for tensor in inputs]


def _names(tensors: Sequence[Tensor]) -> list[str]:
    return [tensor.name for tensor in tensors]


def _require_names(names: Sequence[str], given: dict[str, Any]) -> None:
    if unknown := sorted(set(given) - set(names)):
        raise InvalidInput(f'{echo(unknown[0])} is unknown; there are: {", ".join(names)}')
    if missing := [name for name in names if name not in given]:
        raise InvalidInput(f'{missing[0]!r} is missing')


def _joined(names: Sequence[str], columns: dict[str, Any]) -> list[list[Any]]:
    """Rows, made of columns that stand under these names."""
    _require_names(names, columns)
    if not all(isinstance(column, list) for column in columns.values()):
        raise InvalidInput('Each column is a list of numbers')
    if len({len(column) for column in columns.values()}) > 1:
        raise InvalidInput('The columns differ in length')
    return [list(row) for row in zip(*(columns[name] for name in names), strict=True)]


def _array(tensor: Tensor, value: Any) -> Any:
    if tensor.datatype == 'BYTES':
        value = _decoded(tensor, value, len(tensor.shape))
    data = value if isinstance(value, list) else [value]
    return from_lists(tensor, shape_of(tensor, value), data)


def _decoded(tensor: Tensor, value: Any, depth: int) -> Any:
    """`value`, lists `depth` deep, with each `{"b64": ...}` as the bytes that it stands for."""
    if isinstance(value, list) and depth:
        return [_decoded(tensor, item, depth - 1) for item in value]
    if isinstance(value, dict) and set(value) == {'b64'} and isinstance(value['b64'], str):
        try:
            return base64.b64decode(value['b64'], validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(f'input {tensor.name!r}: b64 is not base64: {error}') from error
    return value


def write_response(signature: Signature, results: Sequence[Any], by_rows: bool) -> dict[str, Any]:
    """The answer: `predictions` for rows, `outputs` for columns. One output alone goes without its name."""
    values = {
        tensor.name: _value(tensor, array) for tensor, array in zip(signature.outputs, results, strict=True)
    }
    if not by_rows:
        return {'outputs': values if len(values) > 1 else next(iter(values.values()))}
    return {'predictions': rows_of(values)}


def rows_of(values: dict[str, Any]) -> list[Any]:
    """The rows of these outputs: values where there is one output, else objects. Raises InvalidInput."""
    columns = [list(value) if value.ndim else [value] for value in values.values()]
    if len(columns) == 1:
        return columns[0]
    if len(set(map(len, columns))) > 1:
        raise InvalidInput('The outputs of this model have no common rows; send inputs, not instances')
    return [dict(zip(values, row, strict=True)) for row in zip(*columns, strict=True)]


def _value(tensor: Tensor, array: Any) -> Any:
    """An output as JSON; where its name ends in _bytes, its elements are base64."""
    if tensor.datatype != 'BYTES' or not tensor.name.endswith('_bytes'):
        return to_json(tensor, array)
    import numpy

    coded = numpy.empty(array.size, object)
    for index, value in enumerate(array.ravel()):
        plain = value.encode() if isinstance(value, str) else bytes(value)
        coded[index] = {'b64': base64.b64encode(plain).decode()}
    return coded.reshape(array.shape)
