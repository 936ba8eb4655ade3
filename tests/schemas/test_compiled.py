import functools
import re
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match, relevance

from model_serving.echo import MAX_ECHO, echo
from model_serving.schemas import narrowing
from model_serving.schemas.compiled import BadSchema, CompiledSchema
from model_serving.schemas.phrases import DOES_NOT_FIT
from model_serving.schemas.subschemas import json_pointer

LARGE = 1_000_000
"""A body size that `jsonschema` may not look at whole."""

# Property-based: on the ground that both validators share, we are `jsonschema`, only faster.

texts = st.text(st.sampled_from('abé0 /~"\n'), max_size=4)
numbers = st.integers(-5, 5) | st.floats(-5, 5).map(lambda number: round(number, 2))
leaves = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from('abc'), inner, max_size=3),
    max_leaves=8,
)


def optional(**keywords: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=keywords)


def composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    branches = st.lists(inner, min_size=1, max_size=3)
    return (
        optional(
            type=st.just('object'),
            properties=st.dictionaries(st.sampled_from('abc'), inner, max_size=3),
            required=st.lists(st.sampled_from('abc'), unique=True, max_size=2),
            additionalProperties=st.booleans() | inner,
            minProperties=st.integers(0, 2),
            maxProperties=st.integers(0, 3),
            propertyNames=optional(maxLength=st.integers(0, 1)),
            dependentRequired=st.just({'a': ['b']}),
            dependentSchemas=st.dictionaries(st.sampled_from('abc'), inner, max_size=1),
            patternProperties=st.dictionaries(
                st.sampled_from(['^a', '[bc]', '.?']), inner, max_size=2
            ),  # jsonschema takes '' for no pattern.
        )
        | optional(
            type=st.just('array'),
            items=inner,
            prefixItems=branches,
            contains=inner,
            minContains=st.integers(0, 2),
            maxContains=st.integers(0, 2),
            unevaluatedItems=inner,
            minItems=st.integers(0, 3),
            maxItems=st.integers(0, 3),
            uniqueItems=st.booleans(),
        )
        | optional(anyOf=branches, oneOf=branches, allOf=branches)
        | st.fixed_dictionaries({'if': inner, 'then': inner}, optional={'else': inner})
        | st.fixed_dictionaries({'not': inner})
    )


def schemas(booleans: st.SearchStrategy[bool]) -> st.SearchStrategy[dict[str, Any]]:
    """Schemas whose parts are of all kinds, or among `booleans`."""
    parts = st.recursive(
        booleans
        | optional(
            type=st.sampled_from(['null', 'boolean', 'object', 'array', 'number', 'string', 'integer'])
        )
        | optional(type=st.lists(st.sampled_from(['null', 'array', 'string']), min_size=1, unique=True))
        | optional(enum=st.lists(leaves, min_size=1, max_size=3))
        | optional(const=leaves)
        | optional(
            minLength=st.integers(0, 3),
            maxLength=st.integers(0, 3),
            pattern=st.sampled_from(['^a', 'b', '[0-9]']),
        )
        | optional(minimum=numbers, maximum=numbers, multipleOf=st.integers(1, 3))
        | optional(exclusiveMinimum=numbers, exclusiveMaximum=numbers)
        | st.just({'$ref': '#/$defs/0'})
        | st.just({'$ref': '#/$defs/a~1b'})
        | optional(
            format=st.sampled_from(['date', 'date-time', 'email', 'ipv4', 'uuid', 'uri', 'json-pointer'])
        ),
        composed,
        max_leaves=6,
    )
    return parts.filter(lambda part: isinstance(part, dict)).map(lambda part: {**part, '$defs': DEFINITIONS})


DEFINITIONS = {'0': {'type': 'string'}, 'a/b': {'maxItems': 1, 'items': False}}


@settings(max_examples=300, deadline=None)
@given(schemas(st.just(True)), values)  # jsonschema forgets a step of the path to what a False refuses.
def test_small_body_is_judged_and_worded_as_by_jsonschema(schema: dict[str, Any], value: Any) -> None:
    reference = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = list(reference.iter_errors(value))

    violations = violations_of_small(schema, value)

    assert bool(violations) == bool(errors)
    if errors:
        best = max(map(relevance, errors))
        expected = {best_match([error]).message for error in errors if relevance(error) == best}
        assert words_of(violations[0].message) in map(words_of, expected)


