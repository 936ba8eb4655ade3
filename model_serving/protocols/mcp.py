"""The Model Context Protocol: what a message is, what is wrong with it, and what the server says of itself.

After docs/specification/2026-07-28 of modelcontextprotocol/modelcontextprotocol and, for clients that begin
with `initialize`, after 2025-11-25 and the two versions before that.
"""

import base64
import contextlib
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from model_serving.echo import echo
from model_serving.errors import InvalidInput
from model_serving.protocols.body import json_value
from model_serving.version import __version__

WITH_HANDSHAKE = ('2025-11-25', '2025-06-18', '2025-03-26')
VERSIONS = ('2026-07-28', *WITH_HANDSHAKE)
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022

CACHED = {'ttlMs': 60_000, 'cacheScope': 'private'}
"""How long a client may keep a list, for itself: a reload may change it, and a key sees its own tools."""
VERSION_KEY = 'io.modelcontextprotocol/protocolVersion'
CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities'
SERVER_KEY = 'io.modelcontextprotocol/serverInfo'
SERVER = {'name': 'model-serving', 'version': __version__}
CAPABILITIES: dict[str, Any] = {'tools': {'listChanged': False}}
VERSION_HEADER = 'MCP-Protocol-Version'
ENCODED = re.compile(r'=\?base64\?(.*)\?=')
"""The value of a header that is no plain ASCII."""

Header = Callable[[str], str | None]
"""Gives the value of the header with a name."""


class ProtocolError(Exception):
    """What is wrong with a message; `content` says so in JSON-RPC."""

    def __init__(self, code: int, message: str, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.content = {'code': code, 'message': message, **({'data': data} if data else {})}


class Message(NamedTuple):
    """A request, or a notification, which has no id.

    A `stateless` one is of a version without handshake. `size` is that of its body, in bytes.
    """

    id: str | int | None
    method: str
    params: dict[str, Any]
    meta: dict[str, Any]
    stateless: bool
    size: int


def read_message(body: bytes, header: Header) -> Message:
    """The message in a body. Raises ProtocolError, BodyTooLarge and Overloaded."""
    try:
        value = json_value(body)
    except InvalidInput as error:
        raise ProtocolError(PARSE_ERROR, error.message) from error
    if not isinstance(value, dict) or value.get('jsonrpc') != '2.0' or type(value.get('method')) is not str:
        raise ProtocolError(INVALID_REQUEST, 'Send one request or notification of JSON-RPC 2.0, in no list')
    id_, params = value.get('id'), value.get('params', {})
    if ('id' in value and type(id_) not in (str, int)) or not isinstance(params, dict):
        raise ProtocolError(INVALID_REQUEST, 'The id is a string or an integer, and params an object')
    meta = params['_meta'] if isinstance(params.get('_meta'), dict) else {}
    said = header(VERSION_HEADER), meta.get(VERSION_KEY)
    stateless = any(version not in (None, *WITH_HANDSHAKE) for version in said)
    return Message(id_, value['method'], params, meta, stateless, len(body))


def require_consistent(message: Message, header: Header) -> None:
    """Raise ProtocolError where a message lacks what its version needs, or its headers say something else."""
    version, said = header(VERSION_HEADER), message.meta.get(VERSION_KEY)
    if version not in (None, *VERSIONS) and said in (None, version):
        text = f'Send a version that is known here: {", ".join(VERSIONS)}'
        raise ProtocolError(UNSUPPORTED_VERSION, text, supported=VERSIONS, requested=version)
    if not message.stateless or message.id is None:
        return
    if type(said) is not str or not isinstance(message.meta.get(CAPABILITIES_KEY), dict):
        needed = f'{VERSION_KEY}, a string, and {CAPABILITIES_KEY}, an object'
        raise ProtocolError(INVALID_PARAMS, f'params._meta needs {needed}')
    said_twice = {VERSION_HEADER: said, 'Mcp-Method': message.method}
    if message.method == 'tools/call':
        said_twice['Mcp-Name'] = message.params.get('name', '')
    for name, value in said_twice.items():
        if _decoded(header(name)) != value:
            raise ProtocolError(HEADER_MISMATCH, f'The header {name} has to be {echo(value)}, as in the body')


def _decoded(text: str | None) -> str | None:
    """The value of a header, decoded if it is encoded; None if there is none that is valid."""
    match = ENCODED.fullmatch(text or '')
    with contextlib.suppress(ValueError):
        return base64.b64decode(match[1], validate=True).decode() if match else text
    return None


def discover(message: Message) -> dict[str, Any]:
    """What the server is."""
    return {'supportedVersions': VERSIONS, 'capabilities': CAPABILITIES, **CACHED}


def initialize(message: Message) -> dict[str, Any]:
    """The same in a handshake, in the version that the client wants or, if that is unknown, in our latest."""
    wanted = message.params.get('protocolVersion')
    if type(wanted) is not str:
        raise ProtocolError(INVALID_PARAMS, 'params needs protocolVersion, a string')
    version = wanted if wanted in WITH_HANDSHAKE else WITH_HANDSHAKE[0]
    return {'protocolVersion': version, 'capabilities': CAPABILITIES, 'serverInfo': SERVER}


def complete(message: Message, result: dict[str, Any]) -> dict[str, Any]:
    """The response with a result."""
    if message.stateless:
        result = {'resultType': 'complete', '_meta': {SERVER_KEY: SERVER}, **result}
    return {'jsonrpc': '2.0', 'id': message.id, 'result': result}
