"""What a person does with a card of the console."""

from typing import Any

from playwright.sync_api import Locator, Page, Response, Route, expect


def opened(page: Page, url: str) -> Page:
    """The console at `url`, once its forms are made."""
    page.goto(url)
    expect(page.locator('form').last).to_be_visible()
    return page


def card_of(page: Page, model: str) -> Locator:
    return page.locator(f'section[data-model={model}]')


def field_of(card: Locator, label: str) -> Locator:
    """The field with this label, optional or not."""
    exact = card.get_by_label(label, exact=True)
    return exact.or_(card.get_by_label(f'{label} (optional)', exact=True))


def send(card: Locator) -> Response:
    """Press Send. Returns the answer, once it is shown."""
    page = card.page
    with page.expect_response('**/v1/**') as response:
        card.get_by_role('button', name='Send').click()
    expect(card.locator('.status')).to_contain_text(str(response.value.status))
    return response.value


def sent(card: Locator) -> Any:
    """Press Send. Returns what the model got."""
    answer = send(card)
    assert answer.status == 200, answer.text()
    return answer.json()['received']


def curl_of(card: Locator) -> str:
    return card.locator('.curl code').inner_text()


def hold(page: Page, pattern: str) -> list[Route]:
    """Keep requests waiting; they are appended to the list."""
    waiting: list[Route] = []

    def keep(route: Route) -> None:
        waiting.append(route)

    page.route(pattern, keep)
    return waiting
