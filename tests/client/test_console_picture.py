"""The picture in the README is of the console as it is."""

from PIL import Image
from playwright.sync_api import Browser

from tests.client.console_picture import PICTURE, take


def test_picture_of_the_readme_has_the_shape_of_the_card(browser: Browser, service: str) -> None:
    """Other fonts change it a little. Take it again where the card has changed."""
    taken = take(browser, f'{service}/')
    with Image.open(PICTURE) as kept:
        assert kept.width == taken.width
        assert abs(kept.height - taken.height) < 0.1 * taken.height


def test_picture_of_the_readme_is_small() -> None:
    assert PICTURE.stat().st_size < 250_000
