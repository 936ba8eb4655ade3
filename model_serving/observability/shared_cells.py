"""Numbers that several processes count, in memory that they share.

Each process has a region that only it writes to, and any process can read all of them. A region outlives its
process: the next one to get it continues to count, so that no count is lost when a worker ends, or read
twice. Nothing is written to disk.

A gauge is meaningless once its process has ended. The names of gauges begin with GAUGE_PREFIX.

A region begins with the number of its cells in use, doubles of 8 bytes. Records follow: the lengths of a name
and of its values, the name, the values.
"""

import logging
import mmap
import os
import struct
import threading
from collections.abc import Hashable, Iterator
from typing import Any

MAX_PROCESSES = 256
REGION_CELLS = 16 * 1024
SPARE_CELLS = 64
"""At the end of a region, for names that found no room; they are never read."""

CELL_BYTES = 8
LENGTHS = struct.Struct('<II')
GAUGE_PREFIX = '~'


class Region:
    """The cells of one process; `cache` is for its users."""

    def __init__(self, memory: memoryview) -> None:
        self.lock = threading.Lock()
        self.cells = memory.cast('d')
        self.cache: dict[Hashable, Any] = {}
        self._memory = memory
        self._is_full = False

    def find(self, name: str, count: int) -> int:
        """The index in `cells` of the first of `count` cells (at most 64) of `name`; new ones are 0."""
        with self.lock:
            for known, start, length in self._records():
                if (known, length) == (name, count):
                    return start
            return self._add(name.encode(), count)

    def items(self) -> Iterator[tuple[str, list[float]]]:
        """Each name and its values."""
        for name, start, count in self._records():
            yield name, list(map(float, self.cells[start : start + count]))

    def reset_gauges(self) -> None:
        """Set all gauges to 0."""
        for name, start, count in self._records():
            if name.startswith(GAUGE_PREFIX):
                self.cells[start : start + count] = memoryview(bytes(count * CELL_BYTES)).cast('d')

    def _records(self) -> Iterator[tuple[str, int, int]]:
        cell, end = 1, max(1, int(self.cells[0]))
        while cell < end:
            name_bytes, count = LENGTHS.unpack_from(self._memory, cell * CELL_BYTES)
            first = (cell + 1) * CELL_BYTES
            start = cell + 1 + cells_of(name_bytes)
            yield bytes(self._memory[first : first + name_bytes]).decode(), start, count
            cell = start + count

    def _add(self, name: bytes, count: int) -> int:
        cell = max(1, int(self.cells[0]))
        start = cell + 1 + cells_of(len(name))
        if start + count > REGION_CELLS - SPARE_CELLS:
            if not self._is_full:
                self._is_full = True
                logging.getLogger('metrics').warning('Too many metrics: new ones are not counted')
            return REGION_CELLS - SPARE_CELLS
        first = (cell + 1) * CELL_BYTES
        LENGTHS.pack_into(self._memory, cell * CELL_BYTES, len(name), count)
        self._memory[first : first + len(name)] = name
        self.cells[0] = start + count  # Last: now others see it.
        return start


class SharedCells:
    """The regions of all processes. To be made before these are forked."""

    def __init__(self) -> None:
        size = REGION_CELLS * CELL_BYTES
        memory = memoryview(mmap.mmap(-1, MAX_PROCESSES * size))
        self._memories = [memory[start : start + size] for start in range(0, len(memory), size)]
        self._free = list(range(MAX_PROCESSES - 1, 0, -1))
        self.region = Region(self._memories[0])

    def allocate(self) -> int | None:
        """The number of a region for a process about to be forked; None if there is none left."""
        return self._free.pop() if self._free else None

    def attach(self, number: int | None) -> None:
        """Count in this region from now on; with None, in memory that nobody reads. In the forked process."""
        own = bytearray(REGION_CELLS * CELL_BYTES)
        self.region = Region(memoryview(own) if number is None else self._memories[number])

    def release(self, number: int | None) -> None:
        """Let another process continue in the region of one that has ended."""
        if number is not None:
            Region(self._memories[number]).reset_gauges()
            self._free.append(number)

    def items_of(self, number: int | None) -> Iterator[tuple[str, list[float]]]:
        """Each name and its values, of the process that has this region."""
        return Region(self._memories[number]).items() if number is not None else iter(())

    def items(self) -> Iterator[tuple[str, list[float]]]:
        """Each name and its values, of each process."""
        for memory in self._memories:
            yield from Region(memory).items()


def cells_of(size: int) -> int:
    """How many cells so many bytes take."""
    return -(-size // CELL_BYTES)


shared_cells = SharedCells()
if hasattr(os, 'register_at_fork'):  # Windows has no fork.
    # What a model forks must not count in the region of its worker; a worker is given one.
    os.register_at_fork(after_in_child=lambda: shared_cells.attach(None))
