"""Times `data_frame` against pandas alone: 10,000 rows of 20 columns, and one of them.

python -m benchmarks.frames
"""

import functools
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import pandas

from model_serving.utils.frame_utils import data_frame

LEVELS = ['low', 'mid', 'high']
KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    'number': ({'type': ['number', 'null']}, 'float64'),
    'integer': ({'type': 'integer'}, 'int64'),
    'enum': ({'enum': LEVELS}, pandas.CategoricalDtype(LEVELS)),
    'string': ({'type': 'string'}, 'object'),
    'time': ({'type': 'string', 'format': 'date-time'}, 'datetime64[us, UTC]'),
}
"""The schemas of the columns, four of each, and their dtypes."""

ROUNDS = 25


def main() -> None:
    """Print the median times of both."""
    properties = {f'{kind}_{column}': schema for column in range(4) for kind, (schema, _) in KINDS.items()}
    dtypes = {name: KINDS[name.partition('_')[0]][1] for name in properties}
    schema = {'type': 'object', 'properties': properties, 'required': list(properties)}
    many = [{name: _value(name, row) for name in properties} for row in range(10_000)]
    for rows in (json.loads(json.dumps(many)), many[:1]):
        ours, alone = _both_ms(
            functools.partial(data_frame, rows, schema), functools.partial(_alone, rows, dtypes)
        )
        print(f'{len(rows):6} rows: data_frame {ours:5.1f} ms, pandas alone {alone:5.1f} ms')


def _alone(rows: list[dict[str, Any]], dtypes: dict[str, Any]) -> Any:
    return pandas.DataFrame(rows).astype(dtypes)


def _value(name: str, row: int) -> Any:
    values = {
        'number': row / 7 if row % 3 else None,
        'integer': row,
        'enum': LEVELS[row % 3],
        'string': f'street {row % 97}',
        'time': f'2026-{row % 12 + 1:02}-14T{row % 24:02}:12:13Z',
    }
    return values[name.partition('_')[0]]


def _both_ms(*calls: Callable[[], Any]) -> list[float]:
    """The median times of these calls, made alternately."""
    times: list[list[float]] = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, found in zip(calls, times, strict=True):
            start = time.perf_counter()
            call()
            found.append((time.perf_counter() - start) * 1000)
    return [statistics.median(found) for found in times]


if __name__ == '__main__':
    main()
