"""What a comparison did not measure, and why, in a few words."""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.comparison.records.plan import ComparisonPlan, PlannedTrial
from textgraft.comparison.records.trials import Trial
from textgraft.wording import count, listing


def left_out(plan: ComparisonPlan) -> str:
    """Say which trials there is no time for, and which budget would do; nothing where there are none."""
    missing = plan.plan.left_out
    if not missing:
        return ""
    names = dict.fromkeys(one.contender for one in missing)
    parts = [
        f"{name} {_of_one([one for one in missing if one.contender == name])}"
        for name in names
        if name in plan.rates
    ]
    said = f"No time for {listing(parts)}" if parts else ""
    if plan.request.budget is None:
        return f"{said}."
    if unknown := [name for name in names if name not in plan.rates]:
        verb = "was" if len(unknown) == 1 else "were"
        measured = f"{listing(unknown)} {verb} not even measured on a few rows: give a larger --budget."
        return f"{said}; {measured}" if said else f"For want of time, {measured}"
    enough = 60 * max(1, round((plan.request.budget + plan.plan.missing_seconds) * 1.1 / 60 + 0.5))
    return f"{said}: --budget {enough // 60}m would measure all of it."


def not_reached(plan: ComparisonPlan) -> str:
    """Say whose turn has not come yet, as where a comparison was stopped; nothing where all have results."""
    begun = {name.split("/")[0] for name in plan.results}
    names = [name for name in dict.fromkeys(one.contender for one in plan.plan.trials) if name not in begun]
    return f"Not reached yet: {listing(names)}." if names else ""


def unread(trials: Sequence[Trial]) -> str:
    """Say how much of long texts each contender read; nothing where no text has several windows."""
    largest = {trial.contender: trial for trial in sorted(trials, key=lambda trial: trial.size)}
    parts = [
        f"{name} read {trial.reading} a text"
        for name, trial in largest.items()
        if trial.reading is not None and trial.reading.is_of_long_texts
    ]
    return f"Of long texts, {listing(parts)}." if parts else ""


def _of_one(missing: Sequence[PlannedTrial]) -> str:
    """Describe the missing trials of one contender: sizes without any, and further seeds elsewhere."""
    sizes = sorted({one.size for one in missing if one.seed == 0})
    others = {one.size for one in missing} - set(sizes)
    said = [f"on {listing([count(size) for size in sizes])} rows"] if sizes else []
    if others:
        said.append("with further seeds" if not sizes else "further seeds elsewhere")
    return listing(said)
