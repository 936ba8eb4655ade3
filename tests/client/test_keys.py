"""The console and Swagger UI where keys are on: the key is sent, and kept nowhere."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.access.key_files import SHOP, line, write
from tests.client.cards import card_of, curl_of, opened, send
from tests.client.test_docs_page import open_docs
from tests.service_process import running_service


@pytest.fixture(scope='module')
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp('keyed')
    keys = write(folder / 'keys.conf', line('shop', SHOP))
    settings = {
        'MODEL_SERVING_KEYS': str(keys),
        'MODEL_SERVING_MODELS': 'XXXModel',
        'MODEL_SERVING_CORS_ORIGINS': 'https://shop.example.com',  # Its own pages call all the same.
    }
    with running_service(folder / 'log', **settings) as url:
        yield url


def test_console_sends_the_key_that_is_typed(page: Page, keyed: str) -> None:
    card = card_of(opened(page, keyed), 'XXXModel')
    assert send(card).status == 401
    expect(card.get_by_role('alert')).to_contain_text('A key is needed')
    page.get_by_label('Key', exact=True).fill(f' {SHOP} ')
    answer = send(card)
    assert answer.status == 200
    assert answer.request.headers['authorization'] == f'Bearer {SHOP}'


def test_key_is_forgotten_with_the_page_and_shown_nowhere(page: Page, keyed: str) -> None:
    opened(page, keyed)
    key = page.get_by_label('Key', exact=True)
    key.fill(SHOP)
    card = card_of(page, 'XXXModel')
    send(card)
    assert '-H "Authorization: Bearer $KEY"' in curl_of(card)
    assert SHOP not in page.content()
    assert page.evaluate('[localStorage.length, sessionStorage.length, document.cookie]') == [0, 0, '']
    page.reload()
    expect(key).to_have_value('')


def test_curl_line_is_the_same_before_the_form_is_there(page: Page, keyed: str) -> None:
    page.route(
        '**/console.js', lambda route: route.fulfill(status=200, body='', content_type='text/javascript')
    )
    page.goto(keyed)
    assert '-H "Authorization: Bearer $KEY"' in page.locator('.curl code').inner_text()


def test_swagger_ui_has_its_button(page: Page, keyed: str) -> None:
    model = open_docs(page, keyed)
    page.get_by_role('button', name='Authorize').click()
    page.locator('.modal-ux input').first.fill(SHOP)
    page.locator('.modal-ux button.authorize').first.click()
    page.locator('.modal-ux .btn-done').first.click()
    model.get_by_role('button', name='Execute').click()
    expect(model.locator('.live-responses-table')).to_contain_text('Hello, Leo!')


def test_without_keys_there_is_no_field(console: Page) -> None:
    expect(console.get_by_label('Key', exact=True)).to_have_count(0)


def test_page_asks_for_a_key_once_it_needs_one(page: Page, keyed: str) -> None:
    page.goto(f'{keyed}/client/xxx-model-ajax-client.html')
    key = page.get_by_label('Key', exact=True)
    expect(key).to_have_count(0)
    page.get_by_label('Name').fill('Leo')
    page.get_by_role('button', name='Say hello').click()
    expect(page.locator('#error')).to_contain_text('A key is needed')
    key.fill(SHOP)
    page.get_by_role('button', name='Say hello').click()
    expect(page.locator('#result')).to_have_text('Hello, Leo!')


def test_digits_page_asks_too(page: Page, keyed: str) -> None:
    page.goto(f'{keyed}/client/digits.html')
    page.evaluate("void callModel('v1/DigitsModel', {})")
    expect(page.get_by_label('Key', exact=True)).to_be_visible()
