"""Makes the page docs/benchmarks.md from the results."""

import statistics
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.chart import Panel, chart
from benchmarks.environments import HERE, ROOT
from benchmarks.loads import DESCRIPTIONS

PAGE = ROOT / 'docs' / 'benchmarks.md'
PICTURE = ROOT / 'docs' / 'saturation.svg'
INTRODUCTION = HERE / 'introduction.md'
PEERS = HERE / 'peers' / 'README.md'

Rows = list[dict[str, Any]]
REFERENCE = 'ours'


def text(results: dict[str, Any]) -> str:
    """The page."""
    sections = [introduction(results['about'])]
    sections += [section(results) for name, section in SECTIONS.items() if name in results]
    return '\n'.join([*sections, PEERS.read_text()])


def write_docs(results: dict[str, Any]) -> None:
    """Write the page and its picture."""
    PAGE.write_text(text(results))
    if 'curve' in results:
        PICTURE.write_text(picture(results['curve']))


def introduction(about: dict[str, Any]) -> str:
    """Where the figures come from, and how to read them."""
    versions = ', '.join(f'{name} {version}' for name, version in about['versions'].items())
    return INTRODUCTION.read_text().format(**{**about, 'versions': versions})


def loads(results: dict[str, Any]) -> str:
    """An overview, and a table for each load."""
    rows: Rows = results['loads']
    names = distinct(rows, 'load')
    overview = [
        [name, *(ratio(rows, 'requests_per_second', contender=name, load=load) for load in names)]
        for name in distinct(rows, 'contender')
    ]
    parts = ['## Side by side\n\nRequests/s as a multiple of ours:\n', table(['', *names], overview)]
    cpu = [[name, *(cpu_ratio(rows, name, load) for load in names)] for name in distinct(rows, 'contender')]
    parts += [
        'CPU per request as a multiple of ours: of the medians, and of the minima:\n',
        table(['', *names], cpu),
    ]
    return '\n'.join([*parts, *(one_load(rows, load) for load in names)])


def cpu_ratio(rows: Rows, contender: str, load: str) -> str:
    """CPU per request over that of ours: of the medians and, in brackets, of the minima."""
    theirs, mine = (values(rows, 'cpu_us', contender=who, load=load) for who in (contender, REFERENCE))
    if not theirs:
        return '-'
    middle = statistics.median(theirs) / statistics.median(mine)
    return f'{middle:.2f}x ({min(theirs) / min(mine):.2f}x)'


def one_load(rows: Rows, load: str) -> str:
    """A table of everyone under one load."""
    keys = ('requests_per_second', 'p50_ms', 'p99_ms', 'cpu_us')
    lines = [
        [
            name,
            *(cell(rows, key, contender=name, load=load) for key in keys),
            errors(rows, contender=name, load=load),
        ]
        for name in distinct(rows, 'contender')
    ]
    busy = max(row['other_percent'] for row in rows if row['load'] == load)
    note = f'\nOther processes took at most {busy:.0f} % of the CPU.\n'
    head = ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'errors']
    return f'### {load}: {DESCRIPTIONS[load]}\n\n' + table(head, lines) + note


def starts(results: dict[str, Any]) -> str:
    """Memory, cold start and size, of the same three models."""
    rows: Rows = results['starts']
    sizes = {row['contender']: row for row in results.get('size', [])}
    lines = []
    for name in distinct(rows, 'contender'):
        folder = {'fastapi-tuned': 'fastapi'}.get(name, name)
        size = sizes.get('ours, models of the peers' if name.startswith('ours') else folder)
        installed = [f'{size["mb"]:.0f}', str(size['distributions'])] if size else ['', '']
        lines.append(
            [name, cell(rows, 'pss_mb', contender=name), cell(rows, 'ready_s', contender=name), *installed]
        )
    head = ['', 'PSS after the loads, MB', 'cold start, s', 'installed, MB', 'distributions']
    return (
        '## Memory, cold start, size\n\n'
        'Serving greeting, digits and the heavy network; the start ends when each has answered. '
        'Installed is the environment less pip; for ours, requirements.txt less the block of IrisModel.\n\n'
        + table(head, lines)
    )


def size(results: dict[str, Any]) -> str:
    """What ours takes on the disk."""
    rows = [row for row in results['size'] if row['contender'].startswith('ours')]
    lines = [[row['contender'], f'{row["mb"]:.0f}', str(row['distributions'])] for row in rows]
    return '## Size of ours\n\n' + table(['requirements', 'MB', 'distributions'], lines)


