"""Counts what becomes of every request while the service is stopped, updated, hurt, overloaded and delayed.

Usage:
  operations.py events [<name>...]
  operations.py overload [--seconds=<n>] [<name>...]
  operations.py slow [--seconds=<n>] [<name>...]
  operations.py hosts [<name>...]
  operations.py capacity
  operations.py -h | --help

Each prints a table; in the environment of the tests, .venv-test.

- events: stop, drain, restart, reload, hup, kill-worker, kill-gunicorn, memory, segfault, hang, disk. The
  last one mounts a small disk, which takes root.
- overload: waits, computes, slow, impatient.
- slow: idle, heads, bodies, readers.
- hosts: none, kill, cut-off, drain, restart, slow; capacity: what one, two and three hosts answer. Both take
  root, nginx and HAProxy.

Options:
  --seconds=<n>  For how long each model is overloaded, or clients are slow [default: 60].
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docopt import docopt

ROOT = Path(__file__).resolve().parent.parent


def rows(arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The lines of the table, each when it has been measured."""
    from benchmarks import events, host_events, overload, slow

    names, seconds = arguments['<name>'], float(arguments['--seconds'])
    if arguments['events']:
        for name in names or events.EVENTS:
            yield events.row(name, events.measure(name))
    elif arguments['overload']:
        for name in names or overload.CASES:
            yield overload.row(name, overload.measure(name, seconds))
    elif arguments['hosts']:
        yield from host_events.rows(names)
    elif arguments['capacity']:
        yield from host_events.capacity_rows()
    else:
        for name in names or slow.CASES:
            yield slow.measure(name, seconds)


def main(arguments: dict[str, Any]) -> None:
    """Measure, and print the table."""
    sys.path[0] = str(ROOT)
    for number, row in enumerate(rows(arguments)):
        if not number:
            print(f'| {" | ".join(row)} |\n|{" --- |" * len(row)}')
        print(f'| {" | ".join(map(str, row.values()))} |', flush=True)


if __name__ == '__main__':
    main(docopt(str(__doc__)))
