import json
import re
import shlex
import subprocess
import urllib.request
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.client.cards import card_of, curl_of, field_of, hold, opened, send
from tests.client.conftest import watched
from tests.client.served import EXAMPLE, HOSTILE, HOSTILE_NAME, MARKUP
from tests.client.test_digits import PLAIN_ONE, PLAIN_SEVEN, draw
from tests.client.test_look import CONTRASTS


@pytest.fixture
def rich(console: Page) -> Locator:
    return card_of(console, 'RichModel')


def run(command: str) -> Any:
    """What a shell prints for the command, as JSON."""
    done = subprocess.run(['sh'], input=command, capture_output=True, text=True, timeout=30)
    return json.loads(done.stdout)


# The answer


def test_answer_is_shown_with_status_and_duration(rich: Locator) -> None:
    answer = send(rich)
    expect(rich.get_by_role('status')).to_have_text(re.compile(r'^200 OK · \d+ ms · \d+ bytes$'))
    shown = rich.locator('.answer').inner_text()
    assert json.loads(shown) == answer.json()
    assert '"tags": ["red", "green"]' in shown


def test_numbers_of_an_answer_are_shown_digit_for_digit(rich: Locator) -> None:
    body = '{"a": 12345678901234567890, "b": 1.0, "c": [0.10, 1e-7]}'
    rich.page.route(
        '**/v1/RichModel', lambda route: route.fulfill(body=body, content_type='application/json')
    )
    send(rich)
    expect(rich.locator('.answer')).to_have_text('{"a": 12345678901234567890, "b": 1.0, "c": [0.10, 1e-7]}')


def test_huge_answer_is_cut(rich: Locator) -> None:
    body = json.dumps(list(range(300_000)))
    rich.page.route(
        '**/v1/RichModel', lambda route: route.fulfill(body=body, content_type='application/json')
    )
    send(rich)
    expect(rich.locator('.answer')).to_contain_text(f'… and {len(body) - 100_000} more characters')


def test_waiting_is_shown_and_can_be_cancelled(console: Page) -> None:
    card = card_of(console, 'SlowModel')
    field_of(card, 'Seconds').fill('20')
    sender = card.get_by_role('button', name='Send')
    expect(card.get_by_role('progressbar')).to_be_hidden()
    with console.expect_event('requestfailed') as failed:
        sender.click()
        expect(card.get_by_role('progressbar')).to_be_visible()
        expect(card.get_by_role('status')).to_have_text('Waiting for the answer')
        expect(card.locator('.elapsed')).to_have_text(re.compile(r'^1\.\d s$'))
        expect(sender).to_be_hidden()
        cancel = card.get_by_role('button', name='Cancel')
        expect(cancel).to_be_focused()
        cancel.press('Enter')
    assert failed.value.url.endswith('/v1/SlowModel')
    expect(card.get_by_role('status')).to_have_text(re.compile(r'^Cancelled after \d\.\d s$'))
    expect(card.get_by_role('alert')).to_have_text('')
    expect(card.get_by_role('progressbar')).to_be_hidden()
    expect(sender).to_be_focused()

    field_of(card, 'Seconds').fill('0')
    assert send(card).json() == {'slept': True}


def test_enter_sends_once_while_it_waits(console: Page) -> None:
    card = card_of(console, 'SlowModel')
    waiting = hold(console, '**/v1/SlowModel')
    seconds = field_of(card, 'Seconds')
    seconds.press('Enter')
    expect(card.get_by_role('progressbar')).to_be_visible()
    seconds.press('Enter')
    waiting[0].fulfill(json={'slept': True})
    expect(card.locator('.status')).to_contain_text('200 OK')
    expect(seconds).to_be_focused()
    assert len(waiting) == 1


def test_no_answer_is_waited_for_as_long_as_it_takes(page: Page, models: str) -> None:
    page.clock.install()
    card = card_of(opened(page, models), 'SlowModel')
    waiting = hold(page, '**/v1/SlowModel')
    card.get_by_role('button', name='Send').click()
    expect(card.get_by_role('progressbar')).to_be_visible()
    page.clock.fast_forward(120_000)
    expect(card.locator('.elapsed')).to_have_text('120.0 s')
    waiting[0].fulfill(json={'slept': True})
    expect(card.locator('.status')).to_contain_text('200 OK')


# curl


@pytest.mark.parametrize(
    'text', ["it's", '"$(id)`id`"', '!! \\ \\n', '-d @x', 'Zoë 李 🦁', ' ', "'\"'\"'"], ids=range(7)
)
def test_curl_line_sends_what_the_form_sends(rich: Locator, text: str) -> None:
    field_of(rich, 'Text').fill(text)
    field_of(rich, 'Story').fill(f'{text}\n{text}')
    line = curl_of(rich)
    answer = send(rich)
    assert run(f'{line} --silent') == answer.json()
    assert shlex.split(line)[-1] == answer.request.post_data


