"""The JavaScript of docs/guides, in a real Chromium."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, Response

from tests.guides.guide import Followed, followed, text_of
from tests.service_process import running_service

PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4v5QBAARLAaU/Dnq2AAAAAElFTkSuQmCC'


@pytest.fixture(scope='module')
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with followed('streaming.md', tmp_path_factory.mktemp('story')) as result:
        yield result


def run(page: Page, url: str, script: str) -> object:
    """What the script returns, in a page of the service."""
    page.goto(f'{url}/client/xxx-model-ajax-client.html')
    return page.evaluate(f'async () => {{ {script} }}')


def test_fetch_of_calling_gets_an_answer_and_the_words_of_a_refusal(page: Page, service: str) -> None:
    code = text_of('calling.md', 'js').replace('http://127.0.0.1:9999', service)
    assert run(page, service, f'{code}; return predictions[0].label;') == 'setosa'
    wrong = "return await call('IrisModel', {instances: []}).catch((error) => error.message);"
    assert run(page, service, f'{code}; {wrong}') == '400: [] should be non-empty'


def script_of_calling(service: str) -> str:
    """The function of the page alone, for this service."""
    code = text_of('calling.md', 'js').replace('http://127.0.0.1:9999', service)
    return code.partition('\nconst flower')[0]


@pytest.fixture
def statuses(page: Page) -> list[int]:
    """The statuses of the calls that the page makes."""
    seen: list[int] = []

    def see(response: Response) -> None:
        if response.request.method == 'POST':
            seen.append(response.status)

    page.on('response', see)
    return seen


@pytest.fixture
def full(tmp_path: Path) -> Iterator[str]:
    """A service whose models each answer one call at a time, while one other waits."""
    settings = {'THREADS': '1', 'MODEL_SERVING_MAX_WAITING': '1'}
    with running_service(tmp_path / 'log', application='tests.client.served:app', **settings) as url:
        yield url


FIVE_CALLS = """
const answers = await Promise.allSettled([0.3, 0.3, 0.3, 0.3, 0.3].map(
  (seconds) => call('SlowModel', {seconds}, undefined, 20000, RETRIES)));
