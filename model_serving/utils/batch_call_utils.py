"""One call of a batched method, and the calls that are run together."""

import dataclasses
from collections.abc import Hashable
from typing import Any

from model_serving.utils.error_utils import DeadlineExceeded
from model_serving.utils.waiting_utils import Waiter


@dataclasses.dataclass(eq=False, slots=True)
class Call:
    """One call of the method: what it was given, when it came, where it stands, how it ended."""

    arguments: tuple[Any, ...]
    options: dict[str, Any]
    size: int
    end: float
    waiter: Waiter
    came: float
    kind: Hashable | None = None
    taken: bool = False
    left: bool = False
    done: bool = False
    result: Any = None
    error: BaseException | None = None

    @property
    def rows(self) -> int:
        """What it counts for in a queue."""
        return self.size or 1

    def settle(self, result: Any = None, error: BaseException | None = None) -> None:
        """Let the caller have its result or its error."""
        self.result = result
        self.error = error
        self.done = True
        self.waiter.wake()

    def settle_if_late(self, now: float) -> bool:
        """Whether nobody waits for the result any more."""
        if self.left or self.end <= now:
            self.settle(error=DeadlineExceeded())
            return True
        return False

    def outcome(self) -> Any:
        """Return the result or raise the error, leaving no cycle of references behind."""
        error, self.error = self.error, None
        try:
            if error is not None:
                raise error
            return self.result
        finally:
            del error


@dataclasses.dataclass(eq=False, slots=True)
class Batch:
    """Calls that are run together; `end` is when the last of them gives up."""

    calls: list[Call]
    rows: int
    end: float
    started: float
    begun: bool = False
    withdrawn: bool = False

    def add(self, call: Call) -> None:
        """Take a call in."""
        call.taken = True
        self.calls.append(call)
        self.rows += call.rows
        self.end = max(self.end, call.end)
