"""How many cores a process may use."""

import math
import os

from model_serving.cgroup import cpu_limit


def available_cores() -> int:
    """The cores this process may run on, at least 1; of a container's quota a last part counts as a core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1
    limit = cpu_limit()
    return cores if limit is None else max(1, min(cores, math.ceil(limit)))


def numeric_threads() -> int:
    """Threads for one model's arithmetic: OMP_NUM_THREADS (this worker's share), else one for each core."""
    share = os.environ.get('OMP_NUM_THREADS', '')
    return int(share) if share.isdigit() and int(share) else available_cores()