def memory(results: dict[str, Any]) -> str:
    """How the memory of ours grows with its workers."""
    rows: Rows = results['memory']
    lines = []
    for name in distinct(rows, 'contender'):
        first = values(rows, 'pss_mb', contender=name, workers=1)
        for workers in distinct(rows, 'workers'):
            found = values(rows, 'pss_mb', contender=name, workers=workers)
            more = (
                [(b - a) / a / (workers - 1) for a, b in zip(first, found, strict=True)]
                if workers > 1
                else []
            )
            lines.append([name, str(workers), number(statistics.median(found)), spread(more) if more else ''])
    head = ['', 'workers', 'PSS, MB', 'each further worker, of the first']
    return '## Memory of ours by workers\n\nThe default models, after load.\n\n' + table(head, lines)


def cold(results: dict[str, Any]) -> str:
    """Starts of ours with one model."""
    rows: Rows = results['cold']
    lines = [
        [
            name,
            model,
            *(spread(values(rows, key, contender=name, model=model)) for key in ('ready_s', 'pss_mb')),
        ]
        for name in distinct(rows, 'contender')
        for model in distinct(rows, 'model')
    ]
    return '## Cold start of ours with one model\n\n' + table(
        ['', 'model', 'first answer, s', 'PSS, MB'], lines
    )


def refusals(results: dict[str, Any]) -> str:
    """What bad requests get."""
    statuses: dict[str, dict[str, int]] = {}
    for row in results['refusals']:
        statuses.setdefault(row['contender'], {}).update(row['statuses'])
    kinds = list(next(iter(statuses.values())))
    lines = [[name, *(str(found.get(kind, '')) for kind in kinds)] for name, found in statuses.items()]
    return '## Statuses of bad requests\n\n' + table(['', *kinds], lines)


def failures(results: dict[str, Any]) -> str:
    """Which peers failed, and when."""
    lines = [
        f'- {row["contender"]}, round {row["round"] + 1}: {row["why"][:200]!r}' for row in results['failures']
    ]
    return '## Failures\n\n' + '\n'.join(lines) + '\n'


def beside(results: dict[str, Any]) -> str:
    """A greeting beside a model that holds the interpreter."""
    rows: Rows = results['beside']
    lines = [
        [
            name,
            str(clients),
            *(spread(values(rows, key, contender=name, clients=clients)) for key in ('p50_ms', 'p99_ms')),
        ]
        for name in distinct(rows, 'contender')
        for clients in distinct(rows, 'clients')
    ]
    return (
        '## A greeting beside a slow model\n\nOne client asks for greetings, one worker serves, and so '
        'many other clients ask a model of the same worker, without pause, that computes 20 ms in Python.\n\n'
        + table(['', 'other clients', 'p50 ms', 'p99 ms'], lines)
    )


def lone(results: dict[str, Any]) -> str:
    """What the server adds for a client that is alone."""
    rows: Rows = results['lone']
    lines = []
    for name in distinct(rows, 'contender'):
        for load in distinct(rows, 'load'):
            direct, served = (values(rows, key, contender=name, load=load) for key in ('direct_ms', 'p50_ms'))
            added = [b - a for a, b in zip(direct, served, strict=True)]
            times = [b / a for a, b in zip(direct, served, strict=True)]
            lines.append([name, load, *map(spread, (direct, served, added, times))])
    head = ['', 'request', 'in process, ms', 'p50 of one client, ms', 'added, ms', 'multiple']
    return (
        '## One client alone\n\nIn process is parsing, model and writing without HTTP or '
        'validation, in one Python process. digits-512-long has all digits of its fractions (606 kB).\n\n'
        + table(head, lines)
    )


def profile(results: dict[str, Any]) -> str:
    """Where the time of a greeting goes."""
    rows: Rows = results['profile']
    took = {name: min(values(rows, name)) for name in ('parse', 'receive', 'contexts', 'view', 'whole')}
    lines: list[tuple[str, float]] = [
        ('parse HTTP, make the WSGI environment', took['parse']),
        ('the connection, the request and its place in the queue', took['receive'] - took['parse']),
        ("Flask's contexts, and whether the fast path is open", took['contexts']),
        ('parse and validate the JSON, the view, the model', took['view'] - took['contexts']),
        ('hand over, write JSON and response, count', took['whole'] - took['receive'] - took['view']),
        ('in all', took['whole']),
    ]
    return (
        '## Where the time of a greeting goes\n\nµs of CPU, the least of all rounds, in one thread with warm '
        'caches and without sockets (`benchmarks/stages.py`). What a greeting costs under load beyond this '
        'is the system: receiving, sending, and waking threads.\n\n'
        + table(['', 'µs'], [[name, f'{figure:.1f}'] for name, figure in lines])
    )


