"""Formatters for conf/logging.conf: lines of text, or JSON as Google Cloud Logging reads it.

gunicorn's first process uses them as well, so this module imports little.
"""

import functools
import json
import logging
import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from model_serving.service_settings import ServiceSettings
from model_serving.settings import SettingError, load_settings

if TYPE_CHECKING:
    from model_serving.requests.current import CurrentRequest

NO_ID = '-'
ACCESS = '%s %s %d %.1f ms %s B %s%s'
"""The message of the access log, to be filled with `access_values`."""

_version = ''
"""The version that serves, as the end of a line of the access log; empty where it has none."""

TRACEPARENT = re.compile(r'[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*')
CLOUD_TRACE = re.compile(r'([0-9a-f]{32})/([0-9]{1,20}).*')


def chosen_formatter(fmt: str, datefmt: str, style: Any = '%', **_options: Any) -> logging.Formatter:
    """The formatter that the setting `log_format` chooses; the arguments apply to text."""
    try:
        chosen = load_settings(ServiceSettings, 'model_serving').log_format
    except SettingError:  # The application says so when it is made.
        chosen = 'text'
    return JSONFormatter() if chosen == 'json' else TextFormatter(fmt, datefmt, style)


def log_version(version: str) -> None:
    """Have each line of the access log say which version serves, from now on; without one, no longer."""
    global _version  # noqa: PLW0603 - one version serves in a process, and a line must not cost more for it.
    _version = f' version={version}' if version else ''


def access_values(request: 'CurrentRequest') -> tuple[str, str, int, float, int | str, str, str]:
    """Method, path, status, milliseconds, size of the response, client, and what is known of more.

    That is the key, the model where it is one of several versions or the path names none, and the version
    of what serves.
    """
    size = '-' if request.sent_bytes is None else request.sent_bytes
    names = f' key={request.key}{_version}' if request.key else _version
    if '@' in request.model or request.model_status:
        names = f' model={request.model}{names}'
    milliseconds = request.seconds * 1000
    return request.method, quoted(request.path), request.status, milliseconds, size, request.client, names


def quoted(path: str) -> str:
    """The path of a request, quoted, because a line break in it must not begin a new line of the log."""
    return _cached_quote(path) if len(path) < 256 else _cached_quote.__wrapped__(path)


@functools.lru_cache(256)
def _cached_quote(path: str) -> str:
    return quote(path.encode('latin-1'), safe='/:')


@functools.lru_cache(2)
def _cached_time(second: int, datefmt: str, converter: Callable[[float], time.struct_time]) -> str:
    return time.strftime(datefmt, converter(second))


class TextFormatter(logging.Formatter):
    """A line of text, which may contain `%(request_id)s`; the time is formatted once a second."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        request_id = str(record.__dict__.setdefault('request_id', NO_ID))
        if not request_id.isprintable():  # It may be one of the call, with a line break in it.
            record.__dict__['request_id'] = ascii(request_id)
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record, to the second where there is a `datefmt`."""
        if datefmt:
            return _cached_time(int(record.created), datefmt, self.converter)
        return super().formatTime(record)

    def format_access(self, request: 'CurrentRequest', created: float) -> str:
        """Return what `format` returns for the access log's record of a request, without the record."""
        return self._style._fmt % {
            'asctime': _cached_time(int(created), self.datefmt or '', self.converter),
            'levelname': logging.getLevelName(logging.INFO),
            'request_id': request.id,
            'name': 'access',
            'message': ACCESS % access_values(request),
        }

    @functools.cached_property
    def needs_records(self) -> bool:
        """Whether the format has fields that `format_access` does not know."""
        try:
            self._style._fmt % dict.fromkeys(('asctime', 'levelname', 'request_id', 'name', 'message'), '')
        except (KeyError, TypeError, ValueError):
            return True
        return not self.datefmt or type(self._style) is not logging.PercentStyle


class JSONFormatter(logging.Formatter):
    """An object for each record, with the fields that Google Cloud Logging knows."""

    needs_records = False

    def __init__(self) -> None:
        super().__init__()
        import orjson

        self._dumps = orjson.dumps
        self._project = os.environ.get('GOOGLE_CLOUD_PROJECT')

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry = {
            'severity': record.levelname,
            'logger': record.name,
            'message': super().format(record),  # With the trace of an exception, as Error Reporting wants it.
        }
        request_id = str(record.__dict__.get('request_id', NO_ID))
        if request_id != NO_ID:
            entry['request_id'] = request_id
        values = record.args if record.msg is ACCESS else None  # Others may log as `access`, too.
        return self._line(entry, record.created, record.__dict__.get('current_request'), values)

    def format_access(self, request: 'CurrentRequest', created: float) -> str:
        """Return what `format` returns for the access log's record of a request, without the record."""
        values = access_values(request)
        entry = {
            'severity': logging.getLevelName(logging.INFO),
            'logger': 'access',
            'message': ACCESS % values,
        }
        if request.id != NO_ID:  # A client may say so.
            entry['request_id'] = request.id
        return self._line(entry, created, request, values)

    def _line(
        self, entry: dict[str, Any], created: float, request: 'CurrentRequest | None', values: Any
    ) -> str:
        second = _cached_time(int(created), '%Y-%m-%dT%H:%M:%S', time.gmtime)
        entry['time'] = f'{second}.{int(created % 1 * 1e6):06d}Z'
        if request and request.trace:
            entry |= self._trace_fields(request.trace)
        if values is not None:
            method, path, status, milliseconds, size, client, _ = values
            latency = f'{milliseconds / 1000:.6f}s'
            entry['httpRequest'] = {
                **{'requestMethod': method, 'requestUrl': path, 'status': status, 'latency': latency},
                **{'responseSize': str(size), 'remoteIp': client},
            }
            if request and ('@' in request.model or request.model_status):
                entry['model'] = request.model
            if request and request.key:
                entry['key'] = request.key
            if _version:
                entry['version'] = _version.removeprefix(' version=')
        try:
            return self._dumps(entry).decode()
        except TypeError:  # A lone surrogate.
            return json.dumps(entry)

    def _trace_fields(self, header: str) -> dict[str, str]:
        if match := TRACEPARENT.fullmatch(header):
            trace, span = match.groups()
        elif match := CLOUD_TRACE.fullmatch(header):
            trace, span = match[1], f'{int(match[2]):016x}'
        else:
            return {}
        name = f'projects/{self._project}/traces/{trace}' if self._project else trace
        return {'logging.googleapis.com/trace': name, 'logging.googleapis.com/spanId': span}
