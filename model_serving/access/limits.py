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
from typing import Any, NamedTuple

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
    """`count` requests in `seconds`: as many at once, and then one after each `seconds / count`."""

    count: int
    seconds: int

    def __str__(self) -> str:
        return f'{self.count}/{next(unit for unit, seconds in SECONDS.items() if seconds == self.seconds)}'


class Bucket(NamedTuple):
    """A limit for somebody: its number, and the times in which one token comes back, and all but one."""

    number: int
    interval_s: float
    slack_s: float


def parse_limit(text: str) -> Limit:
    """The limit that is written as 5/s, 100/m, 1000/h or 10000/d. Raises ValueError."""
    match = LIMIT.fullmatch(text)
    if match is None:
        raise ValueError('a limit is a number of requests and s, m, h or d, as in 100/m')
    return Limit(int(match[1]), SECONDS[match[2]])


def bucket_of(limit: Limit, *names: str) -> Bucket:
    """The bucket of a limit for these names. Its number has 64 bits and is not 0."""
    text = '\x1f'.join([str(limit), *names]).encode()
    number = int.from_bytes(hashlib.blake2b(text, digest_size=8, key=_secret).digest()) or 1
    interval_s = limit.seconds / limit.count
    return Bucket(number, interval_s, limit.seconds - interval_s)


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

    def take(self, wanted: Sequence[Bucket], now: float) -> float:
        """Take a token of each bucket. Returns 0, or the seconds until all have one.

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

    def _take(self, wanted: Sequence[Bucket], now: float) -> float:
        wait_s, taken = 0.0, []
        for number, interval_s, slack_s in wanted:
            place = self._place(number, now)
            full_at = max(now, self._full_at[place])
            wait_s = max(wait_s, full_at - now - slack_s)
            taken.append((place, full_at + interval_s))
        if wait_s > ROUNDING:
            return wait_s
        for place, full_at in taken:
            self._full_at[place] = full_at
        return 0.0

    def _place(self, number: int, now: float) -> int:
        """Where the time of a bucket is: behind its number."""
        row = number % self._rows * 2 * WAYS
        place = row + number // self._rows % WAYS * 2 + 1
        if self._numbers[place - 1] == number:
            return place
        end = row + 2 * WAYS
        numbers = self._numbers[row:end:2].tolist()
        if number in numbers:
            return row + 2 * numbers.index(number) + 1
        if self._full_at[place] > now:
            full_at = self._full_at[row + 1 : end : 2].tolist()
            place = row + 2 * full_at.index(min(full_at)) + 1
        self._numbers[place - 1], self._full_at[place] = number, now
        return place


key_buckets = Buckets(64 * 1024)
address_buckets = Buckets(64 * 1024)
"""Apart, so that no crowd of addresses can displace the bucket of a key."""
