import json
import re

import pytest
from playwright.sync_api import Locator, Page, expect


def operation(page: Page, name: str) -> Locator:
    return page.locator(f'[id="operations-models-{name}"]')


def open_docs(page: Page, service: str, name: str = 'XXXModel') -> Locator:
    page.goto(f'{service}/docs')
    opened = operation(page, name)
    opened.locator('.opblock-summary-control').click()
    expect(opened.get_by_role('button', name='Execute')).to_be_visible()
    return opened


@pytest.mark.parametrize(
    ('name', 'expected'),
    [('XXXModel', 'Hello, Leo!'), ('DigitsModel', '"label": 7'), ('IrisModel', 'setosa')],
)
def test_a_model_can_be_tried_out_with_its_example(
    page: Page, service: str, name: str, expected: str
) -> None:
    opened = open_docs(page, service, name)
    opened.get_by_role('button', name='Execute').click()
    answer = opened.locator('.live-responses-table')
    expect(answer.locator('.response-col_status').last).to_contain_text('200')
    expect(answer).to_contain_text(expected)


def test_what_is_wrong_is_shown(page: Page, service: str) -> None:
    opened = open_docs(page, service)
    opened.locator('textarea').fill(json.dumps({'name': 5}))
    opened.get_by_role('button', name='Execute').click()
    answer = opened.locator('.live-responses-table')
    expect(answer.locator('.response-col_status').last).to_contain_text('400')
    expect(answer).to_contain_text("5 is not of type 'string'")


def test_every_operation_and_schema_is_shown(page: Page, service: str) -> None:
    page.goto(f'{service}/docs')
    expect(page.get_by_role('heading', name='model-serving')).to_be_visible()
    for path in ('/v1/XXXModel', '/v1/DigitsModel', '/v1/IrisModel', '/_ah/warmup', '/openapi.json'):
        expect(page.locator(f'[data-path="{path}"]')).to_be_visible()
    expect(page.locator('.errors-wrapper, .json-schema-dialect')).to_have_count(0)
    expect(page.locator('#swagger-ui')).not_to_contain_text('Warning')


@pytest.mark.parametrize(('scheme', 'dark'), [('light', False), ('dark', True)])
def test_light_and_dark_follow_the_system(page: Page, service: str, scheme: str, dark: bool) -> None:
    page.emulate_media(color_scheme='dark' if dark else 'light')
    page.goto(f'{service}/docs')
    title = page.get_by_role('heading', name='model-serving')
    expect(title).to_be_visible()
    colour = title.evaluate('title => getComputedStyle(title).color')
    brightest = max(int(part) for part in re.findall(r'\d+', colour)[:3])
    assert brightest > 200 if dark else brightest < 100


def test_nothing_is_wider_than_a_phone(phone: Page, service: str) -> None:
    open_docs(phone, service)
    assert phone.evaluate('document.documentElement.scrollWidth') == 360
