"""Draw report.html of an evaluation: one file that holds everything it needs, drawn from the record alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from textgraft.data.perturbations import LEVELS, PERTURBATIONS
from textgraft.files import write_atomic
from textgraft.inference.evaluating.figures import (
    cut_quality,
    number_scatter,
    perturbation_changes,
    reliability_diagram,
    risk_curve,
    slice_differences,
)
from textgraft.inference.evaluating.record import Evaluation, save_evaluation
from textgraft.inference.evaluating.sentences import findings
from textgraft.reporting.figures import Figure, confusion_heatmap
from textgraft.reporting.files import report_paths
from textgraft.reporting.page import render_page

_LEVEL_COLOURS = ("#8ab8d8", "#0072b2", "#d55e00")
MOST_SLICES = 40
"""Slices that are drawn; the table has all."""


def write_report(report: str | Path, evaluation: Evaluation) -> Path:
    """Write the page and, beside it, the record that it is drawn from; returns the page.

    Raises:
        OutputError: They cannot be written.
    """
    page, record = report_paths(report)
    page.parent.mkdir(parents=True, exist_ok=True)
    save_evaluation(record, evaluation)
    write_atomic(page, render_evaluation(evaluation))
    return page


def render_evaluation(evaluation: Evaluation) -> str:
    """Return the page as HTML."""
    details = evaluation.details
    figures: dict[str, Figure] = {}
    shown = []
    if details is not None:
        if details.calibration is not None:
            figures["reliability"] = reliability_diagram(details.calibration)
        if details.risk_coverage is not None:
            figures["risk"] = risk_curve(details.risk_coverage, details.quality)
        if details.confusion:
            figures["confusion"] = confusion_heatmap(np.array(details.confusion), details.confusion_names)
        if details.numbers:
            figures["numbers"] = number_scatter(details.numbers)
        shown = sorted(details.slices, key=lambda one: one.difference.value)
        if shown:
            figures["slices"] = slice_differences(shown[:MOST_SLICES])
        if len(details.cut) > 1:
            figures["cut"] = cut_quality(details.cut, details.quality)
    if (found := evaluation.robustness) is not None:
        by_level = [
            (level, colour, "circle", [one for one in found.changes if one.level == level])
            for level, colour in zip(LEVELS, _LEVEL_COLOURS, strict=True)
        ]
        figures["robustness"] = perturbation_changes(by_level)
    return render_page(
        "textgraft.inference.evaluating",
        "evaluation.html.j2",
        figures,
        evaluation=evaluation,
        details=details,
        findings=findings(evaluation),
        slices=shown,
        most_slices=MOST_SLICES,
        drawn=set(figures),
        levels=LEVELS,
        perturbations=PERTURBATIONS,
    )
