"""Replaces the workers, one at a time: an old one leaves when a new one is ready."""

import time
from collections.abc import Callable
from typing import Any

from model_serving.master.crew import Crew
from model_serving.master.standing import TRIED


class Roll:
    """One replacement of all workers up to the age `old_age`. `step` waits for nothing: call it again."""

    def __init__(self, crew: Crew, old_age: int, timeout_s: float, tell: Callable[[str], None]) -> None:
        self._crew = crew
        self._old_age = old_age
        self._timeout_s = timeout_s
        self._tell = tell
        self._end = 0.0
        self.candidate: Any = None
        self.failure: str | None = None
        self.is_done = False

    def step(self) -> None:
        """Go on as far as possible; at the end `is_done` is true, or `failure` says why not."""
        crew = self._crew
        if crew.are_leaving():  # At most one worker more than usual takes memory.
            return
        if self.candidate is not None:
            self._look()
            return
        old = [worker for worker in crew.all() if worker.age <= self._old_age]
        if len(crew.all()) - len(old) < crew.count:
            self._end = time.monotonic() + self._timeout_s
            try:
                self.candidate = crew.spawn()
            except OSError as error:
                self.failure = f'a new worker could not be started: {error}'
        elif old:
            crew.dismiss(crew.dispensable(old))
        else:
            self.is_done = True

    def is_new(self, worker: Any) -> bool:
        """Whether it has been started by this replacement, and has been let serve."""
        return bool(worker.age > self._old_age) and worker is not self.candidate

    def _look(self) -> None:
        worker, crew = self.candidate, self._crew
        if worker not in crew.all():
            self.failure = 'a new worker has ended before it was ready'
        elif worker.standing.state == TRIED:
            if worse := crew.worse(worker):
                self.failure = '; '.join(f'{name} {reason}' for name, reason in worse.items())
                return
            self.candidate = None
            crew.admit(worker)
            every = crew.all()
            number = sum(each.age > self._old_age for each in every)
            self._tell(f'worker {number} of {crew.count} is new and ready')
            old = [each for each in every if each.age <= self._old_age]
            if old and len(every) > crew.count:
                crew.dismiss(crew.dispensable(old))
        elif time.monotonic() > self._end:
            self.failure = f'a new worker was not ready within {self._timeout_s:g} s (RELOAD_TIMEOUT_S)'
