"""The report's plots, as plain plotly figures (data and layout); the page adds the theme's colours.

Every contender has one colour and one symbol in all plots: those of its entry.
"""

from __future__ import annotations

import html
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from textgraft import wording
from textgraft.comparison.contenders.registry import contender_named, has_fixed_sizes
from textgraft.comparison.records.verdict import Curve, Standing, Verdict
from textgraft.evaluation.intervals import Estimate, Score
from textgraft.inference.attention_maps import AttentionMap
from textgraft.reporting.figures import CELL, Figure, error_bars, interval_ends, transparent

_SPARE = (("#cc79a7", "pentagon"), ("#0072b2", "hexagon"), ("#009e73", "cross"), ("#e69f00", "bowtie"))
"""Of contenders without an entry, as those of another version."""

_DRAWN = ("", "-open", "-dot", "-open-dot")


def styles(contenders: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return colour and symbol of each contender; unknown ones take the spare ones in turn."""
    spare = itertools.cycle(_SPARE)
    looks: dict[str, tuple[str, str]] = {}
    of_entry: Counter[str] = Counter()
    for name in contenders:
        entry = contender_named(name)
        if entry is None:
            looks[name] = next(spare)
            continue
        # The same contender on another encoder has the same colour and the symbol drawn in another way.
        looks[name] = (entry.colour, entry.marker.removesuffix("-open") + _DRAWN[of_entry[entry.name] % 4])
        if not of_entry[entry.name]:
            looks[name] = (entry.colour, entry.marker)
        of_entry[entry.name] += 1
    return looks


def learning_curves(verdict: Verdict) -> Figure:
    """Draw the score over training size with 95% bands.

    Dotted are the pick's forecast beyond the largest size, and what contenders would have at the judged size
    that were not measured there; a contender that learns from a fixed number of rows is a level line.
    """
    looks = styles([curve.contender for curve in verdict.curves])
    learning = [curve for curve in verdict.curves if not has_fixed_sizes(curve.contender)]
    sizes = {point.size for curve in learning for point in curve.points}
    data: list[dict[str, Any]] = []
    for curve in learning:
        data += _curve(curve, *looks[curve.contender], verdict.shots)
        if curve.contender == verdict.pick and curve.forecasts:
            ahead = [(forecast.labels, forecast.score) for forecast in curve.forecasts]
            data.append(_predicted(curve, ahead, looks[curve.contender][0]))
            sizes.add(curve.forecasts[-1].labels)
    expected = {one.contender: one.expected for one in verdict.unmeasured}
    for curve in learning:
        if (score := expected.get(curve.contender)) is not None:
            data.append(_predicted(curve, [(verdict.size, score)], looks[curve.contender][0]))
    ends = (min(sizes, default=1), max(sizes, default=10))
    data += [
        _level(curve, ends, *looks[curve.contender]) for curve in verdict.curves if curve not in learning
    ]
    apart = _apart(sizes)
    return {
        "data": data,
        "layout": {
            "height": 440,
            "xaxis": {
                "type": "log",
                "title": {"text": "labelled training rows"},
                "tickvals": apart,
                "ticktext": [wording.count(size) + wording.of_each(size, verdict.shots) for size in apart],
            },
            "yaxis": {"title": {"text": verdict.metric}, "tickformat": ".2f"},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
            "margin": {"t": 10, "r": 16, "l": 60, "b": 60},
        },
    }


def _apart(sizes: Iterable[int]) -> list[int]:
    """Return the sizes that can be written below a log axis, the larger of two that would meet."""
    shown: list[int] = []
    for size in sorted(sizes, reverse=True):
        if not shown or shown[-1] >= 1.25 * size:
            shown.append(size)
    return shown[::-1]


def _curve(curve: Curve, colour: str, symbol: str, shots: Mapping[int, int]) -> list[dict[str, Any]]:
    sizes = [point.size for point in curve.points]
    scores = [point.score for point in curve.points]
    line = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": curve.contender,
        "legendgroup": curve.contender,
        "x": sizes,
        "y": [score.value for score in scores],
        "line": {"color": colour, "width": 2.5},
        "marker": {"symbol": symbol, "size": 9, "color": colour},
        "hovertemplate": "%{customdata}<extra>" + curve.contender + "</extra>",
        "customdata": [
            f"{wording.count(point.size)} rows{wording.of_each(point.size, shots)}: "
            f"{wording.score(point.score.value)} "
            f"({wording.interval(point.score)}), {wording.seconds(point.training_seconds)}"
            for point in curve.points
        ],
    }
    if len(sizes) == 1:
        return [{**line, "error_y": error_bars([scores[0]], colour)}]
    band = {
        "type": "scatter",
        "x": sizes + sizes[::-1],
        "y": [
            *(interval_ends(score)[0] for score in scores),
            *(interval_ends(score)[1] for score in reversed(scores)),
        ],
        "fill": "toself",
        "fillcolor": transparent(colour),
        "line": {"width": 0, "color": "rgba(0,0,0,0)"},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": curve.contender,
    }
    return [band, line]


def _level(curve: Curve, ends: tuple[int, int], colour: str, symbol: str) -> dict[str, Any]:
    """Draw the score of a contender that learns from a fixed number of rows, whatever there are."""
    point = curve.points[-1]
    rows = f"{wording.count(point.size)} rows" if point.size else "no rows"
    told = f"learned from {rows}: {wording.score(point.score.value)} ({wording.interval(point.score)})"
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": curve.contender,
        "x": list(ends),
        "y": [point.score.value] * 2,
        "line": {"color": colour, "width": 2, "dash": "dash"},
        "marker": {"symbol": symbol, "size": 9, "color": colour},
        "customdata": [told, told],
        "hovertemplate": "%{customdata}<extra>" + curve.contender + "</extra>",
    }


def _predicted(curve: Curve, ahead: Sequence[tuple[int, Estimate]], colour: str) -> dict[str, Any]:
    last = curve.points[-1]
    estimates: list[Score | Estimate] = [last.score, *(score for _, score in ahead)]
    sizes = [last.size, *(labels for labels, _ in ahead)]
    bars = error_bars(estimates, colour)
    bars["array"][0] = bars["arrayminus"][0] = 0  # the measured point has its band already
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": f"{curve.contender}, predicted",
        "x": sizes,
        "y": [estimate.value for estimate in estimates],
        "error_y": bars,
        "line": {"color": colour, "width": 2, "dash": "dot"},
        "marker": {"size": [0] + [7] * len(ahead), "color": colour, "symbol": "circle-open"},
        "customdata": [
            f"{wording.count(size)} rows, predicted: {wording.score(estimate.value)} "
            f"({wording.interval(estimate)})"
            for size, estimate in zip(sizes, estimates, strict=True)
        ],
        "hovertemplate": "%{customdata}<extra></extra>",
    }


def cost_scatter(verdict: Verdict, field: str, title: str, limit: float | None = None) -> Figure:
    """Draw the score against a cost at the judged size; the area of a bubble is the model's size.

    Args:
        verdict: The verdict.
        field: The cost, a field of Standing.
        title: Of the cost's axis.
        limit: The user's limit on that cost, drawn as a line.
    """
    looks = styles([curve.contender for curve in verdict.curves])
    largest = max(row.model_mb for row in verdict.standings)
    ends = _padded_range(verdict.standings, field)
    places = {row.contender: (np.log10(_measured(row, field)), row.score) for row in verdict.standings}
    named = name_places(places, (ends[0], ends[1]))
    at, written = decades(*ends)
    figure: Figure = {
        "data": [
            _bubble(row, field, verdict.metric, looks[row.contender], largest, named[row.contender])
            for row in verdict.standings
        ],
        "layout": {
            "height": 380,
            "showlegend": False,
            "xaxis": {
                "type": "log",
                "title": {"text": title},
                "range": ends,
                "tickvals": at,
                "ticktext": written,
            },
            "yaxis": {"title": {"text": verdict.metric}, "tickformat": ".2f"},
            "margin": {"t": 24, "r": 12, "l": 60, "b": 54},
        },
    }
    if limit:
        figure["layout"]["shapes"] = [
            {
                "type": "line",
                "yref": "paper",
                "y0": 0,
                "y1": 1,
                "x0": limit,
                "x1": limit,
                "line": {"dash": "dash"},
            }
        ]
    return figure


def _bubble(
    row: Standing, field: str, metric: str, look: tuple[str, str], largest: float, place: str | None
) -> dict[str, Any]:
    colour, symbol = look
    return {
        "type": "scatter",
        "mode": "markers+text",
        "name": row.contender,
        "x": [_measured(row, field)],
        "y": [row.score.value],
        "error_y": error_bars([row.score], colour),
        "marker": {
            "symbol": symbol,
            "size": 9 + 25 * (row.model_mb / largest) ** 0.5,
            "color": colour,
            "opacity": 0.85,
        },
        "text": [row.contender if place else ""],
        "textposition": place or "middle right",
        "cliponaxis": False,
        "hovertemplate": (
            f"{metric} {wording.score(row.score.value)} ({wording.interval(row.score)})<br>"
            f"trained in {wording.seconds(row.training_seconds)}, "
            f"{wording.milliseconds(row.latency_ms_p50)} a text, {wording.megabytes(row.model_mb)}"
            f"<extra>{row.contender}</extra>"
        ),
    }


def _padded_range(rows: Sequence[Standing], field: str) -> list[float]:
    """Return the ends of a log axis with room for the names beside the outermost bubbles."""
    logs = np.log10([_measured(row, field) for row in rows])
    room = max(0.35, 0.22 * float(logs.max() - logs.min()))
    return [float(logs.min()) - room, float(logs.max()) + room]


def _measured(row: Standing, field: str) -> float:
    return max(float(getattr(row, field)), 1e-3)


def decades(low: float, high: float) -> tuple[list[float], list[str]]:
    """Return the ticks of a log axis, 1, 10, 100 and so on, and how they are written.

    Args:
        low: The lower end's logarithm to base 10.
        high: The upper end's. Where fewer than two powers of ten lie between, 2 and 5 are ticks as well.
    """
    powers = range(math.floor(low), math.ceil(high) + 1)
    ticks = [10.0**power for power in powers if low <= power <= high]
    if len(ticks) < 2:
        steps = [step * 10.0**power for power in powers for step in (1, 2, 5)]
        ticks = [tick for tick in steps if low <= math.log10(tick) <= high]
    return ticks, [f"{tick:,.0f}" if tick >= 1 else f"{tick:g}" for tick in ticks]


_PLOT = (500, 300)
"""Width and height in pixels for which names are placed; on wider plots they are further apart."""
_LETTER, _LINE, _CLEAR = 7.0, 15.0, 14.0
"""Width of a letter, height of a line, and how far a name is from the middle of its mark."""
_SIDES = {
    "middle right": (1, 0), "middle left": (-1, 0), "top center": (0, 1), "bottom center": (0, -1),
    "top right": (1, 1), "bottom right": (1, -1), "top left": (-1, 1), "bottom left": (-1, -1),
}  # fmt: skip


def name_places(marks: Mapping[str, tuple[float, Score]], ends: tuple[float, float]) -> dict[str, str | None]:
    """Place the names of marks so that none meets another, a mark or an edge.

    Args:
        marks: By name, where it stands between the ends of the axis, and its score.
        ends: Of that axis.

    Returns:
        Plotly's text position of each; None for a name that has no room, which is then shown on hover alone.
    """
    scores = [end for _, score in marks.values() for end in interval_ends(score)]
    low, span = min(scores), max(max(scores) - min(scores), 1e-9)
    width, height = _PLOT

    def up(score: float) -> float:
        return height * (0.05 + 0.9 * (score - low) / span)

    at = {
        name: (width * (x - ends[0]) / (ends[1] - ends[0]), up(score.value))
        for name, (x, score) in marks.items()
    }
    taken = [(x - 8, y - 8, x + 8, y + 8) for x, y in at.values()]
    # Names stand clear of the bars of intervals as well.
    taken += [
        (at[name][0] - 2, up(interval_ends(score)[0]), at[name][0] + 2, up(interval_ends(score)[1]))
        for name, (_, score) in marks.items()
    ]
    found: dict[str, str | None] = {}
    for name, (x, y) in at.items():
        half = _LETTER * len(name) / 2
        found[name] = None
        for side, (right, above) in _SIDES.items():
            # Beside a mark a name begins at it, above and below it is centred.
            middle = x + right * (half + _CLEAR) if right else x
            height_at = y + above * _CLEAR
            box = (middle - half, height_at - _LINE / 2, middle + half, height_at + _LINE / 2)
            if box[0] >= 0 and box[2] <= width and not any(_meet(box, other) for other in taken):
                found[name] = side
                taken.append(box)
                break
    return found


def _meet(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    across = first[0] < second[2] and second[0] < first[2]
    return across and first[1] < second[3] and second[1] < first[3]


def attention_heatmap(attention: AttentionMap) -> Figure:
    """Draw where a model looked: a row for each word it wrote, a column for each word of the source."""
    across, down = (
        [html.escape(word, quote=False) for word in side] for side in (attention.source, attention.target)
    )
    trace: dict[str, Any] = {
        "type": "heatmap",
        # Words may repeat: positions keep them apart.
        "x": list(range(len(across))),
        "y": list(range(len(down))),
        "z": attention.weights,
        "zmin": 0,
        "zmax": max(map(max, attention.weights)),
        "customdata": [[f"{written} ← {read}" for read in across] for written in down],
        "hovertemplate": "%{customdata}: %{z:.2f}<extra></extra>",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    return {
        "data": [trace],
        "layout": {
            "height": 130 + CELL * len(down),
            "xaxis": {
                "title": {"text": "read"},
                "tickvals": trace["x"],
                "ticktext": across,
                "tickangle": -50,
                "side": "top",
            },
            "yaxis": {
                "title": {"text": "written", "standoff": 14},
                "tickvals": trace["y"],
                "ticktext": down,
                "autorange": "reversed",
            },
            "margin": {"t": 60, "r": 8, "l": 40, "b": 8},
        },
    }
