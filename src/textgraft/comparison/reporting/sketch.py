"""The learning curves as a small drawing that every notebook shows: no script, a few kilobytes."""

from __future__ import annotations

import html
import math
from collections.abc import Callable

from textgraft import wording
from textgraft.comparison.contenders.registry import has_fixed_sizes
from textgraft.comparison.records.verdict import Curve, Verdict
from textgraft.comparison.reporting.figures import styles
from textgraft.reporting.figures import interval_ends

WIDTH, HEIGHT = 620, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 16, 12, 44
_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_GRID = 'stroke="currentColor" stroke-opacity=".18"'

Scale = Callable[[float], float]


def curves_svg(verdict: Verdict) -> str:
    """Draw each contender's score over the training rows, with the band of its 95% intervals.

    Colours and marks are those of the report; lines are named below. Returns "" where nothing was measured.

    Args:
        verdict: With the curves.
    """
    curves = [curve for curve in verdict.curves if curve.points]
    if not curves:
        return ""
    learning = [curve for curve in curves if not has_fixed_sizes(curve.contender)]
    sizes = sorted({point.size for curve in learning for point in curve.points}) or [1]
    ends = [end for curve in curves for point in curve.points for end in interval_ends(point.score)]
    step = next((step for step in _STEPS if max(ends) - min(ends) <= 6 * step), _STEPS[-1])
    low, high = math.floor(min(ends) / step) * step, math.ceil(max(ends) / step) * step
    high = max(high, low + step)
    x, y = _log_scale(sizes), _linear_scale(low, high)
    looks = styles([curve.contender for curve in verdict.curves])
    parts = [
        *(_level(low + step * place, y) for place in range(round((high - low) / step) + 1)),
        *_sizes(sizes, verdict, x),
    ]
    parts += [part for curve in curves for part in _curve(curve, sizes, x, y, *looks[curve.contender])]
    title = html.escape(f"{verdict.metric} over labelled training rows")
    legend = "".join(_entry(curve.contender, *looks[curve.contender]) for curve in curves)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="{title}" '
        f'style="max-width:100%;height:auto" font-size="11" fill="currentColor">{"".join(parts)}</svg>'
        f"<p>{legend}</p>"
    )


def _log_scale(sizes: list[int]) -> Scale:
    first, last = math.log(max(1, sizes[0])), math.log(max(1, sizes[-1]))
    width = WIDTH - _LEFT - _RIGHT - 40
    if last == first:
        return lambda size: _LEFT + 20 + width / 2
    return lambda size: _LEFT + 20 + width * (math.log(max(1, size)) - first) / (last - first)


def _linear_scale(low: float, high: float) -> Scale:
    height = HEIGHT - _TOP - _BOTTOM
    return lambda score: _TOP + height * (high - score) / (high - low)


def _level(score: float, y: Scale) -> str:
    at = y(score)
    return (
        f'<line x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:.1f}" y2="{at:.1f}" {_GRID}/>'
        f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{score:.3g}</text>'
    )


def _sizes(sizes: list[int], verdict: Verdict, x: Scale) -> list[str]:
    """Write the sizes below the plot; of two that would meet, the second is left out."""
    parts, free = [], -math.inf
    for size in sizes:
        label = wording.count(size) + wording.of_each(size, verdict.shots)
        half = 3.3 * len(label)
        if x(size) - half > free:
            free = x(size) + half + 4
            parts.append(
                f'<text x="{x(size):.1f}" y="{HEIGHT - _BOTTOM + 16}" text-anchor="middle">'
                f"{html.escape(label)}</text>"
            )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    axis = f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">labelled training rows</text>'
    return [*parts, axis]


def _curve(curve: Curve, sizes: list[int], x: Scale, y: Scale, colour: str, symbol: str) -> list[str]:
    places = [(x(point.size), point.score) for point in curve.points]
    if has_fixed_sizes(curve.contender):  # what it has learned from, it has at any number of rows
        score = curve.points[-1].score
        places = [(x(sizes[0]), score), (x(sizes[-1]), score)]
    told = "".join(
        f"\n{wording.count(point.size)} rows: {wording.score(point.score.value)} "
        f"({wording.interval(point.score)})"
        for point in curve.points
    )
    bounds = [interval_ends(score) for _, score in places]
    around = [(at, y(high)) for (at, _), (_, high) in zip(places, bounds, strict=True)]
    around += [(at, y(low)) for (at, _), (low, _) in reversed(list(zip(places, bounds, strict=True)))]
    line = [(at, y(score.value)) for at, score in places]
    return [
        f'<g stroke="{colour}"><title>{html.escape(curve.contender + told)}</title>',
        f'<polygon points="{_points(around)}" fill="{colour}" fill-opacity=".14" stroke-width="3" '
        'stroke-opacity=".14"/>',
        f'<polyline points="{_points(line)}" fill="none" stroke-width="2"/>',
        *(_mark(at, height, symbol, colour) for at, height in line),
        "</g>",
    ]


