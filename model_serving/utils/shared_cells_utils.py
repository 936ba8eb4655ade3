"""Numbers that several processes count, in memory that they share.

Each process has a region and writes there alone; any process reads all of them. A region outlives its
process: the next to have it counts on, so that no count is lost when a worker ends, or read twice. Nothing is
written to a disk.

What a gauge says has no meaning when its process has ended. Its name begins with PASSING.

A region begins with how many of its cells, doubles of 8 bytes, are used. Then come records: the lengths
of a name and of its values, the name, the values.
"""

import logging
import mmap
import struct
import threading
from collections.abc import Hashable, Iterator
from typing import Any

MOST_PROCESSES = 256
REGION_CELLS = 16 * 1024
UNREAD_CELLS = 64
CELL_BYTES = 8
LENGTHS = struct.Struct('<II')
PASSING = '~'


class Region:
    """Where one process counts; `known` is for what its user has found here before."""

    def __init__(self, memory: memoryview) -> None:
        self.lock = threading.Lock()
        self.cells = memory.cast('d')
        self.known: dict[Hashable, Any] = {}
        self._memory = memory
        self._full = False

    def place(self, name: str, count: int) -> int:
        """The first of `count` cells, at most 64, of `name` in `cells`; they are 0 when they are new."""
        with self.lock:
            for known, start, length in self._records():
                if (known, length) == (name, count):
                    return start
            return self._add(name.encode(), count)

    def items(self) -> Iterator[tuple[str, list[float]]]:
        """Each name and its values."""
        for name, start, count in self._records():
            yield name, list(map(float, self.cells[start : start + count]))

    def forget_gauges(self) -> None:
        """Set the values of the names that begin with PASSING to 0."""
        for name, start, count in self._records():
            if name.startswith(PASSING):
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
        if start + count > REGION_CELLS - UNREAD_CELLS:
            return self._unread()
        first = (cell + 1) * CELL_BYTES
        LENGTHS.pack_into(self._memory, cell * CELL_BYTES, len(name), count)
        self._memory[first : first + len(name)] = name
        self.cells[0] = start + count  # Last: now others see it.
        return start

    def _unread(self) -> int:
        """Cells that nobody reads."""
        if not self._full:
            self._full = True
            logging.getLogger('metrics').warning('Too many kinds of numbers to count: new ones are left out')
        return REGION_CELLS - UNREAD_CELLS


class SharedCells:
    """The regions of all processes. To be made before these are forked."""

    def __init__(self) -> None:
        size = REGION_CELLS * CELL_BYTES
        memory = memoryview(mmap.mmap(-1, MOST_PROCESSES * size))
        self._pieces = [memory[start : start + size] for start in range(0, len(memory), size)]
        self._free = list(range(MOST_PROCESSES - 1, 0, -1))
        self.region = Region(self._pieces[0])

    def take(self) -> int | None:
        """A number, for a process that is about to be forked, of its region; None if there is none left."""
        return self._free.pop() if self._free else None

    def use(self, number: int | None) -> None:
        """Count in this region from now on; without a number, where nobody reads. In the forked process."""
        own = bytearray(REGION_CELLS * CELL_BYTES)
        self.region = Region(memoryview(own) if number is None else self._pieces[number])

    def release(self, number: int | None) -> None:
        """Let another process go on in the region of one that has ended."""
        if number is not None:
            Region(self._pieces[number]).forget_gauges()
            self._free.append(number)

    def items(self) -> Iterator[tuple[str, list[float]]]:
        """Each name and its values, of each process."""
        for piece in self._pieces:
            yield from Region(piece).items()


def cells_of(size: int) -> int:
    """How many cells so many bytes take."""
    return -(-size // CELL_BYTES)


shared_cells = SharedCells()
