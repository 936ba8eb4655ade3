"""The form of the log, for conf/logging.conf: lines of text, or of JSON as Google Cloud Logging reads it.

gunicorn's first process uses this, too, so it imports little.
"""

import functools
import json
import logging
import os
import re
import time
from typing import Any

from model_serving.utils.settings_utils import ServiceSettings, SettingError, load_settings

TRACEPARENT = re.compile(r'[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}.*')
CLOUD_TRACE = re.compile(r'([0-9a-f]{32})/([0-9]{1,20}).*')


def chosen_formatter(line: str, date: str, style: Any = '%', **_options: Any) -> logging.Formatter:
    """The formatter that the setting `log_format` chooses; `line` and `date` are the form of text."""
    try:
        chosen = load_settings(ServiceSettings, 'model_serving').log_format
    except SettingError:  # The application says so when it is made.
        chosen = 'text'
    return JSONFormatter() if chosen == 'json' else TextFormatter(line, date, style)


class TextFormatter(logging.Formatter):
    """A line of text, which may hold `%(request_id)s`; the time is made once in a second."""

    _time = (-1, '')

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        record.__dict__.setdefault('request_id', '-')
        return super().format(record)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        """Return the time of a record; a form of its own shows no part of a second."""
        if not datefmt:
            return super().formatTime(record)
        second, text = self._time
        if second != int(record.created):
            second, text = int(record.created), super().formatTime(record, datefmt)
            self._time = second, text
        return text


class JSONFormatter(logging.Formatter):
    """An object for each record, with the fields that Google Cloud Logging knows."""

    def __init__(self) -> None:
        super().__init__()
        import orjson

        self._dumps = orjson.dumps
        self._project = os.environ.get('GOOGLE_CLOUD_PROJECT')

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        entry: dict[str, Any] = {
            'severity': record.levelname,
            'time': _rfc3339(record.created),
            'logger': record.name,
            'message': super().format(record),  # With the trace of an exception, as Error Reporting wants it.
        }
        if asked := record.__dict__.get('asked'):
            entry['request_id'] = asked.id
            entry |= self._trace(asked.trace)
        if record.name == 'access':
            entry['httpRequest'] = http_request(record)
        try:
            return self._dumps(entry).decode()
        except TypeError:  # A lone surrogate.
            return json.dumps(entry)

    def _trace(self, header: str) -> dict[str, str]:
        if match := TRACEPARENT.fullmatch(header):
            trace, span = match.groups()
        elif match := CLOUD_TRACE.fullmatch(header):
            trace, span = match[1], f'{int(match[2]):016x}'
        else:
            return {}
        name = f'projects/{self._project}/traces/{trace}' if self._project else trace
        return {'logging.googleapis.com/trace': name, 'logging.googleapis.com/spanId': span}


def _rfc3339(seconds: float) -> str:
    whole, fraction = divmod(seconds, 1)
    return f'{_second(int(whole))}.{int(fraction * 1e6):06d}Z'


@functools.lru_cache(1)
def _second(whole: int) -> str:
    return time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))


def http_request(record: logging.LogRecord) -> dict[str, Any]:
    """What Cloud Logging shows of a request, from a line of the access log."""
    method, path, status, milliseconds = record.args  # type: ignore[misc]
    latency = f'{milliseconds / 1000:.6f}s'  # type: ignore[operator]
    return {'requestMethod': method, 'requestUrl': path, 'status': status, 'latency': latency}
