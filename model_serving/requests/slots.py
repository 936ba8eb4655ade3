"""The slot that a thread runs in. A call that only waits releases its slot to another meanwhile."""

import os
import threading

DEBUG = bool(os.environ.get('MODEL_SERVING_DEBUG_CHECKS'))
"""Whether the counts of queues and batches are checked at each step, as the tests do."""


class Slot:
    """The right of a thread to run beside a few others of the same model.

    This one limits nothing: it is that of a thread outside a server, as in a notebook. `runs_batch`: the
    thread has released it to run a batch, so that calls of the next batch get in.
    """

    runs_batch = False

    def release(self) -> None:
        """Let another call run: this one waits from now on."""

    def reacquire(self) -> None:
        """Go on at once, beside those that run by now."""


class _ThreadState(threading.local):
    slot = Slot()


thread_state = _ThreadState()
"""`slot` is the calling thread's own."""

if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    # Else a child would run calls that wait in its parent.
    os.register_at_fork(after_in_child=lambda: setattr(thread_state, 'slot', Slot()))
