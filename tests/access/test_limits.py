"""Buckets in shared memory: how many requests get through, and when the next one does."""

import os
import signal
import subprocess
import sys
import time

import pytest

from model_serving.access.limits import WAYS, Bucket, Buckets, Limit, bucket_of, parse_limit
from tests.service_process import ROOT

FIVE = Limit(5, 10)


def bucket(number: int, limit: Limit = FIVE) -> Bucket:
    interval_s = limit.seconds / limit.count
    return Bucket(number, interval_s, limit.seconds - interval_s)


def admitted(buckets: Buckets, now: float, *wanted: Bucket) -> int:
    """How many of 100 requests at a time are admitted."""
    return sum(buckets.take(wanted, now) == 0 for _ in range(100))


@pytest.mark.parametrize(
    ('text', 'limit'),
    [('5/s', (5, 1)), ('100/m', (100, 60)), ('1000/h', (1000, 3600)), ('9/d', (9, 86400))],
)
def test_limits_are_read(text: str, limit: tuple[int, int]) -> None:
    assert parse_limit(text) == Limit(*limit)
    assert str(parse_limit(text)) == text


@pytest.mark.parametrize('text', ['', '5', '5/w', '/m', '-5/m', '0/m', '1.5/m', '5/m ', '9999999999/s'])
def test_no_limit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='as in 100/m'):
        parse_limit(text)


def test_as_many_as_the_limit_says_at_once_then_evenly() -> None:
    buckets = Buckets(WAYS)
    assert admitted(buckets, 1000, bucket(7)) == 5
    assert buckets.take([bucket(7)], 1000.5) == pytest.approx(1.5)
    assert admitted(buckets, 1002, bucket(7)) == 1
    assert admitted(buckets, 1002, bucket(8)) == 5
    assert admitted(buckets, 1006, bucket(7)) == 2
    assert admitted(buckets, 1100, bucket(7)) == 5


def test_wait_is_exactly_until_the_next_is_admitted() -> None:
    buckets, now = Buckets(WAYS), 12345.678
    limit = Limit(7, 60)
    admitted(buckets, now, bucket(7, limit))
    for _ in range(1000):
        wait = buckets.take([bucket(7, limit)], now)
        assert 0 < wait <= limit.seconds / limit.count + 1e-6
        assert buckets.take([bucket(7, limit)], now + wait - 0.001) > 0
        now += wait
        assert buckets.take([bucket(7, limit)], now) == 0


def test_all_limits_hold_and_a_refusal_takes_nothing() -> None:
    buckets, hourly = Buckets(64 * WAYS), bucket(9, Limit(7, 3600))
    assert admitted(buckets, 1000, bucket(8), hourly) == 5
    assert admitted(buckets, 1010, bucket(8), hourly) == 2
    assert buckets.take([bucket(8), hourly], 1010) == pytest.approx(3600 / 7 - 10)
    assert admitted(buckets, 1010, bucket(8)) == 3


def test_buckets_that_begin_together_in_one_row_are_kept_apart() -> None:
    assert admitted(Buckets(WAYS), 1000, bucket(1), bucket(2)) == 5


def test_memory_is_bounded_and_the_bucket_that_is_full_first_makes_room() -> None:
    buckets, first, last = Buckets(WAYS), Limit(5, 10), Limit(5, 10 * WAYS)
    for number in range(1, WAYS + 1):
        assert admitted(buckets, 1000, bucket(number, Limit(5, 10 * number))) == 5
    assert admitted(buckets, 1000, bucket(99)) == 5
    assert admitted(buckets, 1000, bucket(WAYS, last)) == 0
    assert admitted(buckets, 1000, bucket(1, first)) == 5


def test_names_make_numbers() -> None:
    five = Limit(5, 60)
    assert bucket_of(five, 'shop', 'A') == bucket_of(five, 'shop', 'A')
    assert bucket_of(five, 'shop', 'A').number != bucket_of(Limit(5, 1), 'shop', 'A').number
    assert len({bucket_of(five, 'shop', str(n)).number for n in range(1000)}) == 1000


HOLDER = """
import fcntl, os, sys, time
from model_serving.access.limits import Bucket, Buckets, WAYS
buckets = Buckets(WAYS)
child = os.fork()
if not child:
    fcntl.lockf(buckets._file, fcntl.LOCK_EX)
    print(os.getpid(), flush=True)
    time.sleep(600)
sys.stdin.readline()
print(buckets.take([Bucket(1, 60, 0)], 1000.0), flush=True)
"""


def test_lock_of_a_killed_process_is_given_back() -> None:
    with subprocess.Popen(
        [sys.executable, '-c', HOLDER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    ) as process:
        assert process.stdin
        assert process.stdout
        holder = int(process.stdout.readline())
        process.stdin.write('go\n')
        process.stdin.flush()
        time.sleep(0.1)  # It waits for the lock.
        os.kill(holder, signal.SIGKILL)
        assert process.stdout.readline() == '0.0\n'
