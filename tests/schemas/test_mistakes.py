"""What JSON Schema would ignore stops the start, with the place, and what to write instead."""

from typing import Any

import pytest

from model_serving.protocols.signature import Tensor
from model_serving.schemas.compiled import BadSchema, CompiledSchema
from model_serving.schemas.mistakes import FORMATS, LABELS

X = {'type': 'number'}
TO_A = {'$ref': '#/$defs/a'}


def of(**schema: Any) -> dict[str, Any]:
    return {'type': 'object', 'properties': {'a': schema}}


def itself() -> dict[str, Any]:
    schema = of()
    schema['properties']['a'] = schema
    return schema


def list_of_itself() -> dict[str, Any]:
    schema: dict[str, Any] = {'anyOf': [{}]}
    schema['anyOf'].append({'items': schema['anyOf']})
    return schema


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    'requird': (
        {'type': 'object', 'requird': ['a']},
        r"keyword 'requird'; write 'required', .* \(at /requird\)",
    ),
    'minimun': (of(minimun=1), r"write 'minimum', or begin your own with x- \(at /properties/a/minimun\)"),
    'lower_case': (of(maxlength=1), "write 'maxLength'"),
    'snake_case': (of(min_items=1), "write 'minItems'"),
    'property_called_type': (
        {'properties': {'type': {'discription': ''}}},
        r'at /properties/type/discription',
    ),
    'deep': ({'anyOf': [{'items': {'enums': [1]}}]}, r"write 'enum', .* \(at /anyOf/0/items/enums\)"),
    'by_pattern': ({'patternProperties': {'/': {'titel': ''}}}, r'at /patternProperties/~1/titel'),
    'definition': ({'$defs': {'a': {'propertys': {}}}}, r'at /\$defs/a/propertys'),
    'nullable': (of(type='string', nullable=True), r"no keyword 'nullable'; write 'type': \[..., 'null'\]"),
    'older_items': (of(additionalItems=False), "write 'items' beside 'prefixItems'"),
    'older_dependencies': (of(dependencies={}), "write 'dependentRequired' or 'dependentSchemas'"),
    'older_id': ({'id': 'request.json'}, r"write '\$id'"),
    'format': (of(format='datetime'), "no format 'datetime', so nothing would be checked; write 'date-time'"),
    'format_of_nothing': (of(format='phone'), 'it can be date, date-time, .*; or write a pattern'),
    'type': (of(type='int'), r"no type 'int'; write 'integer' \(at /properties/a/type\)"),
    'type_of_python': (of(type=str), "no type 'str'; write 'string'"),
    'none_as_a_type': (of(type=['string', None]), "no type 'None'; write 'null'"),
    'unlike_any_type': (of(type='tensor'), "no type 'tensor'; write one of the seven of JSON"),
    'itself': (itself(), r'the schema contains itself \(at /properties/a\); write a \$ref'),
    'list_of_itself': (list_of_itself(), r'the schema contains itself \(at /anyOf/1/items\)'),
    'reference_to_itself': ({'$ref': '#'}, r"the \$ref '#' leads back to itself \(at the top\)"),
    'references_in_a_circle': (
        {'items': TO_A, '$defs': {'a': {'$ref': '#/$defs/b'}, 'b': TO_A}},
        r'leads back to itself \(at /\$defs/',
    ),
    'reference_through_a_branch': ({'$defs': {'a': {'anyOf': [X, TO_A]}}}, 'leads back to itself'),
}


@pytest.mark.parametrize(('schema', 'message'), WRONG.values(), ids=WRONG)
def test_mistake_is_told_with_its_place(schema: dict[str, Any], message: str) -> None:
    with pytest.raises(BadSchema, match=message):
        CompiledSchema(schema)


def test_mistake_in_the_schema_of_a_tensor_is_told() -> None:
    with pytest.raises(BadSchema, match=r"tensor 'x': .*write 'minimum'.*\(at /items/minimun\)"):
        Tensor('x', 'FP32', [-1], like={'type': 'array', 'items': {**X, 'minimun': 1}})


RIGHT: dict[str, dict[str, Any]] = {
    'relative_id': {'$id': 'request.json', **TO_A, '$defs': {'a': X}},
    'own_annotations': of(**{'x-unit': 'cm', 'x-requird': 1}, unit='cm', order=1, widget='a', label='A'),
    'of_openapi': of(example=1, xml={}, externalDocs={}, discriminator={}, deprecated=True),
    'properties_named_like_mistakes': {'properties': {'requird': X, 'nullable': X, 'id': X, 'format': X}},
    'data': of(enum=[{'requird': 1}], default={'nullable': 1}),
    'inside_an_annotation': of(**{'x-form': {'requird': 1}}),
    'recursion': {'properties': {'next': {'$ref': '#'}}},
    'same_part_twice': {'properties': {'a': X, 'b': X}, 'items': [X, X][0]},
    'formats': {'anyOf': [{'format': name} for name in (*FORMATS, *sorted(LABELS))]},
}


@pytest.mark.parametrize(
    'keyword',
    [
        *(
            'requird',
            'minimun',
            'nullable',
            'propertes',
            'itmes',
            'maxLenght',
            'enums',
            'additonalProperties',
        ),
        *('additonalProperties', 'tpye', 'descripton', 'titel', 'nto'),
    ],
)
def test_misspelt_keyword_is_refused(keyword: str) -> None:
    with pytest.raises(BadSchema, match=r'there is no keyword|has no keyword'):
        CompiledSchema({keyword: 1})


@pytest.mark.parametrize(
    'keyword',
    [
        *('comment', 'note', 'tsType', 'typeof', 'schema', 'anchor', 'contentType', 'container', 'titles'),
        *('descriptions', 'description_de', 'titleDe', 'requiredIf', 'propertiesOrder', 'when', 'name'),
    ],
)
def test_annotation_of_another_tool_is_no_mistake(keyword: str) -> None:
    CompiledSchema({keyword: 1})


@pytest.mark.parametrize('schema', RIGHT.values(), ids=RIGHT)
def test_what_is_no_mistake_is_accepted(schema: dict[str, Any]) -> None:
    CompiledSchema(schema)


@pytest.mark.parametrize('name', FORMATS)
def test_formats_are_checked(name: str) -> None:
    assert CompiledSchema({'format': name}).violations('\0 [{not')
