import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import pytest
from playwright.sync_api import Page, Request, Route, expect

from data.make_digits_model import count, render

Stroke = Sequence[tuple[float, float]]

PAGE = Path(__file__).resolve().parents[2] / 'client' / 'digits.html'


def oval(width: float, height: float, degrees: float = 360) -> Stroke:
    """Points on an oval in the middle, counterclockwise from the top."""
    angles = [math.radians(-90 - degrees * step / 24) for step in range(25)]
    return [(0.5 + width / 2 * math.cos(angle), 0.5 + height / 2 * math.sin(angle)) for angle in angles]


PLAIN_SEVEN: list[Stroke] = [[(0.25, 0.15), (0.75, 0.15), (0.45, 0.85)]]
PLAIN_ONE: list[Stroke] = [[(0.5, 0.1), (0.5, 0.9)]]

SHAPES: list[tuple[int, str, list[Stroke]]] = [
    (0, 'round', [oval(0.7, 0.7)]),
    (0, 'oval', [oval(0.45, 0.75)]),
    (0, 'not quite closed', [oval(0.5, 0.75, degrees=330)]),
    (0, 'slashed', [oval(0.5, 0.75), [(0.68, 0.2), (0.32, 0.8)]]),
    (0, 'narrow', [oval(0.25, 0.75)]),
    (1, 'a bar', PLAIN_ONE),
    (1, 'with a flag', [[(0.35, 0.3), (0.5, 0.1), (0.5, 0.9)]]),
    (1, 'slanted', [[(0.58, 0.1), (0.43, 0.9)]]),
    (1, 'with a foot', [[(0.35, 0.25), (0.5, 0.1), (0.5, 0.9)], [(0.3, 0.9), (0.7, 0.9)]]),
    (7, 'plain', PLAIN_SEVEN),
    (7, 'narrow', [[(0.38, 0.15), (0.62, 0.15), (0.5, 0.85)]]),
    (7, 'crossed', [*PLAIN_SEVEN, [(0.4, 0.5), (0.72, 0.5)]]),
    (7, 'bent', [[(0.2, 0.2), (0.5, 0.17), (0.78, 0.2), (0.66, 0.36), (0.56, 0.55), (0.48, 0.9)]]),
    (7, 'small, in a corner', [[(0.05, 0.06), (0.25, 0.06), (0.14, 0.32)]]),
]
"""A digit, how it is drawn, and its strokes on a pad of 1 x 1."""


@pytest.fixture
def digits(page: Page, service: str) -> Page:
    page.goto(f'{service}/client/digits.html')
    return page


def on_pad(page: Page, stroke: Stroke) -> list[tuple[float, float]]:
    """The points of a stroke on the screen."""
    box = page.locator('#pad').bounding_box()
    assert box
    return [(box['x'] + x * box['width'], box['y'] + y * box['height']) for x, y in stroke]


def draw(page: Page, strokes: Sequence[Stroke]) -> None:
    """Draw with the mouse."""
    for stroke in strokes:
        start, *rest = on_pad(page, stroke)
        page.mouse.move(*start)
        page.mouse.down()
        for point in rest:
            page.mouse.move(*point, steps=2)
        page.mouse.up()


def draw_with_a_finger(page: Page, strokes: Sequence[Stroke]) -> None:
    finger = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        finger.send(
            'Input.dispatchTouchEvent', {'type': kind, 'touchPoints': [{'x': x, 'y': y} for x, y in points]}
        )

    for stroke in strokes:
        start, *rest = on_pad(page, stroke)
        touch('touchStart', start)
        for point in rest:
            touch('touchMove', point)
        touch('touchEnd')


def shown_cells(page: Page) -> list[int]:
    inks = page.locator('#cells span').evaluate_all(
        'cells => cells.map(cell => cell.style.getPropertyValue("--ink"))'
    )
    return [round(16 * float(ink)) for ink in inks]