@settings(max_examples=300, deadline=None)
@given(schemas(st.booleans()), values)
@example({'unevaluatedItems': False}, [{'b': None, 'a': None}])
def test_every_violation_is_one_that_jsonschema_reports_too(schema: dict[str, Any], value: Any) -> None:
    reference = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    expected = {words_of(error.message) for error in flattened(reference.iter_errors(value))}

    violations = violations_of_small(schema, value)

    assert bool(violations) == bool(expected)
    assert {words_of(violation.message) for violation in violations} <= expected


def violations_of_small(schema: dict[str, Any], value: Any) -> Any:
    """The violations of a body that counts as small, however many branches the schema has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrowing, 'MAX_VALUES', 10**6)
        patch.setattr(narrowing, 'MAX_BRANCHES', 10**50)
        return CompiledSchema(schema).violations(value)


def words_of(message: str) -> str:
    """`message`, without how many items jsonschema has found where more are due."""
    if message.startswith('Unevaluated items '):
        return ''.join(sorted(message))  # jsonschema_rs sorts the names of the objects that it reports there.
    return re.sub(r' but only \d+ matched\)$', ')', message)


@settings(max_examples=300, deadline=None)
@given(schemas(st.booleans()), values)
def test_large_body_is_refused_at_a_place_that_is_broken(schema: dict[str, Any], value: Any) -> None:
    reference = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = list(flattened(reference.iter_errors(value)))
    expected = {words_of(error.message) for error in errors} | {DOES_NOT_FIT}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(narrowing, 'MAX_VALUES', 0)  # Whatever holds anything is large.

        violations = CompiledSchema(schema).violations(value)

    assert bool(violations) == bool(errors)
    for violation in violations:
        assert words_of(violation.message) in expected
        # jsonschema forgets the last step to what a False refuses.
        paths = [json_pointer(error.absolute_path) for error in errors]
        assert any(f'{path}/'.startswith(violation.pointer.rpartition('/')[0]) for path in paths)


def flattened(errors: Any) -> Any:
    for error in errors:
        yield error
        yield from flattened(error.context)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from([r'^\p{L}+$', '^a$', '^[a-z]{2,}$', r'^\d+$', r'\u{1F600}', '^(a+)+$']),
    st.text(max_size=30),
)
def test_pattern_never_crashes(pattern: str, text: str) -> None:
    try:
        compiled = CompiledSchema({'pattern': pattern, 'patternProperties': {pattern: False}})
    except BadSchema:
        return
    for value in (text, {text: 1}):
        for size in (0, LARGE):
            assert all(violation.message for violation in compiled.violations(value, size))


WORDS = {
    'required': ({'required': ['a', 'b']}, {}, "'a' is a required property"),
    'type': ({'type': 'object'}, [1], "[1] is not of type 'object'"),
    'several_types': ({'type': ['object', 'null']}, 'x', "'x' is not of type 'object', 'null'"),
    'enum': ({'enum': ['a', 'b']}, 'c', "'c' is not one of ['a', 'b']"),
    'minimum': ({'minimum': 3}, 2, '2 is less than the minimum of 3'),
    'min_items': ({'minItems': 2}, [1], '[1] is too short'),
    'unique': ({'uniqueItems': True}, [1, 1], '[1, 1] has non-unique elements'),
    'pattern': ({'pattern': '^a'}, 'b', "'b' does not match '^a'"),
    'format': ({'format': 'date-time'}, 'now', "'now' is not a 'date-time'"),
    'additional': (
        {'additionalProperties': False},
        {'x': 1},
        "Additional properties are not allowed ('x' was unexpected)",
    ),
    'any_of': (
        {'anyOf': [{'type': 'null'}, {'type': 'array'}]},
        1,
        '1 is not valid under any of the given schemas',
    ),
    'multiple_of': ({'multipleOf': 2}, 3, '3 is not a multiple of 2'),
}


@pytest.mark.parametrize('size', [0, LARGE], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'value', 'message'), WORDS.values(), ids=WORDS)
def test_words_are_those_of_jsonschema(schema: dict[str, Any], value: Any, message: str, size: int) -> None:
    reference = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert next(reference.iter_errors(value)).message == message

    assert CompiledSchema(schema).violations(value, size)[0].message == message


NESTED = {
    '$defs': {'row': {'type': 'object', 'required': ['a/b'], 'properties': {'a/b': {'type': 'number'}}}},
    'properties': {'rows': {'items': {'$ref': '#/$defs/row'}}},
}


@pytest.mark.parametrize('size', [0, LARGE], ids=['small', 'large'])
def test_pointer_leads_to_the_value(size: int) -> None:
    violations = CompiledSchema(NESTED).violations({'rows': [{'a/b': 1}, {'a/b': 'x'}]}, size)

    assert [(violation.pointer, violation.message) for violation in violations] == [
        ('/rows/1/a~1b', "'x' is not of type 'number'")
    ]


def test_best_match_comes_first_and_the_list_is_short() -> None:
    violations = CompiledSchema({'items': {'type': 'number'}, 'maxItems': 3}).violations(['x'] * 50)

    assert violations[0].message.endswith('is too long')
    assert violations[0].pointer == ''
    assert len(violations) == 10
    assert len(set(violations)) == 10


TREE = {
    'oneOf': [
        {'properties': {'is': {'const': name}, 'of': {'$ref': '#'}}, 'required': ['is']}
        for name in ('and', 'or')
    ]
}


def test_branches_that_references_lead_back_to_are_not_multiplied() -> None:
    """Error objects of 60 levels with two branches each would never end."""
    value = functools.reduce(lambda inner, _: {'is': 'or', 'of': inner}, range(60), {'is': 'x'})

    assert CompiledSchema(TREE).violations(value) == [('', DOES_NOT_FIT)]


def test_many_values_on_many_branches_are_refused_soon() -> None:
    branch = {'required': ['a', 'b', 'c'], 'minProperties': 1}

    violations = CompiledSchema({'items': {'anyOf': [branch] * 10}}).violations([{}] * 450)

    assert violations == [('/0', '{} is not valid under any of the given schemas')]


# Where the two disagree, `jsonschema_rs` decides, and nothing crashes.

DISAGREEMENTS = {
    'dollar_before_newline': ({'pattern': '^a$'}, 'a\n', False),
    'multiple_of_a_decimal': ({'multipleOf': 0.1}, 0.3, True),
    'pattern_python_refuses': ({'pattern': r'^\p{Lu}+$'}, 'a', False),
    'pattern_property_python_refuses': ({'patternProperties': {r'^\p{Lu}+$': False}}, {'A': 1}, False),
}


@pytest.mark.parametrize('size', [0, LARGE], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'value', 'valid'), DISAGREEMENTS.values(), ids=DISAGREEMENTS)
def test_the_fast_validator_decides(schema: dict[str, Any], value: Any, valid: bool, size: int) -> None:
    violations = CompiledSchema(schema).violations(value, size)

    assert (violations == []) is valid
    assert all(violation.message for violation in violations)


# What a refusal costs and repeats is bounded.


def test_message_echoes_little_of_a_large_value() -> None:
    for value in (['x' * 20] * 3000, {'key' * 20 + str(number): 1 for number in range(900)}, 'y' * 60_000):
        for schema in ({'type': 'null'}, {'additionalProperties': False, 'maxItems': 1, 'maxLength': 1}):
            for size in (0, LARGE):
                for violation in CompiledSchema(schema).violations(value, size):
                    assert len(violation.message) < MAX_ECHO + 100
                    assert violation.message.startswith(('[', '{', "'", 'Additional properties are not'))


def test_message_keeps_its_end_after_a_long_echo() -> None:
    message = CompiledSchema({'type': 'object'}).violations(['x'] * 1000)[0].message

    assert message.endswith("... is not of type 'object'")


@pytest.mark.parametrize('key', ['0', '00', '-1', 'a/~b'])
def test_pointer_names_the_key_as_it_is(key: str) -> None:
    violation = CompiledSchema({'additionalProperties': {'type': 'string'}}).violations({key: 1}, LARGE)[0]

    assert violation.message == "1 is not of type 'string'"
    assert violation.pointer == '/' + key.replace('~', '~0').replace('/', '~1')


@pytest.mark.parametrize('depth', [500, 1000, 1020])
def test_deep_body_is_refused_in_words(depth: int) -> None:
    value: Any = []
    for _ in range(depth):
        value = [value]
    for size in (0, LARGE):
        assert CompiledSchema({'type': 'object'}).violations(value, size)[0].message


@pytest.mark.alone
def test_unique_items_is_not_quadratic() -> None:
    rows = [{'id': number} for number in range(8000)]
    compiled = CompiledSchema({'items': {'type': 'object'}, 'uniqueItems': True, 'maxItems': 10})

    start = time.process_time()
    violations = compiled.violations(rows)

    assert violations[0].message.endswith('is too long')
    assert time.process_time() - start < 5


MANY = {
    'list': {'items': {'required': ['a', 'b', 'c', 'd']}},
    'one_branch': {'anyOf': [{'items': {'required': ['a', 'b', 'c', 'd']}}]},
    'branches': {'anyOf': [{'items': {'type': 'null'}}, {'items': {'type': 'string'}}, {'minItems': 10**6}]},
}


@pytest.mark.alone
@pytest.mark.parametrize('schema', MANY.values(), ids=MANY)
def test_very_many_violations_cost_little(schema: dict[str, Any]) -> None:
    compiled = CompiledSchema(schema)
    rows: list[Any] = [{}] * 20_000

    start = time.process_time()
    violations = compiled.violations(rows, 60_000)

    assert len(violations) == 1
    assert violations[0].message
    assert time.process_time() - start < 1


EVIL = '^(a+)+$'
BACKTRACKING = {
    'pattern': ({'pattern': EVIL}, 'a' * 60 + 'b'),
    'pattern_properties': ({'patternProperties': {EVIL: {}}, 'required': ['x']}, {'a' * 60 + 'b': 1}),
    'additional': ({'patternProperties': {EVIL: {}}, 'additionalProperties': False}, {'a' * 60 + 'b': 1}),
    'unevaluated': ({'patternProperties': {EVIL: {}}, 'unevaluatedProperties': False}, {'a' * 60 + 'b': 1}),
    'unevaluated_elsewhere': (
        {
            '$defs': {'coded': {'patternProperties': {EVIL: {}}}},
            'properties': {'x': {'$ref': '#/$defs/coded', 'unevaluatedProperties': False}},
        },
        {'x': {'a' * 60 + 'b': 1}},
    ),
    'own_dialect': (
        {
            '$schema': 'https://json-schema.org/draft/2020-12/schema',
            'properties': {'child': {'$ref': '#'}, 'code': {'pattern': EVIL}},
        },
        {'child': {'code': 'a' * 60 + 'b'}},
    ),
}


@pytest.mark.parametrize('size', [0, LARGE], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'value'), BACKTRACKING.values(), ids=BACKTRACKING)
def test_pattern_that_backtracks_does_not_hang(schema: dict[str, Any], value: Any, size: int) -> None:
    """With Python's own regular expressions, each of these would run for ages."""
    assert CompiledSchema(schema).violations(value, size)[0].message


