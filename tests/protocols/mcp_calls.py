"""Messages to /mcp, in the newest version unless they say otherwise."""

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

VERSION = 'io.modelcontextprotocol/protocolVersion'
CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
NEWEST = '2026-07-28'
META: dict[str, Any] = {VERSION: NEWEST, CAPABILITIES: {}}


def message(method: str, **params: Any) -> dict[str, Any]:
    return {'jsonrpc': '2.0', 'id': 1, 'method': method, 'params': params}


def newest(method: str, **params: Any) -> tuple[dict[str, Any], dict[str, str]]:
    """A message of the newest version, and its headers."""
    headers = {'MCP-Protocol-Version': NEWEST, 'Mcp-Method': method}
    if 'name' in params:
        headers['Mcp-Name'] = params['name']
    return message(method, **params, _meta=META), headers


def send(client: FlaskClient, value: Any, headers: Any = (), **kwargs: Any) -> TestResponse:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return client.post('/mcp', data=body, headers=headers, content_type='application/json', **kwargs)


def call(client: FlaskClient, tool: str, arguments: Any) -> Any:
    """The result of a tool in the newest version."""
    response = send(client, *newest('tools/call', name=tool, arguments=arguments))
    assert response.status_code == 200, response.text
    return response.get_json()['result']