@pytest.mark.parametrize(
    ('digit', 'way', 'strokes'), SHAPES, ids=[f'{digit} {way}' for digit, way, _ in SHAPES]
)
def test_a_drawn_digit_is_recognised(digits: Page, digit: int, way: str, strokes: list[Stroke]) -> None:
    draw(digits, strokes)
    expect(digits.locator('#label')).to_have_text(str(digit))


@pytest.mark.parametrize(('digit', 'strokes'), [(0, [oval(0.5, 0.75)]), (7, PLAIN_SEVEN)])
def test_a_digit_drawn_with_a_finger_is_recognised(
    phone: Page, service: str, digit: int, strokes: list[Stroke]
) -> None:
    phone.goto(f'{service}/client/digits.html')
    draw_with_a_finger(phone, strokes)
    expect(phone.locator('#label')).to_have_text(str(digit))
    assert phone.evaluate('scrollY') == 0


def test_probabilities_are_shown_as_bars_and_as_text(digits: Page) -> None:
    with digits.expect_response('**/v1/DigitsModel') as response:
        draw(digits, PLAIN_SEVEN)
    probabilities = response.value.json()['predictions'][0]['probabilities']
    texts = [f'{100 * probability:.1f}\u00a0%' for probability in probabilities]
    rows = digits.get_by_role('row')
    expect(rows).to_have_count(10)
    for digit, text in enumerate(texts):
        expect(rows.nth(digit).get_by_role('rowheader')).to_have_text(str(digit))
        expect(rows.nth(digit).get_by_role('cell').last).to_have_text(text)
    expect(digits.get_by_role('status')).to_have_text(f'7 Probability {texts[7]}')
    widths = digits.locator('.track > div').evaluate_all(
        'bars => bars.map(bar => parseFloat(bar.style.width))'
    )
    assert widths == pytest.approx([100 * probability for probability in probabilities], abs=0.01)


def test_the_cells_shown_are_the_cells_sent(digits: Page) -> None:
    with digits.expect_request('**/v1/DigitsModel') as request:
        draw(digits, PLAIN_SEVEN)
    assert request.value.post_data_json == {'instances': [shown_cells(digits)]}


@pytest.mark.parametrize('bar', [[(0.5, 0.1), (0.5, 0.9)], [(0.1, 0.1), (0.1, 0.5)]])
def test_a_bar_fills_the_middle_of_the_cells_wherever_it_is_drawn(digits: Page, bar: Stroke) -> None:
    draw(digits, [bar])
    rows = [shown_cells(digits)[row * 8 : row * 8 + 8] for row in range(8)]
    assert rows[1:7] == [[0, 0, 0, 8, 8, 0, 0, 0]] * 6


@pytest.mark.parametrize(
    ('digit', 'way', 'strokes'), SHAPES, ids=[f'{digit} {way}' for digit, way, _ in SHAPES]
)
def test_the_page_counts_ink_as_the_training_does(
    digits: Page, digit: int, way: str, strokes: list[Stroke]
) -> None:
    on_300 = [[(300 * x, 300 * y) for x, y in stroke] for stroke in strokes]
    cells = digits.evaluate('strokes => countInk(strokes)', on_300)
    trained = count(render([numpy.asarray(stroke) for stroke in on_300], pen=digits.evaluate('PEN')))
    assert numpy.abs(trained - cells).max() <= 1


def test_a_dot_is_drawn_and_read(digits: Page) -> None:
    with digits.expect_response('**/v1/DigitsModel') as response:
        digits.locator('#pad').click()
    assert response.value.status == 200
    assert sum(shown_cells(digits)) == 12


def test_other_buttons_of_the_mouse_draw_nothing(digits: Page) -> None:
    digits.locator('#pad').click(button='right')
    assert sum(shown_cells(digits)) == 0


def test_a_second_pointer_does_not_disturb_the_first(phone: Page, service: str) -> None:
    phone.goto(f'{service}/client/digits.html')
    [first, second, third] = on_pad(phone, PLAIN_SEVEN[0])
    palm = {'x': first[0], 'y': third[1], 'id': 2}
    touches = phone.context.new_cdp_session(phone)
    for kind, (x, y), more in [
        ('touchStart', first, []),
        ('touchStart', first, [palm]),
        ('touchMove', second, [palm]),
        ('touchMove', third, [palm]),
    ]:
        points = [{'x': x, 'y': y, 'id': 1}, *more]
        touches.send('Input.dispatchTouchEvent', {'type': kind, 'touchPoints': points})
    touches.send('Input.dispatchTouchEvent', {'type': 'touchEnd', 'touchPoints': []})
    expect(phone.locator('#label')).to_have_text('7')
    expect(phone.locator('#pad polyline')).to_have_count(1)


