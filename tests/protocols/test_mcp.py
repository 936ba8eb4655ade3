"""/mcp in this process: messages of both eras, tools, and what is wrong with others."""

import base64
import json
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.catalogue import MountedModel
from model_serving.protocols.mcp import VERSIONS
from model_serving.protocols.mcp_tools import by_tool_name, failure
from tests.protocols.mcp_calls import CAPABILITIES, META, NEWEST, VERSION, call, message, newest, send
from tests.protocols.mcp_models import EVERY_KEYWORD, PIXEL
from tests.protocols.mcp_service import create_app


@pytest.fixture(scope='module')
def app() -> Flask:
    return create_app()


TEXT = "3 is not of type 'string'"


def tools(client: FlaskClient) -> dict[str, Any]:
    listed = send(client, message('tools/list')).get_json()['result']['tools']
    return {tool['name']: tool for tool in listed}


def test_models_with_an_object_at_the_root_are_tools(client: FlaskClient) -> None:
    assert list(tools(client)) == [
        'Hello', 'test_simple_text', 'test_logging_tool', 'test_streaming_elicitation', 'test_image_content',
        'test_audio_content', 'json_schema_2020_12_tool', 'test_error_handling', 'Crash',
        'OddError', 'Slow', 'Big', 'Rows',
    ]  # fmt: skip


def test_tool_is_what_the_resource_says(client: FlaskClient) -> None:
    from model_serving.resources.xxx_model_resource import XXXModelResource, xxx_model_schema

    assert tools(client)['Hello'] == {
        'name': 'Hello',
        'title': 'Hello',
        'description': 'Greets.\n\nSays hello to a name.',
        'inputSchema': xxx_model_schema,
        'outputSchema': XXXModelResource.post.response_schema,
        'annotations': {'readOnlyHint': True, 'idempotentHint': True},
    }


def test_schema_is_listed_as_it_is(client: FlaskClient) -> None:
    assert tools(client)['json_schema_2020_12_tool']['inputSchema'] == EVERY_KEYWORD


def test_what_changes_something_is_not_called_read_only(client: FlaskClient) -> None:
    hints = tools(client)['test_error_handling']['annotations']
    assert hints == {'readOnlyHint': False, 'idempotentHint': False}


def test_answer_that_is_no_object_is_text_alone(client: FlaskClient) -> None:
    tool = tools(client)['Rows']
    assert 'outputSchema' not in tool
    assert (tool['title'], tool['description']) == ('Rows', 'Answers with a list.')
    assert call(client, 'Rows', {})['content'] == [{'type': 'text', 'text': '[1,2]'}]
    assert 'structuredContent' not in call(client, 'Rows', {})


def test_answer_is_structured_and_text(client: FlaskClient) -> None:
    result = call(client, 'Hello', {'name': 'Leo'})
    assert result == {
        'resultType': 'complete',
        '_meta': {
            'io.modelcontextprotocol/serverInfo': result['_meta']['io.modelcontextprotocol/serverInfo']
        },
        'content': [{'type': 'text', 'text': '{"result":"Hello, Leo!"}'}],
        'structuredContent': {'result': 'Hello, Leo!'},
    }


def test_number_of_over_64_bits_is_whole(client: FlaskClient) -> None:
    answer = send(client, *newest('tools/call', name='Big', arguments={})).data
    assert json.loads(answer)['result']['structuredContent'] == {'number': 2**64 + 1, 'nan': None}


def test_arguments_that_grow_are_refused(client: FlaskClient) -> None:
    arguments = '{"name": "Leo", "more": [' + ','.join(60_000 * ['1e15']) + ']}'
    text = json.dumps(message('tools/call', name='Hello', arguments='HERE')).replace('"HERE"', arguments)
    response = client.post('/mcp', data=text, content_type='application/json')
    assert response.status_code == 413
    assert response.get_json()['message'].startswith('The arguments are far larger')


def test_name_of_a_model_is_not_taken_by_a_version_of_another() -> None:
    models = [
        MountedModel('V@1', ('/v1/V/versions/1', '/v1/V'), {'type': 'object'}, Resource),
        MountedModel('V@2', ('/v1/V/versions/2',), {'type': 'object'}, Resource),
        MountedModel('V_2', ('/v1/V_2',), {'type': 'object'}, Resource),
    ]
    assert {name: model.name for name, model in by_tool_name(models).items()} == {'V': 'V@1', 'V_2': 'V_2'}


