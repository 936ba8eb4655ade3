"""The body that a model is asked with: the example of its schema, with as many rows as are wanted."""

import json
from typing import Any

from model_serving.commands.client import get


class NoBody(Exception):
    """The model has no example, or none with rows; the text says what to do."""


def body_of(url: str, model: str, rows: int | None) -> Any:
    """The example of a model of the service at `url`. Raises NoBody."""
    [mounted] = json.loads(get(url, '/'))['models']
    examples = mounted['schema'].get('examples')
    if not examples:
        raise NoBody(
            f'{model} has no example; give its schema `examples`, with one that is like your requests'
        )
    return examples[0] if rows is None else with_rows(model, examples[0], rows)


def with_rows(model: str, example: Any, rows: int) -> Any:
    """The example with its rows repeated or cut to so many: they are its only list. Raises NoBody."""
    named = example.items() if isinstance(example, dict) else ()
    lists = [name for name, value in named if isinstance(value, list) and value]
    if len(lists) != 1:
        raise NoBody(f'the example of {model} has no list of rows, or several; leave --rows out')
    [name] = lists
    given = example[name]
    return {**example, name: [given[index % len(given)] for index in range(rows)]}
