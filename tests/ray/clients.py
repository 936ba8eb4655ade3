"""Clients that count what becomes of their requests."""

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException

from tests.raw_http import post

TRIES = 20
PAUSE_SECONDS = 0.25
BODY = json.dumps({'seconds': 0.02}).encode()


class Clients:
    """Some that try a request again that has failed, and as many that do not."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.stopping = threading.Event()
        self.counts = {1: Counter[str](), TRIES: Counter[str]()}
        self.longest = {1: 0.0, TRIES: 0.0}
        self.pids = set[int]()

    def ask(self, tries: int) -> None:
        while not self.stopping.is_set():
            begin = time.monotonic()
            outcome = self.outcome(tries)
            self.counts[tries].update(['sent', outcome])
            self.longest[tries] = max(self.longest[tries], time.monotonic() - begin)

    def outcome(self, tries: int) -> str:
        """'answered', or the last of the failures."""
        outcome = ''
        for number in range(tries):
            if number:
                time.sleep(PAUSE_SECONDS)
            try:
                answer = post(self.url, '/v1/Sleeper', BODY)
            except (OSError, HTTPException) as error:
                outcome = type(error).__name__
                continue
            if answer.status == 200:
                self.pids.add(answer.json['pid'])
                return 'answered'
            outcome = f'status {answer.status}'
        return outcome

    def table(self) -> str:
        lines = []
        for tries, counts in self.counts.items():
            lost = {name: count for name, count in counts.items() if name not in ('sent', 'answered')}
            kind = 'no retries' if tries == 1 else 'retries'
            figures = f'{counts["sent"]} sent, {counts["answered"]} answered, lost {lost}'
            lines.append(f'{kind}: {figures}, longest {self.longest[tries]:.1f} s')
        return '\n'.join(lines)


@contextlib.contextmanager
def asking(url: str, clients: int = 4) -> Iterator[Clients]:
    """Let so many of each kind ask while the block runs, and until each has its last answer."""
    counted = Clients(url)
    threads = [threading.Thread(target=counted.ask, args=[tries]) for tries in [1, TRIES] * clients]
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        counted.stopping.set()
        for thread in threads:
            thread.join(60)
