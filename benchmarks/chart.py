"""Draws the saturation curve as SVG, for light and dark pages."""

import math
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, TOP, ROW, COLUMN = 400, 180, 62, 72, 256, 470
COLOURS = ('#0969da', '#bc4c00', '#1a7f37', '#8250df', '#bf3989')
STYLE = """
  .page { fill: #ffffff } .grid { stroke: #d8dee4 } text { fill: #1f2328; font: 12px sans-serif }
  .head { font-weight: 600 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } .grid { stroke: #30363d } text { fill: #e6edf3 } .line { filter: brightness(1.5) }
  }
"""

Series = dict[str, list[float]]


class Panel(NamedTuple):
    """One diagram: a title, a value for each mark by series, and whether the y-axis is logarithmic."""

    title: str
    series: Series
    log: bool = False


def chart(panels: list[list[Panel]], marks: list[str], about_x: str) -> str:
    """An SVG of rows of panels over the same evenly spaced marks; a legend of the first panel's series."""
    width, height = COLUMN * len(panels[0]) + 20, TOP + ROW * len(panels) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">']
    parts += [f'<style>{STYLE}</style>', f'<rect class="page" width="{width}" height="{height}" rx="6"/>']
    for place, name in enumerate(panels[0][0].series):
        x = LEFT + place * 170
        parts.append(f'<path class="line" d="M{x} 24h24" stroke="{COLOURS[place]}" stroke-width="3"/>')
        parts.append(text(x + 32, 28, name, 'start'))
    for row, line in enumerate(panels):
        for column, panel in enumerate(line):
            left, top = LEFT + column * COLUMN, TOP + row * ROW
            parts.append(f'<g transform="translate({left} {top})">{drawn(panel, marks)}')
            parts.append(text(WIDTH / 2, HEIGHT + 34, about_x, 'middle') + '</g>')
    return '\n'.join([*parts, '</svg>', ''])


def drawn(panel: Panel, marks: list[str]) -> str:
    """The grid and the lines of a panel."""
    ticks = ticks_of(panel)
    step = WIDTH / (len(marks) - 1)
    parts = [text(0, -14, panel.title, 'start', 'head')]
    for tick in ticks:
        y = height_of(tick, ticks, panel.log)
        parts.append(f'<path class="grid" d="M0 {y:.1f}H{WIDTH}"/>' + text(-8, y + 4, f'{tick:,g}', 'end'))
    for place, mark in enumerate(marks):
        parts.append(text(place * step, HEIGHT + 17, mark, 'middle'))
    for colour, values in zip(COLOURS, panel.series.values(), strict=False):
        points = [(n * step, height_of(value, ticks, panel.log)) for n, value in enumerate(values)]
        line = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
        dots = ''.join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points)
        parts.append(
            f'<g class="line"><polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
        parts.append(f'{dots}</g>')
    return ''.join(parts)


def ticks_of(panel: Panel) -> list[float]:
    """Round numbers from below the least value (0 unless logarithmic) to above the greatest."""
    values = [value for series in panel.series.values() for value in series]
    if panel.log:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        return [10.0**power for power in range(low, max(high, low + 1) + 1)]
    power = 10 ** math.floor(math.log10(max(values)))
    step = next(size * power for size in (0.25, 0.5, 1, 2, 5) if size * power * 6 >= max(values))
    return [step * count for count in range(math.ceil(max(values) / step) + 1)]


def height_of(value: float, ticks: list[float], log: bool) -> float:
    """Where a value lies, from the top."""
    scale = math.log10 if log else float
    return HEIGHT * (1 - (scale(value) - scale(ticks[0])) / (scale(ticks[-1]) - scale(ticks[0])))


def text(x: float, y: float, words: str, anchor: str, kind: str = '') -> str:
    """A piece of text."""
    escaped = words.replace('&', '&amp;').replace('<', '&lt;')
    return f'<text class="{kind}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escaped}</text>'
