"""What is needed and what was found, in JSON's words, beside the sentences of `jsonschema`."""

import re
from typing import Any

from model_serving.echo import cut
from model_serving.json_codec import encode

TYPES = {
    **{'array': 'a list', 'boolean': 'true or false', 'integer': 'an integer', 'null': 'null'},
    **{'number': 'a number', 'object': 'an object', 'string': 'a string'},
}
SIZES = {
    **{'Items': ('item', 'items'), 'Length': ('character', 'characters')},
    **{'Properties': ('property', 'properties')},
}
"""What `minItems` and `maxItems`, and so on, count."""

LOCAL_TIME = re.compile(r'\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?')
EXAMPLES = {
    **{'date': '2026-01-02', 'date-time': '2026-01-02T03:04:05Z', 'time': '03:04:05Z'},
    **{'duration': 'P1DT2H', 'email': 'ada@example.com', 'uri': 'https://example.com/a'},
    **{'hostname': 'example.com', 'ipv4': '192.0.2.1', 'ipv6': '2001:db8::1'},
    **{'uuid': '123e4567-e89b-12d3-a456-426614174000'},
}
"""A value of each format."""


def hint(keyword: str, schema: dict[str, Any], value: Any) -> str:
    """What `keyword` of `schema` needs, and what `value` is instead; empty where the message says it all."""
    asked: Any = schema.get(keyword)
    if keyword[3:] in SIZES and isinstance(asked, int | float):
        return _size(keyword, int(asked), schema, len(value))
    if keyword == 'format' and asked in EXAMPLES:
        return _format(asked, value)
    if keyword == 'type' and asked is not None:
        kinds = [asked] if isinstance(asked, str) else asked
        return f'{" or ".join(TYPES[each] for each in kinds)} is needed, {_found(value)} was given'
    if keyword == 'enum' and any(map(_is_spelled_otherwise, [value, *asked])):
        return f'one of {cut(", ".join(map(_json, asked)))} is needed, {_found(value)} was given'
    if keyword == 'const' and any(map(_is_spelled_otherwise, [value, asked])):
        return f'{_json(asked)} is needed, {_found(value)} was given'
    return f'{_found(value)} was given' if _is_spelled_otherwise(value) else ''


def _size(keyword: str, asked: int, schema: dict[str, Any], found: int) -> str:
    bound, dimension = keyword[:3], keyword[3:]
    nouns, items = SIZES[dimension], schema.get('items')
    if dimension == 'Items' and isinstance(items, dict) and items.get('type') in ('number', 'integer'):
        nouns = ('number', 'numbers')
    is_exact = schema.get(f'min{dimension}') == schema.get(f'max{dimension}')
    relation = '' if is_exact else {'min': 'at least ', 'max': 'at most '}[bound]
    needed = f'{asked} {nouns[0]} is' if asked == 1 else f'{asked} {nouns[1]} are'
    return f'{relation}{needed} needed, {found} {"was" if found == 1 else "were"} given'


def _format(name: str, value: Any) -> str:
    if name == 'date-time' and LOCAL_TIME.fullmatch(value):
        return f'a date-time needs a time zone, as in {EXAMPLES[name]}'
    return f'write it as in {EXAMPLES[name]}'


def _found(value: Any) -> str:
    match value:
        case list():
            return f'a list of {len(value)}'
        case dict():
            return 'an object'
        case str():
            return 'a string'
    return _json(value)


def _json(value: Any) -> str:
    return cut(encode(value).decode().strip())


def _is_spelled_otherwise(value: Any) -> bool:
    """Whether Python spells it another way than JSON."""
    return value is None or isinstance(value, bool)
