"""What the modules of the console compute, asked of them in the browser."""

import json
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.client.conftest import watched

STRING = {'type': 'string'}
NUMBER = {'type': 'number'}


@pytest.fixture(scope='module')
def module(browser: Browser, models: str) -> Iterator[Page]:
    """A page that can import the modules; nothing is changed in it."""
    with watched(browser) as page:
        page.goto(models)
        yield page


def call(page: Page, file: str, name: str, *arguments: Any) -> Any:
    script = (
        '([file, name, given]) => import(`/client/console/${file}`).then((module) => module[name](...given))'
    )
    return page.evaluate(script, [file, name, list(arguments)])


KINDS: list[tuple[dict[str, Any], int, str]] = [
    (STRING, 1, 'text'),
    ({'type': 'integer'}, 9, 'number'),
    ({'type': 'boolean'}, 1, 'boolean'),
    ({'enum': [1, 'a']}, 9, 'choice'),
    ({'const': None}, 1, 'choice'),
    ({'type': 'null'}, 1, 'choice'),
    ({'oneOf': [{'const': 1, 'title': 'One'}, {'const': 2}]}, 1, 'choice'),
    ({'anyOf': [STRING, NUMBER]}, 1, 'json'),
    ({'anyOf': [STRING, {'type': 'null'}]}, 1, 'text'),
    ({'type': ['integer', 'null']}, 1, 'number'),
    ({'type': ['integer', 'string']}, 1, 'json'),
    ({'allOf': [STRING]}, 1, 'text'),
    ({}, 1, 'json'),
    ({'type': 'object'}, 1, 'json'),
    ({'properties': {'a': STRING}}, 3, 'object'),
    ({'properties': {'a': STRING}}, 4, 'json'),
    ({'properties': {'a': STRING}, 'anyOf': [{'required': ['a']}, {'not': {}}]}, 1, 'object'),
    ({'type': 'array', 'items': STRING}, 3, 'list'),
    ({'type': 'array', 'items': STRING}, 4, 'json'),
    ({'type': 'array'}, 1, 'json'),
    ({'type': 'array', 'prefixItems': [STRING], 'items': NUMBER}, 1, 'json'),
    ({'type': 'array', 'items': NUMBER}, 4, 'numbers'),
    ({'type': 'array', 'items': NUMBER, 'maxItems': 4}, 3, 'list'),
    ({'type': 'array', 'items': NUMBER, 'maxItems': 4}, 4, 'numbers'),
    ({'type': 'array', 'items': {'enum': [1, 2]}}, 2, 'list'),
    ({'$ref': '#/$defs/A~1B/items'}, 1, 'text'),
    ({'$ref': '#/$defs/chain', 'title': 'x'}, 1, 'text'),
    ({'$ref': '#/$defs/circle'}, 1, 'json'),
    ({'$ref': '#/$defs/nowhere'}, 1, 'json'),
    ({'$ref': 'https://example.com/schema'}, 1, 'json'),
    ({'$ref': '#/constructor'}, 1, 'json'),
]
"""A schema, on which level it stands, and the kind of its field."""

DEFINITIONS = {
    'A/B': {'items': STRING},
    'chain': {'$ref': '#/$defs/link'},
    'link': {'anyOf': [{'$ref': '#/$defs/A~1B/items'}, {'type': 'null'}]},
    'circle': {'$ref': '#/$defs/circle'},
}


@pytest.mark.parametrize(
    ('schema', 'level', 'kind'), KINDS, ids=[json.dumps(schema) for schema, _, _ in KINDS]
)
def test_each_schema_has_its_kind(module: Page, schema: dict[str, Any], level: int, kind: str) -> None:
    root = {'$defs': DEFINITIONS}
    known = call(module, 'schema.js', 'normalise', schema, root)
    assert call(module, 'schema.js', 'kindOf', known, root, level) == kind


TEXTS = ['', 'a b', "it's", "'", '$HOME', 'a\nb', 'plain-1.0_x@y%z+=:,/', 'Zoë', '*', '\t', '"`\\!']


@pytest.mark.parametrize('text', TEXTS)
def test_words_are_quoted_as_pythons_shlex_does(module: Page, text: str) -> None:
    assert call(module, 'curl-line.js', 'quote', text) == shlex.quote(text)


@pytest.mark.parametrize(
    'value',
    [
        None,
        'text "quoted" <b>',
        [],
        {},
        {'a': []},
        list(range(200)),
        [[0.5] * 30] * 3,
        [{'label': n, 'probabilities': [0.1] * 10} for n in range(4)],
        {'x' * 100: {'y' * 100: ['z' * 100, True, None]}},
    ],
    ids=str,
)
def test_json_that_is_laid_out_is_the_same_json(module: Page, value: Any) -> None:
    shown = call(module, 'pretty-json.js', 'prettyJson', json.dumps(value))
    assert json.loads(shown) == value
    assert all(len(line) <= 100 or 'x' * 100 in line or '"' in line for line in shown.split('\n'))
