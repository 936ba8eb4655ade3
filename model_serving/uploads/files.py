"""Bytes in JSON: properties with `contentEncoding: base64` (RFC 4648), `data:` URLs in them (RFC 2397)."""

import binascii
from typing import Any, NamedTuple

from model_serving.echo import cut
from model_serving.errors import InvalidInput, UnsupportedMediaType

OCTETS = 'application/octet-stream'
"""It says nothing of the bytes, so it is taken for any media type."""
MAX_PREFIX = 200
"""Characters before the comma of a `data:` URL."""


class FileProperty(NamedTuple):
    """A property that is bytes, or a list of those. `media_types` are those that it takes, as `image/*`."""

    name: str
    media_types: list[str]
    is_list: bool

    def takes(self, media_type: str) -> bool:
        """Whether it takes bytes of a media type."""
        kind = media_type.partition('/')[0]
        return not {media_type, f'{kind}/*', '*/*'}.isdisjoint([*self.media_types, OCTETS])

    def require(self, media_type: str) -> None:
        """Raise UnsupportedMediaType for a media type that it does not take; '' is unknown."""
        if media_type and not self.takes(media_type):
            types, sent = ' or '.join(self.media_types), cut(media_type)
            raise UnsupportedMediaType(f'Send {self.name!r} as {types} (the request has {sent})')

    def plain(self, given: Any, pointer: str) -> Any:
        """`given` without the beginning of a `data:` URL. Raises InvalidInput and UnsupportedMediaType."""
        media_type, text = _split(given, pointer) if isinstance(given, str) else ('', given)
        self.require(media_type)
        return text


def file_properties(schema: dict[str, Any]) -> dict[str, FileProperty]:
    """Those of an object by name. `contentMediaType` may list several media types."""
    found = {}
    for name, each in schema.get('properties', {}).items():
        is_list = isinstance(each, dict) and isinstance(each.get('items'), dict)
        inner = each['items'] if is_list else each
        if isinstance(inner, dict) and inner.get('contentEncoding') == 'base64':
            media_types = inner.get('contentMediaType', '*/*').lower().replace(' ', '').split(',')
            found[name] = FileProperty(name, media_types, is_list)
    return found


def base64_bytes(text: str, pointer: str = '') -> bytes:
    """The bytes of a text in base64, which may have white space in it, or be a `data:` URL.

    Raises InvalidInput with the place of the text in the body, `pointer`, as `/image`.
    """
    octets = _split(text, pointer)[1].encode(errors='replace').translate(None, b' \t\r\n')
    try:
        return binascii.a2b_base64(octets, strict_mode=True)
    except ValueError as error:
        raise refusal('This is not base64; send the whole file, encoded as base64', pointer) from error


def refusal(message: str, pointer: str) -> InvalidInput:
    """The error for what is wrong at a place of the body."""
    details: Any = {'errors': [{'pointer': pointer, 'message': message}]} if pointer else {}
    return InvalidInput(message, **details)


def _split(text: str, pointer: str) -> tuple[str, str]:
    """The media type of a `data:` URL and its base64; of any other text '' and itself."""
    if text[:5].lower() != 'data:':
        return '', text
    comma = text.find(',', 0, MAX_PREFIX)
    media_type, *parameters = text[5 : max(comma, 5)].lower().split(';')
    if 'base64' not in parameters:
        raise refusal('A data: URL needs its data in base64, as in data:image/png;base64,iVBOR', pointer)
    return media_type or 'text/plain', text[comma + 1 :]
