"""The payload log: what models were asked and have answered, one JSON line for each call.

Each line is an event of CloudEvents 1.0 in its JSON format (github.com/cloudevents/spec).
"""

import contextlib
import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from flask import Response, request
from flask_restful.utils import unpack

from model_serving.echo import cut
from model_serving.errors import InvalidInput
from model_serving.json_codec import decode, encode
from model_serving.payloads.around import then, with_post
from model_serving.payloads.line_writer import LineWriter
from model_serving.platforms import served_version
from model_serving.project import ROOT
from model_serving.requests.current import CurrentRequest, current_request
from model_serving.schemas.write_only import LEFT_OUT, WriteOnly
from model_serving.service_settings import ServiceSettings
from model_serving.settings import SettingError

JSON = 'application/json'
TYPE = 'model-serving.call'
"""Not one of KServe's types: those are two events for a call, whose data are the bare bodies."""
RECORD_BYTES = 2000
"""What a line that waits takes besides its bodies."""


class Payload:
    """The bodies of a call, as far as they are known, and what of them may be logged."""

    answer: bytes | None = None
    answer_type = ''

    def __init__(self, source: Any, filters: tuple[WriteOnly, WriteOnly], takes_files: bool) -> None:
        self.source, self.filters, self.takes_files = source, filters, takes_files

    def note(self, result: Any) -> Any:
        """Note what a view has returned, and return it."""
        is_response = isinstance(result, Response)
        self.answer_type = result.mimetype if is_response else JSON
        if not is_response or (result.is_sequence and result.is_json):
            with contextlib.suppress(Exception):  # The same happens where it is serialised for the client.
                self.answer = result.get_data() if is_response else encode(unpack(result)[0])
        return result

    def bodies(self, status: int) -> Iterator[tuple[str, str, bytes | None, WriteOnly | None]]:
        """Of each body that a line may tell of: its name there, its type, itself, and what may be kept."""
        is_answered = bool(self.answer_type) and status < 400
        if is_answered or status >= 500:  # What is invalid may have a secret anywhere.
            media_type = cut(self.source.environ.get('CONTENT_TYPE') or '')
            # A file may look like JSON.
            kept = self.filters[0] if 'json' in media_type or not self.takes_files else None
            yield 'request', media_type, getattr(self.source, '_body', None), kept
        if is_answered:
            yield 'response', self.answer_type, self.answer, self.filters[1]


class PayloadLog:
    """Notes the bodies of calls as they pass, and logs each sampled call at its end, as an observer."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._writer = LineWriter(str(ROOT / settings.payload_log))
        self._sample, self._max_bytes = settings.payload_log_sample, settings.payload_log_max_bytes
        self._version = served_version(settings.version)

    def around(self, resource: type[Any]) -> type[Any]:
        """The same resource, whose bodies are noted if it answers for a model."""
        post, model = getattr(resource, 'post', None), getattr(resource, 'model', None)
        if post is None or not (model or hasattr(post, 'request_schema')):
            return resource
        asked = WriteOnly(model.schema if model else post.request_schema, is_own=not model)
        filters = asked, WriteOnly((model or post).response_schema or {}, is_own=not model)
        takes_files = getattr(post, 'uploads', None) is not None

        def noted(view: Any) -> Any:
            current = current_request.get()
            if current is None or current.payload is not None:  # A warm-up, or a view inside another.
                return view()
            current.payload = False
            if not self._takes_one():
                return view()
            source = request._get_current_object()  # type: ignore[attr-defined]
            payload = current.payload = Payload(source, filters, takes_files)
            return then(view(), payload.note)

        return with_post(resource, noted)

    def _takes_one(self) -> bool:
        return random.random() < self._sample  # noqa: S311

    def __call__(self, request: CurrentRequest) -> None:
        """Log a call that has ended. It runs for each request, also in the event loop."""
        payload: Payload | None = request.payload  # None: no view was reached, which could have decided.
        if request.model == 'other' or request.method != 'POST':
            return
        if not (self._takes_one() if payload is None else payload):
            return
        status, bodies = request.model_status or request.status, []
        data = {'status': status, 'duration_ms': round(1e3 * request.seconds, 3), 'version': self._version}
        if request.error and not (payload and payload.filters[0].marks):  # It may repeat what is marked.
            data['error'] = {'message': request.error[0], **request.error[1]}
        for name, media_type, body, kept in payload.bodies(status) if payload else ():
            data[f'{name}_type'], data[f'{name}_bytes'] = media_type, None if body is None else len(body)
            if body is not None and kept is not None and len(body) <= self._max_bytes:
                bodies.append((name, body, kept))
        began = datetime.fromtimestamp(time.time() - request.seconds, UTC)
        event = {
            'specversion': '1.0', 'type': TYPE, 'id': request.id, 'source': request.path,
            'subject': request.model, 'time': began, 'datacontenttype': JSON, 'data': data,
        }  # fmt: skip
        size = RECORD_BYTES + sum(len(body) for _, body, _ in bodies)
        self._writer.put(request.model, size, partial(_line, event, bodies))


def _line(event: dict[str, Any], bodies: list[tuple[str, bytes, WriteOnly]]) -> bytes:
    """A line, made in the thread that writes it."""
    for name, body, kept in bodies:
        with contextlib.suppress(InvalidInput):  # It is no JSON: its type and size have to do.
            if (value := kept(decode(body))) is not LEFT_OUT:
                event['data'][name] = value
    return encode(event)


def log_payloads(app: Any, api: Any, settings: ServiceSettings) -> None:
    """Log the calls of what is mounted on `api` from then on, if the settings say so. Raises SettingError."""
    path, sample = settings.payload_log, settings.payload_log_sample
    if sample > 1:
        raise SettingError(f'payload_log_sample: {sample} is too large; 1 logs each call')
    if path:
        try:
            log = PayloadLog(settings)
        except OSError as error:
            why = f'{error.strerror}; name a file, in a folder that this user may write to'
            raise SettingError(f'payload_log: {path!r} cannot be written: {why}') from error
        app.observers, api.around = (*app.observers, log), (*api.around, log.around)
