"""MLflow's scoring protocol, /invocations: an object or CSV in, arrays out.

After mlflow/pyfunc/scoring_server/__init__.py of mlflow/mlflow; the columns of a data frame are the inputs
of the model, or the columns of its only input.
"""

import csv
import io
import re
from collections.abc import Callable
from typing import Any

from model_serving.echo import echo
from model_serving.errors import InvalidInput, UnsupportedMediaType
from model_serving.json_codec import decode_text
from model_serving.protocols.signature import Signature
from model_serving.protocols.tensorflow_serving import read_columns, read_rows

CSV_TYPES = ('text/csv', 'application/csv')
CSV_CELLS: dict[str, tuple[str, Callable[[str], Any]]] = {
    '?': ('(?i:true|false)', lambda cell: cell.lower() == 'true'),
    'i': (r'[-+]?\d{1,20}', int),
    'u': (r'[-+]?\d{1,20}', int),
    'f': (r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?', float),
    'O': ('(?s:.*)', str),
}
"""The pattern of a cell, and the function that parses it, by numpy's kind of the tensor."""


def is_csv(mimetype: str, parameters: dict[str, str]) -> bool:
    """Whether a body of this content type is CSV, not JSON. Raises UnsupportedMediaType for any other."""
    if mimetype not in (*CSV_TYPES, 'application/json'):
        raise UnsupportedMediaType('Send the header Content-Type: application/json, or text/csv')
    if any((name, value.lower()) != ('charset', 'utf-8') for name, value in parameters.items()):
        raise UnsupportedMediaType(f'Send the body in UTF-8, as Content-Type: {mimetype}')
    return mimetype in CSV_TYPES


def parse_json(signature: Signature, request: Any) -> list[Any]:
    """The arrays of the inputs. Raises InvalidInput."""
    formats = [name for name in JSON_FORMATS if isinstance(request, dict) and name in request]
    if len(formats) != 1:
        raise InvalidInput(f'Send an object with exactly one of: {", ".join(JSON_FORMATS)}')
    return JSON_FORMATS[formats[0]](signature, request[formats[0]])


def _parse_split(signature: Signature, frame: Any) -> list[Any]:
    if not isinstance(frame, dict) or {type(frame.get('columns')), type(frame.get('data'))} != {list}:
        raise InvalidInput('dataframe_split is not an object of the lists columns and data')
    columns = [str(name) for name in frame['columns'] if isinstance(name, str | int)]
    if len(set(columns)) < len(frame['columns']):
        raise InvalidInput('The columns of dataframe_split are not names that differ')
    if any(not isinstance(row, list) or len(row) != len(columns) for row in frame['data']):
        raise InvalidInput(f'A row of dataframe_split is not a list of {len(columns)} values')
    return _parse_table(signature, columns, frame['data'])


def _parse_records(signature: Signature, records: Any) -> list[Any]:
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise InvalidInput('dataframe_records is not a list of objects')
    if not records:
        raise InvalidInput('dataframe_records is empty')
    columns = list(records[0])
    if any(set(record) != set(columns) for record in records):
        raise InvalidInput('The objects of dataframe_records differ in their keys')
    return _parse_table(signature, columns, [[record[name] for name in columns] for record in records])


def _parse_table(signature: Signature, columns: list[str], rows: list[list[Any]]) -> list[Any]:
    tensor, *others = signature.inputs
    if len(tensor.shape) > 1 and not (others or tensor.columns or columns == [tensor.name]):
        return read_columns(signature, rows)  # The columns of the only input, under any names.
    return read_columns(signature, {name: [row[index] for row in rows] for index, name in enumerate(columns)})


JSON_FORMATS: dict[str, Callable[[Signature, Any], list[Any]]] = {
    'dataframe_split': _parse_split,
    'dataframe_records': _parse_records,
    'instances': read_rows,
    'inputs': read_columns,
}
"""The functions that parse the value of each key; a request has one of these keys."""


def parse_csv(signature: Signature, body: bytes) -> list[Any]:
    """The arrays of the inputs, from CSV whose first line names the columns. Raises InvalidInput."""
    text = decode_text(body, 'utf-8-sig')
    try:
        lines = csv.reader(io.StringIO(text, newline=''), strict=True)
        names, *rows = [line for line in lines if line] or [[]]
    except csv.Error as error:
        raise InvalidInput(f'The body is not CSV: {error}') from error
    if not rows:
        raise InvalidInput('The CSV needs a line of column names, and at least one row')
    if len(set(names)) < len(names):
        raise InvalidInput('The CSV has two columns of the same name')
    for number, row in enumerate(rows, 1):
        if len(row) != len(names):
            raise InvalidInput(f'Row {number} of the CSV has {len(row)} cells, not {len(names)}')
    kinds = {tensor.name: tensor.kind for tensor in signature.inputs}
    for index, name in enumerate(names):
        _parse_cells(kinds.get(name, signature.inputs[0].kind), rows, index)
    return _parse_table(signature, names, rows)


def _parse_cells(kind: str, rows: list[list[Any]], index: int) -> None:
    """Replace the cells of a column by their values."""
    pattern, parse = CSV_CELLS[kind]
    matches = re.compile(pattern, re.ASCII).fullmatch
    for number, row in enumerate(rows, 1):
        cell = row[index].strip()
        if not matches(cell):
            shown = echo(row[index])
            raise InvalidInput(f'Row {number}, column {index + 1} of the CSV cannot be read: {shown}')
        row[index] = parse(cell)
