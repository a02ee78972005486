"""A plot as a still picture in SVG: what notebooks show of a page's plots, without script, in few bytes."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textgraft.reporting.figures import CELL, Figure, shortened

WIDTH = 640
_INK, _PALE = "#333333", "#dddddd"
_DARKEST = (0, 74, 134)
"""Of a heatmap's cells; nothing is white."""
_WHITE = 0.004
"""Share of the darkest up to which a cell is as white as the sheet, and not drawn."""
_LETTER = 6.3
"""Pixels that a letter takes, on average."""
_DASHES = {"dash": "7 5", "dot": "2 4", "dashdot": "7 4 2 4"}
_LONGEST_NAME = 18

Scale = Callable[[float], float]


@dataclass(frozen=True, repr=False)
class Picture:
    """A figure that a notebook shows as SVG.

    Args:
        figure: Lines or heatmaps, as :mod:`textgraft.inspection.figures` draws them; of several heatmaps that
            can be chosen from, the first is shown.
        title: What stands above it.
    """

    figure: Figure
    title: str = ""

    def _repr_svg_(self) -> str:
        return picture(self.figure, self.title)


def picture(figure: Figure, title: str = "") -> str:
    """Return a figure of lines or of a heatmap as SVG, on white, so that it can be read on any background."""
    traces = [trace for trace in figure["data"] if trace.get("visible", True)]
    drawn = _heatmap(traces[0], figure["layout"]) if _is_heatmap(traces) else _lines(traces, figure["layout"])
    menus = figure["layout"].get("updatemenus")
    parts = [_escaped(title), menus[0]["buttons"][0]["label"] if menus else ""]
    return drawn.svg(" · ".join(part for part in parts if part))


def _is_heatmap(traces: Sequence[dict[str, Any]]) -> bool:
    return bool(traces) and traces[0]["type"] == "heatmap"


def _escaped(text: str) -> str:
    return html.escape(text, quote=False)


@dataclass(frozen=True)
class _Drawing:
    """Marks from the upper left corner of a sheet."""

    width: float
    height: float
    marks: list[str]

    def svg(self, title: str) -> str:
        """Return the sheet, with a title above the marks where there is one; the title is escaped already."""
        top = 24 if title else 0
        heading = f'<text x="8" y="17" font-weight="bold">{title}</text>' if title else ""
        width, height = round(self.width), round(self.height + top)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" font-family="sans-serif" font-size="12" fill="{_INK}">'
            f'<rect width="{width}" height="{height}" fill="white"/>{heading}'
            f'<g transform="translate(0 {top})">{"".join(self.marks)}</g></svg>'
        )


def _lines(traces: Sequence[dict[str, Any]], layout: dict[str, Any]) -> _Drawing:
    x_axis, y_axis = layout["xaxis"], layout["yaxis"]
    names = x_axis.get("ticktext") if "tickangle" in x_axis else None
    left, top, plot = 66, 10, 260
    right = WIDTH - 16
    below = 26 + (_slanted(names) if names else 18)
    x_low, x_high = _ends([trace["x"] for trace in traces], log=x_axis.get("type") == "log")
    y_low, y_high = _ends([trace["y"] for trace in traces], log=y_axis.get("type") == "log")
    if "range" in y_axis:
        y_low, y_high = y_axis["range"]
    elif y_axis.get("type") != "log":
        y_low, y_high = _round_ends(y_low, y_high)
    x = _scale(x_low, x_high, left + 12, right - 12, log=x_axis.get("type") == "log")
    y = _scale(y_low, y_high, top + plot, top, log=y_axis.get("type") == "log")
    marks = [
        *_levels(y_low, y_high, y, (left, right), is_log=y_axis.get("type") == "log"),
        *_places(x_axis, x_low, x_high, x, top + plot, names),
        _axis_title(x_axis, (left + right) / 2, top + plot + below),
        _upright_title(y_axis, 14, top + plot / 2),
    ]
    for trace in traces:
        marks += _line(trace, x, y, (top, top + plot))
    legend, rows = _legend(traces, left, top + plot + below + 22)
    return _Drawing(WIDTH, top + plot + below + 14 + 20 * rows, [*marks, *legend])


