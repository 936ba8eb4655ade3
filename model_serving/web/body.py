"""How the service reads the body of a request, and the errors of one that it cannot read."""

import contextlib
from functools import cached_property
from typing import Any, NoReturn

from flask import Request
from werkzeug.datastructures import MIMEAccept

from model_serving.errors import BodyTooLarge, InvalidInput, UnsupportedMediaType
from model_serving.json_codec import invalid_json

MAX_DISCARDED_BYTES = 128 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
MAX_LENGTH_DIGITS = 18
MAX_HEADER_CHARACTERS = 1000
"""A longer Accept or Content-Type is not read: 60 kB take half a second, even in the event loop."""


class ServiceRequest(Request):
    """A request whose body is read once, whole, and never beyond `max_content_length` bytes."""

    _body: bytes | None = None

    @cached_property
    def accept_mimetypes(self) -> MIMEAccept:
        """What the client accepts; anything, if it takes it too many words to say so."""
        text = self.environ.get('HTTP_ACCEPT', '')
        return super().accept_mimetypes if len(text) <= MAX_HEADER_CHARACTERS else MIMEAccept()

    @property
    def content_type(self) -> str | None:  # type: ignore[override]
        """The header Content-Type, cut."""
        text: str | None = self.environ.get('CONTENT_TYPE')
        return text and text[:MAX_HEADER_CHARACTERS]

    def get_data(self, cache: bool = True, as_text: bool = False, parse_form_data: bool = False) -> Any:
        """The body. Raises BodyTooLarge, or InvalidInput where it does not arrive whole."""
        if self._body is None:
            self._body = self._read_body(self.max_content_length or 0)
        return self._body.decode(errors='replace') if as_text else self._body

    def on_json_loading_failed(self, e: ValueError | None) -> NoReturn:
        """Raise InvalidInput, which says what is wrong with a body that is not JSON, and where."""
        if e is None:  # The body is of another content type, and nothing forces it.
            raise UnsupportedMediaType
        raise invalid_json(self.get_data(), e) from e

    def _read_body(self, limit: int) -> bytes:
        declared = self._declared_length()
        if declared is None and not self.environ.get('wsgi.input_terminated'):
            return b''
        if declared is not None and declared > limit:
            self._refuse_large(limit)
        # Of a chunked body, one byte more than allowed shows that it is too large: Werkzeug's own
        # stream would cut it off at the limit, silently.
        body = self._read(limit + 1 if declared is None else declared)
        if len(body) > limit:
            self._refuse_large(limit)
        if declared is not None and len(body) < declared:
            raise InvalidInput(f'The body ended after {len(body)} of {declared} bytes')
        return body

    def _declared_length(self) -> int | None:
        length = self.environ.get('CONTENT_LENGTH', '')
        is_plain = length.isdecimal() and length.isascii() and len(length) <= MAX_LENGTH_DIGITS
        if is_plain and 'HTTP_TRANSFER_ENCODING' not in self.environ:
            return int(length)
        return self.content_length  # Werkzeug handles all other cases, at four times the cost.

    def _read(self, size: int) -> bytes:
        try:
            body: bytes = self.environ['wsgi.input'].read(size)
        except Exception as error:  # Each server has its own classes: broken chunks, a lost client.
            raise InvalidInput('The body could not be read to its end') from error
        return body

    def _refuse_large(self, limit: int) -> NoReturn:
        self._discard_body()
        raise BodyTooLarge(f'The body is larger than the limit of {limit} bytes; send it in smaller parts')

    def _discard_body(self) -> None:
        """Read on, up to a limit: a client that is still sending would see a reset, not the response."""
        left = MAX_DISCARDED_BYTES if self.content_length is None else self.content_length
        left = min(left, MAX_DISCARDED_BYTES)
        with contextlib.suppress(Exception):
            while left > 0 and (chunk := self.environ['wsgi.input'].read(min(left, CHUNK_BYTES))):
                left -= len(chunk)
