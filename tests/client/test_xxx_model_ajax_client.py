import json
import re
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

CLIENT = Path(__file__).resolve().parents[2] / 'client'
PAGE = 'xxx-model-ajax-client.html'
MARKUP = ['<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '&lt;b&gt; & "quotes"']


@pytest.fixture
def hello(page: Page, service: str) -> Page:
    page.goto(f'{service}/client/{PAGE}')
    return page


def say_hello(page: Page, name: str) -> None:
    page.get_by_label('Name').fill(name)
    page.get_by_role('button', name='Say hello').click()


def fail_with(page: Page, status: int, body: str) -> None:
    page.route(
        '**/v1/XXXModel',
        lambda route: route.fulfill(status=status, body=body, content_type='application/json'),
    )


def copy_client(service: str, folder: Path, base: str) -> None:
    """The pages and what they need, as a web site of its own, with `base` as the service's address."""
    shutil.copytree(CLIENT, folder / 'client')
    with urllib.request.urlopen(f'{service}/client/jquery.min.js') as response:
        (folder / 'client' / 'jquery.min.js').write_bytes(response.read())
    for path in (folder / 'client').glob('*.html'):
        page = path.read_text('utf-8')
        assert page.count('<base href="../">') == 1
        path.write_text(page.replace('<base href="../">', f'<base href="{base}">'), 'utf-8')


@pytest.mark.parametrize('name', ['Leo', ' ', 'Zoë 李 🦁', 'x' * 5000])
def test_the_greeting_is_shown(hello: Page, name: str) -> None:
    say_hello(hello, name)
    expect(hello.locator('#result')).to_have_text(f'Hello, {name}!')
    expect(hello.locator('#error')).to_be_hidden()


@pytest.mark.parametrize('name', MARKUP)
def test_markup_in_a_name_is_shown_as_text(hello: Page, name: str) -> None:
    say_hello(hello, name)
    expect(hello.locator('#result')).to_have_text(f'Hello, {name}!')
    assert hello.locator('#result *').count() == 0


@pytest.mark.parametrize('message', MARKUP)
def test_markup_in_a_message_of_the_service_is_shown_as_text(hello: Page, message: str) -> None:
    fail_with(hello, 400, json.dumps({'message': message}))
    say_hello(hello, 'Leo')
    expect(hello.locator('#error')).to_have_text(message)
    assert hello.locator('#error *').count() == 0


def test_the_message_of_the_service_is_shown_for_what_it_refuses(hello: Page) -> None:
    # Half of a surrogate pair, the one text that the page can send and the service cannot take.
    hello.get_by_label('Name').evaluate('field => { field.value = String.fromCharCode(0xd800); }')
    with hello.expect_response('**/v1/XXXModel') as response:
        hello.get_by_role('button', name='Say hello').click()
    assert response.value.status == 400
    expect(hello.locator('#error')).to_have_text(response.value.json()['message'])
    expect(hello.locator('#result')).to_be_hidden()


@pytest.mark.parametrize(
    ('status', 'body', 'shown'),
    [
        (
            503,
            '{"message": "The model is not ready; try again later"}',
            'The model is not ready; try again later',
        ),
        (502, '<h1>Bad Gateway</h1>', 'The service answered with status 502. Try again later.'),
        (500, '{"error": "of another service"}', 'The service answered with status 500. Try again later.'),
        (500, 'null', 'The service answered with status 500. Try again later.'),
        (200, '<h1>Welcome</h1>', 'The answer is not JSON: this does not seem to be the service.'),
    ],
)
def test_a_failure_is_told_in_words(hello: Page, status: int, body: str, shown: str) -> None:
    fail_with(hello, status, body)
    say_hello(hello, 'Leo')
    expect(hello.get_by_role('alert')).to_have_text(shown)
    expect(hello.get_by_role('button')).to_be_enabled()


def test_a_service_that_does_not_answer_in_time_is_told(page: Page, service: str) -> None:
    page.clock.install()
    page.goto(f'{service}/client/{PAGE}')
    page.route('**/v1/XXXModel', lambda route: None)
    say_hello(page, 'Leo')
    page.clock.fast_forward(9_000)
    expect(page.get_by_role('progressbar')).to_be_visible()
    page.clock.fast_forward(1_001)
    expect(page.locator('#error')).to_have_text('The service did not answer within 10 seconds. Try again.')

    page.unroute('**/v1/XXXModel')
    page.get_by_role('button').click()
    expect(page.locator('#result')).to_have_text('Hello, Leo!')
    expect(page.locator('#error')).to_be_hidden()


def test_a_service_that_cannot_be_reached_is_told(
    page: Page, service: str, web_site: Callable[[Path], Any], tmp_path: Path
) -> None:
    copy_client(service, tmp_path, base='/')
    site = web_site(tmp_path)
    page.goto(f'{site.origin}/client/{PAGE}')
    expect(page.get_by_label('Name')).to_be_focused()
    site.close()
    say_hello(page, 'Leo')
    expect(page.locator('#error')).to_have_text(
        'The service cannot be reached. Check the connection and try again.'
    )


@pytest.mark.parametrize('missing', ['jquery.min.js', 'call-model.js'])
def test_a_missing_script_is_told(
    browser: Browser, service: str, web_site: Callable[[Path], Any], tmp_path: Path, missing: str
) -> None:
    copy_client(service, tmp_path, base='/')
    (tmp_path / 'client' / missing).unlink()
    site = web_site(tmp_path)
    page = browser.new_page()
    page.goto(f'{site.origin}/client/{PAGE}')
    expect(page.get_by_role('alert')).to_have_text(
        f'The page is incomplete: its scripts could not be loaded from {site.origin}/.'
    )
    expect(page.get_by_role('button')).to_be_disabled()
    page.close()


def test_progress_is_shown_while_waiting(hello: Page) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    hello.route('**/v1/XXXModel', hold)
    expect(hello.get_by_role('progressbar')).to_be_hidden()
    say_hello(hello, 'Leo')
    expect(hello.get_by_role('progressbar')).to_be_visible()
    expect(hello.get_by_role('button')).to_be_disabled()
    hello.get_by_label('Name').press('Enter')
    waiting[0].continue_()
    expect(hello.locator('#result')).to_have_text('Hello, Leo!')
    expect(hello.get_by_role('progressbar')).to_be_hidden()
    expect(hello.get_by_role('button')).to_be_enabled()
    assert len(waiting) == 1


def test_an_empty_name_is_asked_for_and_not_sent(hello: Page) -> None:
    sent: list[str] = []
    hello.on('request', lambda request: sent.append(request.url))
    say_hello(hello, '')
    field = hello.get_by_label('Name')
    expect(field).to_be_focused()
    expect(field).to_have_attribute('aria-invalid', 'true')
    expect(field).to_have_accessible_description('Enter a name.')
    assert sent == []

    field.press_sequentially('Leo')
    expect(field).to_have_attribute('aria-invalid', 'false')
    field.press('Enter')
    expect(hello.locator('#result')).to_have_text('Hello, Leo!')


def test_the_keyboard_is_enough(hello: Page) -> None:
    expect(hello.get_by_label('Name')).to_be_focused()
    hello.keyboard.type('Leo')
    hello.keyboard.press('Enter')
    expect(hello.get_by_role('status')).to_have_text('Hello, Leo!')
    expect(hello.get_by_label('Name')).to_be_focused()

    hello.keyboard.type(' B.')
    hello.keyboard.press('Tab')
    button = hello.get_by_role('button')
    expect(button).to_be_focused()
    assert button.evaluate('element => getComputedStyle(element).outlineStyle') == 'solid'
    hello.keyboard.press('Space')
    expect(hello.get_by_role('status')).to_have_text('Hello, Leo B.!')
    expect(button).to_be_focused()


def test_the_button_has_the_focus_again_after_the_wait(hello: Page) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    hello.route('**/v1/XXXModel', hold)
    hello.get_by_label('Name').fill('Leo')
    button = hello.get_by_role('button')
    button.press('Space')
    expect(button).to_be_disabled()
    hello.wait_for_function('document.activeElement === document.body')
    waiting[0].continue_()
    expect(button).to_be_focused()


def test_a_copy_on_another_web_site_calls_the_service_across_origins(
    page: Page, service: str, web_site: Callable[[Path], Any], tmp_path: Path
) -> None:
    copy_client(service, tmp_path, base=f'{service}/')
    (tmp_path / PAGE).write_bytes((tmp_path / 'client' / PAGE).read_bytes())
    shutil.rmtree(tmp_path / 'client')
    origin = web_site(tmp_path).origin
    sent: set[tuple[str, str]] = set()
    network = page.context.new_cdp_session(page)
    network.send('Network.enable')
    # Playwright's own events leave preflights out.
    network.on(
        'Network.requestWillBeSent',
        lambda event: sent.add((event['request']['method'], event['request']['url'])),
    )

    page.goto(f'{origin}/{PAGE}')
    say_hello(page, 'Leo')
    expect(page.locator('#result')).to_have_text('Hello, Leo!')
    expect(page.locator('#submit')).to_have_css('border-radius', '24px')
    assert {(method, url) for method, url in sent if not url.startswith('data:')} == {
        ('GET', f'{origin}/{PAGE}'),
        ('GET', f'{service}/client/material.css'),
        ('GET', f'{service}/client/jquery.min.js'),
        ('GET', f'{service}/client/call-model.js'),
        ('OPTIONS', f'{service}/v1/XXXModel'),
        ('POST', f'{service}/v1/XXXModel'),
    }

    # A refusal of the service can be read across origins too.
    page.get_by_label('Name').evaluate('field => { field.value = String.fromCharCode(0xd800); }')
    with page.expect_response(lambda response: response.status == 400) as response:
        page.get_by_role('button').click()
    expect(page.locator('#error')).to_have_text(response.value.json()['message'])


@pytest.mark.parametrize('path', [*CLIENT.glob('*.html'), *CLIENT.rglob('*.js')], ids=lambda path: path.name)
def test_no_page_looks_at_its_own_address(path: Path) -> None:
    assert not re.search(r'\blocation\b|document\.URL|document\.referrer', path.read_text('utf-8'))
