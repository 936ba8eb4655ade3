"""The console of a model with versions: a card for each, which calls its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.client.cards import opened
from tests.service_process import running_service


@pytest.fixture(scope='module')
def versions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log: Path = tmp_path_factory.mktemp('versions') / 'log'
    factory = 'tests.service.versions_service:create_app()'
    with running_service(log, application=factory, MODEL_SERVING_LABELS='SumModel:canary=2') as url:
        yield url


def test_each_version_has_a_card_that_calls_it(page: Page, versions: str) -> None:
    opened(page, f'{versions}/')
    expect(page.locator('nav.chips .chip')).to_have_text(['Sum, version 1', 'Sum, version 2', 'Hello'])
    for version, total in (('1', '"sum": 5'), ('2', '"sum": 6')):
        card = page.locator(f'section[data-model="SumModel@{version}"]')
        expect(card.locator('header code').first).to_have_text(f'POST /v1/SumModel/versions/{version}')
        expect(card.locator('.curl code')).to_contain_text(f'/v1/SumModel/versions/{version}')
        card.get_by_role('spinbutton').fill('4')
        card.get_by_role('button', name='Send').click()
        expect(card).to_contain_text(total)
    expect(page.locator('section[data-model="SumModel@1"] header')).to_contain_text('Also at /v1/SumModel')
    second = page.locator('section[data-model="SumModel@2"] header')
    expect(second).to_contain_text('Also at /v1/SumModel/labels/canary')
    page.get_by_role('link', name='Sum, version 2').click()
    expect(page.get_by_role('heading', name='Sum, version 2')).to_be_in_viewport()
