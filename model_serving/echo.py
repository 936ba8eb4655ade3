"""Shows a value of a request in an error message, cut to a bounded length."""

from typing import Any

MAX_ECHO = 200
"""The maximum number of characters from a body in one message."""


def echo(value: Any) -> str:
    """`repr(value)`, cut after MAX_ECHO characters without building the rest."""
    return cut(_beginning(value, MAX_ECHO + 1))


def cut(text: str) -> str:
    """`text`, cut after MAX_ECHO characters."""
    return text if len(text) <= MAX_ECHO else f'{text[: MAX_ECHO - 3]}...'


def _beginning(value: Any, room: int) -> str:
    """`repr(value)`, or more than `room` characters of its beginning."""
    if not isinstance(value, dict | list):
        return repr(value[: max(room, 0)] if isinstance(value, str) else value)
    start, end = '{}' if isinstance(value, dict) else '[]'
    pieces, room = [start], room - 2
    for index, item in enumerate(value):
        if room <= 0:
            return ''.join([*pieces, '...'])
        piece = ', ' if index else ''
        if isinstance(value, dict):
            piece += f'{_beginning(item, room)}: '
        piece += _beginning(value[item] if isinstance(value, dict) else item, room - len(piece))
        pieces.append(piece)
        room -= len(piece)
    return ''.join([*pieces, end])