COSTLY = {
    'values_of_an_enum': (
        {'properties': {'words': {'items': {'enum': list(range(2000))}}}, 'required': ['x']},
        {'words': [1999] * 12_000},
    ),
    'last_of_many_numbers': (
        {'items': {'items': {'type': 'number', 'minimum': 0, 'maximum': 16}, 'minItems': 64}},
        [[0] * 64] * 494 + [[0] * 63 + [17]],
    ),
    'branches_at_each_level': (
        {'properties': {'n': {'type': 'integer'}, 'child': {'if': {'$ref': '#'}, 'then': {'$ref': '#'}}}},
        {'n': 'x', 'child': functools.reduce(lambda child, _: {'child': child}, range(20), {})},
    ),
    'deep': ({'items': {'$ref': '#'}, 'type': 'array'}, [[[]] * 1000 + [1]]),
}


@pytest.mark.alone
@pytest.mark.parametrize('size', [0, LARGE], ids=['small', 'large'])
@pytest.mark.parametrize(('schema', 'value'), COSTLY.values(), ids=COSTLY)
def test_refusing_costs_little(schema: dict[str, Any], value: Any, size: int) -> None:
    """What is valid is not walked by `jsonschema`: from 0.3 s to minutes, if it were."""
    compiled = CompiledSchema(schema)

    start = time.process_time()
    assert compiled.violations(value, size)[0].message
    assert time.process_time() - start < 0.25


