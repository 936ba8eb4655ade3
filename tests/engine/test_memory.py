"""What a large body costs."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engine.clients import Service, at_once, served
from tests.linux import linux_only
from tests.raw_http import chunked, post, post_chunks

NAPS = 'Nap', 'Other', 'Quick', 'Refused', 'Hanging0', 'Hanging1'
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


PIECES = {
    'empty objects': b'{},',
    'objects': b'{"":0},',
    'lists in lists': b'[[[]]],',
}


@linux_only
@pytest.mark.parametrize('piece', PIECES.values(), ids=PIECES)
def test_bodies_are_parsed_where_there_is_room_for_what_they_become(tmp_path: Path, piece: bytes) -> None:
    """Each takes 20 to 60 MB; six at once would take up to 360."""
    settings = {'MODEL_SERVING_MAX_BODY_BYTES': '8000000', 'MODEL_SERVING_MAX_BUFFERED_BYTES': '32000000'}
    start = b'{"tag": "a", "seconds": 0.3, "x": ['
    body = start + piece * (1_500_000 // len(piece)) + b'0]}'
    with served(tmp_path / 'log', **settings) as service, at_once() as submit:
        pid = service.state()['pid']
        before = megabytes(pid, 'VmRSS')
        answers = [submit(post, service.url, f'/v1/{name}', body) for name in NAPS]
        assert {answer.result().status for answer in answers} == {200}
        assert megabytes(pid, 'VmHWM') - before < 150
