"""The store of jobs, as several processes use it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from model_serving.jobs.job_store import JobStore
from tests.service_process import ROOT

WORKER = """
import sys
from pathlib import Path
from model_serving.jobs.job_store import JobStore

print(JobStore(Path(sys.argv[1]), 60, 60).add('Slow', '').id, flush=True)
sys.stdin.read()
"""


@contextmanager
def worker_with_a_job(path: Path) -> Iterator[str]:
    """The id of a job of another process, which ends at the end."""
    command = [sys.executable, '-c', WORKER, str(path)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate()


def status_of(store: JobStore, job_id: str) -> str:
    job = store.find(job_id)
    assert job
    return job.status


def test_job_fails_when_its_process_has_ended(tmp_path: Path) -> None:
    store = JobStore(tmp_path / 'jobs', 60, 60)
    with worker_with_a_job(tmp_path / 'jobs') as job_id:
        assert status_of(store, job_id) == 'queued'
    assert status_of(store, job_id) == 'failed'


def test_deleted_file_is_begun_anew_while_a_process_still_has_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / 'jobs'
    with worker_with_a_job(path):
        for file in tmp_path.glob('jobs*'):
            if not file.name.endswith('-workers'):
                file.unlink()
        store = JobStore(path, 60, 60)
        job = store.add('Slow', '')  # Its number, 1, is locked.
        assert job.worker == 2
        assert status_of(store, job.id) == 'queued'


def test_job_lives_as_far_as_can_be_known_where_the_locks_were_deleted(tmp_path: Path) -> None:
    store = JobStore(tmp_path / 'jobs', 60, 60)
    with worker_with_a_job(tmp_path / 'jobs') as job_id:
        (tmp_path / 'jobs-workers').unlink()
        assert status_of(store, job_id) == 'queued'


def test_late_job_has_failed_although_nobody_noted_it(tmp_path: Path) -> None:
    store = JobStore(tmp_path / 'jobs', 0, 60)
    assert status_of(store, store.add('Slow', '').id) == 'failed'
