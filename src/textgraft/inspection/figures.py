"""Plots of inspections."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from textgraft.reporting.figures import CELL, Figure, shortened

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8860b", "#7f7f7f")
"""Okabe and Ito's, in an order in which neighbours differ most."""
_LEGEND = {"orientation": "h", "y": -0.22}


def lines(
    series: Mapping[str, tuple[Sequence[Any], Sequence[float | None]]],
    x_title: str,
    y_title: str,
    *,
    log_x: bool = False,
    log_y: bool = False,
    ticks: Sequence[str] | None = None,
    dashes: Mapping[str, str] | None = None,
    colours: Mapping[str, str] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Figure:
    """Draw lines by name.

    Args:
        series: The places and values of each; None leaves a gap.
        x_title: Of the axis below.
        y_title: Of the axis on the left.
        log_x: Whether places are drawn in powers of ten.
        log_y: Likewise the values.
        ticks: What stands below the places 0, 1, 2, …, as tokens.
        dashes: plotly's dash of a line, where it is not solid.
        colours: Of lines that are not to take the next one.
        y_range: Ends of the axis on the left.
    """
    data = []
    for at, (name, (places, values)) in enumerate(series.items()):
        colour = (colours or {}).get(name, COLOURS[at % len(COLOURS)])
        # A value of nothing has no place on a logarithmic axis.
        drawn = [
            None if value is None or (log_y and value <= 0) else float(f"{value:.4g}") for value in values
        ]
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(places) <= 40 else "lines",
                "name": html.escape(name, quote=False),
                "x": list(places),
                "y": drawn,
                "line": {"color": colour, "width": 2, "dash": (dashes or {}).get(name, "solid")},
                "marker": {"size": 6},
            }
        )
    x_axis: dict[str, Any] = {"title": {"text": x_title}, "type": "log" if log_x else "linear"}
    if ticks is not None:
        x_axis |= {"tickvals": list(range(len(ticks))), "ticktext": _short(ticks), "tickangle": -50}
    elif log_x:
        places = sorted({place for xs, _ in series.values() for place in xs})
        x_axis |= {"tickvals": places, "ticktext": [f"{place:,}" for place in places]}
    y_axis: dict[str, Any] = {"title": {"text": y_title, "standoff": 14}}
    if log_y:
        y_axis |= {"type": "log", "exponentformat": "power", "dtick": _decades(data)}
    if y_range is not None:
        y_axis["range"] = list(y_range)
    return {
        "data": data,
        "layout": {
            "height": 420,
            "xaxis": x_axis,
            "yaxis": y_axis,
            "legend": _LEGEND if ticks is None else {**_LEGEND, "y": 1.12},
            "margin": {"t": 10, "r": 10, "l": 60, "b": 60},
            "hovermode": "closest",
        },
    }


def _decades(data: Sequence[dict[str, Any]]) -> int:
    """Return how many powers of ten stand between ticks, so that there are no more than about ten."""
    import math

    values = [math.log10(value) for trace in data for value in trace["y"] if value]
    return max(1, math.ceil((max(values) - min(values)) / 10)) if values else 1


def heatmap(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    titles: tuple[str, str],
    most: float | None = None,
) -> Figure:
    """Draw values by row and column.

    Args:
        values: [rows, columns], from 0 on.
        rows: Names of the rows, drawn from above.
        columns: Names of the columns.
        titles: Of the axis on the left, and of the one below.
        most: What is darkest; the largest value if left out.
    """
    return {
        "data": [_heat(values, rows, columns, most)],
        "layout": _heat_layout(rows, columns, titles),
    }


def chosen_heatmap(
    maps: Mapping[str, Sequence[Sequence[float]]],
    rows: Sequence[str],
    columns: Sequence[str],
    titles: tuple[str, str],
    most: float | None = None,
) -> Figure:
    """Draw one of several heatmaps, chosen from a list by name; arguments are those of :func:`heatmap`."""
    data = []
    for at, values in enumerate(maps.values()):
        data.append({**_heat(values, rows, columns, most), "visible": at == 0})
    layout = _heat_layout(rows, columns, titles)
    if len(maps) > 1:
        layout["updatemenus"] = [
            {
                "buttons": [
                    {
                        "label": html.escape(name, quote=False),
                        "method": "restyle",
                        "args": [{"visible": [other == at for other in range(len(maps))]}],
                    }
                    for at, name in enumerate(maps)
                ],
                "x": 0,
                "xanchor": "left",
                "y": 1,
                "yanchor": "bottom",
                "pad": {"b": 10},
            }
        ]
        layout["margin"]["t"] = 70
        layout["height"] += 60
    return {"data": data, "layout": layout}


def _heat(
    values: Sequence[Sequence[float]], rows: Sequence[str], columns: Sequence[str], most: float | None
) -> dict[str, Any]:
    names, across = ([html.escape(one, quote=False) for one in each] for each in (rows, columns))
    return {
        "type": "heatmap",
        # Tokens may stand there twice: positions keep them apart.
        "x": list(range(len(columns))),
        "y": list(range(len(rows))),
        "z": [[float(f"{value:.3g}") for value in row] for row in values],
        "zmin": 0,
        "zmax": most or max((value for row in values for value in row), default=1.0) or 1.0,
        "customdata": [[f"{name} · {other}" for other in across] for name in names],
        "hovertemplate": "%{customdata}<br>%{z:.3g}<extra></extra>",
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
    }


def _heat_layout(rows: Sequence[str], columns: Sequence[str], titles: tuple[str, str]) -> dict[str, Any]:
    return {
        "height": 150 + CELL * max(3, len(rows)),
        "xaxis": {
            "title": {"text": titles[1]},
            "tickvals": list(range(len(columns))),
            "ticktext": _short(columns),
            "tickangle": -50,
        },
        "yaxis": {
            "title": {"text": titles[0], "standoff": 14},
            "tickvals": list(range(len(rows))),
            "ticktext": _short(rows),
            "autorange": "reversed",
        },
        "margin": {"t": 10, "r": 10, "l": 60, "b": 60},
    }


def _short(names: Sequence[str]) -> list[str]:
    return [html.escape(shortened(name, 28), quote=False) for name in names]
