import random
import sys
import tracemalloc
from typing import Any

import numpy
import orjson
import pytest

from model_serving import json_cost
from model_serving.errors import BodyTooLarge, InvalidInput
from model_serving.json_codec import decode
from model_serving.json_cost import MAX_DEPTH, count_containers, parsed_bytes, require_few_containers

FORMS = {
    'lists': (b'[', b'', b']'),
    'behind a number': (b'[1,', b'2', b']'),
    'before a number': (b'[', b'2', b', 1]'),
    'objects': (b'{"a":', b'1', b'}'),
    'in turns': (b'[{"a": ', b'1', b'}]'),
}


def nested(form: str, depth: int) -> bytes:
    start, inside, end = FORMS[form]
    times = depth // (start.count(b'[') + start.count(b'{'))
    return start * times + inside + end * times


@pytest.mark.parametrize('form', FORMS)
def test_body_is_as_deep_as_can_be_answered(form: str) -> None:
    value = decode(nested(form, MAX_DEPTH))
    assert orjson.loads(orjson.dumps(value)) == value


@pytest.mark.parametrize('depth', [MAX_DEPTH + 2, 500, 1000, 5000])
@pytest.mark.parametrize('form', FORMS)
def test_deeper_body_is_refused(form: str, depth: int) -> None:
    with pytest.raises(InvalidInput, match='The body is not JSON: depth limit exceeded'):
        decode(nested(form, depth))


def test_deep_part_behind_a_table_is_refused() -> None:
    with pytest.raises(InvalidInput, match='depth limit exceeded'):
        decode(b'[%s%s]' % (b'[1],' * 300, nested('lists', MAX_DEPTH)))


def depth_of(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if parts is None else 1 + max(map(depth_of, parts), default=0)


def random_value(chance: random.Random, depth: int) -> Any:
    size = chance.randrange(4)
    if depth == 0 or chance.random() < 0.2:
        return chance.choice([1, None, 'a[', '],[', '}, {'])
    if chance.random() < 0.6:
        return [random_value(chance, depth - 1) for _ in range(size)]
    return {str(number): random_value(chance, depth - 1) for number in range(size)}


@pytest.mark.parametrize('with_numpy', [True, False])
@pytest.mark.parametrize('spaces', [True, False])
def test_no_body_is_deeper_than_its_brackets_tell(
    monkeypatch: pytest.MonkeyPatch, with_numpy: bool, spaces: bool
) -> None:
    if not with_numpy:
        monkeypatch.delitem(sys.modules, 'numpy')
    chance = random.Random(0)
    for _ in range(1000):
        value = random_value(chance, chance.randrange(1, 10))
        body = orjson.dumps(value).replace(b',', b', ' if spaces else b',')
        count, deepest = count_containers(body)
        assert count >= deepest >= depth_of(orjson.loads(body))
        assert count == body.count(b'[') + body.count(b'{')


def test_rows_of_a_table_add_no_depth() -> None:
    body = orjson.dumps({'instances': numpy.zeros((1000, 64)).tolist()})
    assert count_containers(body) == (1002, 3)


def test_most_bodies_may_be_as_large_as_the_limit() -> None:
    for piece in (b'[0.5,1.5],', b'{"a":1},', b'0,', b'"a",'):
        require_few_containers(b'[%s0]' % (piece * (1_000_000 // len(piece) - 1)), 1_000_000)


@pytest.mark.parametrize('piece', [b'{},', b'[],', b'[[[]]],', b'{"":0},'])
def test_body_of_brackets_is_refused(piece: bytes) -> None:
    body = b'[%s0]' % (piece * (1_000_000 // len(piece) - 1))
    with pytest.raises(BodyTooLarge, match='limit is 125000, one for every 8 of max_body_bytes'):
        require_few_containers(body, 1_000_000)
    require_few_containers(body, 10_000_000)


KB = 1024
COSTLY = (
    *('"a",', '"é",', '"ab😀",', '"\\u0100",', '0.5,', '-6,', '1000,', '[[]],', '[0],'),
    *('{},', '{"":0},', '{"":{"":0}},', '{"é":"é"},'),
)
BODIES = {
    **{piece: b'[%s0]' % (piece.encode() * (100 * KB // len(piece))) for piece in COSTLY},
    'base64': b'{"image": "%s"}' % (b'A' * 100 * KB),
    'wide text': '["{}😀"]'.format('a' * 100 * KB).encode(),
    'escaped': b'["%s\\ud83d\\ude00"]' % (b'a' * 100 * KB),
    'keys': orjson.dumps({f'{number}': f'{number}' for number in range(5500)}),
    'long keys': orjson.dumps({f'{number:070}': 0.5 for number in range(2800)}),
}


@pytest.mark.parametrize('with_numpy', [True, False])
@pytest.mark.parametrize('body', BODIES.values(), ids=BODIES)
def test_no_value_takes_more_than_its_body_tells(
    monkeypatch: pytest.MonkeyPatch, body: bytes, with_numpy: bool
) -> None:
    if not with_numpy:
        monkeypatch.delitem(sys.modules, 'numpy')
    monkeypatch.setattr(json_cost, 'SMALL_BYTES', 0)
    monkeypatch.setattr(json_cost, 'COUNTED_BYTES', 0)
    tracemalloc.start()
    try:
        value = orjson.loads(body)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert value
    assert taken <= parsed_bytes(body)


def test_text_takes_its_own_size() -> None:
    assert parsed_bytes(b'{"image": "%s"}' % (b'A' * 4096 * KB)) < 1.01 * 4096 * KB
