import json
import urllib.request

import pytest
from playwright.sync_api import Page, expect


def test_every_mounted_model_is_listed_with_its_curl_line(page: Page, service: str) -> None:
    page.goto(service)
    with urllib.request.urlopen(service) as response:
        models = json.load(response)['models']
    assert models
    cards = page.locator('section')
    expect(cards).to_have_count(len(models))
    for card, model in zip(cards.all(), models, strict=True):
        expect(card.get_by_role('heading')).to_have_text(model['schema']['title'])
        expect(card).to_contain_text(model['schema']['description'])
        expect(card).to_contain_text(f'POST {model["url"]}')
        expect(card.locator('pre')).to_contain_text(f'curl {service}{model["url"]} ')


@pytest.mark.parametrize(('model', 'heading'), [('XXXModel', 'Hello'), ('DigitsModel', 'Handwritten digits')])
def test_a_model_can_be_tried_and_left_again(page: Page, service: str, model: str, heading: str) -> None:
    page.goto(service)
    page.get_by_role('link', name=f'Try it in the browser: {model}').click()
    expect(page.get_by_role('heading', level=1)).to_have_text(heading)
    page.get_by_role('link', name='All models').click()
    expect(page.get_by_role('heading', level=1)).to_have_text('model-serving')
    assert page.url == f'{service}/'
