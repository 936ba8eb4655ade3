from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.client.cards import card_of, field_of, opened, sent
from tests.client.conftest import watched
from tests.client.served import EXAMPLE


@pytest.fixture
def rich(console: Page) -> Locator:
    return card_of(console, 'RichModel')


@pytest.fixture(scope='module')
def untouched(browser: Browser, models: str) -> Iterator[Locator]:
    """The same card, for tests that only look at it."""
    with watched(browser) as page:
        yield card_of(opened(page, models), 'RichModel')


def test_form_begins_with_the_example(rich: Locator) -> None:
    assert sent(rich) == EXAMPLE


CONTROLS = [
    ('Text', 'INPUT', {'type': 'text'}),
    ('Story', 'TEXTAREA', {}),
    ('Email', 'INPUT', {'type': 'email'}),
    ('Homepage', 'INPUT', {'type': 'url'}),
    ('Day', 'INPUT', {'type': 'date'}),
    ('Moment', 'INPUT', {'type': 'text'}),
    ('Share', 'INPUT', {'type': 'number', 'min': '0', 'max': '1', 'step': '0.01'}),
    ('Count', 'INPUT', {'type': 'number', 'min': '5', 'max': '100', 'step': '5'}),
    ('Size', 'SELECT', {}),
    ('Version', 'SELECT', {}),
    ('Agree', 'INPUT', {'type': 'checkbox'}),
    ('Fast', 'SELECT', {}),
    ('Tag 2', 'INPUT', {'type': 'text'}),
    ('East', 'INPUT', {'type': 'number'}),
    ('Pixels', 'TEXTAREA', {'class': 'numbers'}),
    ('Anything', 'TEXTAREA', {'class': 'json'}),
    ('Deepest', 'TEXTAREA', {'class': 'json'}),
]
"""A field, the element that it is, and its attributes."""


@pytest.mark.parametrize(('label', 'tag', 'attributes'), CONTROLS, ids=[label for label, _, _ in CONTROLS])
def test_each_kind_has_its_field(
    untouched: Locator, label: str, tag: str, attributes: dict[str, str]
) -> None:
    field = field_of(untouched, label)
    assert field.evaluate('element => element.tagName') == tag
    for name, value in attributes.items():
        expect(field).to_have_attribute(name, value)


FILLED: list[tuple[str, str, dict[str, Any]]] = [
    ('Text', '你好 🦁', {'text': '你好 🦁'}),
    ('Story', 'one\ntwo "three"', {'story': 'one\ntwo "three"'}),
    ('Day', '2027-02-01', {'day': '2027-02-01'}),
    ('Share', '0.125', {'share': 0.125}),
    ('Share', '1e-3', {'share': 0.001}),
    ('Count', '100', {'count': 100}),
    ('City', 'Rome', {'place': {**EXAMPLE['place'], 'city': 'Rome'}}),
    ('North', '7', {'place': {'city': 'Paris', 'position': {'x': 1, 'y': 7}}}),
    ('Pixels', '1,2;3\n4 ' + '0.5 ' * 12, {'pixels': [1, 2, 3, 4, *[0.5] * 12]}),
    ('Anything', '12', {'anything': 12}),
    ('Deepest', '{"too": "late"}', {'deep': {'deeper': {'deepest': {'too': 'late'}}}}),
    ('Nothing', 'some', {'nothing': 'some'}),
    ('Tag 1', 'blue', {'tags': ['blue', 'green']}),
]


@pytest.mark.parametrize(('label', 'text', 'changed'), FILLED, ids=[label for label, _, _ in FILLED])
def test_what_is_filled_in_is_sent(rich: Locator, label: str, text: str, changed: dict[str, Any]) -> None:
    field_of(rich, label).fill(text)
    assert sent(rich) == {**EXAMPLE, **changed}


@pytest.mark.parametrize(
    ('label', 'option', 'changed'),
    [
        ('Size', 'large', {'size': 'large'}),
        ('Size', '3', {'size': 3}),
        ('Size', 'null', {'size': None}),
        ('Fast', 'true', {'fast': True}),
        ('Fast', 'false', {'fast': False}),
    ],
)
def test_what_is_chosen_is_sent(rich: Locator, label: str, option: str, changed: dict[str, Any]) -> None:
    field_of(rich, label).select_option(option)
    assert sent(rich) == {**EXAMPLE, **changed}


def test_box_that_is_not_ticked_is_false(rich: Locator) -> None:
    field_of(rich, 'Agree').uncheck()
    assert sent(rich) == {**EXAMPLE, 'agree': False}