def test_clear_empties_everything_by_keyboard(digits: Page) -> None:
    draw(digits, PLAIN_SEVEN)
    expect(digits.locator('#label')).to_have_text('7')
    digits.get_by_role('link', name='All models').focus()
    digits.keyboard.press('Tab')
    clear = digits.get_by_role('button', name='Clear')
    expect(clear).to_be_focused()
    assert clear.evaluate('element => getComputedStyle(element).outlineStyle') == 'solid'
    digits.keyboard.press('Enter')
    expect(digits.get_by_role('status')).to_have_text('Nothing is drawn yet.')
    expect(digits.locator('#pad polyline')).to_have_count(0)
    expect(digits.get_by_role('row').nth(7)).to_have_text('7-')
    assert shown_cells(digits) == [0] * 64

    draw(digits, PLAIN_ONE)
    expect(digits.locator('#label')).to_have_text('1')


def test_strokes_in_quick_succession_are_asked_about_once(page: Page, service: str) -> None:
    page.clock.install()
    page.goto(f'{service}/client/digits.html')
    page.clock.pause_at('2100-01-01')
    sent: list[Request] = []
    page.on('request', lambda request: sent.append(request) if '/v1/' in request.url else None)
    draw(page, [*PLAIN_SEVEN, [(0.4, 0.5), (0.72, 0.5)]])
    page.clock.run_for(1_000)
    expect(page.locator('#label')).to_have_text('7')
    assert len(sent) == 1


def test_a_late_answer_about_an_older_drawing_is_dropped(digits: Page) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    digits.route('**/v1/DigitsModel', hold)
    with digits.expect_request('**/v1/DigitsModel'):
        draw(digits, PLAIN_ONE)
    expect(digits.get_by_role('progressbar')).to_be_visible()
    digits.get_by_role('button', name='Clear').click()
    expect(digits.get_by_role('progressbar')).to_be_hidden()
    with digits.expect_request('**/v1/DigitsModel'):
        draw(digits, PLAIN_SEVEN)
    expect(digits.get_by_role('progressbar')).to_be_visible()
    waiting[1].continue_()
    waiting[0].fulfill(json={'predictions': [{'label': 1, 'probabilities': [0.1] * 10}]})
    expect(digits.locator('#label')).to_have_text('7')
    digits.wait_for_timeout(200)
    expect(digits.locator('#label')).to_have_text('7')
    expect(digits.get_by_role('progressbar')).to_be_hidden()


def test_the_message_of_the_service_is_shown_and_the_next_stroke_tries_again(digits: Page) -> None:
    message = '<b>The model is not ready</b>'
    digits.route('**/v1/DigitsModel', lambda route: route.fulfill(status=503, json={'message': message}))
    draw(digits, PLAIN_SEVEN)
    expect(digits.get_by_role('alert')).to_have_text(message)
    digits.unroute('**/v1/DigitsModel')
    draw(digits, [[(0.4, 0.5), (0.72, 0.5)]])
    expect(digits.locator('#label')).to_have_text('7')
    expect(digits.locator('#error')).to_be_hidden()


def test_a_copy_on_another_web_site_calls_the_service_across_origins(
    page: Page, service: str, web_site: Callable[[Path], Any], tmp_path: Path
) -> None:
    copy = PAGE.read_text('utf-8').replace('<base href="../">', f'<base href="{service}/">')
    (tmp_path / 'digits.html').write_text(copy, 'utf-8')
    page.goto(f'{web_site(tmp_path).origin}/digits.html')
    draw(page, PLAIN_SEVEN)
    expect(page.locator('#label')).to_have_text('7')
