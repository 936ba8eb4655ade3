"""Makes docs/console.png: the card of DigitsModel in the console, of a service that runs.

Usage, after bin/start.sh:
  .venv-test/bin/python -m tests.client.console_picture [<url>]
"""

import io
import math
import shutil
import sys

from PIL import Image
from playwright.sync_api import Browser, FloatRect, Page, expect, sync_playwright

from tests.client.cards import card_of, opened
from tests.client.conftest import CHROMIUM_OPTIONS
from tests.client.test_digits import Stroke, draw
from tests.service_process import ROOT

PICTURE = ROOT / 'docs' / 'console.png'
SCALE = 2
"""Pixels of the picture for each of the page's, so that it is sharp on every screen."""


def arc(x: float, y: float, width: float, height: float, begin: float, end: float) -> Stroke:
    """Points on an oval around (x, y), clockwise from one angle to another, in degrees."""
    angles = [math.radians(begin + (end - begin) * step / 40) for step in range(41)]
    return [(x + width / 2 * math.cos(angle), y + height / 2 * math.sin(angle)) for angle in angles]


THREE: Stroke = [*arc(0.48, 0.31, 0.40, 0.36, -155, 80), *arc(0.49, 0.68, 0.48, 0.40, -80, 150)]


def take(browser: Browser, url: str) -> Image.Image:
    """The card with a digit that was drawn and read: what is above its form, and the rest beside it."""
    context = browser.new_context(
        viewport={'width': 544, 'height': 900},
        device_scale_factor=SCALE,
        color_scheme='light',
        reduced_motion='reduce',
    )
    page = opened(context.new_page(), url)
    read_three(page)
    halves = [page.screenshot(clip=clip, full_page=True) for clip in halves_of(page)]
    context.close()
    return side_by_side([Image.open(io.BytesIO(half)) for half in halves])


def read_three(page: Page) -> None:
    card = card_of(page, 'DigitsModel')
    for _ in range(3):  # The first answers also open connections and fill caches.
        card.get_by_role('button', name='Clear').click()
        draw(page, [THREE])
        expect(page.locator('#label')).to_have_text('3')
        expect(card.locator('.status')).to_contain_text('200 OK')


def halves_of(page: Page) -> list[FloatRect]:
    card = card_of(page, 'DigitsModel')
    whole, form = card.bounding_box(), card.locator('form').bounding_box()
    assert whole
    assert form
    upper = form['y'] - whole['y']
    place = {**whole, 'y': page.evaluate('scrollY') + whole['y'], 'height': upper}
    rest = {**place, 'y': place['y'] + upper, 'height': whole['height'] - upper}
    return [FloatRect(**place), FloatRect(**rest)]


def side_by_side(images: list[Image.Image]) -> Image.Image:
    size = sum(image.width for image in images), max(image.height for image in images)
    sheet = Image.new('RGB', size, 'white')
    left = 0
    for image in images:
        sheet.paste(image, (left, 0))
        left += image.width
    return sheet.quantize(128)


def main() -> None:
    """Take the picture."""
    url = sys.argv[1] if len(sys.argv) > 1 else 'http://127.0.0.1:9999'
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which('chromium'), args=CHROMIUM_OPTIONS)
        take(browser, f'{url}/').save(PICTURE, optimize=True)
    print(f'{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size} bytes')


if __name__ == '__main__':
    main()
