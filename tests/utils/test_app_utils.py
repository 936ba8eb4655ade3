from typing import Any

import pytest
from flask import Response, request, send_file
from werkzeug.exceptions import MethodNotAllowed, NotFound

from model_serving.utils.app_utils import ServiceApp
from model_serving.utils.current_request_utils import current_request
from model_serving.utils.deadline_utils import REFUSAL
from model_serving.utils.error_utils import Overloaded


@pytest.fixture
def app() -> ServiceApp:
    app = ServiceApp(__name__)

    @app.route('/a', methods=['GET', 'POST'])
    def plain() -> str:
        return f'{request.method} plain'

    @app.route('/a/<name>')
    def named(name: str) -> str:
        return f'named {name}'

    @app.route('/b/')
    def folder() -> str:
        return f'{request.method} folder'

    @app.route('/c', defaults={'page': 1})
    def first(page: int) -> str:
        return f'page {page}'

    return app


def test_urls_are_matched_the_same_each_time(app: ServiceApp) -> None:
    client = app.test_client()
    for _ in range(3):
        assert client.get('/a').text == 'GET plain'
        assert client.post('/a').text == 'POST plain'
        assert client.put('/a').status_code == MethodNotAllowed.code
        assert client.head('/a').status_code == 200
        assert client.options('/a').headers['Allow']
        assert client.get('/a/x').text == 'named x'
        assert client.get('/a/%61').text == 'named a'
        assert client.get('/b').headers['Location'].endswith('/b/')
        assert client.get('/b/').text == 'GET folder'
        assert client.get('/c').text == 'page 1'
        assert client.get('/none').status_code == NotFound.code
        assert client.get('/a', headers={'Host': 'another'}).text == 'GET plain'


def test_only_whole_rules_are_kept(app: ServiceApp) -> None:
    client = app.test_client()
    for number in range(50):
        client.get(f'/a/{number}')
        client.get(f'/{number}')
        client.get('/a')
    kept: dict[Any, Any] = app._of_host('localhost', 'localhost', '80', '', 'http')['static']
    assert list(kept) == [('GET', '/a')]


def test_refused_request_reaches_no_view(app: ServiceApp) -> None:
    app.register_error_handler(Overloaded, lambda error: (error.message, error.status))
    response = app.test_client().get('/a', environ_overrides={REFUSAL: Overloaded('later', retry_after_s=1)})
    assert (response.status_code, response.text) == (503, 'later')


@pytest.mark.parametrize('url', ['/a', '/none', '/stream', '/file'])
def test_request_is_not_the_current_one_once_it_is_over(app: ServiceApp, url: str) -> None:
    app.add_url_rule('/stream', view_func=lambda: Response(iter(['a', 'b'])), endpoint='stream')
    app.add_url_rule('/file', view_func=lambda: send_file(__file__), endpoint='file')
    client = app.test_client()
    with client.get(url) as response:
        response.get_data()
    assert current_request.get() is None


def test_hooks_run_once_there_are_some(app: ServiceApp) -> None:
    ran: list[str] = []
    app.before_request(lambda: ran.append('before'))
    app.teardown_request(lambda _: ran.append('teardown'))
    assert app.test_client().get('/a').text == 'GET plain'
    assert ran == ['before', 'teardown']
