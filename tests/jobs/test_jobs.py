"""Calls that become jobs: what they answer, and that none is lost in silence."""

import base64
import contextlib
import json
import os
import signal
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from azure.core import PipelineClient
from azure.core.polling import LROPoller
from azure.core.polling.base_polling import LROBasePolling
from azure.core.rest import HttpRequest

from model_serving.service.mounts import Mount, assemble
from model_serving.settings import SettingError
from tests.access.key_files import BOSS, PROBE, SHOP, line, write
from tests.engine.clients import at_once, request_of, until
from tests.exposed_metrics import read_metrics
from tests.jobs import jobs_service
from tests.linux import linux_only
from tests.raw_http import Answer, send
from tests.service_process import WAYS, running_service

SERVICE = 'tests.jobs.jobs_service:app'
RESOURCES = 'model_serving.resources.'
PREFER = 'Prefer: respond-async'


class Service(NamedTuple):
    """A running service that takes jobs."""

    url: str
    folder: Path

    def call(self, body: Any, *headers: str, path: str = '/v1/Slow') -> Answer:
        return send(self.url, request_of('POST', path, *headers, body=json.dumps(body).encode()))

    def start(self, seconds: float, path: str = '/v1/Slow', **more: str) -> str:
        """The URL of a new job."""
        answer = self.call({'seconds': seconds, **more}, PREFER, path=path)
        assert answer.status == 202, answer
        return str(answer.json['url'])

    def ask(self, job: str, *headers: str, method: str = 'GET') -> Answer:
        return send(self.url, request_of(method, job, *headers))

    def status(self, job: str) -> Any:
        return self.ask(job).json['status']

    def ended(self, job: str) -> Any:
        """What is said of a job once it has ended."""
        return until(lambda: (answer := self.ask(job)).status == 200 and answer.json)

    def count(self, outcome: str, model: str = 'Slow') -> float:
        return read_metrics(self.url).sum('jobs_total', model=model, outcome=outcome)

    def log(self) -> str:
        return (self.folder / 'log').read_text()

    def workers(self) -> list[int]:
        master = self.log().split('Listening at: ')[1].split('(')[1].split(')')[0]
        return [int(pid) for pid in Path(f'/proc/{master}/task/{master}/children').read_text().split()]


@contextlib.contextmanager
def served(folder: Path, **environment: str) -> Iterator[Service]:
    settings = {'MODEL_SERVING_JOBS': str(folder / 'jobs.sqlite'), **environment}
    with running_service(folder / 'log', application=SERVICE, **settings) as url:
        yield Service(url, folder)


