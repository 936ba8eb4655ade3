import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.client.cards import card_of, field_of, send, sent
from tests.client.served import EXAMPLE

WRONG = [
    ('Text', 'x', "'x' is too short"),
    ('Share', '1.5', '1.5 is greater than the maximum of 1'),
    ('Share', '', "'share' is a required property"),
    ('Count', '12', '12 is not a multiple of 5'),
    ('Email', 'nobody', "'nobody' is not a 'email'"),
    ('Homepage', 'nowhere', "'nowhere' is not a 'uri'"),
    ('Moment', 'soon', "'soon' is not a 'date-time'"),
    ('East', '', "'x' is a required property"),
    ('Pixels', '1 2 3', '[1, 2, 3] is too short'),
    ('Pixels', '0 ' * 15 + '99', 'Number 16: 99 is greater than the maximum of 16'),
    ('Deepest', '{"too": 5}', "At too: 5 is not of type 'string'"),
]
"""A field, what is typed, and what stands beside it when it was sent."""


@pytest.fixture
def rich(console: Page) -> Locator:
    return card_of(console, 'RichModel')


@pytest.mark.parametrize(
    ('label', 'text', 'message'), WRONG, ids=[f'{label} {text[:9]}' for label, text, _ in WRONG]
)
def test_what_validation_says_stands_beside_its_field(
    rich: Locator, label: str, text: str, message: str
) -> None:
    field = field_of(rich, label)
    field.fill(text)
    answer = send(rich)

    assert answer.status == 400
    expect(rich.get_by_role('alert')).to_have_text(answer.json()['message'])
    expect(rich.locator('.field-error:not(:empty)')).to_have_text([message])
    expect(field).to_have_attribute('aria-invalid', 'true')
    expect(field).to_have_accessible_description(re.compile(re.escape(message)))
    expect(field).to_be_focused()


def test_several_errors_stand_each_beside_its_field(rich: Locator) -> None:
    field_of(rich, 'Count').fill('1')
    rich.get_by_role('group', name='Person 2').get_by_label('Name').fill('')
    assert len(send(rich).json()['errors']) >= 2
    count = rich.locator('.entry', has=rich.page.get_by_label('Count (optional)', exact=True))
    expect(count.locator('.field-error')).to_have_text(
        re.compile(r'1 is less than the minimum of 3|1 is not a multiple of 5')
    )
    name = rich.get_by_role('group', name='Person 2').locator('.entry').first
    expect(name.locator('.field-error')).to_have_text(re.compile('non-empty|too short'))
    expect(rich.locator('[aria-invalid=true]')).to_have_count(2)


def test_error_of_a_list_stands_at_the_list(rich: Locator) -> None:
    people = rich.get_by_role('group', name='People')
    for _ in range(2):
        people.get_by_role('button', name='Remove person 1').click()
    assert send(rich).status == 400
    expect(people.locator('> .field-error')).to_have_text(re.compile('non-empty|too short'))
    expect(people.get_by_role('button', name='Add person')).to_be_focused()
    people.get_by_role('button', name='Add person').click()
    expect(people.locator('> .field-error')).to_be_hidden()


def test_error_goes_when_its_field_is_changed(rich: Locator) -> None:
    field = field_of(rich, 'Count')
    field.fill('12')
    send(rich)
    field.press('Backspace')
    field.press('5')
    expect(field).not_to_have_attribute('aria-invalid', 'true')
    expect(rich.locator('.field-error:not(:empty)')).to_have_count(0)
    assert sent(rich)['count'] == 15
    expect(rich.get_by_role('alert')).to_have_text('')


LOCAL = [
    ('Anything', '{', 'This is not JSON: '),
    ('Pixels', '1 two 3', 'Number 2 is not one that can be sent: two'),
    ('Pixels', '1 1e999', 'Number 2 is not one that can be sent: 1e999'),
    ('Pixels', '12345678901234567890', 'Number 1 is not one that can be sent: 12345678901234567890'),
    ('Count', '12345678901234567890', 'A browser cannot send this number exactly; use curl.'),
    ('Anything', '[12345678901234567890]', 'A browser cannot send this number exactly; use curl.'),
]


@pytest.mark.parametrize(('label', 'text', 'message'), LOCAL)
def test_what_cannot_be_sent_is_told_at_once(
    rich: Locator, models: str, label: str, text: str, message: str
) -> None:
    posted: list[str] = []
    rich.page.on('request', lambda request: posted.append(request.url) if request.method == 'POST' else None)
    field = field_of(rich, label)
    field.fill(text)
    rich.get_by_role('button', name='Send').click()

    expect(rich.get_by_role('alert')).to_have_text('Nothing was sent: see the marked fields.')
    expect(rich.locator('.field-error:not(:empty)')).to_contain_text([message])
    expect(rich.locator('.curl')).to_contain_text(f'Not ready to be sent: {message}')
    expect(rich.get_by_role('button', name='Copy')).to_be_disabled()
    expect(field).to_be_focused()
    assert posted == []


def test_empty_number_in_a_list_is_asked_for(console: Page) -> None:
    card = card_of(console, 'ListModel')
    card.get_by_role('button', name='Send').click()
    expect(card.locator('.field-error:not(:empty)')).to_have_text(['Fill this in, or remove it.'])
    expect(card.get_by_label('Entry 1', exact=True)).to_be_focused()


@pytest.mark.parametrize(
    ('status', 'body', 'shown'),
    [
        (503, json.dumps({'message': '<b>later</b>'}), '<b>later</b>'),
        (502, '<h1>Bad Gateway</h1>', 'The service answered with status 502. Try again later.'),
        (400, '{"message": "x", "errors": 5}', 'x'),
        (400, '{"message": "x", "errors": [{"pointer": "/no/such"}, {}]}', 'x'),
        (400, 'null', 'The service answered with status 400. Try again later.'),
    ],
)
def test_any_refusal_is_told_in_words(rich: Locator, status: int, body: str, shown: str) -> None:
    rich.page.route(
        '**/v1/RichModel',
        lambda route: route.fulfill(status=status, body=body, content_type='application/json'),
    )
    assert send(rich).status == status
    expect(rich.get_by_role('alert')).to_have_text(shown)
    expect(rich.locator('.panel.error')).to_be_focused()


def test_answer_that_is_no_json_is_shown_as_it_came(console: Page) -> None:
    card = card_of(console, 'EventModel')
    expect(card.get_by_label('Request', exact=True)).to_have_value('{}')
    assert send(card).status == 200
    expect(card.locator('.answer')).to_have_text('data: 1\n\ndata: 2\n\n')


def test_service_that_is_gone_is_told(rich: Locator) -> None:
    rich.page.route('**/v1/RichModel', lambda route: route.abort())
    rich.get_by_role('button', name='Send').click()
    expect(rich.get_by_role('alert')).to_have_text(
        'The service cannot be reached. Check the connection and try again.'
    )
    expect(rich.locator('.status')).to_contain_text('No answer')
    rich.page.unroute('**/v1/RichModel')
    assert sent(rich) == EXAMPLE
