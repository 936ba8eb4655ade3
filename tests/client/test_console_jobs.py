"""Calls from the console that become jobs."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.client.cards import card_of, curl_of, field_of, opened
from tests.service_process import running_service

BOX = 'As a job: it may take minutes'


@pytest.fixture(scope='module')
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp('jobs')
    settings = {'MODEL_SERVING_JOBS': str(folder / 'jobs.sqlite')}
    with running_service(folder / 'log', application='tests.client.served:app', **settings) as url:
        yield url


@pytest.fixture
def slow(page: Page, jobs: str) -> Locator:
    card = card_of(opened(page, jobs), 'SlowModel')
    card.get_by_label(BOX).check()
    return card


def test_answer_of_a_job_is_shown_when_it_has_ended(slow: Locator) -> None:
    field_of(slow, 'Seconds').fill('2')
    slow.get_by_role('button', name='Send').click()
    expect(slow.get_by_role('progressbar')).to_be_visible()
    expect(slow.get_by_role('status')).to_have_text(re.compile(r'^200 OK'))
    expect(slow.locator('.answer')).to_contain_text('"status": "succeeded"')
    expect(slow.locator('.answer')).to_contain_text('"slept": true')
    expect(slow.get_by_role('progressbar')).to_be_hidden()


def test_job_is_canceled(slow: Locator) -> None:
    field_of(slow, 'Seconds').fill('20')
    with slow.page.expect_response('**/jobs/*'):
        slow.get_by_role('button', name='Send').click()
    slow.get_by_role('button', name='Cancel').click()
    expect(slow.locator('.answer')).to_contain_text('"status": "canceled"')
    expect(slow.get_by_role('button', name='Send')).to_be_visible()


def test_what_is_wrong_is_told_at_once(slow: Locator) -> None:
    slow.page.route('**/v1/SlowModel', lambda route: route.continue_(post_data='{"seconds": "long"}'))
    slow.get_by_role('button', name='Send').click()
    expect(slow.get_by_role('status')).to_have_text(re.compile('^400'))


def test_failure_of_a_job_is_told_and_a_poll_that_fails_is_not(slow: Locator) -> None:
    error = {'message': 'The engine is cold'}
    job = {'status': 'failed', 'code': 400, 'error': error}
    answers = iter([{'status': 503, 'json': {'message': 'busy'}}, {'json': job}])
    slow.page.route('**/jobs/*', lambda route: route.fulfill(**next(answers)))
    slow.get_by_role('button', name='Send').click()
    expect(slow.get_by_role('alert')).to_have_text('The engine is cold')
    assert not list(answers)


def test_curl_line_makes_a_job(slow: Locator) -> None:
    line = curl_of(slow)
    assert "-H 'Prefer: respond-async'" in line
    said = subprocess.run(['sh', '-c', f'{line} -si'], capture_output=True, text=True, timeout=30).stdout
    assert said.startswith('HTTP/1.1 202')


def test_pad_of_the_digits_hears_of_the_answer(page: Page, jobs: str) -> None:
    card = card_of(opened(page, jobs), 'DigitsModel')
    card.get_by_label(BOX).check()
    card.get_by_role('button', name='Send').click()
    expect(card.locator('.answer')).to_contain_text('"status": "succeeded"')
    expect(card.locator('#label')).to_have_text(re.compile(r'\d'))


def test_no_box_where_no_jobs_are_taken(console: Page) -> None:
    expect(console.get_by_label(BOX)).to_have_count(0)
