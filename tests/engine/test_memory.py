"""What a large body costs."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, served
from tests.linux import linux_only
from tests.raw_http import chunked, post, post_chunks

ROWS = 24_000
MOST_TIMES = 8
"""A number of 19 digits becomes 24 bytes, and 8 of the list that holds it: less than twice."""


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Service]:
    """A service whose memory nothing has grown yet."""
    with served(tmp_path / 'log') as service:
        yield service


def megabytes(pid: int, kind: str) -> float:
    status = Path(f'/proc/{pid}/status').read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith(kind))) / 1024


@linux_only
@pytest.mark.parametrize('framing', ['whole', 'chunked', 'tiny chunks'])
def test_large_body_costs_a_small_multiple_of_its_size(fresh: Service, framing: str) -> None:
    numbers = random.Random(0)
    row = [numbers.random() for _ in range(64)]
    count = ROWS if framing != 'tiny chunks' else ROWS // 6
    body = json.dumps({'rows': [row] * count}).encode()
    pid = fresh.state()['pid']
    before = megabytes(pid, 'VmRSS')
    if framing == 'whole':
        answer = post(fresh.url, '/v1/Size', body)
    else:
        answer = post_chunks(fresh.url, '/v1/Size', chunked(body, 2 if framing == 'tiny chunks' else 65536))
    assert answer.json == {'rows': count}
    assert megabytes(pid, 'VmHWM') - before < MOST_TIMES * len(body) / 2**20
