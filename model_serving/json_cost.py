"""What a JSON text becomes in memory, known before it is parsed, and how deep it nests."""

import sys
from typing import Any

from model_serving.errors import BodyTooLarge

MAX_DEPTH = 254
"""orjson reads 1,024 levels, and writes so many."""

TOO_DEEP = f'depth limit exceeded: it has more than {MAX_DEPTH} levels'
BYTES_PER_CONTAINER = 8
"""A body may have one object or list for so many bytes of the largest body."""
COUNTED_BYTES = 1024 * 1024
"""From this size on, objects and lists are counted to know what a body becomes."""
LARGE_BYTES = 64 * 1024
"""In larger bodies it takes notable time to look for depth; in tables that are arrays by then it does not."""
CHUNK = 64 * 1024


def parsed_bytes(body: bytes) -> int:
    """The most memory that the value of `body` takes.

    `"a",` takes 16 times its bytes, `{"":0},` 27 times and lists in lists 32 times (Python 3.11, 64 bits).
    """
    if len(body) < COUNTED_BYTES:
        return 32 * len(body)
    return 16 * len(body) + 100 * count_containers(body)[0]


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
    if len(body) > 2 * MAX_DEPTH and may_be_deep(body) and is_deep(value):
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
