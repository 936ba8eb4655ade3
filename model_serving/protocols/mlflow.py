"""MLflow's scoring protocol, /invocations: an object or CSV in, arrays out.

After mlflow/pyfunc/scoring_server/__init__.py of mlflow/mlflow; the columns of a data frame are the inputs
of the model, or the columns of its only input.
"""

import contextlib
import csv
import io
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from model_serving.echo import echo
from model_serving.errors import InvalidInput, UnsupportedMediaType
from model_serving.json_codec import decode_text
from model_serving.protocols.signature import ANY, Signature
from model_serving.protocols.tensorflow_serving import columns_of, read_columns, read_rows, require_names

CSV_TYPES = ('text/csv', 'application/csv')
CSV_CELLS: dict[str, tuple[str, Callable[[str], Any], str]] = {
    '?': ('(?i:true|false)', lambda cell: cell.lower() == 'true', ''),
    'i': (r'[-+]?\d{1,20}', int, '0123456789+- '),
    'u': (r'[-+]?\d{1,20}', int, '0123456789+- '),
    'f': (r'[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?', float, '0123456789+-.eE '),
    'O': ('(?s:.*)', str, ''),
}
"""The pattern of a cell, and the function that parses it, by numpy's kind of the tensor.

Of cells of these characters alone, if there are any, the function itself refuses what the pattern does.
"""
ROWS_AT_ONCE = 512
MAX_COLUMNS = 10_000


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


def is_table(signature: Signature, columns: list[str]) -> bool:
    """Whether these are the columns of the only input, under any names."""
    tensor, *others = signature.inputs
    return len(tensor.shape) > 1 and not (others or tensor.columns or columns == [tensor.name])


def require_columns(signature: Signature, columns: list[str]) -> None:
    """Raise InvalidInput for a table that cannot have these columns, before its rows are read."""
    tensor = signature.inputs[0]
    if not is_table(signature, columns):
        require_names(columns_of(signature, columns), columns)
    elif len(tensor.shape) == 2 and tensor.shape[1] not in (ANY, len(columns)):
        shape = list(tensor.shape)
        raise tensor.invalid(f'{len(columns)} columns, where the shape {shape} has {shape[1]}')


def _parse_table(signature: Signature, columns: list[str], rows: list[list[Any]]) -> list[Any]:
    require_columns(signature, columns)
    if is_table(signature, columns):
        return read_columns(signature, rows)
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
    csv.field_size_limit(max(csv.field_size_limit(), len(body)))  # Of the process: it is never lowered.
    lines = csv.reader(io.StringIO(decode_text(body, 'utf-8-sig'), newline=''), strict=True)
    try:
        names = next(filter(None, lines), [])
        most = max([MAX_COLUMNS, *(size for tensor in signature.inputs for size in tensor.shape[1:2])])
        if not 0 < len(names) <= most:
            raise InvalidInput(f'The CSV needs a line of column names, at most {most}, and at least one row')
        if len(set(names)) < len(names):
            raise InvalidInput('The CSV has two columns of the same name')
        require_columns(signature, names)
        columns = _parse_rows(signature, names, filter(None, lines))
    except csv.Error as error:
        raise InvalidInput(f'The body is not CSV: {error}') from error
    if not columns[0]:
        raise InvalidInput('The CSV needs a line of column names, and at least one row')
    if is_table(signature, names):
        return read_columns(signature, list(map(list, zip(*columns, strict=True))))
    return read_columns(signature, dict(zip(names, columns, strict=True)))


def _parse_rows(signature: Signature, names: list[str], rows: Iterator[list[str]]) -> list[list[Any]]:
    """The values of each column."""
    kinds = {tensor.name: tensor.kind for tensor in signature.inputs}
    columns: list[list[Any]] = [[] for _ in names]
    while some := list(itertools.islice(rows, ROWS_AT_ONCE)):
        before = len(columns[0])
        for number, row in enumerate(some, before + 1):
            if len(row) != len(names):
                raise InvalidInput(f'Row {number} of the CSV has {len(row)} cells, not {len(names)}')
        for index, cells in enumerate(zip(*some, strict=True)):
            kind = kinds.get(names[index], signature.inputs[0].kind)
            columns[index] += _parse_cells(kind, cells, before + 1, index + 1)
    return columns


def _parse_cells(kind: str, cells: Sequence[str], first: int, column: int) -> list[Any]:
    """The values of cells of one column, in rows from number `first` on."""
    pattern, parse, characters = CSV_CELLS[kind]
    if characters and not ''.join(cells).strip(characters):
        with contextlib.suppress(ValueError):
            return list(map(parse, cells))
    matches, values = re.compile(pattern, re.ASCII).fullmatch, []
    for number, cell in enumerate(cells, first):
        if not matches(cell.strip()):
            raise InvalidInput(f'Row {number}, column {column} of the CSV cannot be read: {echo(cell)}')
        values.append(parse(cell.strip()))
    return values