def test_curl_line_follows_the_form(rich: Locator) -> None:
    assert json.loads(shlex.split(curl_of(rich))[-1]) == EXAMPLE
    rich.get_by_role('button', name='Remove person 2').click()
    field_of(rich, 'Fast').select_option('true')
    body = json.loads(shlex.split(curl_of(rich))[-1])
    assert body == {**EXAMPLE, 'fast': True, 'people': EXAMPLE['people'][:1]}


def test_curl_command_for_a_large_body_can_be_run(rich: Locator) -> None:
    field_of(rich, 'Anything').fill(json.dumps({'long': "it's $HOME " * 20_000}))
    received = run(curl_of(rich))['received']
    assert received['anything'] == {'long': "it's $HOME " * 20_000}


def test_curl_line_is_copied(browser: Browser, models: str) -> None:
    with watched(browser, permissions=['clipboard-read', 'clipboard-write']) as page:
        card = card_of(opened(page, models), 'RichModel')
        card.get_by_role('button', name='Copy').click()
        expect(card.get_by_role('button', name='Copied')).to_be_visible()
        assert page.evaluate('navigator.clipboard.readText()') == curl_of(card)


def test_curl_line_is_copied_where_there_is_no_clipboard(browser: Browser, models: str) -> None:
    with watched(browser, permissions=['clipboard-read']) as page:
        page.add_init_script('navigator.clipboard.writeText = undefined')
        card = card_of(opened(page, models), 'RichModel')
        card.get_by_role('button', name='Copy').click()
        expect(card.get_by_role('button', name='Copied')).to_be_focused()
        assert page.evaluate('navigator.clipboard.readText()') == curl_of(card)


# What comes from elsewhere is shown as text


def test_markup_in_a_schema_and_in_an_answer_is_shown_as_text(console: Page) -> None:
    card = card_of(console, 'HostileModel')
    expect(card.get_by_role('heading', level=2)).to_have_text(MARKUP)
    expect(card.locator('header')).to_contain_text(f'Echoes {MARKUP}')
    assert send(card).json() == {'received': HOSTILE['examples'][0], MARKUP: MARKUP}
    expect(card.locator('.answer')).to_contain_text(MARKUP)
    expect(card.locator('.curl')).to_contain_text('<script>alert(1)</script>')
    expect(field_of(card, f'{MARKUP} 1')).to_have_value(MARKUP)
    expect(card.get_by_role('combobox').locator('option').first).to_have_text('Choose')
    expect(card.get_by_role('combobox')).to_have_value('0')
    assert card.locator('script, img').count() == 0


def test_markup_in_a_refusal_is_shown_as_text(console: Page) -> None:
    card = card_of(console, 'HostileModel')
    field_of(card, HOSTILE_NAME).fill(f'!{MARKUP}')
    answer = send(card)
    assert answer.status == 400
    expect(card.get_by_role('alert')).to_have_text(answer.json()['message'])
    expect(card.locator('.field-error').first).to_contain_text(MARKUP)
    assert card.locator('script, img').count() == 0


def test_curl_line_of_a_hostile_schema_runs_nothing_else(console: Page) -> None:
    card = card_of(console, 'HostileModel')
    assert run(f'{curl_of(card)} --silent')['received'] == HOSTILE['examples'][0]


def test_page_may_run_and_load_nothing_but_its_own_files(models: str) -> None:
    asked = urllib.request.Request(models, headers={'Accept': 'text/html'})
    with urllib.request.urlopen(asked) as response:
        policy, page = response.headers['Content-Security-Policy'], response.read().decode()
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert 'unsafe' not in policy
    assert not re.search(r'<script(?! src=)|<style|\bstyle=|\bon\w+=', re.sub(r'&lt;.*?&gt;', '', page))


# The page


def test_model_that_failed_is_shown_with_the_reason(console: Page) -> None:
    card = card_of(console, 'BrokenModel')
    expect(card.locator('.panel.error')).to_have_text(f'Not served. BrokenModel has no weights {MARKUP}')
    expect(card.locator('form, .curl, button')).to_have_count(0)


def test_header_leads_to_the_documentation(console: Page, models: str) -> None:
    links = console.get_by_role('navigation', name='Documentation').get_by_role('link')
    assert [link.evaluate('link => link.href') for link in links.all()] == [
        f'{models}/docs',
        f'{models}/openapi.json',
    ]


def test_the_way_back_leads_to_the_page_and_not_to_its_data(console: Page, models: str) -> None:
    console.goto(f'{models}/client/digits.html')
    console.go_back()
    expect(card_of(console, 'RichModel').get_by_role('button', name='Send')).to_be_visible()


def test_missing_script_is_told(page: Page, models: str) -> None:
    page.route('**/call-model.js', lambda route: route.fulfill(status=200, body=''))
    page.goto(models)
    expect(page.locator('#console-error')).to_have_text(
        f'The page is incomplete: its scripts could not be loaded from {models}/.'
    )


