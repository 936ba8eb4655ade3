"""How long a batch waits for more calls: until as many are queued as were ever unfinished at once."""

from collections.abc import Hashable

MAX_KINDS = 64
MAX_SKIPS = 64
GAIN = 1.25


class Kind:
    """Calls that may share a batch, those with equal keys: how many are queued, and how many to expect.

    A call whose key is None shares with no other.
    """

    def __init__(self, key: Hashable | None) -> None:
        self.key = key
        self.expected = 1
        self.calls = self.rows = 0


class WaitPolicy:
    """What past calls say about those to come. Its users hold the lock of their queue.

    `until` is when the present wait ends. After a wait in vain, the next `skips` batches do not wait.
    """

    def __init__(self, max_rows: int, max_wait_s: float) -> None:
        self.max_rows = max_rows
        self.max_wait_s = max_wait_s
        self.kinds: dict[Hashable, Kind] = {}
        self.until: float | None = None
        self.skips = self.vain_waits = self.calls_before = 0

    def kind(self, key: Hashable | None) -> Kind:
        """Return the kind of calls with that key."""
        kind = self.kinds.get(key) if key is not None else Kind(None)
        if kind is None:
            kind = self.kinds[key] = Kind(key)
            if len(self.kinds) > MAX_KINDS:
                del self.kinds[next(iter(self.kinds))]
        return kind

    def discard(self, kind: Kind) -> None:
        """Drop a kind that says no more than a new one would."""
        if kind.expected == 1 and not kind.calls:
            self.kinds.pop(kind.key, None)

    def is_full(self, kind: Kind) -> bool:
        """Whether a batch of that kind would gain nothing from waiting longer."""
        return kind.calls >= kind.expected or kind.rows >= self.max_rows

    def wait_s(self, kind: Kind, now: float, deadline: float) -> float:
        """Seconds to wait for more calls of that kind, until `deadline` at most."""
        if self.is_full(kind):
            if self.until:
                self.vain_waits = 0
            return 0
        if self.until is None:
            if self.skips:
                self.skips -= 1
                return 0
            self.until = min(now + self.max_wait_s, deadline)
            self.calls_before = kind.calls
        elif self.until <= now:
            kind.expected = kind.calls
            if kind.calls > GAIN * self.calls_before:
                self.vain_waits = 0
                return 0
            self.skips = min(2**self.vain_waits, MAX_SKIPS)
            self.vain_waits += 1
        return max(self.until - now, 0)
