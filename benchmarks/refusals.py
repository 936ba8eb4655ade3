"""What refusing a body costs beside accepting one of the same size, for every keyword of draft 2020-12.

In the environment of the service:

    PYTHONPATH=. python benchmarks/refusals.py [keyword]...

Both are times of the processor for parsing the body and validating it, the best of several rounds. A schema
is tried as it is, and with a schema inside that has an `$id`.
"""

import sys
import time
import timeit
from collections.abc import Callable
from typing import Any

import orjson

from model_serving.schemas.compiled import CompiledSchema

SIZES = {'60 kB': 60_000, '2 MB': 2_000_000}
MOST = 20
ROUNDS = 3

Case = tuple[dict[str, Any], Any, Any]  # a schema, a body that is valid under it, and one that is not

EMBEDDED = {'$id': 'https://example.com/embedded', 'type': 'string'}
STRING = {'type': 'string'}
PAIR = {'type': 'object', 'properties': {'a': STRING, 'b': {'type': 'integer'}}, 'required': ['a']}


def ones(size: int, *last: Any) -> list[Any]:
    """A list of the number 1, over and over."""
    return [*([1] * (size // 2)), *last]


def range_to(size: int, *last: Any) -> list[Any]:
    """A list of numbers that all differ."""
    return [*range(size // 7), *last]


def words(size: int, *last: Any) -> list[Any]:
    """A list of short texts."""
    return [*(['word'] * (size // 7)), *last]


def keys(size: int, **last: Any) -> dict[str, Any]:
    """An object of many keys, each with a text."""
    return {**{f'key{number}': 'x' for number in range(size // 14)}, **last}


def pairs(size: int, *last: Any) -> list[Any]:
    """A list of small objects."""
    return [*({'a': 'x', 'b': number} for number in range(size // 20)), *last]


def text(size: int, last: str = '') -> str:
    """One long text."""
    return 'x' * size + last


def nested(size: int, last: Any) -> Any:
    """Lists within lists, with half of the numbers at the bottom of ten levels."""
    inner = [*ones(size // 2), last]
    for _ in range(10):
        inner = [*ones(size // 20), inner]
    return inner


CASES: dict[str, Callable[[int], Case]] = {
    'type': lambda size: ({'type': 'object'}, keys(size), ones(size)),
    'enum': lambda size: ({'items': {'enum': [1, 'a']}}, ones(size), ones(size, 2)),
    'const': lambda size: ({'items': {'const': 1}}, ones(size), ones(size, 2)),
    'multipleOf': lambda size: ({'items': {'multipleOf': 1}}, ones(size), ones(size, 0.5)),
    'maximum': lambda size: (
        {'type': 'array', 'items': {'type': 'number', 'maximum': 1}},
        ones(size),
        ones(size, 2),
    ),
    'exclusiveMaximum': lambda size: ({'items': {'exclusiveMaximum': 2}}, ones(size), ones(size, 2)),
    'minimum': lambda size: (
        {'type': 'array', 'items': {'type': 'number', 'minimum': 1}},
        ones(size),
        ones(size, 0),
    ),
    'exclusiveMinimum': lambda size: ({'items': {'exclusiveMinimum': 0}}, ones(size), ones(size, 0)),
    'maxLength': lambda size: ({'maxLength': size}, text(size), text(size, 'x')),
    'minLength': lambda size: ({'minLength': size}, text(size), text(size - 1)),
    'pattern': lambda size: ({'pattern': '^x+$'}, text(size), text(size, 'y')),
    'format': lambda size: ({'format': 'regex'}, text(size), text(size, '(')),
    'maxItems': lambda size: ({'maxItems': size // 2}, ones(size), ones(size, 1)),
    'minItems': lambda size: ({'minItems': size // 2}, ones(size), ones(size - 2)),
    'uniqueItems': lambda size: ({'uniqueItems': True}, range_to(size), range_to(size, 0)),
    'contains': lambda size: ({'contains': {'const': 2}}, ones(size, 2), ones(size)),
    'maxContains': lambda size: ({'contains': {'const': 1}, 'maxContains': size}, ones(size), ones(3 * size)),
    'minContains': lambda size: ({'contains': {'const': 1}, 'minContains': 9}, ones(size), words(size)),
    'maxProperties': lambda size: ({'maxProperties': size // 14}, keys(size), keys(size, a=1)),
    'minProperties': lambda size: ({'minProperties': size // 14}, keys(size), keys(size - 14)),
    'required': lambda size: ({'required': ['a']}, keys(size, a=1), keys(size)),
    'dependentRequired': lambda size: ({'dependentRequired': {'key1': ['a']}}, keys(size, a=1), keys(size)),
    'properties': lambda size: (
        {'properties': {'a': {'items': STRING}}},
        {'a': words(size)},
        {'a': words(size, 1)},
    ),
    'patternProperties': lambda size: ({'patternProperties': {'^k': STRING}}, keys(size), keys(size, k=1)),
    'additionalProperties': lambda size: ({'additionalProperties': STRING}, keys(size), keys(size, k=1)),
    'additionalProperties: false': lambda size: (
        {'properties': {'a': True}, 'additionalProperties': False},
        {'a': words(size)},
        keys(size),
    ),
    'propertyNames': lambda size: ({'propertyNames': {'minLength': 2}}, keys(size), keys(size, k=1)),
    'prefixItems': lambda size: ({'prefixItems': [{'items': STRING}]}, [words(size)], [words(size, 1)]),
    'items': lambda size: ({'items': STRING}, words(size), words(size, 1)),
    'items of objects': lambda size: ({'items': PAIR}, pairs(size), pairs(size, {})),
    'items: every one broken': lambda size: ({'items': STRING}, words(size), ones(size)),
    'dependentSchemas': lambda size: (
        {'dependentSchemas': {'key1': {'required': ['a']}}},
        keys(size, a=1),
        keys(size),
    ),
    'allOf': lambda size: ({'allOf': [{'items': PAIR}]}, pairs(size), pairs(size, {})),
    'anyOf': lambda size: (
        {'anyOf': [{'items': {'type': 'integer'}}, {'items': PAIR}]},
        pairs(size),
        pairs(size, {}),
    ),
    'oneOf': lambda size: (
        {'oneOf': [{'items': {'type': 'integer'}}, {'items': PAIR}]},
        pairs(size),
        pairs(size, {}),
    ),
    'not': lambda size: ({'not': {'items': PAIR}}, pairs(size, {}), pairs(size)),
    'if, then, else': lambda size: (
        {'if': {'type': 'array'}, 'then': {'items': PAIR}, 'else': {'required': ['a']}},
        pairs(size),
        pairs(size, {}),
    ),
    'unevaluatedItems': lambda size: (
        {'anyOf': [{'prefixItems': [True]}], 'unevaluatedItems': STRING},
        words(size),
        words(size, 1),
    ),
    'unevaluatedProperties': lambda size: (
        {'anyOf': [{'properties': {'a': True}}], 'unevaluatedProperties': STRING},
        keys(size),
        keys(size, k=1),
    ),
    'contains, unevaluatedItems: false': lambda size: (
        {'contains': {'const': 1}, 'unevaluatedItems': False},
        ones(size),
        ones(size, 2),
    ),
    'contains, nothing does': lambda size: (
        {'contains': {'const': 2}, 'unevaluatedItems': False},
        [2] * (size // 2),
        ones(size),
    ),
    'patternProperties, unevaluatedProperties, anyOf': lambda size: (
        {
            'patternProperties': {'^k': {'items': {'type': 'integer'}}},
            'unevaluatedProperties': False,
            'anyOf': [{'properties': {'k': {'items': each}}} for each in ({'type': 'integer'}, STRING)],
        },
        {'k': range_to(size)},
        {'k': range_to(size), 'a': 1},
    ),
    'anyOf of patternProperties, in items': lambda size: (
        {'items': {'anyOf': [{'patternProperties': {'^a': STRING}, 'unevaluatedProperties': False}, STRING]}},
        [{'a': 'x'}] * (size // 10),
        [*([{'a': 'x'}] * (size // 10)), {'b': 1}],
    ),
    '$id, in items': lambda size: (
        {'properties': {'rows': {'items': {'$id': 'https://example.com/row', **PAIR}}}},
        {'rows': pairs(size)},
        {'rows': pairs(size, {})},
    ),
    '$id, by $ref': lambda size: (
        {'items': {'$ref': 'row'}, '$defs': {'row': {'$id': 'row', **PAIR}}, '$id': 'https://example.com/'},
        pairs(size),
        pairs(size, {}),
    ),
    '$ref': lambda size: (
        {'items': {'$ref': '#/$defs/pair'}, '$defs': {'pair': PAIR}},
        pairs(size),
        pairs(size, {}),
    ),
    '$ref, recursive': lambda size: (
        {'type': ['array', 'integer'], 'items': {'$ref': '#'}},
        nested(size, 1),
        nested(size, 'x'),
    ),
    '$dynamicRef': lambda size: (
        {'$dynamicAnchor': 'node', 'type': ['array', 'integer'], 'items': {'$dynamicRef': '#node'}},
        nested(size, 1),
        nested(size, 'x'),
    ),
}


def seconds(compiled: CompiledSchema, body: bytes) -> float:
    """The least time that reading and checking `body` takes."""

    def check() -> None:
        compiled.violations(orjson.loads(body), len(body))

    return min(timeit.repeat(check, timer=time.thread_time, number=1, repeat=ROUNDS))


def ratio(case: Case, further: dict[str, Any]) -> float:
    """How many times as long refusing takes as accepting."""
    schema, valid, broken = case
    compiled = CompiledSchema({**schema, '$defs': {**schema.get('$defs', {}), **further}})
    accepted, refused = orjson.dumps(valid), orjson.dumps(broken)
    if compiled.violations(valid, len(accepted)) or not compiled.violations(broken, len(refused)):
        raise AssertionError(f'{schema}: the valid body is refused, or the other one is not')
    return seconds(compiled, refused) / seconds(compiled, accepted)


def main() -> None:
    """Print a line per keyword."""
    variants = {'': {}, ' with $id': {'embedded': EMBEDDED}}
    print(
        f'{"refusing : accepting":28}' + ''.join(f'{size + name:>18}' for size in SIZES for name in variants)
    )
    worst = 0.0
    for keyword in sys.argv[1:] or CASES:
        ratios = [
            ratio(CASES[keyword](size), further) for size in SIZES.values() for further in variants.values()
        ]
        worst = max(worst, *ratios)
        print(f'{keyword:28}' + ''.join(f'{each:18.1f}' for each in ratios), flush=True)
    print(f'The worst is {worst:.1f}; {MOST} is allowed.')


if __name__ == '__main__':
    main()
