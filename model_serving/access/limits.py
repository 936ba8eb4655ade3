"""Limits such as `100/m`, counted by all processes of this machine together.

A limit is a bucket of so many tokens: each request takes one, and they come back evenly over the period. What
is kept of a bucket is the time when it will be full again: the generic cell rate algorithm of ITU-T I.371.
"""

import dataclasses
import hashlib
import mmap
import os
import re
import secrets
import sys
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

if sys.platform != 'win32':
    import fcntl

SECONDS = {'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
LIMIT = re.compile(r'([1-9][0-9]{0,8})/([smhd])')
WAYS = 16
BUCKET_BYTES = 16
ROUNDING = 1e-6

_secret = secrets.token_bytes(16)  # Else who knows the hash could choose addresses that displace others.


@dataclasses.dataclass(frozen=True)
class Limit:
    """`count` requests in `seconds`: as many at once, and then one every `interval_s`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return f'{self.count}/{next(unit for unit, seconds in SECONDS.items() if seconds == self.seconds)}'

    @property
    def interval_s(self) -> float:
        """The time in which a token comes back."""
        return self.seconds / self.count


def parse_limit(text: str) -> Limit:
    """The limit that is written as 5/s, 100/m, 1000/h or 10000/d. Raises ValueError."""
    match = LIMIT.fullmatch(text)
    if match is None:
        raise ValueError('a limit is a number of requests and s, m, h or d, as in 100/m')
    return Limit(int(match[1]), SECONDS[match[2]])


def bucket_number(*names: object) -> int:
    """The number, of 64 bits and not 0, of the bucket with these names."""
    text = '\x1f'.join(map(str, names)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8, key=_secret).digest()) or 1


class Buckets:
    """At most `most` buckets in shared memory. To be made before the processes that use them are forked.

    A bucket that is full is as good as none, and its place is given to another. Where all 16 places that a
    bucket may have are taken, the one that will be full first is forgotten.

    The lock is one of the system's, which gives back that of a process that is killed.
    """

    def __init__(self, most: int) -> None:
        memory = memoryview(mmap.mmap(-1, most * BUCKET_BYTES))
        self._numbers, self._full_at = memory.cast('Q'), memory.cast('d')
        self._rows = most // WAYS
        self._lock = threading.Lock()  # The system's does not hold between the threads of a process.
        if hasattr(os, 'memfd_create'):
            self._file: Any = os.memfd_create('limits')
        else:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115

    def take(self, wanted: Sequence[tuple[int, Limit]], now: float) -> float:
        """Take a token of each bucket, given by its number. Returns 0, or the seconds until all have one.

        `now` is the time by time.monotonic, which is the same for all processes of a machine.
        """
        with self._lock:
            if sys.platform != 'win32':
                fcntl.lockf(self._file, fcntl.LOCK_EX)
            try:
                return self._take(wanted, now)
            finally:
                if sys.platform != 'win32':
                    fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _take(self, wanted: Sequence[tuple[int, Limit]], now: float) -> float:
        places = [self._place(number, now) for number, _ in wanted]
        full_at = [max(now, self._full_at[place]) for place in places]
        pairs = list(zip(full_at, [limit for _, limit in wanted], strict=True))
        if (wait := max(full - now - limit.seconds + limit.interval_s for full, limit in pairs)) > ROUNDING:
            return wait
        for place, (full, limit) in zip(places, pairs, strict=True):
            self._full_at[place] = full + limit.interval_s
        return 0.0

    def _place(self, number: int, now: float) -> int:
        """Where the time of a bucket is: behind its number."""
        first = number % self._rows * 2 * WAYS
        end = first + 2 * WAYS
        numbers = self._numbers[first:end:2].tolist()
        if number in numbers:
            return first + 2 * numbers.index(number) + 1
        full_at = self._full_at[first + 1 : end : 2].tolist()
        place = first + 2 * full_at.index(min(full_at)) + 1
        self._numbers[place - 1], self._full_at[place] = number, now
        return place


key_buckets = Buckets(64 * 1024)
address_buckets = Buckets(64 * 1024)
"""Apart, so that no crowd of addresses can displace the bucket of a key."""
