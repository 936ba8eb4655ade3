from typing import Any

import pytest

from model_serving.openapi.references import embedded

TREE: dict[str, Any] = {
    '$defs': {'node': {'properties': {'children': {'items': {'$ref': '#/$defs/node'}}}}},
    'anyOf': [{'$ref': '#/$defs/node'}, {'$ref': '#'}, {'$ref': '#/anyOf/0'}],
}


def test_references_begin_at_the_place() -> None:
    assert embedded(TREE, '#/components/schemas/Tree') == {
        '$defs': {
            'node': {'properties': {'children': {'items': {'$ref': '#/components/schemas/Tree/$defs/node'}}}}
        },
        'anyOf': [
            {'$ref': '#/components/schemas/Tree/$defs/node'},
            {'$ref': '#/components/schemas/Tree'},
            {'$ref': '#/components/schemas/Tree/anyOf/0'},
        ],
    }


NAMED: dict[str, tuple[dict[str, Any], str]] = {
    'anchor': ({'$anchor': 'part'}, '#part'),
    'dynamic_anchor': ({'$dynamicAnchor': 'part'}, '#part'),
    'id': ({'$id': 'part.json'}, 'part.json'),
    'anchor_in_an_id': ({'$id': 'https://example.com/part', '$anchor': 'a'}, 'https://example.com/part#a'),
    'pointer': ({}, '#/$defs/the%20part~1'),
}


@pytest.mark.parametrize(('names', 'reference'), NAMED.values(), ids=NAMED)
@pytest.mark.parametrize('own', [{}, {'$id': 'https://example.com/whole.json'}])
def test_references_by_any_name_become_pointers(own: Any, names: Any, reference: str) -> None:
    schema = {**own, '$defs': {'the part/': {**names, 'type': 'string'}}, 'items': {'$ref': reference}}
    assert embedded(schema, '#/x/A') == {
        '$defs': {'the part/': {'type': 'string'}},
        'items': {'$ref': '#/x/A/$defs/the%20part~1'},
    }


UNTOUCHED = {
    'another_document': {'$ref': 'https://json-schema.org/draft/2020-12/schema'},
    'data': {
        'examples': [{'$ref': '#/x'}],
        'const': {'$id': 'x', '$ref': '#/x'},
        'enum': [{'$anchor': '#/x'}],
        'default': ['#'],
    },
    'properties_called_like_keywords': {'properties': {'$ref': {'type': 'string'}, '$id': True}},
    'boolean': {'properties': {'a': True}, 'items': False},
}


@pytest.mark.parametrize('schema', UNTOUCHED.values(), ids=UNTOUCHED)
def test_what_does_not_refer_to_the_schema_stays(schema: Any) -> None:
    assert embedded(schema, '#/x/A') == schema


def test_reference_that_depends_on_the_way_to_it_is_left_out() -> None:
    schema = {'$dynamicAnchor': 'node', 'type': 'array', 'items': {'$dynamicRef': '#node'}}
    assert embedded(schema, '#/x/A') == {'type': 'array', 'items': {}}