return answers.map(({value, reason}) => value?.slept ?? reason.message);
"""


def test_fetch_tries_again_where_the_service_is_full(page: Page, full: str, statuses: list[int]) -> None:
    page.goto(f'{full}/v1/SlowModel')
    script = script_of_calling(full) + FIVE_CALLS.replace('RETRIES', '10')
    assert page.evaluate(f'async () => {{ {script} }}') == [True] * 5
    assert statuses.count(200) == 5
    assert statuses.count(503) >= 2


def test_fetch_stops_trying_after_the_given_number(page: Page, full: str, statuses: list[int]) -> None:
    page.goto(f'{full}/v1/SlowModel')
    script = script_of_calling(full) + FIVE_CALLS.replace('RETRIES', '0')
    answers = page.evaluate(f'async () => {{ {script} }}')
    assert (answers.count(True), len(statuses)) == (statuses.count(200), 5)
    refused = [answer for answer in answers if answer is not True]
    assert refused
    assert all(answer.startswith('503: ') for answer in refused)


@pytest.mark.parametrize(
    ('limit', 'outcome', 'seen'),
    [
        ('1/s', 'Hello, Leo!', [200, 429, 200]),
        ('1/d', '429: XXXModel takes 1/d', [200, 429]),
    ],
    ids=['short', 'beyond_the_timeout'],
)
def test_fetch_waits_for_the_limit_of_its_key(
    page: Page, tmp_path: Path, statuses: list[int], limit: str, outcome: str, seen: list[int]
) -> None:
    keys = tmp_path / 'keys.conf'
    keys.write_text(f'anonymous - XXXModel {limit}\n')
    settings = {'MODEL_SERVING_KEYS': str(keys), 'MODEL_SERVING_MODELS': 'XXXModel'}
    with running_service(tmp_path / 'log', **settings) as url:
        page.goto(f'{url}/client/xxx-model-ajax-client.html')
        script = script_of_calling(url) + (
            "await call('XXXModel', {name: 'Leo'});"
            "return await call('XXXModel', {name: 'Leo'}).then(({result}) => result, (no) => no.message);"
        )
        assert str(page.evaluate(f'async () => {{ {script} }}')).startswith(outcome)
    assert statuses == seen


def test_fetch_does_not_repeat_another_refusal(page: Page, service: str, statuses: list[int]) -> None:
    page.goto(f'{service}/client/xxx-model-ajax-client.html')
    script = (
        script_of_calling(service)
        + "return await call('IrisModel', {instances: []}).catch((no) => no.message);"
    )
    assert page.evaluate(f'async () => {{ {script} }}') == '400: [] should be non-empty'
    assert statuses == [400]


def test_fetch_reads_a_stream_event_by_event(page: Page, story: Followed) -> None:
    heard = run(
        page,
        story.url,
        text_of('streaming.md', 'js')
        + "const heard = []; await listen('/v1/StoryModel', {start: 'sang', most: 3}, "
        '(name, data) => heard.push([name, data.word])); return heard;',
    )
    assert [name for name, _ in heard] == ['message', 'message', 'message', 'done']
    assert [word for _, word in heard][:2] == ['to', 'the']


@pytest.mark.parametrize(
    ('answer', 'outcome'),
    [
        ('event: message\ndata: {"word":"a"}\n\n', 'a; The stream broke off'),
        ('event: message\ndata: {"word":"a"}\n\nevent: error\ndata: {"message":"no"}\n\n', 'a,no; ended'),
        ('event: message\ndata: {"word":"x\\ny"}\n\nevent: done\ndata: {}\n\n', 'x\ny,; ended'),
    ],
)
def test_fetch_knows_how_a_stream_ends(page: Page, service: str, answer: str, outcome: str) -> None:
    page.route('**/v1/StoryModel', lambda route: route.fulfill(body=answer, content_type='text/event-stream'))
    script = (
        text_of('streaming.md', 'js')
        + "const heard = []; const hear = (name, data) => heard.push(data.word ?? data.message ?? '');"
        + "const end = await listen('/v1/StoryModel', {}, hear).then(() => 'ended', (no) => no.message);"
        + "return heard.join() + '; ' + end;"
    )
    assert run(page, service, script) == outcome


def test_fetch_of_a_stream_throws_the_words_of_a_refusal(page: Page, story: Followed) -> None:
    script = (
        "return await listen('/v1/StoryModel', {start: 'zebra'}, () => 0).catch((error) => error.message);"
    )
    told = run(page, story.url, text_of('streaming.md', 'js') + script)
    assert str(told).startswith("No story begins with 'zebra'; try and, bird,")


@pytest.fixture(scope='module')
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Followed]:
    with followed('image-upload.md', tmp_path_factory.mktemp('colours')) as result:
        yield result


def test_chosen_file_is_sent_as_a_form(page: Page, colours: Followed, tmp_path: Path) -> None:
    (tmp_path / 'pixel.png').write_bytes(base64.b64decode(PIXEL))
    (tmp_path / 'text.txt').write_text('hello')
    page.goto(f'{colours.url}/client/xxx-model-ajax-client.html')
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input type=file id=chosen>')")
    code = text_of('image-upload.md', 'js').replace('http://127.0.0.1:9999', colours.url)
    script = f'async () => {{ {code} return message ?? colour; }}'
    page.locator('#chosen').set_input_files(tmp_path / 'pixel.png')
    assert page.evaluate(script) == '#ffa500'
    page.locator('#chosen').set_input_files(tmp_path / 'text.txt')
    assert page.evaluate(script) == "Send 'image' as image/* (the request has text/plain)"