def test_time_to_wait_is_said_once() -> None:
    [content] = failure({'message': 'Full; try again in 7 s'}, '7')['content']
    assert content['text'] == 'Full; try again in 7 s'


def test_image_is_an_image(client: FlaskClient) -> None:
    [content] = call(client, 'test_image_content', {})['content']
    assert content == {'type': 'image', 'data': base64.b64encode(PIXEL).decode(), 'mimeType': 'image/png'}


@pytest.mark.parametrize(
    ('tool', 'arguments', 'lines'),
    [
        ('Hello', {}, ["'name' is a required property"]),
        ('Hello', None, ["'name' is a required property"]),
        (
            'Hello',
            {'name': 3},
            [
                "3 is not of type 'string'",
                'a string is needed, 3 was given',
                "/name: 3 is not of type 'string'",
            ],
        ),
        ('test_error_handling', {}, ['Too much to do', 'Try again in 7 s.']),
        ('Crash', {}, ['Internal Server Error']),
    ],
)
def test_failure_is_a_result_in_words(
    client: FlaskClient, tool: str, arguments: Any, lines: list[str]
) -> None:
    result = call(client, tool, arguments)
    assert (result['isError'], result['content'][0]['text'].splitlines()) == (True, lines)
    assert 'structuredContent' not in result


@pytest.mark.parametrize('errors', [None, 'no', [1], [{}], {'pointer': '/a'}])
def test_error_of_an_authors_own_shape_is_a_result(client: FlaskClient, errors: Any) -> None:
    result = call(client, 'OddError', {'errors': errors})
    assert (result['isError'], "{'name': 'taken'}" in result['content'][0]['text']) == (True, True)


def test_model_that_failed_to_load_says_why(client: FlaskClient) -> None:
    result = call(client, 'Broken', {})
    assert result['isError'] is True
    assert 'Broken failed to load: RuntimeError' in result['content'][0]['text']
    assert 'the file is not there' not in result['content'][0]['text']


@pytest.mark.parametrize('wanted', [*VERSIONS[1:], NEWEST, '1999-01-01'])
def test_handshake_is_in_the_version_of_the_client_or_our_latest(client: FlaskClient, wanted: str) -> None:
    client_info = {'name': 'a', 'version': '1'}
    given = message('initialize', protocolVersion=wanted, capabilities={}, clientInfo=client_info)
    response = send(client, given)
    result = response.get_json()['result']
    assert result['protocolVersion'] == (wanted if wanted in VERSIONS[1:] else '2025-11-25')
    assert result['capabilities'] == {'tools': {'listChanged': False}}
    assert result['serverInfo']['name'] == 'model-serving'
    assert 'Mcp-Session-Id' not in response.headers


@pytest.mark.parametrize('version', [None, *VERSIONS[1:]])
def test_older_versions_have_plain_results(client: FlaskClient, version: str | None) -> None:
    headers = {} if version is None else {'MCP-Protocol-Version': version}
    assert send(client, message('ping'), headers).get_json() == {'jsonrpc': '2.0', 'id': 1, 'result': {}}
    listed = send(client, message('tools/list'), headers).get_json()['result']
    assert listed.keys() == {'tools'}
    called = send(client, message('tools/call', name='Hello', arguments={'name': 'Leo'}), headers).get_json()
    assert called['result'].keys() == {'content', 'structuredContent'}


def test_discovery_says_versions_and_capabilities(client: FlaskClient) -> None:
    result = send(client, *newest('server/discover')).get_json()['result']
    assert result['supportedVersions'] == ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26']
    assert (result['capabilities'], result['cacheScope']) == ({'tools': {'listChanged': False}}, 'private')
    assert result['ttlMs'] > 0


def test_list_of_the_newest_version_may_be_kept(client: FlaskClient) -> None:
    result = send(client, *newest('tools/list')).get_json()['result']
    assert (result['resultType'], result['cacheScope'], result['ttlMs']) == ('complete', 'private', 60_000)


@pytest.mark.parametrize('id_', ['a', '', 0, -7, 'ö' * 1000])
def test_id_comes_back(client: FlaskClient, id_: Any) -> None:
    assert send(client, {**message('ping'), 'id': id_}).get_json()['id'] == id_


@pytest.mark.parametrize('method', ['notifications/initialized', 'notifications/cancelled', 'anything'])
@pytest.mark.parametrize('version', [None, NEWEST, '2025-06-18'])
def test_notification_is_accepted(client: FlaskClient, method: str, version: str | None) -> None:
    headers = {'MCP-Protocol-Version': version} if version else {}
    response = send(client, {'jsonrpc': '2.0', 'method': method}, headers)
    assert (response.status_code, response.data) == (202, b'')


