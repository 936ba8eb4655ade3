"""Reads the bodies of a model that takes files: its view gets the same as if JSON had been sent."""

from base64 import b64encode
from typing import Any

from flask import Request

from model_serving.echo import cut
from model_serving.errors import InvalidInput, UnsupportedMediaType
from model_serving.json_codec import decode, decode_text
from model_serving.json_cost import parsed_bytes, require_few_containers
from model_serving.requests.room import FREE_BYTES, room
from model_serving.uploads.files import file_properties
from model_serving.uploads.form import Part, read_form

JSON, FORM = 'application/json', 'multipart/form-data'
ROOM_PER_BYTE = 4  # Of a file: itself, its base64 as bytes and as a text.


class BodyReader:
    """Reads forms, and bodies that are one file, for the properties of `schema` that are bytes, its `files`.

    `whole` is the property that a body may be: the only one that is required.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self.files = file_properties(schema)
        self._properties = schema.get('properties', {})
        only = [self.files.get(name) for name in schema.get('required', [])]
        self.whole = only[0] if len(only) == 1 and only[0] and not only[0].is_list else None

    def read(self, current: Request, body: bytes) -> dict[str, Any]:
        """The value of a body that is not JSON. Raises the ServingError that refuses it."""
        media_type, whole = current.mimetype, self.whole
        if media_type != FORM and (whole is None or not whole.takes(media_type)):
            types = ' or '.join([JSON, FORM, *(whole.media_types if whole else ())])
            sent = cut(media_type or 'none')
            raise UnsupportedMediaType(f'Send the header Content-Type: {types} (the request has {sent})')
        if len(body) > FREE_BYTES:
            room.take(max(ROOM_PER_BYTE * len(body), parsed_bytes(body)))
        if whole is not None and media_type != FORM:
            return {whole.name: b64encode(body).decode()}
        parts = read_form(body, current.mimetype_params.get('boundary', ''))
        texts = b''.join(part.data for part in parts if not (part.is_file and part.name in self.files))
        require_few_containers(texts, current.max_content_length or 0)
        return self._value(parts)

    def unwrap(self, value: Any) -> None:
        """Leave of each `data:` URL in these properties of `value` its base64. Raises ServingErrors."""
        for name in self.files.keys() & value.keys() if isinstance(value, dict) else ():
            given, file = value[name], self.files[name]
            if isinstance(given, list):
                given[:] = [file.plain(each, f'/{name}/{index}') for index, each in enumerate(given)]
            else:
                value[name] = file.plain(given, f'/{name}')

    def _value(self, parts: list[Part]) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for part in parts:
            file = self.files.get(part.name) if part.is_file else None
            if file is not None:
                file.require(part.media_type)
            item = self._json(part) if file is None else b64encode(part.data).decode()
            if file is not None and file.is_list and isinstance(value.setdefault(part.name, []), list):
                value[part.name].append(item)
            elif part.name in value:
                raise InvalidInput(f'The form has {cut(part.name)!r} twice; send a list as one part, in JSON')
            else:
                value[part.name] = item
        self.unwrap(value)
        return value

    def _json(self, part: Part) -> Any:
        """The value of a part: JSON or, where the schema has a string there, or it is no JSON, its text."""
        schema, is_json = self._properties.get(part.name), part.media_type == JSON
        is_text = isinstance(schema, dict) and schema.get('type') == 'string' and not is_json
        try:
            return decode_text(part.data) if is_text else decode(part.data)
        except InvalidInput as error:
            if is_text or is_json:
                raise InvalidInput(f'{error} (in the part {cut(part.name)!r} of the form)') from error
            return decode_text(part.data)
