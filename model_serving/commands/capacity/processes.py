"""What processes take: CPU time and memory, as Linux counts them in /proc."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from model_serving.master.weigh import memory_kib

KIB_PER_MIB = 1024
CPU_TIMES = slice(11, 15)
"""In /proc/<pid>/stat, after the name: in user mode, in the kernel, and both of children that have ended."""


def is_known() -> bool:
    """Whether this system has these files."""
    return Path('/proc/self/smaps_rollup').exists()


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    return []


def family(pid: int) -> Iterator[int]:
    """A process and all that it has started, directly or not."""
    yield pid
    for child in children(pid):
        yield from family(child)


def cpu_seconds(pids: Iterable[int]) -> float:
    """The CPU time of processes, and of their children that have ended."""
    ticks = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f'/proc/{pid}/stat').read_bytes().rpartition(b')')[2].split()
            ticks += sum(map(int, fields[CPU_TIMES]))
    return ticks / os.sysconf('SC_CLK_TCK')


def proportional_mib(pids: Iterable[int]) -> float:
    """The memory of processes, with their part of what they share with others."""
    return sum(_mib(pid, 'Pss') for pid in pids)


def private_mib(pids: Iterable[int]) -> float:
    """The memory that nobody shares with them."""
    return sum(_mib(pid, 'Private_Clean') + _mib(pid, 'Private_Dirty') for pid in pids)


def _mib(pid: int, kind: str) -> float:
    return (memory_kib(pid, kind) or 0) / KIB_PER_MIB
