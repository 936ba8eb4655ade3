"""How many cores a process may use."""

import os


def available_cores() -> int:
    """The cores this process may run on, at least 1."""
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def numeric_threads() -> int:
    """Threads for one model's arithmetic: OMP_NUM_THREADS (this worker's share), else one for each core."""
    share = os.environ.get('OMP_NUM_THREADS', '')
    return int(share) if share.isdigit() and int(share) else available_cores()