@pytest.mark.parametrize('label', ['Story', 'Email', 'Day', 'Count', 'Pixels', 'Anything'])
def test_optional_field_that_is_empty_is_not_sent(rich: Locator, label: str) -> None:
    field_of(rich, label).fill('')
    assert set(EXAMPLE) - set(sent(rich)) == {label.lower()}


def test_optional_object_whose_fields_are_empty_is_not_sent(rich: Locator) -> None:
    for label in ('East', 'North'):
        field_of(rich, label).fill('')
    assert sent(rich)['place'] == {'city': 'Paris'}
    field_of(rich, 'City').fill('')
    assert 'place' not in sent(rich)


def test_form_goes_back_to_the_example(rich: Locator) -> None:
    field_of(rich, 'Text').fill('changed')
    rich.get_by_role('button', name='Remove tag 1').click()
    rich.get_by_role('button', name='Reset').click()
    assert sent(rich) == EXAMPLE


def test_arrows_of_a_number_keep_its_step_and_bounds(rich: Locator) -> None:
    count = field_of(rich, 'Count')
    count.fill('95')
    for _ in range(3):
        count.press('ArrowUp')
    expect(count).to_have_value('100')


def test_characters_are_counted_as_json_schema_counts_them(rich: Locator) -> None:
    field_of(rich, 'Text').fill('🦁' * 10)
    expect(rich.locator('.count').first).to_have_text('10 / 10')
    expect(rich.locator('.count').first).not_to_have_class('count over')
    assert sent(rich)['text'] == '🦁' * 10
    field_of(rich, 'Text').fill('🦁' * 11)
    expect(rich.locator('.count').first).to_have_class('count over')


def test_image_is_laid_out_in_rows(untouched: Locator) -> None:
    expect(field_of(untouched, 'Pixels')).to_have_value(' 0  1  2  3\n 4  5  6  7\n 8  9 10 11\n12 13 14 15')


def test_hint_says_the_bounds(untouched: Locator) -> None:
    expect(field_of(untouched, 'Share')).to_have_accessible_description('0 to 1.')
    expect(field_of(untouched, 'Count')).to_have_accessible_description('3 to 100, a multiple of 5.')
    expect(field_of(untouched, 'Text')).to_have_accessible_description('At least 2 characters.')


def test_json_is_checked_while_it_is_typed(rich: Locator) -> None:
    editor = field_of(rich, 'Anything')
    editor.fill('{"a": ')
    expect(editor).to_have_attribute('aria-invalid', 'true')
    expect(editor).to_have_accessible_description('As JSON. This is not JSON: Unexpected end of JSON input')
    editor.fill('{"a": 1}')
    expect(editor).not_to_have_attribute('aria-invalid', 'true')
    assert sent(rich)['anything'] == {'a': 1}


# Rows


def test_rows_are_added_and_removed(rich: Locator) -> None:
    people = rich.get_by_role('group', name='People')
    rows = people.get_by_role('group')
    expect(rows).to_have_count(2)
    people.get_by_role('button', name='Add person').click()
    third = people.get_by_role('group', name='Person 3')
    expect(third.get_by_label('Name')).to_be_focused()
    third.get_by_label('Name').fill('Cid')
    third.get_by_label('Age').fill('5')
    assert sent(rich)['people'] == [*EXAMPLE['people'], {'name': 'Cid', 'age': 5}]

    people.get_by_role('button', name='Remove person 1').click()
    expect(rows).to_have_count(2)
    expect(people.get_by_role('button', name='Remove person 1')).to_be_focused()
    assert sent(rich)['people'] == [{'name': 'Bob'}, {'name': 'Cid', 'age': 5}]


def test_list_takes_no_more_rows_than_it_may_have(rich: Locator) -> None:
    tags = rich.get_by_role('group', name='Tags')
    tags.get_by_role('button', name='Add tag').click()
    expect(tags.get_by_role('button', name='Add tag')).to_be_disabled()
    field_of(tags, 'Tag 3').fill('blue')
    assert sent(rich)['tags'] == ['red', 'green', 'blue']
    for _ in range(3):
        tags.get_by_role('button', name='Remove tag 1').click()
    expect(tags.get_by_role('button', name='Add tag')).to_be_focused()
    assert 'tags' not in sent(rich)


def test_list_at_the_top_begins_with_the_rows_it_needs(console: Page) -> None:
    card = card_of(console, 'ListModel')
    expect(card.get_by_role('heading', level=2)).to_have_text('ListModel')
    card.get_by_label('Entry 1', exact=True).fill('7')
    card.get_by_role('button', name='Add entry').click()
    card.get_by_label('Entry 2', exact=True).fill('8')
    assert sent(card) == [7, 8]


def test_default_is_filled_in_where_there_is_no_example(console: Page) -> None:
    expect(field_of(card_of(console, 'SlowModel'), 'Seconds')).to_have_value('0.5')
