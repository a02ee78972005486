"""The plots of an evaluation."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from textgraft import wording
from textgraft.data.perturbations import PERTURBATIONS
from textgraft.evaluation.intervals import Score
from textgraft.evaluation.reliability import Reliability
from textgraft.evaluation.risk_coverage import RiskCoverage
from textgraft.evaluation.slices import SliceScore
from textgraft.inference.evaluating.record import Calibration, CutText
from textgraft.inference.evaluating.robustness import Change
from textgraft.reporting.figures import CELL, Figure, error_bars, shortened

COLOUR, BEFORE, WORSE = "#0072b2", "#999999", "#d55e00"
_MARGIN = {"t": 10, "r": 16, "l": 60, "b": 54}
_ZERO = {"type": "line", "yref": "paper", "y0": 0, "y1": 1, "x0": 0, "x1": 0, "line": {"dash": "dash"}}
_LEGEND = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0}


def reliability_diagram(calibration: Calibration) -> Figure:
    """Draw how often answers are right over how probable they were said to be, before and after."""
    bins = [one for found in (calibration.before, calibration.after) if found for one in found.bins]
    least = max(0.0, min(min(one.confidence, one.right.low) for one in bins) - 0.03)
    data: list[dict[str, Any]] = [_line([least, 1], [least, 1], "calibrated", BEFORE, dash="dot")]
    if calibration.before is not None:
        data.append(_bins(calibration.before, "without temperature", BEFORE, "circle-open"))
    name = "with temperature" if calibration.before is not None else "the model"
    data.append(_bins(calibration.after, name, COLOUR, "circle"))
    return {
        "data": data,
        "layout": {
            "height": 400,
            "xaxis": {"title": {"text": "confidence"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": "right"}, "range": [least, 1.01], "tickformat": ".0%"},
            "legend": _LEGEND,
            "margin": _MARGIN,
        },
    }


def _bins(found: Reliability, name: str, colour: str, symbol: str) -> dict[str, Any]:
    rights = [one.right for one in found.bins]
    return {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": [one.confidence for one in found.bins],
        "y": [right.value for right in rights],
        "error_y": error_bars(rights, colour),
        "line": {"color": colour, "width": 1.5},
        "marker": {"symbol": symbol, "size": 8, "color": colour},
        "customdata": [
            f"{wording.count(one.rows)} rows, confidence {one.confidence:.0%}: {one.right.value:.0%} right "
            f"({one.right.low:.0%} to {one.right.high:.0%})"
            for one in found.bins
        ],
        "hovertemplate": "%{customdata}<extra>" + name + "</extra>",
    }


def _line(x: Sequence[float], y: Sequence[float], name: str, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": list(x),
        "y": list(y),
        "line": {"color": colour, "width": 1.5, "dash": dash},
        "hoverinfo": "skip",
    }


def risk_curve(curve: RiskCoverage, quality: str) -> Figure:
    """Draw the mean loss of the surest answers over the fraction of the rows that they are."""
    told = [
        f"the surest {covered:.0%}: {1 - risk:.3f} {html.escape(quality)}"
        for covered, risk in zip(curve.coverage, curve.risk, strict=True)
    ]
    model = {
        **_line(curve.coverage, [1 - risk for risk in curve.risk], "the model", COLOUR, "solid"),
        "hoverinfo": "text",
        "customdata": told,
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    level = _line([0, 1], [1 - curve.random] * 2, "all rows", BEFORE, dash="dot")
    return {
        "data": [level, model],
        "layout": {
            "height": 400,
            "xaxis": {"title": {"text": "rows answered, surest first"}, "tickformat": ".0%"},
            "yaxis": {"title": {"text": quality}, "tickformat": ".2f"},
            "legend": _LEGEND,
            "margin": _MARGIN,
        },
    }


def slice_differences(slices: Sequence[SliceScore]) -> Figure:
    """Draw each slice's difference to the other rows with its interval, the worse ones in another colour."""
    names = [html.escape(shortened(f"{one.dimension}: {one.name}", 44), quote=False) for one in slices]
    data = []
    for colour, worse in ((COLOUR, False), (WORSE, True)):
        places = [at for at, one in enumerate(slices) if one.is_worse is worse]
        shown = [slices[at] for at in places]
        bars = error_bars([one.difference for one in shown], colour)
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": "worse than other rows" if worse else "may be chance, or better",
                "x": [one.difference.value for one in shown],
                "y": places,
                "error_x": bars,
                "marker": {"size": 8, "color": colour, "symbol": "diamond" if worse else "circle"},
                "customdata": [
                    f"{names[at]}<br>{wording.count(slices[at].rows)} rows: {_told(slices[at].difference)}"
                    for at in places
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )
    return {
        "data": [trace for trace in data if trace["y"]],
        "layout": {
            "height": 110 + CELL * len(slices),
            "xaxis": {"title": {"text": "difference to the other rows"}, "tickformat": "+.2f"},
            "yaxis": {
                "tickvals": list(range(len(slices))),
                "ticktext": names,
                "range": [len(slices) - 0.4, -0.6],
            },
            "shapes": [_ZERO],
            "legend": _LEGEND,
            "margin": {"t": 10, "r": 16, "l": 40, "b": 54},
        },
    }


