"""Threads that start when they are needed, and end when they have been idle for a while."""

import logging
import threading
import time
from collections.abc import Callable

IDLE_SECONDS = 30.0

Job = Callable[[], None]
logger = logging.getLogger('engine')


class ThreadPool:
    """Runs each job in an idle thread, or else in a new one: a job may block for as long as it likes."""

    def __init__(self) -> None:
        self.threads: set[PoolThread] = set()
        self.idle: list[PoolThread] = []

    def run(self, job: Job) -> None:
        """Run `job` in a thread, soon: in the last one that became idle. From any thread."""
        try:
            thread = self.idle.pop()
        except IndexError:
            thread = PoolThread(self, job)
            thread.start()
            self.threads.add(thread)
        else:
            thread.job = job
            thread.wakeup.release()

    def is_busy(self) -> bool:
        """Whether any job is running."""
        return len(self.threads) > len(self.idle)


class PoolThread(threading.Thread):
    """One thread of a pool, with its first job."""

    def __init__(self, pool: ThreadPool, job: Job) -> None:
        super().__init__(name='view', daemon=True)
        self.pool = pool
        self.job = job
        self.wakeup = threading.Lock()
        self.wakeup.acquire()

    def run(self) -> None:
        """Run one job after the other."""
        idle = self.pool.idle
        while True:
            try:
                self.job()
            except BaseException:
                logger.exception('A job of the thread pool failed')
            del self.job
            idle.append(self)
            if not self.wakeup.acquire(timeout=IDLE_SECONDS):
                try:
                    idle.remove(self)
                except ValueError:  # It has just got a job.
                    self.wakeup.acquire()
                else:
                    self.pool.threads.discard(self)
                    return


def cpu_clock() -> int | None:
    """The clock of the calling thread's CPU time, for others to read; None where there is none (macOS)."""
    if not hasattr(time, 'pthread_getcpuclockid'):
        return None
    return time.pthread_getcpuclockid(threading.get_ident())


def cpu_seconds(clock: int | None) -> float:
    """The CPU time by the clock of a thread; 0 if that has ended."""
    try:
        return 0.0 if clock is None else time.clock_gettime(clock)
    except OSError:
        return 0.0
