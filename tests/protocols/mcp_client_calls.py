"""The official client of the Model Context Protocol calls a service; run in an environment of its own.

The first argument is the URL, the second the mode: `auto` or `legacy`. Prints what it found, as JSON.
"""

import asyncio
import json
import sys
from typing import Any

from mcp import Client, MCPError


def shown(result: Any) -> dict[str, Any]:
    return {
        'error': bool(result.is_error),
        'types': [content.type for content in result.content],
        'text': getattr(result.content[0], 'text', None),
        'structured': result.structured_content,
    }


async def refusal(calling: Any) -> int:
    try:
        await calling
    except MCPError as error:
        return error.error.code
    return 0


async def main(url: str, mode: str) -> dict[str, Any]:
    async with Client(url, mode=mode) as client:
        tools = (await client.list_tools()).tools
        return {
            'version': client.protocol_version,
            'tools': [tool.name for tool in tools],
            'hello': shown(await client.call_tool('Hello', {'name': 'Leo'})),
            'invalid': shown(await client.call_tool('Hello', {'name': 3})),
            'crash': shown(await client.call_tool('Crash', {})),
            'rows': shown(await client.call_tool('Rows', {})),
            'image': shown(await client.call_tool('test_image_content', {})),
            'unknown': await refusal(client.call_tool('Nobody', {})),
            'prompts': await refusal(client.list_prompts()),
        }


print(json.dumps(asyncio.run(main(*sys.argv[1:]))))
