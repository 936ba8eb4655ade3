"""/mcp: the models as tools of the Model Context Protocol, over its transport "Streamable HTTP".

Each POST is answered with one JSON object; there are no sessions and no streams.
"""

from typing import Any

from flask import Flask, Response, current_app, request
from flask_restful import Api, Resource

from model_serving.access.guard import may_call
from model_serving.access.mcp_access import MCPAccess
from model_serving.catalogue import mounted_models
from model_serving.echo import echo
from model_serving.errors import BodyTooLarge, Overloaded, UnsupportedMediaType
from model_serving.json_codec import encode
from model_serving.protocols import mcp
from model_serving.protocols.body import plain_body
from model_serving.protocols.forward import forward
from model_serving.protocols.mcp import INVALID_PARAMS, METHOD_NOT_FOUND, Message, ProtocolError
from model_serving.protocols.mcp_tools import by_tool_name, failure, tool, tool_result
from model_serving.requests.room import FREE_BYTES
from model_serving.service_settings import ServiceSettings


class MCPResource(Resource):
    """Lists the models as tools, and calls them."""

    access = 'listing'

    def post(self) -> Any:
        """The response to one message. Raises NotFound and Forbidden for whom it is not meant."""
        current_app.extensions['mcp'].require(request.environ)
        if not request.is_json:
            raise UnsupportedMediaType
        message = None
        try:
            message = mcp.read_message(plain_body(), request.headers.get)
            return _answer(message)
        except ProtocolError as error:
            status = 404 if error.code == METHOD_NOT_FOUND else 400
            if message is None or message.id is None:
                return {'jsonrpc': '2.0', 'error': error.content}, status
            # Clients of the older versions read the errors of requests where the status is 200.
            status = status if message.stateless else 200
            return {'jsonrpc': '2.0', 'id': message.id, 'error': error.content}, status


def _answer(message: Message) -> Any:
    mcp.require_consistent(message, request.headers.get)
    if message.id is None:
        return Response(status=202)
    answer = (STATELESS if message.stateless else WITH_HANDSHAKE).get(message.method)
    if answer is None:
        raise ProtocolError(METHOD_NOT_FOUND, f'Method not found: {echo(message.method)}')
    result = answer(message)
    return result if isinstance(result, Response) else mcp.complete(message, result)


def _list_tools(message: Message) -> Any:
    if message.params.get('cursor') is not None:
        raise ProtocolError(INVALID_PARAMS, 'The cursor is unknown: all tools come at once')
    shown = [
        tool(name, model)
        for name, model in by_tool_name(mounted_models(current_app)).items()
        if model.schema and may_call(current_app, request.environ, model.name)
    ]
    return {'tools': shown, **(mcp.CACHED if message.stateless else {})}


def _call_tool(message: Message) -> Any:
    name, arguments = message.params.get('name'), message.params.pop('arguments', None)
    if type(name) is not str or not isinstance(arguments, dict | None):
        raise ProtocolError(INVALID_PARAMS, 'params needs name, a string; its arguments are an object')
    model = by_tool_name(mounted_models(current_app)).get(name)
    if model is None:
        raise ProtocolError(INVALID_PARAMS, f'Unknown tool: {echo(name)}; tools/list has the known ones')
    body = encode(arguments or {})
    del arguments  # From here on, nobody counts the memory of what has come.
    if len(body) > 2 * message.size + FREE_BYTES:  # As of 1e15, 1e15, ...
        raise BodyTooLarge('The arguments are far larger with all their digits; send fewer at a time')
    try:
        answer = forward(model, body)
    except Overloaded as error:
        return failure({'message': error.message}, error.retry_after_s)
    return answer if answer.status_code == 401 else tool_result(answer)  # To 401, a client reacts with a key.


SHARED = {'tools/list': _list_tools, 'tools/call': _call_tool}
STATELESS = {'server/discover': mcp.discover, **SHARED}
WITH_HANDSHAKE = {'initialize': mcp.initialize, 'ping': lambda message: {}, **SHARED}


def mount_mcp(app: Flask, api: Api, settings: ServiceSettings) -> None:
    """Mount /mcp, unless it is off."""
    access = app.extensions['mcp'] = MCPAccess(settings)
    if not access.is_off:
        api.add_resource(MCPResource, '/mcp', endpoint='_mcp')  # No model can have this name.