@pytest.fixture(scope='module', params=WAYS.values(), ids=WAYS)
def service(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with served(tmp_path_factory.mktemp('jobs'), WORKERS='2', **request.param) as running:
        yield running


def test_answer_of_a_job_is_fetched_later(service: Service) -> None:
    accepted = service.call({'seconds': 0.5}, PREFER, 'X-Request-ID: mine', path='/v1/Slow?kind=big')

    assert accepted.status == 202
    job = accepted.json['url']
    assert job == f'/v1/Slow/jobs/{accepted.json["id"]}'
    assert accepted.headers['location'] == f'http://service{job}'
    assert accepted.headers['preference-applied'] == 'respond-async'
    assert accepted.headers['retry-after'] == '1'
    meanwhile = service.ask(job)
    assert (meanwhile.status, meanwhile.headers['retry-after']) == (202, '1')
    assert meanwhile.json['status'] in ('queued', 'running')

    ended = service.ended(job)
    assert ended.keys() == {'id', 'url', 'model', 'status', 'created', 'ended', 'code', 'answer'}
    assert (ended['model'], ended['status'], ended['code']) == ('Slow', 'succeeded', 200)
    assert ended['created'] < ended['ended']
    assert (ended['answer']['id'], ended['answer']['kind']) == ('mine', 'big')
    until(lambda: '[mine] - [access] - POST /v1/Slow 200' in service.log())


def test_every_worker_knows_each_job(service: Service) -> None:
    job = service.start(0)
    service.ended(job)
    workers = set()

    def ask() -> bool:
        answer = service.ask(job)
        assert answer.status == 200
        workers.add(answer.headers['x-request-id'].partition('-')[0])
        return len(workers) == 2

    with at_once(4) as submit:  # So that one worker alone is too slow.
        until(lambda: any([each.result() for each in [submit(ask) for _ in range(4)]]), 30)


def test_body_is_validated_at_once(service: Service) -> None:
    before = service.count('accepted')
    answer = service.call({'seconds': -1}, PREFER)
    assert (answer.status, answer.json['errors'][0]['pointer']) == (400, '/seconds')
    assert service.call({}, PREFER).status == 400
    assert service.count('accepted') == before


@pytest.mark.parametrize(
    ('header', 'status'),
    [
        ('prefer: Respond-Async', 202),
        ('Prefer: return=minimal, respond-async; wait=10', 202),
        ('Prefer: respond-async,wait=10', 202),
        ('Prefer: respond-asynchronously', 200),
        ('Prefer: return="respond-async"', 200),
        ('Prefer: x-respond-async', 200),
        ('Prefer: foo="x, respond-async, y"', 200),
        ('Prefer: foo="x, y", respond-async', 202),
        ('Prefer:', 200),
    ],
)
def test_preference_may_be_written_in_many_ways(service: Service, header: str, status: int) -> None:
    assert service.call({'seconds': 0}, header).status == status


@pytest.mark.parametrize(
    ('then', 'status', 'code', 'value'),
    [
        ('crash', 'failed', 500, {'message': 'Internal Server Error'}),
        ('exit', 'failed', 500, {'message': 'Internal Server Error'}),
        ('refuse', 'failed', 400, {'message': 'Too slow; send less'}),
        ('image', 'succeeded', 200, {'media_type': 'image/png', 'base64': 'iVBORw=='}),
        ('stream', 'succeeded', 200, {'media_type': 'text/plain', 'base64': 'MAoxCjIK'}),
        ('null', 'succeeded', 200, None),
        ('text', 'succeeded', 200, {'media_type': 'text/plain', 'base64': 'eyJubyI6IEpTT04='}),
    ],
)
def test_end_of_a_job_is_told(service: Service, then: str, status: str, code: int, value: Any) -> None:
    ended = service.ended(service.start(0, then=then))
    assert (ended['status'], ended['code']) == (status, code)
    assert ended['error' if status == 'failed' else 'answer'] == value


def test_file_can_be_the_answer(service: Service) -> None:
    answer = service.ended(service.start(0, then='file'))['answer']
    assert answer['media_type'] == 'text/x-python'
    assert base64.b64decode(answer['base64']) == Path(jobs_service.__file__).read_bytes()


def test_stream_without_end_fails(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_MAX_BUFFERED_BYTES='10000000') as service:
        ended = service.ended(service.start(0, then='endless'))
        assert (ended['status'], ended['code']) == ('failed', 500)
        assert 'stream of over 10000000 bytes' in ended['error']['message']
        assert service.ended(service.start(0))['status'] == 'succeeded'


def test_coroutine_can_be_a_job(service: Service) -> None:
    assert service.ended(service.start(0.1, '/v1/Async'))['answer'] == {'slept': 0.1}


@pytest.mark.parametrize('path', ['/v1/Slow', '/v1/Async'])
def test_canceled_job_can_learn_of_it(service: Service, tmp_path: Path, path: str) -> None:
    learned = tmp_path / 'learned'
    job = service.start(30, path, until=str(learned))
    until(lambda: service.status(job) == 'running')
    answer = service.ask(job, method='DELETE')
    assert (answer.status, answer.json['status']) == (200, 'canceled')
    until(learned.exists)
    assert service.ended(job)['status'] == 'canceled'  # What it returned has changed nothing.


def test_canceled_job_that_waits_never_runs(service: Service, tmp_path: Path) -> None:
    first = [service.start(30) for _ in range(8)]  # Both workers are busy.
    learned = tmp_path / 'learned'
    last = service.start(0, until=str(learned))
    assert service.ask(last, method='DELETE').json['status'] == 'canceled'
    for job in first:
        service.ask(job, method='DELETE')
    service.ended(service.start(0))
    assert service.ended(last)['status'] == 'canceled'
    assert not learned.exists()


def test_ended_job_is_not_canceled(service: Service) -> None:
    job = service.start(0)
    service.ended(job)
    assert service.ask(job, method='DELETE').json['status'] == 'succeeded'


def test_unknown_job_is_404(service: Service) -> None:
    ended = service.start(0)
    for path in ('/v1/Slow/jobs/x', '/v1/Slow/jobs/%27%3B', ended.replace('Slow', 'Async')):
        answer = service.ask(path)
        assert (answer.status, answer.json['message'].partition(':')[0]) == (404, 'No such job')


def test_calls_go_on_beside_a_job(service: Service) -> None:
    jobs = [service.start(30) for _ in range(4)]
    begin = time.monotonic()
    for _ in range(10):
        assert service.call({'seconds': 0}).status == 200
    assert time.monotonic() - begin < 2
    for job in jobs:
        service.ask(job, method='DELETE')


def test_metrics_count_jobs(service: Service) -> None:
    def counts() -> list[float]:
        ways = ('accepted', 'Async'), ('succeeded', 'Async'), ('failed', 'Slow')
        return [service.count(outcome, model) for outcome, model in ways]

    before = counts()
    service.ended(service.start(0, '/v1/Async'))
    service.ended(service.start(0, then='refuse'))
    until(lambda: counts() == [number + 1 for number in before])


def test_poller_of_others_waits_for_a_job(service: Service) -> None:
    """That of Azure's SDKs, which knows 202 and Location from their guidelines alone."""
    client = PipelineClient(service.url)
    headers = {'Prefer': 'respond-async'}
    request = HttpRequest('POST', f'{service.url}/v1/Slow', json={'seconds': 1.5}, headers=headers)
    initial = client.send_request(request, _return_pipeline_response=True)
    polling: Any = LROBasePolling(0)
    poller = LROPoller(client, initial, lambda response: response.http_response.json(), polling)
    assert not poller.done()
    assert poller.result(10)['answer'].keys() == {'pid', 'id', 'kind'}
    assert poller.status() == 'Succeeded'


@linux_only
def test_jobs_of_a_killed_worker_have_failed(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        jobs = [service.start(30), service.start(0)]
        until(lambda: service.status(jobs[0]) == 'running')
        [worker] = service.workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: service.workers() not in ([], [worker]))
        for job in jobs:
            ended = service.ended(job)
            assert (ended['status'], ended['code']) == ('failed', 503)
            assert 'send the request again' in ended['error']['message']
        assert service.ended(service.start(0))['status'] == 'succeeded'
        assert service.count('failed') == 2


@linux_only
def test_child_of_a_killed_worker_does_not_keep_its_jobs_running(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        job = service.start(30, then='fork', until=str(tmp_path / 'child'))
        child = int(until(lambda: (tmp_path / 'child').exists() and (tmp_path / 'child').read_text()))
        try:
            os.kill(service.workers()[0], signal.SIGKILL)
            assert service.ended(job)['status'] == 'failed'
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)


def test_job_of_an_earlier_service_has_failed_or_is_kept(tmp_path: Path) -> None:
    with served(tmp_path, GUNICORN_CMD_ARGS='--graceful-timeout 4') as service:
        kept, lost = service.start(0), service.start(30)
        service.ended(kept)
        until(lambda: service.status(lost) == 'running')
    with served(tmp_path) as service:
        assert service.ended(kept)['status'] == 'succeeded'
        assert service.ended(lost)['status'] == 'failed'


@linux_only
def test_reload_waits_for_jobs(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        jobs = [service.start(2), service.start(0)]
        [old] = service.workers()
        os.kill(int(Path(f'/proc/{old}/stat').read_text().split()[3]), signal.SIGHUP)
        until(lambda: service.workers() not in ([], [old]) and old not in service.workers())
        assert [service.ended(job)['status'] for job in jobs] == ['succeeded', 'succeeded']


@pytest.mark.parametrize('path', ['/v1/Slow', '/v1/Async'])
def test_job_that_takes_too_long_fails_and_learns_of_it(tmp_path: Path, path: str) -> None:
    learned = tmp_path / 'learned'
    with served(tmp_path, MODEL_SERVING_JOBS_TIMEOUT_S='1') as service:
        late, behind = service.start(3, path, until=str(learned)), service.start(0.01, path)
        time.sleep(4)  # Whoever asks, and when, makes no difference.
        for job in (late, behind):
            ended = service.ended(job)
            assert (ended['status'], ended['code']) == ('failed', 504)
        assert learned.exists()
        assert service.ended(service.start(0, path))['status'] == 'succeeded'


def test_answer_is_kept_for_a_time(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_JOBS_KEEP_S='1') as service:
        job = service.start(0)
        service.ended(job)
        time.sleep(1.1)
        assert service.ask(job).status == 404


def test_too_many_jobs_are_refused_until_some_are_canceled(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_MAX_WAITING='2') as service:
        jobs = [service.start(30, until=str(tmp_path / 'learned'))]
        until(lambda: service.status(jobs[0]) == 'running')
        jobs += [service.start(30), service.start(30)]
        answer = service.call({'seconds': 0}, PREFER)
        assert (answer.status, answer.headers['retry-after']) == (503, '30')
        for job in jobs[1:]:
            service.ask(job, method='DELETE')
        until(lambda: service.call({'seconds': 0}, PREFER).status == 202)
        service.ask(jobs[0], method='DELETE')


def test_large_job_keeps_no_other_call_out(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_MAX_BUFFERED_BYTES='2000000') as service:
        data = [0.5] * 100_000
        answer = service.call({'seconds': 30, 'data': data, 'until': str(tmp_path / 'learned')}, PREFER)
        until(lambda: service.status(answer.json['url']) == 'running')
        begin = time.monotonic()
        assert service.call({'seconds': 0, 'data': data}).status == 200
        assert time.monotonic() - begin < 5
        service.ask(answer.json['url'], method='DELETE')


def test_answer_has_a_bound(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_MAX_BUFFERED_BYTES='1000000') as service:
        ended = service.ended(service.start(0, then='large'))
        assert (ended['status'], ended['code']) == ('failed', 500)
        assert 'ask for less' in ended['error']['message']


def test_canceled_coroutine_is_no_crash(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        job = service.start(30, '/v1/Async', until=str(tmp_path / 'learned'))
        until(lambda: service.status(job) == 'running')
        service.ask(job, method='DELETE')
        until((tmp_path / 'learned').exists)
        until(lambda: '/v1/Async 499' in service.log())
        assert 'ERROR' not in service.log()


def test_end_is_noted_later_where_it_cannot_be_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        job = service.start(1)
        with contextlib.closing(sqlite3.connect(tmp_path / 'jobs.sqlite')) as database:
            until(lambda: service.status(job) == 'running')
            database.execute('BEGIN IMMEDIATE')
            until(lambda: 'database is locked' in service.log())
        assert until(lambda: service.status(job) == 'succeeded', 30)


def test_deleted_files_are_made_anew(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        for path in tmp_path.glob('jobs.sqlite*'):
            path.unlink()
        job = service.start(0.5)
        assert service.status(job) in ('queued', 'running')
        assert service.ended(job)['status'] == 'succeeded'
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob('jobs.sqlite*')} == {0o600}


def test_resource_with_something_around_its_post_takes_no_jobs(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        assert service.call({'seconds': 0}, PREFER, path='/v1/Decorated').status == 200
        models = {
            model['name']: model for model in service.ask('/', 'Accept: application/json').json['models']
        }
        assert [name for name, model in models.items() if 'takes_jobs' in model] == ['Slow', 'Async']
        paths = service.ask('/openapi.json').json['paths']
        assert '/v1/Slow/jobs/{job_id}' in paths
        assert '/v1/Decorated/jobs/{job_id}' not in paths
        assert service.ask('/v1/Decorated/jobs/x').status == 404


def test_jobs_are_for_the_key_that_they_came_with(tmp_path: Path) -> None:
    lines = line('shop', SHOP, 'Slow', '2/m'), line('boss', BOSS), line('probe', PROBE, '-')
    keys = write(tmp_path / 'keys.conf', *lines)
    with served(tmp_path, MODEL_SERVING_KEYS=str(keys)) as service:
        own = f'Authorization: Bearer {SHOP}'
        job = service.call({'seconds': 0}, PREFER, own).json['url']
        until(lambda: service.ask(job, own).status == 200)
        assert service.ask(job).status == 401
        assert service.ask(job, f'Authorization: Bearer {PROBE}').status == 403
        assert service.ask(job, f'Authorization: Bearer {BOSS}').status == 404
        assert service.call({'seconds': 0}, PREFER, own).status == 202  # The job itself was not counted.
        assert service.call({'seconds': 0}, PREFER, own).status == 429
        assert service.ask(job, own, method='DELETE').status == 200
        files = [path for path in tmp_path.glob('jobs.sqlite*') if path.stat().st_size]
        assert SHOP.encode() not in b''.join(path.read_bytes() for path in files)
        assert {path.stat().st_mode & 0o777 for path in tmp_path.glob('jobs.sqlite*')} == {0o600}


def test_store_that_fails_is_said(tmp_path: Path) -> None:
    with served(tmp_path) as service:
        job = service.start(0)
        service.ended(job)
        with contextlib.closing(sqlite3.connect(tmp_path / 'jobs.sqlite')) as database:
            database.execute('DROP TABLE jobs')
        for answer in (service.call({'seconds': 0}, PREFER), service.ask(job)):
            assert answer.status == 503
            assert answer.json['message'].startswith('Jobs cannot be kept now')
        assert service.call({'seconds': 0}).status == 200
        assert 'jobs.sqlite: no such table: jobs' in service.log()


def test_without_the_setting_a_call_is_answered_at_once(tmp_path: Path) -> None:
    with served(tmp_path, MODEL_SERVING_JOBS='') as service:
        answer = service.call({'seconds': 0}, PREFER)
        assert (answer.status, 'preference-applied' in answer.headers) == (200, False)
        assert service.ask('/v1/Slow/jobs/x').status == 404


@pytest.mark.parametrize('wrong', ['missing/jobs.sqlite', 'text', '.'])
def test_file_that_cannot_be_used_stops_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    (tmp_path / 'text').write_text('This is no database. ' * 100)
    monkeypatch.setenv('MODEL_SERVING_JOBS', str(tmp_path / wrong))
    with pytest.raises(SettingError, match=r'^jobs: .* cannot be used'):
        assemble([Mount('XXXModel', f'{RESOURCES}xxx_model_resource:XXXModelResource')], (), False)


def test_each_version_has_its_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('MODEL_SERVING_JOBS', str(tmp_path / 'jobs.sqlite'))
    mounts = [
        Mount('XXXModel', f'{RESOURCES}xxx_model_resource:XXXModelResource'),
        Mount('XXXModel', f'{RESOURCES}iris_model_resource:IrisModelResource', version='2'),
    ]
    client = assemble(mounts, (), False).test_client()
    answer = client.post('/v1/XXXModel', json={'name': 'Leo'}, headers={'Prefer': 'respond-async'})
    job = answer.get_json()['url']
    ended: Any = until(lambda: (got := client.get(job)).status_code == 200 and got.get_json())
    assert (job.rpartition('/')[0], ended['model']) == ('/v1/XXXModel/jobs', 'XXXModel@1')
    assert ended['answer'] == {'result': 'Hello, Leo!'}
