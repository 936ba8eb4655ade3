"""The files of what is loaded in gunicorn's first process, which each worker is a copy of."""

import os
import sys
from collections.abc import Iterable

Stamp = tuple[int, int] | None


class LoadedFiles:
    """The files of all modules that are loaded now, and `others`."""

    def __init__(self, others: Iterable[str | None]) -> None:
        modules = [getattr(module, '__file__', None) for module in list(sys.modules.values())]
        self._stamps = {file: stamp(file) for file in [*modules, *others] if file}

    def changed(self) -> str | None:
        """One that has changed since, or is gone: new workers would not have it, or not all of it."""
        return next((file for file, then in self._stamps.items() if stamp(file) != then), None)


def stamp(file: str) -> Stamp:
    """What changes with a file; None where there is none."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size