def _told(difference: Score) -> str:
    if difference.low is None or difference.high is None:
        return wording.signed(difference.value)
    low, high = wording.signed(difference.low), wording.signed(difference.high)
    return f"{wording.signed(difference.value)} ({low} to {high})"


def cut_quality(cut: Sequence[CutText], quality: str) -> Figure:
    """Draw how good answers are over how much of their text was cut off."""
    scores = [one.quality for one in cut]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "name": quality,
                "x": list(range(len(cut))),
                "y": [score.value for score in scores],
                "error_y": error_bars(scores, COLOUR),
                "marker": {"size": 9, "color": COLOUR},
                "customdata": [
                    f"{one.name} cut off, {wording.count(one.rows)} rows: {wording.score(one.quality.value)} "
                    f"({wording.interval(one.quality)})"
                    for one in cut
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        ],
        "layout": {
            "height": 320,
            "xaxis": {
                "title": {"text": "text cut off"},
                "tickvals": list(range(len(cut))),
                "ticktext": [one.name for one in cut],
                "range": [-0.5, len(cut) - 0.5],
            },
            "yaxis": {"title": {"text": quality}, "tickformat": ".2f"},
            "margin": _MARGIN,
        },
    }


def perturbation_changes(models: Sequence[tuple[str, str, str, Sequence[Change]]]) -> Figure:
    """Draw how scores change where texts are written otherwise.

    Args:
        models: Name, colour, symbol, and at most one change for each perturbation.
    """
    measured = {one.perturbation for *_, changes in models for one in changes}
    names = [name for name in PERTURBATIONS if name in measured]
    room = 0.7 / max(1, len(models))
    data = []
    for number, (name, colour, symbol, changes) in enumerate(models):
        shift = (number - (len(models) - 1) / 2) * room
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": name,
                "x": [one.change.value for one in changes],
                "y": [names.index(one.perturbation) + shift for one in changes],
                "error_x": error_bars([one.change for one in changes], colour),
                "marker": {"size": 8, "color": colour, "symbol": symbol},
                "customdata": [
                    f"{PERTURBATIONS[one.perturbation].title}, {one.level}: {wording.score(one.score)}, "
                    f"{_told(one.change)}"
                    for one in changes
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )
    return {
        "data": data,
        "layout": {
            "height": 130 + max(34, 14 * len(models)) * len(names),
            "xaxis": {"title": {"text": "change of the score"}, "tickformat": "+.2f"},
            "yaxis": {
                "tickvals": list(range(len(names))),
                "ticktext": [PERTURBATIONS[name].title for name in names],
                "range": [len(names) - 0.4, -0.6],
            },
            "shapes": [_ZERO],
            "legend": _LEGEND,
            "margin": {"t": 10, "r": 16, "l": 40, "b": 54},
        },
    }


def number_scatter(numbers: Sequence[tuple[float, float]]) -> Figure:
    """Draw the number given over the true one."""
    true, given = zip(*numbers, strict=True)
    ends = [min(*true, *given), max(*true, *given)]
    points = {
        "type": "scatter",
        "mode": "markers",
        "name": "rows",
        "x": list(true),
        "y": list(given),
        "marker": {"size": 6, "color": COLOUR, "opacity": 0.5},
        "hovertemplate": "true %{x:.4g}, given %{y:.4g}<extra></extra>",
    }
    return {
        "data": [_line(ends, ends, "exactly right", BEFORE, dash="dot"), points],
        "layout": {
            "height": 420,
            "xaxis": {"title": {"text": "true"}},
            "yaxis": {"title": {"text": "given"}},
            "legend": _LEGEND,
            "margin": _MARGIN,
        },
    }