@pytest.mark.parametrize('depth', [20, 60, 130, 400, 1000])
def test_broken_leaf_of_a_deep_tree_is_refused(depth: int) -> None:
    """Near Python's recursion limit, a library of `jsonschema` panics, past every `except Exception`."""
    tree: Any = {}
    for _ in range(depth):
        tree = {'name': 'x', 'children': [tree]}
    compiled = CompiledSchema({'properties': {'children': {'items': {'$ref': '#'}}}, 'required': ['name']})

    violations = compiled.violations(tree)

    assert violations[0].message in ("'name' is a required property", DOES_NOT_FIT)


@pytest.mark.parametrize('value', [1, 'a', [1, 'b', {}], {'a': [1], 'b': {}}, None, True, 1.5, 'é"\''])
def test_echo_is_repr_for_a_short_value(value: Any) -> None:
    assert echo(value) == repr(value)


# A schema that is wrong stops the start, with the place.

BAD_SCHEMAS = {
    'unknown_type': ({'properties': {'a': {'type': 'strin'}}}, '/properties/a/type'),
    'wrong_value': ({'properties': {'a': {'minimum': 'x'}}}, '/properties/a/minimum'),
    'wrong_pattern': ({'properties': {'a': {'pattern': '('}}}, '/properties/a/pattern'),
    'missing_reference': ({'$ref': '#/$defs/none'}, '/$defs/none'),
    'remote_reference': ({'$ref': 'https://example.com/schema.json'}, 'example.com'),
    'required_is_text': ({'required': 'name'}, '/required'),
    'bad_example': ({'type': 'object', 'examples': [{}, 5]}, '/examples/1'),
    'no_json': ({'enum': [{1, 2}]}, 'set'),
    'no_dict': (True, 'a dict is due'),
}


