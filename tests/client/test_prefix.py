"""The pages behind a real nginx, which serves them below /ml/."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.client.cards import card_of, curl_of, opened, send
from tests.programs import listens, running
from tests.service_process import free_port, running_service

CONFIGURATION = """
pid {folder}/pid;
error_log {folder}/error.log;
daemon off;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location /ml/ {{
            proxy_set_header Host $http_host;
            {passes}
        }}
    }}
}}
"""
WAYS = {
    'cut off, and said': 'proxy_pass {service}/; proxy_set_header X-Forwarded-Prefix /ml;',
    'kept, and said': 'proxy_pass {service}; proxy_set_header X-Forwarded-Prefix /ml;',
    'kept, and known': 'proxy_pass {service};',
    'cut off, and known': 'proxy_pass {service}/;',
}


@contextlib.contextmanager
def nginx(folder: Path, passes: str) -> Iterator[str]:
    """The base URL of an nginx that passes /ml/ on."""
    port, file = free_port(), folder / 'nginx.conf'
    file.write_text(CONFIGURATION.format(folder=folder, port=port, passes=passes))
    with running(['nginx', '-c', str(file), '-p', str(folder)], folder / 'nginx.log', lambda: listens(port)):
        yield f'http://127.0.0.1:{port}'


@pytest.fixture(scope='module', params=WAYS)
def proxied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the service, for a browser."""
    folder = tmp_path_factory.mktemp('nginx')
    settings = {'SCRIPT_NAME': '/ml'} if 'known' in request.param else {}
    with (
        running_service(folder / 'service.log', **settings) as service,
        nginx(folder, WAYS[request.param].format(service=service)) as url,
    ):
        yield f'{url}/ml'


def test_model_is_tried_in_the_console(page: Page, proxied: str) -> None:
    opened(page, f'{proxied}/')
    card = card_of(page, 'XXXModel')
    answer = send(card)
    assert (answer.status, answer.url) == (200, f'{proxied}/v1/XXXModel')
    assert curl_of(card).startswith(f'curl {proxied}/v1/XXXModel ')
    expect(card_of(page, 'DigitsModel').locator('#pad')).to_be_visible()


def test_own_page_of_a_model_leads_there_and_back(page: Page, proxied: str) -> None:
    page.goto(f'{proxied}/')
    page.get_by_role('link', name='Its own page: XXXModel').click()
    page.get_by_label('Name').fill('Leo')
    page.get_by_role('button', name='Say hello').click()
    expect(page.locator('#result')).to_have_text('Hello, Leo!')
    page.get_by_role('link', name='All models').click()
    expect(page).to_have_url(f'{proxied}/')
    expect(page.get_by_role('heading', level=1)).to_contain_text('model-serving')


def test_documentation_calls_a_model(page: Page, proxied: str) -> None:
    page.goto(f'{proxied}/')
    page.get_by_role('link', name='API documentation').click()
    operation = page.locator('[id="operations-models-XXXModel"]')
    operation.locator('.opblock-summary-control').click()
    operation.get_by_role('button', name='Execute').click()
    answer = operation.locator('.live-responses-table')
    expect(answer.locator('.response-col_status').last).to_contain_text('200')
    expect(operation.locator('.request-url')).to_contain_text(f'{proxied}/v1/XXXModel')
