import json
import urllib.request

import pytest
from playwright.sync_api import Browser, Page, expect


def test_every_mounted_model_is_listed_with_its_curl_line(page: Page, service: str) -> None:
    page.goto(service)
    with urllib.request.urlopen(service) as response:
        models = json.load(response)['models']
    assert models
    cards = page.locator('main > section')
    expect(cards).to_have_count(len(models))
    for card, model in zip(cards.all(), models, strict=True):
        expect(card.get_by_role('heading', level=2)).to_have_text(model['schema']['title'])
        expect(card).to_contain_text(model['description'])
        expect(card).to_contain_text(model['schema']['description'])
        expect(card).to_contain_text(f'POST {model["url"]}')
        expect(card.locator('.curl')).to_contain_text(f'curl {service}{model["url"]} ')
        expect(card.get_by_role('button', name='Send')).to_be_visible()


def test_models_are_listed_without_javascript(browser: Browser, service: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(service)
    expect(page.locator('main > section')).to_have_count(3)
    expect(page.locator('.curl').first).to_contain_text(f'curl {service}/v1/XXXModel')
    expect(page.locator('noscript')).to_be_visible()
    context.close()


@pytest.mark.parametrize(('model', 'heading'), [('XXXModel', 'Hello'), ('DigitsModel', 'Handwritten digits')])
def test_a_model_can_be_tried_and_left_again(page: Page, service: str, model: str, heading: str) -> None:
    page.goto(service)
    page.get_by_role('link', name=f'Its own page: {model}').click()
    expect(page.get_by_role('heading', level=1)).to_have_text(heading)
    page.get_by_role('link', name='All models').click()
    expect(page.get_by_role('heading', level=1)).to_contain_text('model-serving')
    assert page.url == f'{service}/'


def test_configuration_for_assistants_is_that_of_the_tools(page: Page, service: str) -> None:
    page.goto(service)
    shown = page.get_by_role('region', name='Configuration for MCP').inner_text()
    server = {'type': 'http', 'url': f'{service}/mcp'}
    assert json.loads(shown) == {'mcpServers': {'models': server}}


def test_no_configuration_is_shown_to_whom_it_does_not_serve(service: str) -> None:
    asked = urllib.request.Request(service, headers={'Accept': 'text/html', 'X-Forwarded-For': '10.0.0.1'})
    with urllib.request.urlopen(asked) as response:
        assert b'mcpServers' not in response.read()
