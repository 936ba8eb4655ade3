"""What a message repeats of a body: the beginning, however large the body is."""

from collections.abc import Callable, Iterator
from typing import Any

MAX_ECHO = 1000
"""Most characters of the body that one message repeats."""


def echo(value: Any) -> str:
    """`repr(value)`, cut after MAX_ECHO characters without making the rest."""
    text = ''
    levels = [iter([_shown(value)])]
    while levels and len(text) <= MAX_ECHO:
        piece = next(levels[-1], None)
        if piece is None:
            levels.pop()
        elif isinstance(piece, str):
            text += piece
        else:
            levels.append(_pieces(piece))
    return cut(text)


def cut(text: str) -> str:
    """`text`, cut after MAX_ECHO characters."""
    return text if len(text) <= MAX_ECHO else f'{text[: MAX_ECHO - 3]}...'


def with_short_repr(value: Any) -> Any:
    """A list or dict like `value` whose `repr` is its `echo`; any other value as it is."""
    kind = _SHORT_KINDS.get(type(value))
    return value if kind is None else kind(value)


_SHORT_KINDS: dict[type, Callable[[Any], Any]] = {
    kind: type(kind.__name__, (kind,), {'__repr__': echo}) for kind in (dict, list)
}


def _pieces(value: Any) -> Iterator[Any]:
    """What the `repr` of a list or dict is made of: text, and the lists and dicts in it as they are."""
    if isinstance(value, dict):
        yield '{'
        for index, (key, item) in enumerate(value.items()):
            yield f'{", " if index else ""}{cut(repr(key[:MAX_ECHO]))}: '
            yield _shown(item)
        yield '}'
    else:
        yield '['
        for index, item in enumerate(value):
            yield ', ' if index else ''
            yield _shown(item)
        yield ']'


def _shown(item: Any) -> Any:
    if isinstance(item, dict | list):
        return item
    return repr(item[: MAX_ECHO + 1] if isinstance(item, str) else item)
