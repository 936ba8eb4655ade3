"""What `model-serving start` asks of the service that it has started."""

import http.client
import json
import shlex
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_SECONDS = 5
UNIX = 'unix:'
"""Before the path of a socket, where others have the scheme of a URL."""


def answers(url: str, timeout_s: float = TIMEOUT_SECONDS) -> bool:
    """Whether a service answers there."""
    try:
        get(url, '/health/live', timeout_s)
    except (OSError, http.client.HTTPException):
        return False
    return True


def model_states(url: str) -> list[dict[str, Any]]:
    """The name and the state of each model and, unless it is ready, the reason."""
    models: list[dict[str, Any]] = json.loads(get(url, '/health/ready'))['models']
    return models


def example(url: str, names: list[str]) -> str:
    """A line that calls the first of these models that has an example."""
    for model in json.loads(get(url, '/')).get('models', []):  # None where it takes a key.
        for body in model['schema'].get('examples', [])[:1] if model['name'] in names else []:
            data = shlex.quote(json.dumps(body))
            place = url if not url.startswith(UNIX) else f'--unix-socket {_path(url)} http://localhost'
            return f"Try:  curl {place}{model['url']} -H 'Content-Type: application/json' -d {data}\n"
    return ''


def get(url: str, path: str, timeout_s: float = TIMEOUT_SECONDS) -> bytes:
    """The body of an answer of any status. Raises OSError and HTTPException where there is none."""
    connection = _connection(url, timeout_s)
    try:
        connection.request('GET', path, headers={'Accept': 'application/json', 'Connection': 'close'})
        return connection.getresponse().read()
    finally:
        connection.close()


def _connection(url: str, timeout_s: float) -> http.client.HTTPConnection:
    place = urlsplit(url)
    host, port = place.hostname or 'localhost', place.port
    if place.scheme == 'https':
        # It is the service on this machine, whatever its certificate says.
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        return http.client.HTTPSConnection(host, port, timeout=timeout_s, context=trusting)
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    if url.startswith(UNIX):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(timeout_s)
        connection.sock.connect(_path(url))
    return connection


def _path(url: str) -> str:
    return url.removeprefix(UNIX)
