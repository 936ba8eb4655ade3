from typing import Any

import pytest

from model_serving.schemas.write_only import LEFT_OUT, WriteOnly

SECRET: dict[str, Any] = {'writeOnly': True}
NESTED: dict[str, Any] = {'properties': {'a': {}, 'b': SECRET}}
VALUE = {'a': 1, 'b': 2}

KEPT: dict[str, tuple[dict[str, Any], Any, Any]] = {
    'without a mark, all': ({'properties': {'a': {}}}, {'a': 1, 'c': {'d': 2}}, {'a': 1, 'c': {'d': 2}}),
    'a mark that is false marks nothing': ({'properties': {'a': {'writeOnly': False}}}, VALUE, VALUE),
    'a property': (NESTED, VALUE, {'a': 1}),
    'unknown names go, too': (NESTED, {'a': 1, 'c': 2}, {'a': 1}),
    'inside a property': ({'properties': {'x': NESTED}}, {'x': VALUE}, {'x': {'a': 1}}),
    'in items': ({'items': NESTED}, [VALUE, VALUE], [{'a': 1}, {'a': 1}]),
    'in prefixItems': ({'prefixItems': [NESTED], 'items': {}}, [VALUE], [{'a': 1}]),
    'whole items': ({'items': SECRET}, [1, 2], []),
    'the whole': (SECRET, {'a': 1}, LEFT_OUT),
    'behind $ref': ({'$ref': '#/$defs/n', '$defs': {'n': NESTED}}, VALUE, {'a': 1}),
    'behind an anchor': ({'$ref': '#n', '$defs': {'n': {**NESTED, '$anchor': 'n'}}}, VALUE, {'a': 1}),
    'behind a recursive $ref': (
        {'properties': {'next': {'$ref': '#'}, **NESTED['properties']}},
        {'next': {'next': VALUE}},
        {'next': {'next': {'a': 1}}},
    ),
    'by allOf': (
        {'allOf': [{'properties': {'b': SECRET}}], 'properties': {'a': {}, 'b': {}}},
        VALUE,
        {'a': 1},
    ),
    'by a branch of anyOf': ({'anyOf': [NESTED, {'properties': {'b': {}}}]}, VALUE, {'a': 1}),
    'by then': ({'if': {}, 'then': NESTED}, VALUE, {'a': 1}),
    'by a pattern': (
        {'properties': {'a': {}, 'b': {}}, 'patternProperties': {'^b': SECRET}},
        VALUE,
        {},
    ),
    'by additionalProperties of another schema': (
        {'properties': {'b': {}}, 'allOf': [{'properties': {'a': {}}, 'additionalProperties': SECRET}]},
        VALUE,
        {'a': 1},
    ),
    'additionalProperties beside a name do not concern it': (
        {'properties': {'a': {}}, 'additionalProperties': SECRET},
        VALUE,
        {'a': 1},
    ),
    'where $dynamicRef leads is unknown': (
        {'properties': {'a': {'$dynamicRef': '#n'}, 'b': SECRET}, '$defs': {'n': {'$dynamicAnchor': 'n'}}},
        VALUE,
        {},
    ),
    'names that are keywords': (
        {'properties': {'properties': {}, 'writeOnly': {}, 'b': SECRET}},
        {'properties': 1, 'writeOnly': 2, 'b': 3},
        {'properties': 1, 'writeOnly': 2},
    ),
    'names with slashes': (
        {'properties': {'a/b': {}, '~': SECRET}},
        {'a/b': 1, '~': 2},
        {'a/b': 1},
    ),
    'true as a schema': ({'properties': {'a': True, 'b': SECRET}}, VALUE, {'a': 1}),
    'an object where none is described': (
        {'properties': {'a': {}, 'b': SECRET}},
        {'a': [VALUE, 3]},
        {'a': [{}, 3]},
    ),
    'a mark in an example is none': ({'examples': [{'writeOnly': True}]}, VALUE, VALUE),
}


@pytest.mark.parametrize(('schema', 'value', 'kept'), KEPT.values(), ids=KEPT)
def test_kept_is(schema: dict[str, Any], value: Any, kept: Any) -> None:
    assert WriteOnly(schema)(value) == kept


def test_of_a_value_in_another_form_nothing_is_kept() -> None:
    assert WriteOnly(NESTED, is_own=False)(VALUE) is LEFT_OUT
    assert WriteOnly({}, is_own=False)(VALUE) == VALUE
