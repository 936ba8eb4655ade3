"""What gunicorn's first process does instead of its own reload, and with workers that replace others."""

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any

from gunicorn.errors import HaltServer
from gunicorn.systemd import sd_notify

from model_serving.master.crew import Crew
from model_serving.master.loaded_files import LoadedFiles
from model_serving.master.outcome import Outcome
from model_serving.master.roll import Roll
from model_serving.master.succession import Predecessor, Successor
from model_serving.master.weigh import Scales

NO_STATUS = -1
POLL_SECONDS = 0.1
DONE = 'done', 'all workers are new and ready'


class Supervisor:
    """Replaces methods of gunicorn's arbiter: it has no hooks where they decide.

    `reload` (SIGHUP) and `reexec` (SIGUSR2) replace all workers, or the first process with them, and keep
    what serves if what follows does not become ready. Its loop comes by `manage_workers` and
    `wait_for_signals`. `reap_workers` must not end the service.
    """

    def __init__(self, server: Any, timeout_s: float) -> None:
        self.server = server
        self.timeout_s = timeout_s
        self.outcome = Outcome(server)
        self.files = LoadedFiles(())
        self.predecessor = Predecessor.found()
        self.successor: Successor | None = None
        self.crew = Crew(server, self.predecessor.failing if self.predecessor else None)
        self.roll = self._roll_up_to(0) if self.predecessor else None
        self.scales = Scales(server.log)
        self._count_before = 0
        self._reloads_again = self.is_relieved = (
            False  # When a new first process serves in place of this one.
        )
        self._reap, self._manage = server.reap_workers, server.manage_workers
        self._reexec, self._wait = server.reexec, server.wait_for_signals
        server.reap_workers, server.manage_workers = self.reap, self.manage
        server.reexec, server.wait_for_signals = self.start_successor, self.wait
        server.reload = self.reload
        self._promote, server.maybe_promote_master = server.maybe_promote_master, self.promote
        args = server.START_CTX['args']
        if Path(args[1]).name == '__main__.py':  # As a file, it would take gunicorn's `http` for Python's.
            args[1:2] = ['-m', 'gunicorn']

    def remember_files(self) -> None:
        """Compare with the files as they are now, when all is loaded that the workers share."""
        self.files = LoadedFiles([self.server.cfg.logconfig])

    def prepare(self, worker: Any) -> None:
        """Give a worker about to be forked its standing."""
        self.crew.prepare(worker, in_turn=self.roll is not None)

    def reap(self) -> None:
        """Let the service go on whatever the exit status of a worker, once one has served.

        gunicorn takes the statuses 3 and 4 to mean that no worker can boot, and ends. But `os._exit(3)` in a
        model, or the exit of a library, ends a worker that has served, and one that replaces another may fail
        alone. gunicorn calls no hook before it decides: so its two constants are no status at all meanwhile.
        """
        server = self.server
        if not self.crew.serving() and not self.crew.has_served:
            self._reap()
            return
        server.WORKER_BOOT_ERROR = server.APP_LOAD_ERROR = NO_STATUS
        try:
            self._reap()
        finally:  # Workers that are forked later end with gunicorn's own.
            del server.WORKER_BOOT_ERROR, server.APP_LOAD_ERROR

    def reload(self) -> None:
        """Replace the workers or, if new ones would be copies of what is old, the first process."""
        server = self.server
        server._stats['reloads'] += 1
        server.log.reopen_files()
        if self.successor is not None or server.master_pid:  # The latest wins, once that has come to an end.
            self._reloads_again = True
            if self.successor is not None:
                self.successor.end()
            return
        reason = 'PRELOAD=models' if server.cfg.preload_app else self.files.changed()
        if reason is None:
            self._drop_roll()
            self.outcome.tell('begun', f'{self.crew.count} workers are to be replaced, one at a time')
            with contextlib.suppress(Exception):
                server.cfg.on_reload(server)
            self.roll = self._roll_up_to(server.worker_age)
        elif os.getpid() != 1 and (server.cfg.pidfile or 'NOTIFY_SOCKET' in os.environ):
            self.start_successor(reason)
        else:
            self.outcome.tell('begun', 'gunicorn itself is to be replaced')
            self.outcome.tell(
                'failed',
                f'this takes a new first process ({reason}), whose pid nobody would learn;'
                ' restart the service, or run gunicorn with --pid FILE',
            )

    def start_successor(self, reason: str = 'SIGUSR2') -> None:
        """Start a new first process, which takes the place of this one when its workers are ready."""
        if self.successor is not None or self.server.master_pid:
            self._reexec()  # It says why not.
            return
        self._drop_roll()
        self.outcome.tell('begun', f'a new first process is started ({reason})')
        self._count_before = self.crew.count
        limit_s = self.timeout_s * (self.crew.count + 1)
        try:
            self.successor = Successor(self.server, self._reexec, self.crew.failing(), limit_s)
        except OSError as error:
            self.outcome.tell('failed', f'a new first process could not be started: {error}')

    def ends_the_service(self) -> bool:
        """Whether nothing goes on in place of this process, which stops now. Ends what was to serve later."""
        if self.is_relieved:
            return False
        while self.successor is not None and self.successor.is_alive():
            self.successor.end()
            self.successor.check_time()
            self.server.reap_workers()
            time.sleep(POLL_SECONDS)
        self.crew.kill_idle()
        return self.predecessor is None

    def manage(self) -> None:
        """See how far all is; then have as many workers as there should be."""
        if self.predecessor is not None and not self.server.master_pid:  # It was killed.
            self.predecessor = self.crew.elsewhere = None
        is_leaving = self.crew.are_leaving()
        if self.roll is not None:
            self._step(self.roll)
        elif not (is_leaving or self.crew.shrink()):  # Else gunicorn would end another.
            try:
                self._manage()
            except OSError as error:
                self.server.log.error('No worker could be started, which is tried again: %s', error)
        self.crew.admit_replacements(self.roll and self.roll.candidate, self.successor is not None)
        self.scales.weigh(self.crew.serving(), self.crew.count)
        if self.successor is not None:
            self._hear(self.successor)
        if self._reloads_again and self.successor is None and not self.server.master_pid:
            self._reloads_again = False
            self.reload()

    def promote(self) -> None:
        """Become the first process when the one before has ended."""
        server = self.server
        if server.master_pid not in (0, os.getppid()) and server.cfg.pidfile:
            # gunicorn ends where it finds the pid of one that was killed, and that nobody has waited for.
            Path(server.cfg.pidfile).unlink(missing_ok=True)
        self._promote()

    def wait(self, timeout: float = 1.0) -> list[int]:
        """Wait for signals, for a short time while something is under way."""
        is_busy = self.roll or self.successor or self.crew.are_leaving() or self.crew.waiting()
        signals: list[int] = self._wait(min(timeout, POLL_SECONDS) if is_busy else timeout)
        return signals

    def _roll_up_to(self, age: int) -> Roll:
        return Roll(self.crew, age, self.timeout_s, self._tell_step)

    def _tell_step(self, text: str) -> None:
        if self.predecessor is None:
            self.outcome.tell('step', text)
        else:
            self.predecessor.tell('step', text)

    def _step(self, roll: Roll) -> None:
        roll.step()
        if roll.is_done:
            self.roll = None
            unready = '; '.join(f'{name} {why}' for name, why in self.crew.failures().items())
            end = ('unready', f'all workers are new, but {unready}') if unready else DONE
            if self.predecessor is None:
                self.outcome.tell(*end)
            else:
                self.predecessor.tell(*end)
                self.predecessor = self.crew.elsewhere = None
        elif roll.failure is not None:
            self._fail(roll.failure)

    def _fail(self, reason: str) -> None:
        if self.predecessor is not None:
            self.predecessor.tell('failed', reason)
            raise HaltServer(reason, 1)
        roll = self.roll
        self._drop_roll()
        count = sum(roll is not None and roll.is_new(worker) for worker in self.crew.serving())
        mixed = (
            f'; {count} of {self.crew.count} workers are new: correct it, and reload again' if count else ''
        )
        self.outcome.tell('failed', reason + mixed)

    def _drop_roll(self) -> None:
        roll, self.roll = self.roll, None
        others = [worker for worker in self.crew.serving() if roll and worker is not roll.candidate]
        if roll is not None and others and roll.candidate in self.crew.all():
            self.crew.dismiss(roll.candidate)

    def _hear(self, successor: Successor) -> None:
        """Have one of the old workers leave for each new one, and the last with this process."""
        server = self.server
        for word, text in successor.messages():
            if word == 'step':
                self.outcome.tell('step', text)
                if self.crew.count > 1:
                    server.num_workers -= 1
                    self.crew.dismiss(self.crew.dispensable(self.crew.all()))
            elif word == 'failed':
                successor.failure = text
            else:
                self.is_relieved = True
                if self._reloads_again:
                    os.kill(server.reexec_pid, signal.SIGHUP)
                self.outcome.tell(word, text)
                sd_notify(f'MAINPID={server.reexec_pid}', server.log)
                for worker in self.crew.all():
                    worker.standing.is_open = False
                raise StopIteration
        successor.check_time()
        if not successor.is_alive():
            successor.close()
            self.successor = None
            server.num_workers = self._count_before
            if not self._reloads_again:
                self.outcome.tell('failed', successor.failure)