def test_everything_can_be_done_by_keyboard(page: Page, models: str) -> None:
    page.goto(f'{models}/#ListModel')
    card = card_of(page, 'ListModel')
    card.get_by_label('Entry 1', exact=True).focus()
    page.keyboard.type('4')
    for key in ('Tab', 'Tab', 'Enter'):  # Past the button that removes, to the one that adds.
        page.keyboard.press(key)
    page.keyboard.type('5')
    page.keyboard.press('Tab')
    expect(card.get_by_role('button', name='Remove entry 2')).to_be_focused()
    ring = 'element => getComputedStyle(element).outlineStyle'
    assert card.get_by_role('button', name='Remove entry 2').evaluate(ring) == 'solid'
    page.keyboard.press('Shift+Tab')
    with page.expect_response('**/v1/ListModel') as response:
        page.keyboard.press('Enter')
    assert response.value.json() == {'received': [4, 5]}
    page.keyboard.press('Tab')
    page.keyboard.press('Space')
    expect(card.get_by_role('button', name='Add entry')).to_be_focused()
    page.keyboard.press('Tab')
    with page.expect_response('**/v1/ListModel') as response:
        page.keyboard.press('Space')
    assert response.value.json() == {'received': [4]}
    expect(card.locator('.status')).to_contain_text('200 OK')
    expect(card.get_by_role('button', name='Send')).to_be_focused()


# Digits


def test_what_is_drawn_fills_the_form_in_and_is_read(console: Page) -> None:
    card = card_of(console, 'DigitsModel')
    card.locator('#pad').scroll_into_view_if_needed()
    with console.expect_response('**/v1/DigitsModel') as response:
        draw(console, PLAIN_SEVEN)
    image = response.value.request.post_data_json['instances'][0]
    expect(card.locator('#label')).to_have_text('7')
    assert field_of(card, 'Image 1').input_value().split() == [str(cell) for cell in image]
    assert json.loads(shlex.split(curl_of(card))[-1]) == {'instances': [image]}
    assert json.loads(card.locator('.answer').inner_text()) == response.value.json()

    card.get_by_role('button', name='Reset').click()
    card.get_by_role('button', name='Send').click()
    expect(card.locator('#label')).to_have_text('7')
    draw(console, PLAIN_ONE)


def test_stroke_after_a_question_takes_its_place(console: Page) -> None:
    card = card_of(console, 'DigitsModel')
    card.locator('#pad').scroll_into_view_if_needed()
    hold(console, '**/v1/DigitsModel')
    with console.expect_request('**/v1/DigitsModel'):
        draw(console, PLAIN_ONE)
    expect(card.get_by_role('progressbar')).to_be_visible()
    console.unroute('**/v1/DigitsModel')
    draw(console, [[(0.2, 0.1), (0.5, 0.1)]])
    expect(card.locator('.status')).to_contain_text('200 OK')
    expect(card.get_by_role('progressbar')).to_be_hidden()


# The look


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_every_text_has_enough_contrast(page: Page, models: str, scheme: str) -> None:
    page.emulate_media(color_scheme='dark' if scheme == 'dark' else 'light')
    rich = card_of(opened(page, models), 'RichModel')
    field_of(rich, 'Text').fill('much too long')
    field_of(rich, 'Count').fill('12')
    send(rich)
    send(card_of(page, 'IrisModel'))
    seen = dict(page.evaluate(CONTRASTS))
    assert {'Count (optional)', '13 / 10', 'Not served.', 'Reset'} <= set(seen)
    assert {text: contrast for text, contrast in seen.items() if contrast < 4.5} == {}


def test_marks_and_labels_stand_beside_their_box(rich: Locator) -> None:
    box, label = field_of(rich, 'Agree').bounding_box(), rich.get_by_text('Agree', exact=True).bounding_box()
    assert box
    assert label
    assert abs((box['y'] + box['height'] / 2) - (label['y'] + label['height'] / 2)) < 3
    assert 0 < label['x'] - (box['x'] + box['width']) < 24


# Phones


@pytest.mark.parametrize('width', [320, 360])
def test_nothing_is_wider_than_a_phone(phone: Page, models: str, width: int) -> None:
    phone.set_viewport_size({'width': width, 'height': 740})
    opened(phone, models)
    rich = card_of(phone, 'RichModel')
    field_of(rich, 'Story').fill('x' * 500)
    field_of(rich, 'Count').fill('12')
    send(rich)
    expect(rich.locator('.field-error:not(:empty)')).to_be_visible()
    for model in ('HostileModel', 'DigitsModel', 'IrisModel'):
        send(card_of(phone, model))
    assert phone.evaluate('document.documentElement.scrollWidth') == width
    too_wide = phone.locator('.card').evaluate_all(
        'cards => cards.filter(card => card.scrollWidth > card.clientWidth).map(card => card.dataset.model)'
    )
    assert too_wide == []


def test_rows_can_be_worked_with_on_a_phone(phone: Page, models: str) -> None:
    card = card_of(opened(phone, models), 'IrisModel')
    card.get_by_role('button', name='Remove flower 1').tap()
    card.get_by_role('button', name='Add flower').tap()
    row = card.get_by_role('group', name='Flower 2')
    for label, value in {
        'Sepal length': 5,
        'Sepal width': 3,
        'Petal length': 1.5,
        'Petal width': 0.2,
    }.items():
        row.get_by_label(label).fill(str(value))
    card.get_by_role('button', name='Send').tap()
    expect(card.locator('.answer')).to_contain_text('setosa')