@pytest.mark.parametrize(('schema', 'place'), BAD_SCHEMAS.values(), ids=BAD_SCHEMAS)
def test_bad_schema_is_refused_with_the_place(schema: dict[str, Any], place: str) -> None:
    with pytest.raises(BadSchema, match=place.replace('$', r'\$')):
        CompiledSchema(schema)


def test_body_with_an_empty_key_is_refused() -> None:
    """Paths of jsonschema_rs leave it out."""
    schema = {'properties': {'': {'properties': {'a': {'type': 'string'}}}}}
    [violation] = CompiledSchema(schema).violations({'': {'a': 1}})
    assert 'fit' in violation.message or 'string' in violation.message


def violations(schema: Any, body: Any) -> list[tuple[str, str]]:
    return [(each.pointer, each.message) for each in CompiledSchema(schema).violations(body)]


REF = {'$defs': {'c': {'$id': 'http://example.com/c', 'type': 'string'}}}
COLUMNS = {f'c{number}': {'anyOf': [{'type': 'number'}, {'type': 'null'}]} for number in range(20)}
ODD_PLACES = {
    'a property called type beside a false schema': (
        {'properties': {'type': {'type': 'string'}, 'a': False}},
        {'a': 1},
        ('/a', 'False schema does not allow 1'),
    ),
    'an empty key': (
        {'additionalProperties': {'type': 'object'}},
        {'': 1},
        ('/', "1 is not of type 'object'"),
    ),
    'a key beside its number': (
        {'additionalProperties': {'minimum': 0}},
        {'007': -1, '7': 5},
        ('/007', '-1 is less than the minimum of 0'),
    ),
    'a property called items': (
        {'properties': {'items': False}},
        {'items': [1]},
        ('/items', 'False schema does not allow [1]'),
    ),
    'a schema with an $id elsewhere': (
        {**REF, 'properties': {'a': {'contains': {'type': 'string'}, 'maxContains': 1}}},
        {'a': ['x', 'y']},
        ('/a', 'The value at this place does not fit its schema'),
    ),
    'an older $schema': (
        {
            '$schema': 'http://json-schema.org/draft-07/schema#',
            'properties': {
                'rows': {'prefixItems': [{'type': 'string'}], 'items': {'type': 'number'}},
                'z': {'type': 'number'},
            },
        },
        {'rows': ['x', *range(3000)], 'z': 'bad'},
        ('/z', "'bad' is not of type 'number'"),
    ),
    'a long list that may be null': (
        {'properties': {'a': {'anyOf': [{'type': 'array', 'items': {'type': 'number'}}, {'type': 'null'}]}}},
        {'a': [1] * 600 + ['x']},
        ('/a/600', "'x' is not of type 'number'"),
    ),
    'one of many columns that may be null': (
        {'items': {'anyOf': [{'type': 'object', 'properties': COLUMNS}, {'type': 'null'}]}},
        [{**dict.fromkeys(COLUMNS, 1), 'c3': 'x'}],
        ('/0/c3', "'x' is not valid under any of the given schemas"),
    ),
}


@pytest.mark.parametrize(('schema', 'body', 'expected'), ODD_PLACES.values(), ids=ODD_PLACES)
def test_odd_place_is_named(schema: Any, body: Any, expected: tuple[str, str]) -> None:
    assert violations(schema, body) == [expected]


@pytest.mark.parametrize(
    'schema',
    [{'properties': {'anyOf': True}}, {'const': {'anyOf': 1}}, {'default': {'oneOf': None}}],
)
def test_what_is_no_keyword_stops_no_start(schema: Any) -> None:
    assert CompiledSchema(schema)


def test_long_lists_of_the_schema_are_told_once_and_cut() -> None:
    names = [f'p{number}' for number in range(100)]
    assert violations({'items': {'required': names}}, [{}] * 450) == [('/0', "'p0' is a required property")]
    words = [f'word{number}' for number in range(20_000)]
    [(place, message)] = violations({'items': {'enum': words}}, [1] * 480)
    assert place == '/0'
    assert message.startswith("1 is not one of ['word0', 'word1'")
    assert len(message) < 1100
