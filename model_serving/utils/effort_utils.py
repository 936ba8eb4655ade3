"""How much may be spent on wording one refusal: a body must not be able to drive the cost up."""

import threading

MAX_ERRORS = 3000
"""Most errors made for one body, each counted at every level that it passes on its way up."""

MAX_STEPS = 100_000
"""Most steps from a value into a part of it."""

MAX_DEPTH = 25
"""Most levels that are walked down: each costs a check of all that lies below it."""


class UnwordableError(Exception):
    """`jsonschema` has no words for what is wrong, or they would cost too much."""


class TooDeepError(Exception):
    """What is wrong lies more than MAX_DEPTH levels down."""


class Effort(threading.local):
    """What the wording of one body has cost so far, in this thread."""

    first: bool
    errors: int
    steps: int
    depth: int

    def begin(self, first: bool) -> None:
        """Begin with a new body; `first` where its first violation is enough."""
        self.first, self.errors, self.steps, self.depth = first, 0, 0, 0

    def count_error(self) -> None:
        """Count an error made. Raises UnwordableError for one too many."""
        self.errors += 1
        if self.errors > MAX_ERRORS:
            raise UnwordableError

    def go_down(self) -> None:
        """Count a step into a part of a value. Raises TooDeepError, or UnwordableError for one too many."""
        self.steps += 1
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise TooDeepError
        if self.steps > MAX_STEPS:
            raise UnwordableError

    def come_up(self) -> None:
        """Come back from a part of a value."""
        self.depth -= 1


effort = Effort()