def _ends(series: Sequence[Sequence[float | None]], *, log: bool) -> tuple[float, float]:
    values = [value for one in series for value in one if value is not None and (value > 0 or not log)]
    low, high = (min(values), max(values)) if values else (1.0, 1.0)
    if low == high:
        return (low / 2, high * 2) if log and low > 0 else (low - 0.5, high + 0.5)
    return low, high


def _step(low: float, high: float, most: int = 6) -> float:
    """Return a round step of which at most so many lie between two values."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)


def _round_ends(low: float, high: float) -> tuple[float, float]:
    step = _step(low, high)
    return math.floor(low / step) * step, math.ceil(high / step) * step


def _scale(low: float, high: float, begin: float, end: float, *, log: bool) -> Scale:
    if log:
        first, last = math.log(low), math.log(high)
        return lambda value: begin + (end - begin) * (math.log(value) - first) / (last - first)
    return lambda value: begin + (end - begin) * (value - low) / (high - low)


def _ticks(low: float, high: float, *, is_log: bool) -> list[tuple[float, str]]:
    """Return where an axis is marked, and with what."""
    if is_log:
        first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
        if first < last:
            every = max(1, math.ceil((last - first) / 8))
            return [(10.0**power, _power(power)) for power in range(first, last + 1, every)]
        return [(value, f"{value:.2g}") for value in (low, high)]
    step = _step(low, high)
    count = math.floor((high - low) / step + 1e-9)
    begin = math.ceil(low / step - 1e-9) * step
    values = [begin + step * at for at in range(count + 1) if begin + step * at <= high + step * 1e-6]
    return [(value, f"{round(value, 10):,g}") for value in values]


def _power(power: int) -> str:
    if power == 0:
        return "1"
    return f'10<tspan dy="-5" font-size="9">{str(power).replace("-", "−")}</tspan>'


def _levels(low: float, high: float, y: Scale, sides: tuple[float, float], *, is_log: bool) -> list[str]:
    marks = []
    for value, told in _ticks(low, high, is_log=is_log):
        at = y(value)
        marks.append(
            f'<line x1="{sides[0]}" x2="{sides[1]}" y1="{at:.1f}" y2="{at:.1f}" stroke="{_PALE}"/>'
            f'<text x="{sides[0] - 8}" y="{at + 4:.1f}" text-anchor="end">{told}</text>'
        )
    return marks


def _places(
    axis: dict[str, Any], low: float, high: float, x: Scale, bottom: float, names: Sequence[str] | None
) -> list[str]:
    if names is not None:
        return [_slanted_name(name, x(at), bottom + 12) for at, name in enumerate(names)]
    if "tickvals" in axis:
        ticks = list(zip(axis["tickvals"], axis["ticktext"], strict=True))
    else:
        ticks = _ticks(low, high, is_log=axis.get("type") == "log")
    marks, free = [], -math.inf
    for value, told in ticks:
        half = _LETTER * len(str(told)) / 2
        if x(value) - half < free:
            continue
        free = x(value) + half + 6
        marks.append(
            f'<line x1="{x(value):.1f}" x2="{x(value):.1f}" y1="{bottom}" y2="{bottom + 4}" stroke="{_INK}"/>'
            f'<text x="{x(value):.1f}" y="{bottom + 18}" text-anchor="middle">{told}</text>'
        )
    return marks


def _slanted(names: Sequence[str]) -> float:
    """Return the height that slanted names take."""
    longest = max((len(html.unescape(_cut(name))) for name in names), default=0)
    return 10 + 0.77 * _LETTER * longest


def _cut(name: str) -> str:
    return _escaped(shortened(html.unescape(name), _LONGEST_NAME))


def _slanted_name(name: str, x: float, y: float) -> str:
    return (
        f'<text x="{x + 4:.1f}" y="{y:.1f}" text-anchor="end" transform="rotate(-50 {x + 4:.1f} {y:.1f})">'
        f"{_cut(name)}</text>"
    )


def _axis_title(axis: dict[str, Any], x: float, y: float) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{_escaped(axis["title"]["text"])}</text>'


def _upright_title(axis: dict[str, Any], x: float, y: float) -> str:
    return (
        f'<text x="{x}" y="{y:.1f}" text-anchor="middle" transform="rotate(-90 {x} {y:.1f})">'
        f"{_escaped(axis['title']['text'])}</text>"
    )


def _line(trace: dict[str, Any], x: Scale, y: Scale, inside: tuple[float, float]) -> list[str]:
    """Draw one line, parted where a value is missing; it ends where the sheet does."""
    colour = trace["line"]["color"]
    runs: list[list[tuple[float, float]]] = [[]]
    for place, value in zip(trace["x"], trace["y"], strict=True):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((x(place), min(max(y(value), inside[0]), inside[1])))
    dash = _DASHES.get(trace["line"].get("dash", "solid"))
    stroke = f'stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "")
    marks = []
    for run in runs:
        points = " ".join(f"{at:.1f},{height:.1f}" for at, height in run)
        marks.append(f'<polyline points="{points}" fill="none" {stroke}/>')
        if "markers" in trace["mode"]:
            marks += [f'<circle cx="{at:.1f}" cy="{up:.1f}" r="3" fill="{colour}"/>' for at, up in run]
    return [f"<g><title>{trace['name']}</title>{''.join(marks)}</g>"]


def _legend(traces: Sequence[dict[str, Any]], left: float, top: float) -> tuple[list[str], int]:
    """Name the lines below the plot, in rows; returns the marks and how many rows there are."""
    marks, at, row = [], float(left), 0
    for trace in traces:
        needed = 34 + _LETTER * len(html.unescape(trace["name"])) + 14
        if at > left and at + needed > WIDTH:
            at, row = float(left), row + 1
        y = top + 20 * row
        dash = _DASHES.get(trace["line"].get("dash", "solid"))
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        marks.append(
            f'<line x1="{at:.1f}" x2="{at + 26:.1f}" y1="{y - 4}" y2="{y - 4}" '
            f'stroke="{trace["line"]["color"]}" stroke-width="2.5"{dashed}/>'
            f'<text x="{at + 32:.1f}" y="{y}">{trace["name"]}</text>'
        )
        at += needed
    return marks, row + 1


def _heatmap(trace: dict[str, Any], layout: dict[str, Any]) -> _Drawing:
    rows = [_cut(name) for name in layout["yaxis"]["ticktext"]]
    columns = layout["xaxis"]["ticktext"]
    titled = bool(layout["yaxis"]["title"]["text"])
    left = 16 + (20 if titled else 0) + _LETTER * max((len(html.unescape(name)) for name in rows), default=0)
    cell = min(34.0, max(9.0, (WIDTH - left - 16) / max(1, len(columns))))
    height = min(float(CELL), cell) if len(rows) > 1 else float(CELL)
    top, bottom = 8.0, 8.0 + height * len(rows)
    marks = [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{cell * len(columns):.1f}" '
        f'height="{height * len(rows):.1f}" fill="white" stroke="{_PALE}"/>'
    ]
    for row, (name, values) in enumerate(zip(rows, trace["z"], strict=True)):
        middle = top + height * (row + 0.5) + 4
        marks.append(f'<text x="{left - 6:.1f}" y="{middle:.1f}" text-anchor="end">{name}</text>')
        for at, value in enumerate(values):
            share = (value - trace["zmin"]) / (trace["zmax"] - trace["zmin"])
            if share > _WHITE:
                marks.append(
                    f'<rect x="{left + cell * at + 0.5:.1f}" y="{top + height * row + 0.5:.1f}" '
                    f'width="{cell - 1:.1f}" height="{height - 1:.1f}" fill="{_shade(share)}">'
                    f"<title>{value:.3g}</title></rect>"
                )
    marks += [
        _slanted_name(name, left + cell * (at + 0.5), bottom + 12)
        for at, name in enumerate(columns)
        if name.strip()
    ]
    below = bottom + 14 + _slanted(columns)
    if layout["xaxis"]["title"]["text"]:
        below += 14
        marks.append(_axis_title(layout["xaxis"], left + cell * len(columns) / 2, below))
    if titled:
        marks.append(_upright_title(layout["yaxis"], 14, (top + bottom) / 2))
    return _Drawing(max(left + cell * len(columns) + 16, 320), below + 10, marks)


def _shade(share: float) -> str:
    share = min(1.0, max(0.0, share))
    return "#" + "".join(f"{round(255 + (dark - 255) * share):02x}" for dark in _DARKEST)