RPC: dict[str, Any] = {'jsonrpc': '2.0', 'id': 1}
NO_MESSAGES = {
    'nothing': (b'', -32700),
    'no JSON': (b'{', -32700),
    'NaN': (b'{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": NaN}}', -32700),
    'bad UTF-8': (b'"\xff"', -32700),
    'too deep': (b'[' * 1000 + b']' * 1000, -32700),
    'null': (None, -32600),
    'number': (7, -32600),
    'empty list': ([], -32600),
    'list': ([message('ping')], -32600),
    'empty object': ({}, -32600),
    'no method': (RPC, -32600),
    'method of another type': ({**RPC, 'method': 7}, -32600),
    'no version of JSON-RPC': ({'id': 1, 'method': 'ping'}, -32600),
    'another version of it': ({**message('ping'), 'jsonrpc': '1.0'}, -32600),
    'null id': ({**message('ping'), 'id': None}, -32600),
    'fractional id': ({**message('ping'), 'id': 1.5}, -32600),
    'boolean id': ({**message('ping'), 'id': True}, -32600),
    'list as id': ({**message('ping'), 'id': [1]}, -32600),
    'list as params': ({**RPC, 'method': 'ping', 'params': []}, -32600),
    'null params': ({**RPC, 'method': 'ping', 'params': None}, -32600),
    'result': ({**RPC, 'result': {}}, -32600),
    'error': ({**RPC, 'error': {'code': 1, 'message': 'no'}}, -32600),
}


@pytest.mark.parametrize(('value', 'code'), NO_MESSAGES.values(), ids=NO_MESSAGES)
@pytest.mark.parametrize('headers', [{}, {'MCP-Protocol-Version': NEWEST}], ids=['older', 'newest'])
def test_what_is_no_message_is_refused(client: FlaskClient, value: Any, code: int, headers: Any) -> None:
    response = send(client, value, headers)
    error = response.get_json()
    assert (response.status_code, error['error']['code'], 'id' in error) == (400, code, False)
    assert error['error']['message']


UNKNOWN = {'MCP-Protocol-Version': '1'}
LIST, LIST_HEADERS = newest('tools/list')
CALL, CALL_HEADERS = newest('tools/call', name='Hello', arguments={'name': 'Leo'})


def with_meta(**changes: Any) -> dict[str, Any]:
    meta = {key: value for key, value in {**META, **changes}.items() if value is not None}
    return message('tools/list', _meta=meta)


