"""Plots that reports share, as plain plotly figures (data and layout); the page adds the theme's colours."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.evaluation.intervals import Estimate, Score

Figure = dict[str, Any]

MOST_LABELS = 40
"""A confusion matrix of more labels shows those with the most errors."""
CELL = 26
"""Height of a heatmap's row in pixels: a line of text."""


def interval_ends(estimate: Score | Estimate) -> tuple[float, float]:
    """Return the ends of the interval; the value itself where there is none."""
    low, high = estimate.low, estimate.high
    return (estimate.value if low is None else low, estimate.value if high is None else high)


def error_bars(estimates: Sequence[Score | Estimate], colour: str) -> dict[str, Any]:
    """Return plotly's error bars from values to the ends of their intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [max(0.0, interval_ends(estimate)[1] - estimate.value) for estimate in estimates],
        "arrayminus": [max(0.0, estimate.value - interval_ends(estimate)[0]) for estimate in estimates],
        "color": colour,
        "thickness": 1.2,
        "width": 4,
    }


def transparent(colour: str, alpha: float = 0.16) -> str:
    """Return a colour, written #rrggbb, as one that lets others through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


def confusion_heatmap(matrix: NDArray[np.int64], labels: Sequence[str]) -> Figure:
    """Draw a confusion matrix: colours deepen with the share of the true label's rows.

    Args:
        matrix: Rows by true label (first axis) and predicted label, [labels, labels].
        labels: Names; with more than :data:`MOST_LABELS`, those with the most errors are shown.
    """
    errors = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    shown = np.sort(np.argsort(-errors, kind="stable")[:MOST_LABELS])
    totals = matrix.sum(axis=1)[shown]
    part = matrix[np.ix_(shown, shown)]
    shares = part / np.maximum(totals, 1)[:, None]
    # Two labels may begin alike: positions keep them apart, their names stand as tick texts and in the hover.
    names = [html.escape(labels[label], quote=False) for label in shown]
    short = [html.escape(shortened(labels[label]), quote=False) for label in shown]
    positions = list(range(len(shown)))
    hover = [
        [
            f"true: {names[true]}<br>predicted: {names[guess]}<br>"
            f"{part[true, guess]} of {totals[true]} ({shares[true, guess]:.0%})"
            for guess in positions
        ]
        for true in positions
    ]
    trace: dict[str, Any] = {
        "type": "heatmap",
        "x": positions,
        "y": positions,
        # The root of the share: a tenth of a label's rows gone astray must be seen beside the diagonal.
        "z": [[round(float(share) ** 0.5, 4) for share in line] for line in shares],
        "zmin": 0,
        "zmax": 1,
        "customdata": hover,
        "hovertemplate": "%{customdata}<extra></extra>",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }
    if len(shown) <= 15:
        trace |= {
            "text": [[str(count) for count in line] for line in part.tolist()],
            "texttemplate": "%{text}",
        }
    return {
        "data": [trace],
        "layout": {
            "height": 150 + CELL * len(shown),
            "xaxis": {
                "title": {"text": "predicted"},
                "tickvals": positions,
                "ticktext": short,
                "tickangle": -50,
            },
            "yaxis": {
                "title": {"text": "true", "standoff": 14},
                "tickvals": positions,
                "ticktext": short,
                "autorange": "reversed",
            },
            "margin": {"t": 8, "r": 8, "l": 40, "b": 40},
        },
    }


def shortened(name: str, length: int = 22) -> str:
    """Cut a name so that it fits beside a plot."""
    return name if len(name) <= length else f"{name[: length - 1]}…"
