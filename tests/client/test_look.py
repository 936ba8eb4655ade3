import pytest
from playwright.sync_api import Page, expect

PAGES = ['', 'client/xxx-model-ajax-client.html', 'client/digits.html']

CONTRASTS = """() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const background = (element) => {
        const colour = numbers(getComputedStyle(element).backgroundColor);
        return colour[3] === 0 && element.parentElement ? background(element.parentElement) : colour;
    };
    const luminance = (colour) => {
        const [red, green, blue] = colour.slice(0, 3).map((part) => part / 255)
            .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const hasText = (element) => element.checkVisibility()
        && [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    return [...document.body.querySelectorAll(':not(script, noscript)')].filter(hasText).map((element) => {
        const text = luminance(numbers(getComputedStyle(element).color));
        const behind = luminance(background(element));
        const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
        return [element.textContent.trim(), contrast];
    });
}"""
"""Every text that is seen, and its contrast as WCAG defines it."""


def fill_panels(page: Page) -> None:
    """Show what only an answer shows."""
    texts = {'result': 'A result', 'error': 'An error', 'name-error': 'Enter a name.', 'label': '7'}
    page.evaluate(
        """texts => Object.entries(texts).forEach(([id, text]) => {
            const element = document.getElementById(id);
            if (element) element.textContent = text;
        })""",
        texts,
    )


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('path', PAGES)
def test_every_text_has_enough_contrast(page: Page, service: str, path: str, scheme: str) -> None:
    page.emulate_media(color_scheme='dark' if scheme == 'dark' else 'light')
    page.goto(f'{service}/{path}')
    fill_panels(page)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) >= 4
    assert [(text, contrast) for text, contrast in contrasts if contrast < 4.5] == []


@pytest.mark.parametrize(
    ('scheme', 'background'), [('light', 'rgb(245, 245, 251)'), ('dark', 'rgb(18, 19, 24)')]
)
@pytest.mark.parametrize('path', PAGES)
def test_light_and_dark_follow_the_system(
    page: Page, service: str, path: str, scheme: str, background: str
) -> None:
    page.emulate_media(color_scheme='dark' if scheme == 'dark' else 'light')
    page.goto(f'{service}/{path}')
    expect(page.locator('body')).to_have_css('background-color', background)


@pytest.mark.parametrize('width', [320, 360])
@pytest.mark.parametrize('path', PAGES)
def test_nothing_is_wider_than_a_phone(phone: Page, service: str, path: str, width: int) -> None:
    phone.set_viewport_size({'width': width, 'height': 640})
    phone.goto(f'{service}/{path}')
    fill_panels(phone)
    assert phone.evaluate('document.documentElement.scrollWidth') == width


def test_a_long_word_is_broken_on_a_phone(phone: Page, service: str) -> None:
    phone.goto(f'{service}/client/xxx-model-ajax-client.html')
    phone.get_by_label('Name').fill('x' * 500)
    phone.get_by_role('button').tap()
    expect(phone.locator('#result')).to_contain_text('xxx')
    assert phone.locator('#form').evaluate('card => card.scrollWidth <= card.clientWidth')


@pytest.mark.parametrize(('motion', 'animation'), [('no-preference', 'progress'), ('reduce', 'pulse')])
def test_motion_is_reduced_on_demand(page: Page, service: str, motion: str, animation: str) -> None:
    page.emulate_media(reduced_motion='reduce' if motion == 'reduce' else 'no-preference')
    page.goto(f'{service}/client/xxx-model-ajax-client.html')
    page.route('**/v1/XXXModel', lambda route: None)
    page.get_by_label('Name').fill('Leo')
    page.get_by_role('button').click()
    expect(page.get_by_role('progressbar')).to_be_visible()
    style = page.get_by_role('progressbar').evaluate("bar => getComputedStyle(bar, '::before').animationName")
    assert style == animation
