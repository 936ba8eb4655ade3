import math
from typing import Any

import jsonschema_rs
import numpy
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from model_serving.echo import MAX_ECHO
from model_serving.schemas.compiled import MANY_NUMBERS_BYTES, CompiledSchema
from model_serving.schemas.number_lists import EACH, NumberLists, split
from model_serving.schemas.subschemas import json_pointer

LARGE = 10**6
"""A size at which numpy checks the bounds, and one violation is looked for."""

MIDDLE = 10_000
"""A size at which numpy checks the bounds, and the words are those of the whole body."""

SMALL_LIMITS = [0, 1, -3, 16, 0.1, 0.5, -2.5, 5e-324]
LIMITS = [*SMALL_LIMITS, 2**53 - 1, -(2**53) + 1, 2**53, 2**60, 10**30, 1e308]
KEYS = ['a', 'b', 'c/~']


def optional(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def with_type(*types: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly the first of the types, or none at all."""
    return st.sampled_from([{'type': types[0]}] * 20 + [{'type': kind} for kind in types[1:]] + [{}])


def joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(*parts).map(
        lambda found: {name: value for part in found for name, value in part.items()}
    )


limits = st.sampled_from(SMALL_LIMITS) | st.sampled_from(LIMITS)
bounds = st.builds(
    lambda low, high, ends: {low: min(ends), high: max(ends)},
    st.sampled_from(['minimum', 'exclusiveMinimum']),
    st.sampled_from(['maximum', 'exclusiveMaximum']),
    st.tuples(limits, limits),
)
notes: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}] * 9 + [{'title': 'x'}, {'multipleOf': 1}, {'enum': [0, 1, 16, 0.5]}]
)
kinds: st.SearchStrategy[dict[str, Any]] = st.sampled_from(['number', 'integer']).flatmap(
    lambda kind: with_type(kind, ['null', kind])
)
number_schemas = joined(kinds, bounds | optional(maximum=limits) | optional(minimum=limits), notes)


@st.composite
def schemas(draw: Any) -> dict[str, Any]:
    """Arrays and objects around bounded numbers; a part may stand in several places, as the same object."""
    number = draw(number_schemas)
    parts = [number, draw(arrays(st.just(number)))]
    for _ in range(draw(st.integers(0, 3))):
        part = st.sampled_from(parts[::-1])
        forms = [arrays(part)] * 5 + [wrapped(part)] + [objects(part)] * 5
        parts.append(draw(forms[draw(st.integers(0, 10))]))
    top: dict[str, Any] = draw(objects(st.sampled_from(parts[:0:-1])) | st.just(parts[-1]))
    if draw(st.integers(0, 20)) == 10:
        top = {**top, '$defs': {'0': parts[0]}, 'not': {'$ref': '#/$defs/0'}}
    return top


def arrays(part: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    more = optional(minItems=st.integers(0, 1), maxItems=st.integers(2, 3))
    odd = st.sampled_from(['prefixItems', 'contains', 'not', 'title', '$anchor'])
    return joined(
        with_type('array', ['array', 'null']),
        st.fixed_dictionaries({'items': part}),
        more,
        st.integers(0, 9).flatmap(lambda n: st.builds(odd_keyword, odd, part) if n == 5 else st.just({})),
    )


def odd_keyword(name: str, part: Any) -> dict[str, Any]:
    return {name: {'prefixItems': [part], 'title': 'x', '$anchor': 'here'}.get(name, part)}


def objects(part: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return joined(
        with_type('object', ['object', 'null']),
        st.fixed_dictionaries(
            {'properties': st.dictionaries(st.sampled_from(KEYS), part, min_size=1, max_size=3)},
            optional={'required': st.just(['a']), 'additionalProperties': st.booleans() | part},
        ),
    )


def wrapped(part: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.one_of(
        st.builds(lambda one, other: {'allOf': [one, other]}, part, part),
        st.builds(lambda one, other: {'anyOf': [one, other]}, part, part),
        st.builds(lambda one: {'not': one}, part),
        st.builds(lambda one, other: {'if': one, 'then': other}, part, part),
        st.builds(lambda one, other: {**one, 'allOf': [other]}, part, part),
    )


def near(limit: Any) -> list[Any]:
    """The limit, as both kinds of number where it is whole, and its neighbours."""
    found = [limit, math.nextafter(limit, math.inf), math.nextafter(limit, -math.inf)]
    if limit == int(limit):
        found += [int(limit), int(limit) - 1, int(limit) + 1, float(limit)]
    return [number for number in found if abs(number) < math.inf]


NUMBERS = [number for limit in LIMITS for number in near(limit)] + [2**64, -(10**40), 10**400, 1.7e308]


@st.composite
def bodies(draw: Any, schema: Any) -> Any:
    """A body of the shape of `schema`, with numbers around all limits, and sometimes something else."""
    if draw(st.integers(0, 60)) == 30:
        return draw(st.sampled_from([None, 'x', True, [], {}, 3]))
    if 'items' in schema:
        return [draw(bodies(schema['items'])) for _ in range(draw(st.integers(0, 3)))]
    if 'properties' in schema:
        named = [(key, part) for key, part in schema['properties'].items() if draw(st.integers(0, 4))]
        return {key: draw(bodies(part)) for key, part in named}
    for keyword in ('allOf', 'anyOf', 'not', 'if'):
        if keyword in schema:
            branches = schema[keyword]
            return draw(bodies(branches[0] if isinstance(branches, list) else branches))
    return draw(numbers_for(schema))


def numbers_for(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    own = [number for limit in schema.values() if type(limit) in (int, float) for number in near(limit)]
    if schema.get('type') == 'integer':
        own = [*map(round, own), *own[:2]]
    return st.sampled_from(own or [0]) | st.integers(-5, 20) | st.sampled_from(own * 2 + NUMBERS)


cases = schemas().flatmap(lambda schema: st.tuples(st.just(schema), bodies(schema)))
ROW = {'type': 'array', 'items': {'type': 'number', 'minimum': 0}}


def flattened(errors: Any) -> Any:
    for error in errors:
        yield error
        yield from flattened(error.context)


def end_of(message: str) -> str:
    """What follows the value, which is not repeated whole if it is long."""
    return message if len(message) < MAX_ECHO else message[-12:]


def assert_judged(schema: dict[str, Any], body: Any) -> None:
    valid = jsonschema_rs.Draft202012Validator(schema).is_valid(body)
    compiled = CompiledSchema(schema)
    large = compiled.violations(body, LARGE)

    assert (large == []) is valid
    assert compiled.violations(body, MIDDLE) == compiled.violations(body, 0)
    reference = Draft202012Validator(schema)
    if not valid and not reference.is_valid(body):
        expected = flattened(reference.iter_errors(body))
        assert (large[0].pointer, end_of(large[0].message)) in {
            (json_pointer(error.absolute_path), end_of(error.message)) for error in expected
        }


@settings(max_examples=250, deadline=None)
@given(cases)
@example(({'type': 'object', 'properties': {'a': ROW, 'b': ROW}}, {'b': [-1]}))
@example(({'type': 'object', 'properties': {'a': ROW}, 'not': {'required': ['b']}}, {'a': [0]}))
@example(({'type': 'object', 'properties': {'a': {**ROW, 'maxItems': 0}}}, {'a': [10**300]}))
def test_bounds_are_checked_as_by_the_validator(case: Any) -> None:
    assert_judged(*case)


@pytest.mark.parametrize('kind', ['number', 'integer'])
@pytest.mark.parametrize('bound', ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'])
def test_numbers_at_the_bounds_are_judged_exactly(bound: str, kind: str) -> None:
    for limit in LIMITS:
        schema = {'type': 'array', 'items': {'type': 'array', 'items': {'type': kind, bound: limit}}}
        compiled, reference = CompiledSchema(schema), jsonschema_rs.Draft202012Validator(schema)
        for number in [*near(limit), *NUMBERS[::7]]:
            for body in ([[number]], [[], [number, number]]):
                assert (compiled.violations(body, LARGE) == []) is reference.is_valid(body), (limit, body)


TWICE = {
    'two_properties': ({'type': 'object', 'properties': {'x': ROW, 'y': ROW}}, {'x': [1], 'y': [-1]}, False),
    'items_of_both': (
        {
            'type': 'object',
            'properties': {
                'x': ROW,
                'y': {'type': 'array', 'items': ROW},
                'z': {'type': 'array', 'items': ROW},
            },
        },
        {'z': [[1], [-1]]},
        False,
    ),
    'the_same_numbers': (
        {
            'type': 'object',
            'properties': {name: {'type': 'array', 'items': ROW['items']} for name in ('x', 'y')},
        },
        {'y': [-1]},
        False,
    ),
    'under_not': (
        {'type': 'object', 'properties': {'x': ROW}, 'not': {'properties': {'y': ROW}, 'required': ['y']}},
        {'y': [-1]},
        True,
    ),
    'under_any_of': (
        {'type': 'object', 'properties': {'x': ROW}, 'anyOf': [{'properties': {'y': ROW}}]},
        {'y': [-1]},
        False,
    ),
}


@pytest.mark.parametrize(('schema', 'body', 'valid'), TWICE.values(), ids=TWICE)
def test_part_that_stands_twice_counts_twice(schema: dict[str, Any], body: Any, valid: bool) -> None:
    assert (CompiledSchema(schema).violations(body, LARGE) == []) is valid
    assert_judged(schema, body)


def bounded(**keywords: Any) -> dict[str, Any]:
    return {'type': 'array', 'items': {'type': 'number', **keywords}}


TAKEN = {
    'both': (bounded(minimum=0, maximum=16), 1),
    'exclusive': (bounded(exclusiveMinimum=0), 1),
    'in_an_object': ({'type': 'object', 'properties': {'a': bounded(minimum=0), 'b': bounded(maximum=0)}}, 2),
    'nested': ({'type': 'array', 'items': {'type': 'array', 'items': bounded(maximum=1)}}, 1),
    'objects_in_an_array': (
        {'type': 'array', 'items': {'type': 'object', 'properties': {'a': bounded(minimum=0)}}},
        1,
    ),
    'largest_exact': (bounded(maximum=2**53 - 1), 1),
    'no_bounds': (bounded(), 0),
    'no_type': ({'type': 'array', 'items': {'minimum': 0}}, 0),
    'other_keyword': (bounded(minimum=0, multipleOf=2), 0),
    'inexact': (bounded(maximum=2**53), 0),
    'huge': (bounded(maximum=10**400), 0),
    'prefix_items': ({**bounded(minimum=0), 'prefixItems': [{}]}, 0),
    'may_be_null': ({**bounded(minimum=0), 'type': ['array', 'null']}, 0),
    'may_be_no_object': ({'properties': {'a': bounded(minimum=0)}}, 0),
    'may_be_no_array': ({'items': {'type': 'number', 'minimum': 0}}, 0),
    'plain_number': ({'type': 'object', 'properties': {'a': {'type': 'number', 'minimum': 0}}}, 0),
}


@pytest.mark.parametrize(('schema', 'count'), TAKEN.values(), ids=TAKEN)
def test_only_what_numpy_can_check_is_taken(schema: dict[str, Any], count: int) -> None:
    before = repr(schema)
    rest, lists = split(schema)

    assert sum(each.is_bounded for each in lists) == count
    assert ('minimum' in repr(rest) or 'maximum' in repr(rest)) is ('imum' in before and not count)
    assert repr(schema) == before


@pytest.mark.parametrize('keyword', ['$ref', '$dynamicRef'])
def test_bounds_that_a_reference_may_lead_to_stay(keyword: str) -> None:
    compiled = CompiledSchema({**bounded(minimum=0), 'contains': {'not': {keyword: '#/items'}}})

    assert compiled.violations([0, -1], LARGE) == [('/1', '-1 is less than the minimum of 0')]
    assert compiled.violations([0], LARGE) == [('', '[0] does not contain items matching the given schema')]


IMAGES = {
    'type': 'object',
    'properties': {
        'instances': {
            'type': 'array',
            'items': {**bounded(minimum=0, maximum=16), 'minItems': 64, 'maxItems': 64},
        }
    },
    'required': ['instances'],
}


@pytest.mark.parametrize('size', [MIDDLE, LARGE])
def test_last_number_of_many_is_found_and_worded(size: int) -> None:
    violations = CompiledSchema(IMAGES).violations(images(last=17), size)

    assert [(violation.pointer, violation.message) for violation in violations] == [
        ('/instances/511/63', '17 is greater than the maximum of 16')
    ]


def images(last: float) -> dict[str, Any]:
    rows = numpy.random.default_rng(0).uniform(0, 16, (512, 64)).tolist()
    rows[-1][-1] = last
    return {'instances': rows}


def test_sizes_of_these_tests_are_on_the_sides_they_name() -> None:
    assert MANY_NUMBERS_BYTES < MIDDLE < LARGE


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(-(10**6), 10**6) | st.floats(allow_nan=False), max_size=4), max_size=5),
    st.floats(allow_nan=False),
    st.floats(allow_nan=False),
)
def test_each_number_counts(rows: Any, low: float, high: float) -> None:
    expected = all(low <= value <= high for row in rows for value in row)
    assert NumberLists((EACH,), None, low, high).are_within_bounds(rows) is expected


@pytest.mark.parametrize('rows', [[], [[]], [[], []]], ids=str)
def test_no_numbers_are_within_any_bounds(rows: Any) -> None:
    assert NumberLists((EACH,), None, math.inf, -math.inf).are_within_bounds(rows)
