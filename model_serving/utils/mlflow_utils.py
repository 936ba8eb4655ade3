"""MLflow's scoring protocol, /invocations: an object or CSV in, arrays out.

After mlflow/pyfunc/scoring_server/__init__.py of mlflow/mlflow; the columns of a data frame are the inputs
of the model, or the columns of its one input.
"""

import csv
import io
import re
from collections.abc import Callable, Sequence
from typing import Any

from model_serving.utils.echo_utils import echo
from model_serving.utils.error_utils import InvalidInput, UnsupportedMediaType
from model_serving.utils.tensor_utils import Signature, Tensor
from model_serving.utils.tensorflow_serving_utils import read_columns, read_rows

FORMATS = ('dataframe_split', 'dataframe_records', 'instances', 'inputs')
CSV_TYPES = ('text/csv', 'application/csv')
NUMBER = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?', re.ASCII)
WHOLE_NUMBER = re.compile(r'[-+]?\d{1,20}', re.ASCII)
BOOLS = {'true': True, 'false': False}


def is_csv(mimetype: str, parameters: dict[str, str]) -> bool:
    """Whether a body of this content type is CSV, not JSON. Raises UnsupportedMediaType for any other."""
    if mimetype not in (*CSV_TYPES, 'application/json'):
        raise UnsupportedMediaType('Send the header Content-Type: application/json, or text/csv')
    if any((name, value.lower()) != ('charset', 'utf-8') for name, value in parameters.items()):
        raise UnsupportedMediaType(f'Send the body in UTF-8, as Content-Type: {mimetype}')
    return mimetype in CSV_TYPES


def read_json(signature: Signature, request: Any) -> list[Any]:
    """The arrays of the inputs. Raises InvalidInput."""
    given = [name for name in FORMATS if isinstance(request, dict) and name in request]
    if len(given) != 1:
        raise InvalidInput(f'Send an object with exactly one of: {", ".join(FORMATS)}')
    value = request[given[0]]
    if given == ['instances']:
        return read_rows(signature, value)
    if given == ['inputs']:
        return read_columns(signature, value)
    columns, rows = (_split if given == ['dataframe_split'] else _records)(value)
    return _read_table(signature, columns, rows)


def _split(frame: Any) -> tuple[list[str], list[list[Any]]]:
    if not isinstance(frame, dict) or not all(
        isinstance(frame.get(key), list) for key in ('columns', 'data')
    ):
        raise InvalidInput('dataframe_split is not an object of the lists columns and data')
    columns = [str(name) for name in frame['columns'] if isinstance(name, str | int)]
    if len(set(columns)) < len(frame['columns']):
        raise InvalidInput('The columns of dataframe_split are not names that differ')
    if any(not isinstance(row, list) or len(row) != len(columns) for row in frame['data']):
        raise InvalidInput(f'A row of dataframe_split is not a list of {len(columns)} values')
    return columns, frame['data']


def _records(records: Any) -> tuple[list[str], list[list[Any]]]:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InvalidInput('dataframe_records is not a list of objects')
    if not records:
        raise InvalidInput('dataframe_records is empty')
    columns = list(records[0])
    if any(set(record) != set(columns) for record in records):
        raise InvalidInput('The objects of dataframe_records differ in their keys')
    return columns, [[record[name] for name in columns] for record in records]


def _read_table(signature: Signature, columns: list[str], rows: list[list[Any]]) -> list[Any]:
    if _is_one_table(signature, columns):
        return read_columns(signature, rows)
    return read_columns(signature, {name: [row[place] for row in rows] for place, name in enumerate(columns)})


def _is_one_table(signature: Signature, columns: Sequence[str]) -> bool:
    """Whether the columns, whatever they are called, are those of the one input."""
    tensor = signature.inputs[0]
    return (
        len(signature.inputs) == 1
        and len(tensor.shape) > 1
        and not tensor.columns
        and columns != [tensor.name]
    )


def read_csv(signature: Signature, body: bytes) -> list[Any]:
    """The arrays of the inputs, from CSV whose first line names the columns. Raises InvalidInput."""
    try:
        text = body.decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise InvalidInput(f'The body is not UTF-8: byte {error.start} is wrong ({error.reason})') from error
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=''), strict=True) if line]
    except csv.Error as error:
        raise InvalidInput(f'The body is not CSV: {error}') from error
    if len(lines) < 2:
        raise InvalidInput('The CSV needs a line of column names, and at least one row')
    columns = lines[0]
    if len(set(columns)) < len(columns):
        raise InvalidInput('The CSV has two columns of the same name')
    readers = [_reader(signature, name) for name in columns]
    rows = [_read_line(number, line, readers) for number, line in enumerate(lines[1:], 1)]
    return _read_table(signature, columns, rows)


def _reader(signature: Signature, column: str) -> Callable[[str], Any]:
    """What reads the cells of a column."""
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    tensor: Tensor = tensors.get(column, signature.inputs[0])
    if tensor.datatype == 'BYTES':
        return str
    if tensor.datatype == 'BOOL':
        return lambda text: BOOLS[text.lower()]
    return _number if tensor.datatype.startswith('FP') else _whole_number


def _read_line(number: int, line: list[str], readers: list[Callable[[str], Any]]) -> list[Any]:
    if len(line) != len(readers):
        raise InvalidInput(f'Row {number} of the CSV has {len(line)} cells, not {len(readers)}')
    for column, (reader, text) in enumerate(zip(readers, line, strict=True), 1):
        try:
            line[column - 1] = reader(text.strip())
        except (KeyError, ValueError) as error:
            raise InvalidInput(
                f'Row {number}, column {column} of the CSV cannot be read: {echo(text)}'
            ) from error
    return line


def _number(text: str) -> float:
    if not NUMBER.fullmatch(text):
        raise ValueError
    return float(text)


def _whole_number(text: str) -> int:
    if not WHOLE_NUMBER.fullmatch(text):
        raise ValueError
    return int(text)
