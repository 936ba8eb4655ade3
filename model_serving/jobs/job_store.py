"""What is known of jobs, in a SQLite file that the workers of a host share."""

import contextlib
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from model_serving.catalogue import JSON
from model_serving.errors import Overloaded
from model_serving.jobs.worker_locks import locks_of
from model_serving.json_codec import encode
from model_serving.observability.metrics import count

BUSY_SECONDS = 3.0
"""How long a transaction waits for those of other workers, which take milliseconds."""
SCHEMA = """
PRAGMA auto_vacuum = FULL;
PRAGMA journal_mode = WAL;
PRAGMA journal_size_limit = 1000000;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS workers (number INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, model TEXT, key_name TEXT, worker INTEGER, created REAL, kept_until REAL,
    status TEXT, ended REAL, code INTEGER, answer BLOB, media_type TEXT
);
CREATE INDEX IF NOT EXISTS by_time ON jobs (kept_until);
CREATE INDEX IF NOT EXISTS by_worker ON jobs (worker, status);
"""
LEFT = 'failed', 503, encode({'message': 'The worker that had this job has ended; send the request again'})


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
    answer: bytes = b''
    media_type: str = JSON


class JobStore:
    """The jobs in the file at `path`; each fails after `timeout_s`, and is forgotten `keep_s` after its end.

    Their status is `queued`, `running` and, at the end, `succeeded`, `failed` or `canceled`. One whose worker
    has ended is found to have failed when somebody asks for it. Raises OSError and sqlite3.Error for a file
    that cannot be used; the methods raise Overloaded, as where the disk is full.
    """

    _database: sqlite3.Connection | None = None

    def __init__(self, path: Path, timeout_s: float, keep_s: float) -> None:
        self._path, self.timeout_s, self.keep_s = path.resolve(), timeout_s, keep_s
        words = f'The job has not ended within {timeout_s:g} s (jobs_timeout_s); send less at a time'
        self.late = 'failed', 504, encode({'message': words})
        self._locks = locks_of(self._path.with_name(f'{path.name}-workers'))
        self._of_parents: list[sqlite3.Connection | None] = []
        self._begin_process()
        os.register_at_fork(after_in_child=self._begin_process)
        self._open().close()

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
                'UPDATE jobs SET status = ?, ended = ?, kept_until = ?, code = ?, answer = ?, media_type = ?'
                ' WHERE id = ? AND ended IS NULL',
                [status, now, now + self.keep_s, code, answer, media_type, job.id],
            )
        if changed.rowcount:
            count('model_serving_jobs_total', job.model, status)

    def find(self, job_id: str) -> Job | None:
        """A job, if it is known."""
        job = self._read(job_id)
        if job is None or job.ended is not None:
            return job
        if not self._locks.is_held(job.worker):
            self.end(job, *LEFT)
        elif time.time() > job.created + self.timeout_s:
            self.end(job, *self.late)
        else:
            return job
        return self._read(job_id)

    def canceled(self) -> set[str]:
        """The ids of the canceled jobs of this process."""
        query = "SELECT id FROM jobs WHERE status = 'canceled' AND worker = ?"
        with self._transaction() as database:
            return {row[0] for row in database.execute(query, [self._number])}

    def _read(self, job_id: str) -> Job | None:
        query = 'SELECT * FROM jobs WHERE id = ? AND kept_until >= ?'
        with self._transaction() as database:
            row = database.execute(query, [job_id, time.time()]).fetchone()
        return None if row is None else Job(*row)

    def _begin_process(self) -> None:
        """Start afresh in a forked process, which may not even close the connection of its parent."""
        self._of_parents.append(self._database)
        self._database, self._number, self._lock = None, 0, threading.Lock()

    def _open(self) -> sqlite3.Connection:
        if self._path.exists() and not self._path.is_file():
            raise OSError(0, 'it is no file')
        self._path.touch(0o600)
        self._path.chmod(0o600)  # SQLite's other files get the same mode.
        database = sqlite3.connect(self._path, BUSY_SECONDS, check_same_thread=False)
        with self._locks.alone():
            database.executescript(SCHEMA)
        return database

    def _connect(self) -> sqlite3.Connection:
        """The connection of this process, which gets a number with it."""
        if self._database is None:
            database = self._open()
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
        except (sqlite3.Error, OSError) as error:
            logging.getLogger('jobs').error('%s: %s', self._path.name, error)
            raise Overloaded('Jobs cannot be kept now; try again later, or without Prefer', 10) from error
