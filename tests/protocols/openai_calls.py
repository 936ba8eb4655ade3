"""Calls a service by OpenAI's own client and LangChain's, and prints what it got as JSON.

Usage: openai_calls.py <url of the service> <key> <key with a limit>. Run where both are installed.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import openai
from langchain_openai import OpenAIEmbeddings

URL, KEY, SLOW_KEY = sys.argv[1:]
client = openai.OpenAI(base_url=f'{URL}/openai/v1', api_key=KEY, max_retries=0)


def vectors(answer: Any) -> list[list[float]]:
    return [each.embedding for each in answer.data]


def refusal(call: Callable[[], Any]) -> dict[str, Any]:
    """What the client raises."""
    try:
        call()
    except openai.APIStatusError as error:
        return {
            'class': type(error).__name__,
            'status': error.status_code,
            'message': error.message,
            'code': error.code,
            'param': error.param,
            'type': error.type,
        }
    raise AssertionError('no error')


def create(texts: Any, model: str = 'Letters', by: openai.OpenAI = client, **members: Any) -> Any:
    return by.embeddings.create(model=model, input=texts, **members)


async def many(count: int) -> list[list[float]]:
    """The vectors of as many texts, each in a request of its own, all at a time."""
    by = openai.AsyncOpenAI(base_url=f'{URL}/openai/v1', api_key=KEY)
    answers = await asyncio.gather(
        *(by.embeddings.create(model='Letters', input='a' * (1 + number)) for number in range(count))
    )
    return [vectors(answer)[0] for answer in answers]


def runs() -> float:
    """How often the model has run."""
    return vectors(create('x', 'Counted'))[0][0]


def seconds_of_two_calls_with_a_limit() -> float:
    """The client waits as long as Retry-After says, and tries again."""
    slow = openai.OpenAI(base_url=f'{URL}/openai/v1', api_key=SLOW_KEY, max_retries=2)
    begin = time.monotonic()
    create('a', by=slow)
    create('a', by=slow)
    return time.monotonic() - begin


wrong_key = openai.OpenAI(base_url=f'{URL}/openai/v1', api_key='msk_wrong', max_retries=0)
langchain = OpenAIEmbeddings(
    model='Letters', base_url=f'{URL}/openai/v1', api_key=KEY, check_embedding_ctx_length=False
)
large = create(2048 * ['abc'])
before = runs()
at_once = asyncio.run(many(32))
after = runs()
found = {
    'default': vectors(create(['abc', 'bb'])),
    'float': vectors(create(['abc', 'bb'], encoding_format='float')),
    'base64': create('abc', encoding_format='base64').data[0].embedding,
    'single': vectors(create('abc')),
    'dimensions': vectors(create('abc', dimensions=2, user='me')),
    'usage': create(['one two', 'three'], 'Counted').usage.model_dump(),
    'large': [len(large.data), large.data[2047].embedding],
    'models': [model.id for model in client.models.list()],
    'model': client.models.retrieve('Letters').model_dump(),
    'at once': at_once,
    'runs': after - before,
    'waited': seconds_of_two_calls_with_a_limit(),
    'langchain': langchain.embed_documents(['abc', 'bb']),
    'langchain query': langchain.embed_query('abc'),
    'langchain async': asyncio.run(langchain.aembed_documents(['abc', 'bb'])),
    'refusals': {
        'empty': refusal(lambda: create([])),
        'long': refusal(lambda: create(['a', 101 * 'x'])),
        'tokens': refusal(lambda: create([[1, 2], [3]])),
        'unknown': refusal(lambda: create('a', 'Nobody')),
        'unknown model': refusal(lambda: client.models.retrieve('Nobody')),
        'wrong key': refusal(lambda: create('a', by=wrong_key)),
        'other model': refusal(lambda: create('a', 'Wrong')),
        'extra': refusal(lambda: create('a', extra_body={'truncate': True})),
        'chat': refusal(lambda: client.chat.completions.create(model='Letters', messages=[])),
        'broken': refusal(lambda: create('a', 'Broken')),
    },
}
print(json.dumps(found))
