"""Draw report.html: one file that holds everything it needs, drawn from the comparison's folder alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from markupsafe import Markup

from textgraft import wording
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.choice import CHANCE_AT_MOST, least_right_more_often
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.memory import load_memory
from textgraft.comparison.records.plan import ComparisonPlan, load_plan
from textgraft.comparison.records.preferences import MARGINS
from textgraft.comparison.records.robustness import load_robustness
from textgraft.comparison.records.trials import TestSet, Trial, load_test_set, load_trials
from textgraft.comparison.records.verdict import Verdict, load_verdict
from textgraft.comparison.reporting import sections
from textgraft.comparison.reporting.figures import (
    attention_heatmap,
    cost_scatter,
    learning_curves,
    styles,
)
from textgraft.comparison.reporting.leftovers import left_out, not_reached, unread
from textgraft.comparison.reporting.next_steps import NextStep, next_steps
from textgraft.comparison.reporting.sketch import mark_svg
from textgraft.data.facts import check_facts, overlap_title
from textgraft.data.perturbations import LEVELS, PERTURBATIONS
from textgraft.evaluation.confusions import top_confusions
from textgraft.files import write_atomic
from textgraft.inference.evaluating.figures import perturbation_changes
from textgraft.reporting.figures import Figure, confusion_heatmap
from textgraft.reporting.page import render_page


def write_report(folder: Path) -> Path:
    """Draw the report of a comparison, finished or interrupted.

    Reads plan.json, data.json, trials/ and comparison.json (judging the trials anew where that is
    missing) and writes report.html beside them.

    Raises:
        ModelError: A file of the comparison is missing or damaged.
        OptionError: No trial has finished.
        OutputError: The report cannot be written.
    """
    plan = load_plan(folder)
    test_set = load_test_set(folder)
    finished = load_trials(folder)
    planned = set(plan.results.values())
    trials = [trial for trial in finished if trial.id in planned]
    known = (folder / "comparison.json").is_file()
    verdict = load_verdict(folder) if known else judge(trials, test_set)
    verdict = load_memory(folder).in_verdict(verdict, trials)
    verdict = load_robustness(folder).in_verdict(verdict, trials)
    path = folder / "report.html"
    steps = next_steps(folder, plan, test_set, trials, verdict)
    write_atomic(path, render_report(plan, test_set, trials, verdict, steps))
    return path


def render_report(
    plan: ComparisonPlan,
    test_set: TestSet,
    trials: list[Trial],
    verdict: Verdict,
    steps: Sequence[NextStep] = (),
) -> str:
    """Return the report as HTML.

    Args:
        plan: plan.json.
        test_set: What the trials were judged on.
        trials: Those of the plan.
        verdict: Their verdict.
        steps: What to do next.
    """
    shown = verdict.favourite
    at_size = [trial for trial in trials if verdict.is_judged(trial)]
    judged = [trial for trial in at_size if trial.contender == shown]
    is_confusable = all(isinstance(target, int) for target in test_set.gold)
    matrix = sections.total_confusion(judged, test_set) if is_confusable else None
    figures = {
        "curves": learning_curves(verdict),
        "training": cost_scatter(verdict, "training_seconds", "seconds of training"),
        "latency": cost_scatter(
            verdict, "latency_ms_p50", "milliseconds a text", verdict.preferences.max_latency_ms
        ),
    }
    looking, maps = sections.attended(at_size, shown)
    figures |= {f"attention-{place}": attention_heatmap(found) for place, found in enumerate(maps)}
    if verdict.robustness:
        figures["robustness"] = _perturbed(verdict)
    if matrix is not None:
        figures["confusion"] = confusion_heatmap(matrix, test_set.labels)
    return render_page(
        "textgraft.comparison.reporting",
        "report.html.j2",
        figures,
        plan=plan,
        test_set=test_set,
        trials=trials,
        verdict=verdict,
        steps=steps,
        answers=answers(verdict),
        shown=shown,
        marks={
            name: Markup(mark_svg(*look))
            for name, look in styles([curve.contender for curve in verdict.curves]).items()
        },
        titles={name: entry.title for name, entry in plan.contenders.items()},
        confusions=[] if matrix is None else top_confusions(matrix, test_set.labels),
        is_confusable=is_confusable,
        calibrated=any(row.calibration_error is not None for row in verdict.standings),
        priced=any(row.price_of_thousand is not None for row in verdict.standings),
        training_priced=any(row.price_of_training is not None for row in verdict.standings),
        errors=sections.confident_errors(judged, test_set),
        samples=sections.samples(at_size, test_set),
        missing=" ".join(filter(None, (not_reached(plan), left_out(plan)))),
        unread=unread(trials),
        looking=looking,
        attentions=len(maps),
        writes=any(row.tokens_per_second is not None for row in verdict.standings),
        efforts=sections.efforts(trials),
        facts=check_facts(test_set.check),
        given_up=MARGINS["cost"] if verdict.preferences.prefer == "cost" else None,
        ended=wording.ENDED,
        labels_words=wording.LABELS,
        time_words=wording.TRAINING_TIME,
        chance_at_most=CHANCE_AT_MOST,
        overall=verdict.metrics.get(verdict.overall_metric or ""),
        right_more_often=least_right_more_often(verdict.preferences),
        levels=LEVELS,
        perturbations=PERTURBATIONS,
        overlap_title=overlap_title,
    )


def _perturbed(verdict: Verdict) -> Figure:
    """Draw what the strongest level of each perturbation does to each contender."""
    looks = styles([curve.contender for curve in verdict.curves])
    return perturbation_changes(
        [
            (name, *looks[name], [one for one in found.changes if one.level == LEVELS[-1]])
            for name, found in verdict.robustness.items()
        ]
    )
