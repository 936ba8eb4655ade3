"""One run of the benchmark: what was asked for, who takes part, and the file of its results."""

import datetime
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks import contenders, environments, loads, models, report
from benchmarks.contenders import Contender
from benchmarks.environments import FOLDER, ROOT
from benchmarks.processes import adopt_orphans


class Session:
    """Measures the chosen parts; `results` maps names of figures to what was found, a dict each time."""

    def __init__(self, options: dict[str, Any], parts: dict[str, Callable[['Session'], None]]) -> None:
        self.rounds, self.seconds, self.soak = (int(options[f'--{name}']) for name in NUMBERS)
        self.docs = options['--docs']
        self.parts = [parts[name] for name in chosen('part', options['--parts'], parts)]
        self.loads = chosen('load', options['--loads'], loads.LOADS)
        peers = chosen('peer', options['--peers'], contenders.PEERS)
        environments.copy_service()
        models.make_models()
        variants = [word.partition('=') for word in options['--ours']]
        self.ours = [
            contenders.ours(),
            *(contenders.ours(f'ours, {name}', words) for name, _, words in variants),
        ]
        self.peers = [contenders.peer(name) for name in peers]
        self.results: dict[str, Any] = {'about': self.about()}

    def run(self) -> None:
        """Measure each part, keeping the results after each, whatever happens, and report."""
        adopt_orphans()
        for part in self.parts:
            try:
                part(self)
            finally:
                self.results['about']['end'] = now()
                (FOLDER / 'results.json').write_text(json.dumps(self.results, indent=1))
        print(report.text(self.results))
        if self.docs:
            report.write_docs(self.results)

    def about(self) -> dict[str, Any]:
        """Where, when and with what this runs."""
        processor = [line for line in Path('/proc/cpuinfo').read_text().splitlines() if 'model name' in line]
        return {
            'begin': now(),
            'command': shlex.join(['benchmarks/run.py', *sys.argv[1:]]),
            'cores': len(os.sched_getaffinity(0)),
            'cpu': processor[0].partition(':')[2].strip() if processor else platform.machine(),
            'kernel': platform.release(),
            'python': platform.python_version(),
            'commit': said(['git', '-C', str(ROOT), 'describe', '--always', '--dirty']),
            'wrk': said(['wrk', '-v']).partition(' [')[0].removeprefix('wrk '),
            'onnxruntime': metadata.version('onnxruntime'),
            'versions': {peer.name: contenders.version(peer) for peer in self.peers},
            'rounds': self.rounds,
            'seconds': self.seconds,
            'workers': contenders.WORKERS,
        }

    def rounds_of(self, everyone: list[Contender]) -> Iterator[tuple[dict[str, Any], Contender]]:
        """Everyone once in each round, beginning with another one each time; with the names to record."""
        for number in range(self.rounds):
            first = number % len(everyone)
            for contender in everyone[first:] + everyone[:first]:
                print(f'round {number + 1}: {contender.name}', file=sys.stderr, flush=True)
                yield {'round': number, 'contender': contender.name}, contender

    def record(self, part: str, **found: Any) -> None:
        """Keep a figure."""
        self.results.setdefault(part, []).append(found)
        shown = {
            name: round(value, 3) if isinstance(value, float) else value for name, value in found.items()
        }
        print(f'  {part}: {shown}', file=sys.stderr, flush=True)


NUMBERS = ('rounds', 'seconds', 'soak')


def chosen(kind: str, names: str, known: dict[str, Any]) -> list[str]:
    """The names in a comma-separated list, `all` being all; SystemExit for one that is not known."""
    if names == 'all':
        return list(known)
    given = [name.strip() for name in names.split(',') if name.strip()]
    if unknown := [name for name in given if name not in known]:
        sys.exit(f'no {kind} is called {unknown[0]!r}; known: {", ".join(known)}')
    return given


def now() -> str:
    """The time to the minute, in UTC."""
    return datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC')


def said(command: list[str]) -> str:
    """What a command prints; nothing if there is no such command."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ''
