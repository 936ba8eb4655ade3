"""What the service takes at rest, beside what its container may take."""

import contextlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model_serving.cgroup import memory_limit
from model_serving.master.standing import TRIED

MIB = 1024 * 1024
SHARE_AT_REST = 0.75
"""Requests need the rest, and the system's own buffers."""


class Scales:
    """Says once, when each worker has tried its models, how much of the memory they take."""

    def __init__(self, log: Any) -> None:
        self._log = log
        self._is_done = False

    def weigh(self, workers: Sequence[Any], count: int) -> None:
        """Do that, if `workers` are the `count` that there should be, and all have tried their models."""
        is_time = len(workers) == count and all(worker.standing.state == TRIED for worker in workers)
        if self._is_done or not is_time:
            return
        self._is_done = True
        limit = memory_limit()
        sizes = [memory_kib(pid) for pid in (os.getpid(), *(worker.pid for worker in workers))]
        if limit is None or None in sizes:
            return
        total = 1024 * sum(filter(None, sizes))
        text = f'{count} workers with their models take {total // MIB} MiB of {limit // MIB} MiB'
        if total > SHARE_AT_REST * limit:
            advice = 'raise the limit of the container, set WORKERS to fewer, or choose fewer models'
            self._log.warning('%s, which leaves little for requests; %s', text, advice)
        else:
            self._log.info('%s that the container may take', text)


def memory_kib(pid: int, kind: str = 'Pss') -> int | None:
    """The memory of a process, 'Pss' with its part of what it shares; None where the system does not say.

    The kinds are those of Linux's /proc/<pid>/smaps_rollup.
    """
    with contextlib.suppress(OSError):
        parts = Path(f'/proc/{pid}/smaps_rollup').read_text()
        found = re.search(rf'^{kind}: +(\d+) kB$', parts, re.MULTILINE)
        return int(found[1]) if found else None
    return None
