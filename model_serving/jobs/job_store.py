"""What is known of jobs, in a SQLite file that the workers of a host share."""

import contextlib
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from model_serving.errors import Overloaded
from model_serving.jobs.worker_locks import locks_of
from model_serving.json_codec import encode
from model_serving.observability.metrics import count

BUSY_SECONDS = 10.0
"""How long a transaction waits for those of other workers, which take milliseconds."""
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS workers (number INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, model TEXT, key_name TEXT, worker INTEGER, created REAL, kept_until REAL,
    status TEXT, ended REAL, code INTEGER, media_type TEXT, answer BLOB
);
CREATE INDEX IF NOT EXISTS by_time ON jobs (kept_until);
"""
JSON = 'application/json'


class Job(NamedTuple):
    """A row: `code` is the HTTP status of the answer. Times are in seconds since 1970."""

    id: str
    model: str
    key_name: str
    worker: int
    created: float
    kept_until: float
    status: str = 'queued'
    ended: float | None = None
    code: int = 0
    media_type: str = ''
    answer: bytes = b''


class JobStore:
    """The jobs in the file at `path`; each fails after `timeout_s`, and is forgotten `keep_s` after its end.

    Their status is `queued`, `running` and, at the end, `succeeded`, `failed` or `canceled`. One whose worker
    has ended is found to have failed when somebody asks for it. Raises OSError and sqlite3.Error for a file
    that cannot be used; the methods raise Overloaded, as where the disk is full.
    """

    _database: sqlite3.Connection | None = None
    _number = 0

    def __init__(self, path: Path, timeout_s: float, keep_s: float) -> None:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))  # SQLite's other files get the same mode.
        self._path, self.timeout_s, self.keep_s = path, timeout_s, keep_s
        self._locks = locks_of(path.with_name(f'{path.name}-workers'))
        self._begin_process()
        os.register_at_fork(after_in_child=self._begin_process)
        with contextlib.closing(sqlite3.connect(path, BUSY_SECONDS)) as database:
            database.executescript(SCHEMA)

    def add(self, model: str, key_name: str) -> Job:
        """A new job of this process, for a caller with the key of this name."""
        now = time.time()
        kept_until = now + self.timeout_s + self.keep_s
        with self._transaction() as database:
            job = Job(secrets.token_urlsafe(16), model, key_name, self._number, now, kept_until)
            database.execute('DELETE FROM jobs WHERE kept_until < ?', [now])
            database.execute('INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)', job)
        count('model_serving_jobs_total', model, 'accepted')
        return job

    def begin(self, job: Job) -> bool:
        """Note that a job runs. Whether it is to: it may have been canceled."""
        query = "UPDATE jobs SET status = 'running' WHERE id = ? AND ended IS NULL"
        with self._transaction() as database:
            return database.execute(query, [job.id]).rowcount == 1

    def end(self, job: Job, status: str, code: int = 0, answer: bytes = b'', media_type: str = JSON) -> None:
        """Note how a job has ended, unless it has ended before."""
        now = time.time()
        with self._transaction() as database:
            changed = database.execute(
                'UPDATE jobs SET status = ?, ended = ?, kept_until = ?, code = ?, media_type = ?, answer = ?'
                ' WHERE id = ? AND ended IS NULL',
                [status, now, now + self.keep_s, code, media_type, answer, job.id],
            )
        if changed.rowcount:
            count('model_serving_jobs_total', job.model, status)

    def find(self, job_id: str) -> Job | None:
        """A job, if it is known."""
        job = self._read(job_id)
        if job is None or job.ended is not None:
            return job
        if not self._locks.is_held(job.worker):
            self._fail(job, 503, 'The worker that had this job has ended; send the request again')
        elif time.time() > job.created + self.timeout_s:
            self._fail(job, 504, f'The job has not ended within {self.timeout_s:g} s (jobs_timeout_s)')
        else:
            return job
        return self._read(job_id)

    def canceled(self, job_ids: Iterable[str]) -> list[str]:
        """Which of these jobs have been canceled, by their ids."""
        ids = list(job_ids)
        query = f"SELECT id FROM jobs WHERE status = 'canceled' AND id IN ({', '.join('?' * len(ids))})"  # noqa: S608
        with self._transaction() as database:
            return [row[0] for row in database.execute(query, ids)]

    def _read(self, job_id: str) -> Job | None:
        with self._transaction() as database:
            row = database.execute('SELECT * FROM jobs WHERE id = ?', [job_id]).fetchone()
        return None if row is None else Job(*row)

    def _fail(self, job: Job, code: int, message: str) -> None:
        self.end(job, 'failed', code, encode({'message': message}))

    def _begin_process(self) -> None:
        """Start afresh in a forked process, which may not even close the connection of its parent."""
        self._of_parent, self._database, self._number = self._database, None, 0
        self._lock = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        """The connection of this process, which gets a number with it."""
        if self._database is None:
            database = sqlite3.connect(self._path, BUSY_SECONDS, check_same_thread=False)
            database.execute('PRAGMA synchronous = NORMAL')
            while not (self._number and self._locks.hold(self._number)):  # The file may be a new one.
                with database:
                    self._number = database.execute('INSERT INTO workers DEFAULT VALUES').lastrowid or 0
            self._database = database
        return self._database

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            with self._lock, self._connect() as database:
                yield database
        except sqlite3.Error as error:
            logging.getLogger('jobs').error('%s: %s', self._path.name, error)
            raise Overloaded('Jobs cannot be kept now; try again later, or without Prefer', 10) from error
