"""The parts of a form, multipart/form-data (RFC 7578), by Werkzeug's decoder: in memory, within bounds."""

from typing import NamedTuple

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.http import parse_options_header
from werkzeug.sansio.multipart import NEED_DATA, Data, Field, File, MultipartDecoder

from model_serving.errors import BodyTooLarge, InvalidInput

MAX_PARTS, MAX_TYPE = 256, 200
CHUNK = 4096
"""The decoder gets so many bytes at a time, and keeps twice as many at most, as of the head of a part."""
TEXT_TYPES, CHARSETS = ('', 'text/plain', 'application/json'), ('utf-8', 'utf8', 'us-ascii')


class Part(NamedTuple):
    """A part of a form. `is_file`: it has a file's name, which is used for nothing, or a file's type."""

    name: str
    media_type: str
    is_file: bool
    data: bytes


def read_form(body: bytes, boundary: str) -> list[Part]:
    """The parts of a form. Raises InvalidInput for a broken form, BodyTooLarge for over MAX_PARTS parts."""
    parts: list[tuple[Field | File, list[bytes]]] = []
    start, near = 0, len(boundary) + 8
    try:
        decoder = MultipartDecoder(boundary.encode('ascii'), 2 * CHUNK, max_parts=MAX_PARTS)
        while boundary and start < len(body):
            end = start + CHUNK
            # Of a boundary in two pieces, the decoder may take the line end before it for data.
            while (place := body.find(f'--{boundary}'.encode(), end - near + 1, end + near)) >= 0:
                end = place + near
            decoder.receive_data(body[start:end])
            start = end
            while (event := decoder.next_event()) is not NEED_DATA:
                if isinstance(event, Field | File):
                    parts.append((event, []))
                elif isinstance(event, Data):
                    parts[-1][1].append(event.data)
        decoder.receive_data(None)
        decoder.next_event()  # Raises ValueError if the form has not ended.
    except RequestEntityTooLarge as error:
        if len(parts) == MAX_PARTS:
            raise BodyTooLarge(f'The form has over {MAX_PARTS} parts; send fewer') from error
        raise InvalidInput(f'The form has over {CHUNK} bytes that are no data of its parts') from error
    except ValueError as error:
        message = 'The form is not whole, or not as its boundary says; let your client write the Content-Type'
        raise InvalidInput(message) from error
    # Where no file was chosen, a browser sends one without a name and data.
    sent = [(head, b''.join(data)) for head, data in parts]
    return [_part(head, data) for head, data in sent if data or not isinstance(head, File) or head.filename]


def _part(head: Field | File, data: bytes) -> Part:
    media_type, parameters = parse_options_header(head.headers.get('Content-Type', '')[:MAX_TYPE].lower())
    is_file = isinstance(head, File) or media_type not in TEXT_TYPES
    is_plain = head.headers.get('Content-Transfer-Encoding', '8bit').lower() in ('7bit', '8bit', 'binary')
    if not head.name or not is_plain or not (is_file or parameters.get('charset', 'utf-8') in CHARSETS):
        raise InvalidInput('Each part of a form needs a name, its data as they are, and its text in UTF-8')
    return Part(head.name, media_type, is_file, data)
