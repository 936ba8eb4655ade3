"""What a JSON text becomes in memory, known before it is parsed, and how deep it nests."""

import sys
from typing import Any

from model_serving.errors import BodyTooLarge

MAX_DEPTH = 254
"""orjson reads 1,024 levels, and writes so many."""

DEEP_BYTES = 2 * MAX_DEPTH
"""What is deeper has more bytes."""
TOO_DEEP = f'depth limit exceeded: it has more than {MAX_DEPTH} levels'
BYTES_PER_CONTAINER = 8
"""A body may have one object or list for so many bytes of the largest body."""
SMALL_BYTES, COUNTED_BYTES = 128 * 1024, 1024 * 1024
"""From these sizes on, what is in a body, or in a table, is counted to know what it becomes."""
LARGE_BYTES = 64 * 1024
"""In larger bodies it takes notable time to look for depth; in tables that are arrays by then it does not."""
CHUNK = 64 * 1024


def parsed_bytes(body: bytes) -> int:
    """The most memory that the value of `body` takes (Python 3.11, 64 bits).

    `{"":0},` takes 27 times its bytes, and lists in lists do 32 times; in a larger body, its numbers, texts,
    entries and containers are counted. A text has 4 bytes for each character if one is beyond U+FFFF.
    """
    middle = len(body) // 2
    if len(body) < SMALL_BYTES or (len(body) < COUNTED_BYTES and b',' in body[middle : middle + 64]):
        return 32 * len(body)
    commas, quotes, colons, containers = _count(body)
    per_byte = 1 if body.isascii() and b'\\u' not in body else 4
    return per_byte * len(body) + 40 * commas + 20 * quotes + 100 * (colons + containers)


def _count(body: bytes) -> tuple[int, int, int, int]:
    """How many commas, quotes, colons, and opening brackets there are, in texts as well."""
    if 'numpy' not in sys.modules:
        commas, quotes, colons, *brackets = map(body.count, (b',', b'"', b':', b'[', b'{'))
        return commas, quotes, colons, sum(brackets)
    numpy = sys.modules['numpy']
    octets, counts = numpy.frombuffer(body, 'u1'), [0, 0, 0, 0]
    for start in range(0, len(octets), CHUNK):
        part = octets[start : start + CHUNK]
        # Without their sixth bit, a brace is a bracket.
        for index, found in enumerate((part == 0x2C, part == 0x22, part == 0x3A, part & 0xDF == 0x5B)):
            counts[index] += int(numpy.count_nonzero(found))
    return counts[0], counts[1], counts[2], counts[3]


def require_few_containers(body: bytes, max_bytes: int) -> None:
    """Raise BodyTooLarge for a body with more objects and lists than `max_bytes` bytes usually have."""
    most = max_bytes // BYTES_PER_CONTAINER
    if len(body) > 2 * most and (count := count_containers(body)[0]) > most:
        raise BodyTooLarge(
            f'The body has {count} objects and lists, brackets in texts included; the limit is {most}, one'
            f' for every {BYTES_PER_CONTAINER} of max_body_bytes ({max_bytes}); send it in smaller parts'
        )


def require_shallow(body: bytes, value: Any) -> None:
    """Raise ValueError if `value`, which was read from `body`, nests deeper than MAX_DEPTH levels."""
    if len(body) > DEEP_BYTES and may_be_deep(body) and is_deep(value):
        raise ValueError(TOO_DEEP)


def may_be_deep(body: bytes) -> bool:
    """Whether there are enough brackets for that; those of a table's rows add no depth."""
    count = body.count(b'[') + body.count(b'{')
    return count > MAX_DEPTH and count_containers(body)[1] > MAX_DEPTH


def is_deep(value: Any) -> bool:
    """Whether `value` nests deeper than MAX_DEPTH levels. It looks at each item of each list."""
    level = [value]
    for _ in range(MAX_DEPTH):
        parts = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for part in parts for each in part if type(each) in (list, dict)]
        if not level:
            return False
    return True


def count_containers(body: bytes) -> tuple[int, int]:
    """How many brackets open in `body`, and how many do that elsewhere than in `],[` or `},{`.

    Those in texts count as well. No place is deeper than the second number.
    """
    if 'numpy' not in sys.modules:
        pairs = sum(map(body.count, (b'],[', b'},{', b'], [', b'}, {')))
        count = body.count(b'[') + body.count(b'{')
        return count, count - int(pairs)
    numpy = sys.modules['numpy']
    octets, count, pairs = numpy.frombuffer(body, 'u1'), 0, 0
    for start in range(0, len(octets), CHUNK):
        # Without their sixth bit, a brace is a bracket.
        places = start + numpy.flatnonzero((octets[start : start + CHUNK] & 0xDF) == ord('['))
        before = places - 1 - (octets[places - 1] == ord(' '))
        pairs += numpy.count_nonzero((octets[before] == ord(',')) & ((octets[before - 1] & 0xDF) == ord(']')))
        count += len(places)
    return count, count - int(pairs)
