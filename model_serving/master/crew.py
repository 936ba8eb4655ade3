"""The workers, as gunicorn's first process sees them: which serve, which wait until they may, which leave."""

import signal
import time
from collections.abc import Iterable
from typing import Any

from model_serving.master.standing import BOOTING, SERVICE, TRIED, Standing

KILL_SECONDS = 5.0
RETRY_SECONDS = 10.0


class Crew:
    """The workers of a first process; `elsewhere` are the models that fail in those of the one before it."""

    def __init__(self, server: Any, elsewhere: set[str] | None) -> None:
        self.server = server
        self.elsewhere = elsewhere
        self.has_served = False
        self._leaving: dict[int, float] = {}

    @property
    def count(self) -> int:
        """How many there should be."""
        count: int = self.server.num_workers
        return count

    def all(self) -> list[Any]:
        """The workers, the oldest first."""
        return sorted(self.server.WORKERS.values(), key=lambda worker: worker.age)

    def serving(self) -> list[Any]:
        """Those that answer clients."""
        serving = [worker for worker in self.all() if worker.standing.is_serving]
        self.has_served |= bool(serving)
        return serving

    def waiting(self) -> list[Any]:
        """Those that may not serve yet."""
        return [each for each in self.all() if not each.standing.is_open and each.pid not in self._leaving]

    def prepare(self, worker: Any, in_turn: bool) -> None:
        """Give a worker about to be forked its standing: it waits `in_turn`, or where another could serve."""
        loaded = [each for each in self.all() if each.standing.state != BOOTING]
        worker.is_replacement = bool(self.serving() or self.has_served)
        worker.standing = Standing(is_open=not (loaded or in_turn))

    def spawn(self) -> Any:
        """Start a worker, and return it."""
        return self.server.WORKERS[self.server.spawn_worker()]

    def admit(self, worker: Any) -> None:
        """Let one serve."""
        worker.standing.is_open = True

    def admit_replacements(self, candidate: Any, others_serve: bool) -> None:
        """Let the best serve where nobody does; then those that replace others, if they are no worse."""
        if not (self.serving() or others_serve) and self.elsewhere is None:
            loaded = [worker for worker in self.waiting() if worker.standing.state != BOOTING]
            best = sorted(loaded, key=lambda worker: len(worker.standing.failures))[:1]
            for worker in best or self.waiting():
                self.admit(worker)
        for worker in self.waiting():
            if worker is not candidate and worker.standing.state == TRIED:
                if worse := self.worse(worker):
                    self._try_again_later(worker, worse)
                else:
                    self.admit(worker)

    def _try_again_later(self, worker: Any, failures: dict[str, str]) -> None:
        """Have another loaded in place of this one after a while: what is wrong may have been corrected."""
        now = time.monotonic()
        if not worker.standing.refused_at:
            worker.standing.refused_at = now
            reasons = '; '.join(f'{name} {why}' for name, why in failures.items())
            message = 'Worker (pid:%s) does not serve, and is replaced every %d s: %s'
            self.server.log.error(message, worker.pid, RETRY_SECONDS, reasons)
        elif now - worker.standing.refused_at > RETRY_SECONDS and not self._leaving:
            self.dismiss(worker)

    def worse(self, worker: Any) -> dict[str, str]:
        """The models that this worker has failed, and those that serve have not."""
        failing = self.failing(worker)
        if SERVICE in failing:  # Those that serve answer for nothing.
            return {name: why for name, why in worker.standing.failures.items() if name == SERVICE}
        return {name: why for name, why in worker.standing.failures.items() if name not in failing}

    def failures(self) -> dict[str, str]:
        """The models that some worker which serves has failed, and why."""
        return {name: why for worker in self.serving() for name, why in worker.standing.failures.items()}

    def failing(self, but: Any = None) -> set[str]:
        """The models that no worker answers for, `but` one that does not count."""
        known = [set(worker.standing.failures) for worker in self.serving() if worker is not but]
        known = [names for names in known if SERVICE not in names] or known
        if self.elsewhere is not None:
            known.append(self.elsewhere)
        return set.intersection(*known) if known else set()

    def dismiss(self, worker: Any) -> None:
        """Have one leave: one that serves finishes what it does; one that still loads cannot be asked to."""
        number = signal.SIGABRT if worker.standing.state == BOOTING else signal.SIGTERM
        patience_s = self.server.cfg.graceful_timeout if worker.standing.is_open else 0
        worker.standing.is_open = False
        self._leaving[worker.pid] = time.monotonic() + patience_s + KILL_SECONDS
        self.server.kill_worker(worker.pid, number)

    def dispensable(self, workers: Iterable[Any]) -> Any:
        """Which of these is to leave first: the oldest that does not serve, else the oldest."""
        return min(workers, key=lambda worker: (worker.standing.is_serving, worker.age))

    def shrink(self) -> bool:
        """Have those leave first, where there are too many, that do not serve. Whether one does."""
        surplus = len(self.all()) - self.count
        for worker in self.waiting()[: max(0, surplus)]:
            self.dismiss(worker)
        return self.are_leaving()

    def kill_idle(self) -> None:
        """End those that answer nobody: they would keep the address for as long as they load."""
        idle = [worker for worker in self.all() if not worker.standing.is_serving]
        for worker in [each for each in idle if each.pid not in self._leaving]:
            self.server.kill_worker(worker.pid, signal.SIGKILL)

    def are_leaving(self) -> bool:
        """Whether some are on their way; those that take too long are killed."""
        now = time.monotonic()
        self._leaving = {pid: end for pid, end in self._leaving.items() if pid in self.server.WORKERS}
        for pid in [pid for pid, end in self._leaving.items() if end < now]:
            self.server.kill_worker(pid, signal.SIGKILL)
        return bool(self._leaving)
