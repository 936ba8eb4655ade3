from typing import Any

import pytest
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from model_serving.openapi.references import embedded

TREE: dict[str, Any] = {
    '$defs': {'node': {'properties': {'children': {'items': {'$ref': '#/$defs/node'}}}}},
    'anyOf': [{'$ref': '#/$defs/node'}, {'$ref': '#'}, {'$ref': '#/anyOf/0'}],
}


def test_references_begin_at_the_place() -> None:
    assert embedded(TREE, 'Tree') == {
        '$defs': {
            'node': {'properties': {'children': {'items': {'$ref': '#/components/schemas/Tree/$defs/node'}}}}
        },
        'anyOf': [
            {'$ref': '#/components/schemas/Tree/$defs/node'},
            {'$ref': '#/components/schemas/Tree'},
            {'$ref': '#/components/schemas/Tree/anyOf/0'},
        ],
    }


def test_anchors_of_two_schemas_stay_apart() -> None:
    schema = {'$defs': {'x': {'$anchor': 'part', 'type': 'string'}}, '$ref': '#part'}

    assert embedded(schema, 'A') == {
        '$defs': {'x': {'$anchor': 'A-part', 'type': 'string'}},
        '$ref': '#A-part',
    }


def test_references_are_found_by_a_validator() -> None:
    anchored = {'$defs': {'x': {'$anchor': 'node', 'type': 'string'}}, '$ref': '#node'}
    document = {'components': {'schemas': {'A': embedded(anchored, 'A'), 'B': embedded(anchored, 'B')}}}
    registry = Registry().with_resource('urn:document', Resource(document, DRAFT202012)).crawl()
    resolver = registry.resolver('urn:document')

    assert resolver.lookup('#/components/schemas/B').contents['$ref'] == '#B-node'


UNTOUCHED = {
    'another_document': {'$ref': 'https://example.com/node.json#/$defs/x'},
    'own_id': {'$id': 'https://example.com/a.json', '$ref': '#/$defs/x'},
    'part_with_an_id': {'$defs': {'a': {'$id': 'a', 'items': {'$ref': '#/$defs/x'}}}},
    'data': {
        'examples': [{'$ref': '#/x'}],
        'const': {'$ref': '#/x'},
        'enum': [{'$ref': '#/x'}],
        'default': ['#'],
    },
    'property_called_ref': {'properties': {'$ref': {'type': 'string'}, 'examples': {'$anchor': None}}},
    'boolean': {'properties': {'a': True}, 'items': False},
}


@pytest.mark.parametrize('schema', [UNTOUCHED[name] for name in UNTOUCHED if name != 'property_called_ref'])
def test_what_does_not_refer_to_the_schema_stays(schema: Any) -> None:
    assert embedded(schema, 'A') == schema


def test_properties_may_be_called_like_keywords() -> None:
    schema = {'properties': {'$ref': {'type': 'string'}, 'examples': {'items': {'$ref': '#'}}}}

    assert embedded(schema, 'A', '#/x/') == {
        'properties': {'$ref': {'type': 'string'}, 'examples': {'items': {'$ref': '#/x/A'}}}
    }
