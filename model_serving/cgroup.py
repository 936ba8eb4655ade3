"""What the control groups of this process allow it: a container's share of a machine, on Linux."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

MOUNT = Path('/sys/fs/cgroup')
MEMBERSHIP = Path('/proc/self/cgroup')
UNLIMITED_BYTES = 1 << 60
"""Version 1 says 2^63, less a page, where there is no limit."""


def cpu_limit() -> float | None:
    """The cores that it may use on average; None without a limit."""
    return min((quota for folder in _folders('cpu') if (quota := _quota(folder))), default=None)


def memory_limit() -> int | None:
    """The bytes of memory that it may take, with all other processes of its groups; None without a limit."""
    names = 'memory.max', 'memory.limit_in_bytes'
    found = [size for folder in _folders('memory') for name in names if (size := _number(folder / name))]
    return min((size for size in found if size < UNLIMITED_BYTES), default=None)


def _folders(controller: str) -> Iterator[Path]:
    """The folders of its groups, of both versions, and of those above, whose limits hold as well.

    In a container the mount may be its own group already, though the path is still that of the machine.
    """
    with contextlib.suppress(OSError):
        for line in MEMBERSHIP.read_text(errors='surrogateescape').split('\n'):
            _, _, rest = line.partition(':')
            controllers, separator, path = rest.partition(':')
            if not separator:
                continue
            if controllers == '':
                mounts = [MOUNT, MOUNT / 'unified']
            elif controller in controllers.split(','):
                mounts = [MOUNT / controllers, MOUNT / controller]
            else:
                continue
            group = Path(path.lstrip('/'))
            for mount in mounts:
                yield from (mount / part for part in (group, *group.parents))


def _quota(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError, ArithmeticError):
        quota, period = (folder / 'cpu.max').read_text().split()
        return max(0, int(quota)) / int(period)  # `max` is no number.
    quota_us, period_us = _number(folder / 'cpu.cfs_quota_us'), _number(folder / 'cpu.cfs_period_us')
    return quota_us / period_us if quota_us and period_us else None


def _number(path: Path) -> int | None:
    """The number in a file, if it is one above 0."""
    with contextlib.suppress(OSError, ValueError):
        number = int(path.read_text())
        return number if number > 0 else None
    return None