def scaling(results: dict[str, Any]) -> str:
    """Ours by workers and connections."""
    rows: Rows = results['scaling']
    lines = [
        [
            name,
            load,
            str(workers),
            str(connections),
            *of_load(rows, contender=name, load=load, workers=workers, connections=connections),
        ]
        for name in distinct(rows, 'contender')
        for load in distinct(rows, 'load')
        for workers in distinct(rows, 'workers')
        for connections in distinct(rows, 'connections')
    ]
    return '## Workers and connections of ours\n\n' + table(
        ['', 'load', 'workers', 'connections', *OF_LOAD], lines
    )


def soak(results: dict[str, Any]) -> str:
    """Ours under many connections for long."""
    rows: Rows = results['soak']
    lines = [
        [row['contender'], row['load'], str(row['connections']), str(row['seconds']), *of_load([row])]
        for row in rows
    ]
    return '### Many connections for long\n\n' + table(
        ['', 'load', 'connections', 'seconds', *OF_LOAD], lines
    )


OF_LOAD = ('requests/s', 'p50 ms', 'p99 ms', 'p99/p50', 'errors')


def of_load(rows: Rows, **which: Any) -> list[str]:
    """The cells of OF_LOAD."""
    rate, p50, p99 = (values(rows, key, **which) for key in ('requests_per_second', 'p50_ms', 'p99_ms'))
    tail = [b / a for a, b in zip(p50, p99, strict=True)]
    return [*map(spread, (rate, p50, p99, tail)), errors(rows, **which)]


def curve(results: dict[str, Any]) -> str:
    """The picture, by reference."""
    return '## Saturation\n\n![Throughput and p99 against connections](saturation.svg)\n'


def picture(rows: Rows) -> str:
    """Throughput and p99 against connections."""
    marks = distinct(rows, 'connections')

    def panel(title: str, key: str, load: str, log: bool) -> Panel:
        series = {
            name: [
                statistics.median(values(rows, key, contender=name, load=load, connections=mark))
                for mark in marks
            ]
            for name in distinct(rows, 'contender')
        }
        return Panel(f'{load}: {title}', series, log)

    panels = [
        [panel(title, key, load, log) for load in distinct(rows, 'load')]
        for title, key, log in (('requests/s', 'requests_per_second', False), ('p99, ms', 'p99_ms', True))
    ]
    return chart(panels, [str(mark) for mark in marks], 'connections')


SECTIONS: dict[str, Callable[[dict[str, Any]], str]] = {
    'loads': loads,
    'failures': failures,
    'starts': starts,
    'size': size,
    'memory': memory,
    'cold': cold,
    'beside': beside,
    'lone': lone,
    'profile': profile,
    'scaling': scaling,
    'soak': soak,
    'curve': curve,
    'refusals': refusals,
}
"""What makes a section, by the results that it needs."""


def distinct(rows: Rows, key: str) -> list[Any]:
    """The values of a key, in order."""
    return list(dict.fromkeys(row[key] for row in rows))


def values(rows: Rows, key: str, **which: Any) -> list[float]:
    """The values of a key in the rows chosen."""
    return [row[key] for row in rows if all(row[name] == value for name, value in which.items())]


def errors(rows: Rows, **which: Any) -> str:
    """The errors of all rounds."""
    return f'{sum(values(rows, "errors", **which)):.0f}'


def ratios(rows: Rows, key: str, contender: str, **which: Any) -> list[float]:
    """What it is as a multiple of ours, in each round."""
    mine = {row['round']: row[key] for row in rows if matches(row, contender=REFERENCE, **which)}
    return [row[key] / mine[row['round']] for row in rows if matches(row, contender=contender, **which)]


def matches(row: dict[str, Any], **which: Any) -> bool:
    """Whether a row has these values."""
    return all(row[name] == value for name, value in which.items())


def ratio(rows: Rows, key: str, contender: str, **which: Any) -> str:
    """The multiple of ours, with its spread."""
    return spread(ratios(rows, key, contender, **which), 'x')


def cell(rows: Rows, key: str, contender: str, **which: Any) -> str:
    """A figure, and what it is as a multiple of ours."""
    found = values(rows, key, contender=contender, **which)
    figure = number(statistics.median(found)) if found else '-'
    return (
        figure if contender == REFERENCE or not found else f'{figure}, {ratio(rows, key, contender, **which)}'
    )


def spread(figures: Iterable[float], sign: str = '') -> str:
    """The median, and where there are several the least and the greatest."""
    if not (found := sorted(figures)):
        return '-'
    middle = f'{number(statistics.median(found))}{sign}'
    return f'{middle} ({number(found[0])}-{number(found[-1])})' if len(found) > 1 else middle


def number(value: float) -> str:
    """Three digits or so."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f'{value:,.{digits}f}'


def table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    marks = ['---', *('---:' for _ in head[1:])]
    return ''.join(f'| {" | ".join(line)} |\n' for line in (head, marks, *lines))
