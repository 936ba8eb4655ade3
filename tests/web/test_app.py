import asyncio
import gc
import os
import time
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from flask import Response, g, request, send_file

from model_serving.requests.current import CurrentRequest, current_request
from model_serving.requests.slots import Slot, thread_state
from model_serving.web.app import ServiceApp


@pytest.fixture
def app() -> ServiceApp:
    app = ServiceApp(__name__)
    app.add_url_rule('/a', view_func=lambda: 'plain', endpoint='plain')
    app.add_url_rule('/stream', view_func=lambda: Response(iter(['a', 'b'])), endpoint='stream')
    app.add_url_rule('/file', view_func=lambda: send_file(__file__), endpoint='file')
    return app


@pytest.mark.parametrize('url', ['/a', '/none', '/stream', '/file'])
def test_request_is_not_the_current_one_once_it_is_over(app: ServiceApp, url: str) -> None:
    client = app.test_client()
    with client.get(url) as response:
        response.get_data()
    assert current_request.get() is None


def test_hooks_run(app: ServiceApp) -> None:
    ran: list[str] = []
    app.before_request(lambda: ran.append('before'))
    app.teardown_request(lambda _: ran.append('teardown'))
    assert app.test_client().get('/a').text == 'plain'
    assert ran == ['before', 'teardown']


def test_observers_hear_of_each_request_once(app: ServiceApp) -> None:
    heard: list[CurrentRequest] = []
    app.observers = (heard.append,)
    client = app.test_client()
    for url in ('/a', '/none', '/stream'):
        with client.get(url) as response:
            response.get_data()
    assert [(each.path, each.status, each.reason) for each in heard] == [
        ('/a', 200, None),
        ('/none', 404, None),
        ('/stream', 200, None),
    ]


def test_coroutine_functions_are_views_and_share_one_loop(app: ServiceApp) -> None:
    """Flask alone would want asgiref for that, and give each request a loop of its own."""
    lock = asyncio.Lock()
    loops: list[Any] = []

    async def awaits() -> str:
        g.seen = 'g'
        async with lock:
            await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return f'{request.path} {g.seen}'

    app.add_url_rule('/awaits', view_func=awaits)
    client = app.test_client()
    assert {client.get('/awaits').text for _ in range(2)} == {'/awaits g'}
    assert len(set(map(id, loops))) == 1


def test_asynchronous_stream_is_pulled_and_closed(app: ServiceApp) -> None:
    ended: list[str] = []

    async def chunks() -> AsyncIterator[str]:
        try:
            for chunk in ('a', 'b', 'c'):
                await asyncio.sleep(0)
                yield chunk
        finally:
            ended.append('ended')

    app.add_url_rule('/chunks', view_func=lambda: Response(chunks()), endpoint='chunks')
    client = app.test_client()
    assert client.get('/chunks').text == 'abc'
    response = client.get('/chunks', buffered=False)
    assert next(response.iter_encoded()) == b'a'
    response.close()
    assert ended == ['ended', 'ended']


def test_request_that_waited_for_a_coroutine_is_let_go(app: ServiceApp) -> None:
    held: list[Any] = []

    async def awaits() -> str:
        held.append(weakref.ref(current_request.get()))
        return 'done'

    app.add_url_rule('/awaits', view_func=awaits)
    gc.collect()
    gc.disable()
    try:
        app.test_client().get('/awaits').get_data()
        end = time.monotonic() + 5
        while held[0]() is not None and time.monotonic() < end:
            time.sleep(0.01)
        assert held[0]() is None
    finally:
        gc.enable()


def test_forked_child_has_no_slot_of_its_parent() -> None:
    thread_state.slot = object()  # type: ignore[assignment]
    try:
        child = os.fork()
        if not child:
            os._exit(0 if type(thread_state.slot) is Slot else 1)
        assert os.waitpid(child, 0)[1] == 0
    finally:
        del thread_state.slot