WRONG_REQUESTS: dict[str, tuple[Any, dict[str, str], int, int]] = {
    'unknown method': (*newest('nothing/there'), 404, -32601),
    'handshake in the newest version': (*newest('initialize', protocolVersion=NEWEST), 404, -32601),
    'ping in the newest version': (*newest('ping'), 404, -32601),
    'stream of changes': (*newest('subscriptions/listen'), 404, -32601),
    'no meta': (message('tools/list'), LIST_HEADERS, 400, -32602),
    'meta of another type': (message('tools/list', _meta=[1]), LIST_HEADERS, 400, -32602),
    'meta without a version': (with_meta(**{VERSION: None}), LIST_HEADERS, 400, -32602),
    'version of another type': (with_meta(**{VERSION: 7}), LIST_HEADERS, 400, -32602),
    'meta without capabilities': (with_meta(**{CAPABILITIES: None}), LIST_HEADERS, 400, -32602),
    'capabilities of another type': (with_meta(**{CAPABILITIES: []}), LIST_HEADERS, 400, -32602),
    'no header at all': (LIST, {}, 400, -32020),
    'no header of the method': (LIST, {'MCP-Protocol-Version': NEWEST}, 400, -32020),
    'header of another method': (LIST, {**LIST_HEADERS, 'Mcp-Method': 'tools/call'}, 400, -32020),
    'header in capitals': (LIST, {**LIST_HEADERS, 'Mcp-Method': 'TOOLS/LIST'}, 400, -32020),
    'header of an older version': (LIST, {**LIST_HEADERS, 'MCP-Protocol-Version': '2025-11-25'}, 400, -32020),
    'older version in the body': (with_meta(**{VERSION: '2025-11-25'}), LIST_HEADERS, 400, -32020),
    'no header of the name': (CALL, LIST_HEADERS | {'Mcp-Method': 'tools/call'}, 400, -32020),
    'header of another name': (CALL, {**CALL_HEADERS, 'Mcp-Name': 'Crash'}, 400, -32020),
    'broken base64': (CALL, {**CALL_HEADERS, 'Mcp-Name': '=?base64?SGVsbG8?='}, 400, -32020),
    'no base64': (CALL, {**CALL_HEADERS, 'Mcp-Name': '=?base64?SGV!sbG8=?='}, 400, -32020),
    'base64 of no UTF-8': (CALL, {**CALL_HEADERS, 'Mcp-Name': '=?base64?/w==?='}, 400, -32020),
    'unknown version': (
        with_meta(**{VERSION: '1'}),
        {**LIST_HEADERS, 'MCP-Protocol-Version': '1'},
        400,
        -32022,
    ),
    'unknown version in the header alone': (LIST, LIST_HEADERS | UNKNOWN, 400, -32020),
    'unknown tool': (*newest('tools/call', name='Nobody'), 400, -32602),
    'model that takes a list': (*newest('tools/call', name='List', arguments={}), 400, -32602),
    'no name': (*newest('tools/call', arguments={}), 400, -32020),
    'arguments of another type': (*newest('tools/call', name='Hello', arguments=['Leo']), 400, -32602),
    'arguments that are nothing': (*newest('tools/call', name='Hello', arguments=''), 400, -32602),
    'unknown cursor': (*newest('tools/list', cursor='2'), 400, -32602),
    'older: unknown method': (message('nothing/there'), {}, 200, -32601),
    'older: discovery': (message('server/discover'), {}, 200, -32601),
    'older: unknown tool': (message('tools/call', name='Nobody'), {}, 200, -32602),
    'older: no name': (message('tools/call'), {}, 200, -32602),
    'older: name of another type': (message('tools/call', name=7), {}, 200, -32602),
    'older: unknown cursor': (message('tools/list', cursor=''), {}, 200, -32602),
    'older: handshake without a version': (message('initialize'), {}, 200, -32602),
    'older: unknown version': (message('ping'), {'MCP-Protocol-Version': '1999-01-01'}, 400, -32022),
}


@pytest.mark.parametrize(('value', 'headers', 'status', 'code'), WRONG_REQUESTS.values(), ids=WRONG_REQUESTS)
def test_wrong_request_gets_the_error_of_its_version(
    client: FlaskClient, value: Any, headers: Any, status: int, code: int
) -> None:
    response = send(client, value, headers)
    error = response.get_json()
    assert (response.status_code, error['error']['code'], error['id']) == (status, code, 1)


def test_unknown_version_names_those_that_are_known(client: FlaskClient) -> None:
    value, headers, *_ = WRONG_REQUESTS['unknown version']
    data = send(client, value, headers).get_json()['error']['data']
    assert data == {'supported': list(VERSIONS), 'requested': '1'}


def test_notification_of_an_unknown_version_is_refused(client: FlaskClient) -> None:
    response = send(client, {'jsonrpc': '2.0', 'method': 'a'}, {'MCP-Protocol-Version': '1'})
    assert (response.status_code, response.get_json()['error']['code']) == (400, -32022)


def test_name_in_the_header_may_be_encoded(client: FlaskClient) -> None:
    name = f'=?base64?{base64.b64encode(b"Hello").decode()}?='
    assert 'result' in send(client, CALL, {**CALL_HEADERS, 'Mcp-Name': name}).get_json()


def test_long_names_are_cut(client: FlaskClient) -> None:
    long = 10_000 * 'ä'
    for value in (message(long), message('tools/call', name=long)):
        assert len(send(client, value).get_json()['error']['message']) < 300


@pytest.mark.parametrize('method', ['GET', 'DELETE', 'PUT'])
def test_there_is_no_stream_and_no_session(client: FlaskClient, method: str) -> None:
    response = client.open('/mcp', method=method)
    assert response.status_code == 405
    assert 'POST' in response.headers['Allow']


def test_accept_may_say_anything(client: FlaskClient) -> None:
    for accept in ('application/json, text/event-stream', 'text/event-stream', '*/*', ''):
        response = send(client, message('ping'), {'Accept': accept})
        assert (response.status_code, response.mimetype) == (200, 'application/json')


def test_other_content_types_are_refused(client: FlaskClient) -> None:
    response = client.post('/mcp', data='{}', content_type='text/plain')
    assert (response.status_code, response.get_json()['message']) == (
        415,
        'Send the header Content-Type: application/json',
    )


def test_large_body_is_refused(client: FlaskClient) -> None:
    assert send(client, b' ' * (32 * 1024 * 1024 + 1)).status_code == 413