def _points(places: list[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _mark(x: float, y: float, symbol: str, colour: str) -> str:
    """Draw a mark of the report's: its shape, filled or open, with a dot or without."""
    if symbol.endswith("-dot"):
        inner = colour if "-open" in symbol else "white"
        dot = f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1" fill="{inner}" stroke="{inner}"/>'
        return _mark(x, y, symbol.removesuffix("-dot"), colour) + dot
    shape = symbol.partition("-open")[0]
    filled = f'fill="{colour}"' if "-open" not in symbol else 'fill="none"'
    if shape == "square":
        return f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7" {filled}/>'
    corners = _CORNERS.get(shape)
    if corners is None:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.8" {filled}/>'
    places = [(x + right, y + down) for right, down in corners]
    return f'<polygon points="{_points(places)}" {filled}/>'


def _star(points: int, inner: float) -> list[tuple[float, float]]:
    return [
        (
            math.sin(math.pi * at / points) * (5 if at % 2 == 0 else inner),
            -math.cos(math.pi * at / points) * (5 if at % 2 == 0 else inner),
        )
        for at in range(2 * points)
    ]


_CORNERS: dict[str, list[tuple[float, float]]] = {
    "diamond": [(0, -5), (5, 0), (0, 5), (-5, 0)],
    "diamond-tall": [(0, -5.5), (3.2, 0), (0, 5.5), (-3.2, 0)],
    "diamond-x": _star(4, 2.4),
    "diamond-wide": [(0, -3.2), (5.5, 0), (0, 3.2), (-5.5, 0)],
    "star-triangle-up": [(0, -5), (1.8, 1), (5, 4), (0, 2.6), (-5, 4), (-1.8, 1)],
    "hexagon2": [(5, 0), (2.5, 4.3), (-2.5, 4.3), (-5, 0), (-2.5, -4.3), (2.5, -4.3)],
    "hexagram": _star(6, 2.6),
    "star-square": _star(4, 1.6),
    "circle-cross": _star(8, 3.4),
    "hash": _star(4, 3.2),
    "triangle-up": [(0, -5), (5, 4), (-5, 4)],
    "triangle-down": [(0, 5), (5, -4), (-5, -4)],
    "triangle-left": [(-5, 0), (4, -5), (4, 5)],
    "triangle-right": [(5, 0), (-4, -5), (-4, 5)],
    "bowtie": [(-5, -4), (5, 4), (5, -4), (-5, 4)],
    "hourglass": [(-4, -5), (4, -5), (-4, 5), (4, 5)],
    "star": _star(5, 2.2),
    "pentagon": _star(5, 4.1),
    "hexagon": _star(6, 4.4),
    "cross": [(-1.6, -5), (1.6, -5), (1.6, -1.6), (5, -1.6), (5, 1.6), (1.6, 1.6), (1.6, 5), (-1.6, 5),
              (-1.6, 1.6), (-5, 1.6), (-5, -1.6), (-1.6, -1.6)],
    "x": [(-5, -3), (-3, -5), (0, -2), (3, -5), (5, -3), (2, 0), (5, 3), (3, 5), (0, 2), (-3, 5), (-5, 3),
          (-2, 0)],
}  # fmt: skip
"""Corners of marks around their middle, by plotly's names for them; others are circles."""


def mark_svg(colour: str, symbol: str) -> str:
    """Draw a curve's mark by itself, to stand before a name."""
    return (
        f'<svg class="mark" width="12" height="12" stroke="{colour}" style="vertical-align:-1px" '
        f'aria-hidden="true">{_mark(6, 6, symbol, colour)}</svg>'
    )


def _entry(name: str, colour: str, symbol: str) -> str:
    """Name a line, beside its mark."""
    mark = mark_svg(colour, symbol)
    return f'<span style="white-space:nowrap;margin-right:1.2em">{mark} {html.escape(name)}</span>'
