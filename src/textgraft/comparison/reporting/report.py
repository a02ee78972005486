"""Draw report.html: one file that holds everything it needs, drawn from the comparison's folder alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from textgraft import wording
from textgraft.comparison.judging.choice import CHANCE_AT_MOST
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.memory import load_memory
from textgraft.comparison.records.plan import ComparisonPlan, load_plan
from textgraft.comparison.records.preferences import MARGINS
from textgraft.comparison.records.trials import TestSet, Trial, load_test_set, load_trials
from textgraft.comparison.records.verdict import Verdict, load_verdict
from textgraft.comparison.reporting import sections
from textgraft.comparison.reporting.facts import check_facts, overlap_title
from textgraft.comparison.reporting.figures import (
    MOST_LABELS,
    attention_heatmap,
    confusion_heatmap,
    cost_scatter,
    learning_curves,
    styles,
)
from textgraft.comparison.reporting.leftovers import left_out
from textgraft.files import write_atomic


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
    path = folder / "report.html"
    write_atomic(path, render_report(plan, test_set, trials, verdict))
    return path


def render_report(plan: ComparisonPlan, test_set: TestSet, trials: list[Trial], verdict: Verdict) -> str:
    """Return the report as HTML.

    Args:
        plan: plan.json.
        test_set: What the trials were judged on.
        trials: Those of the plan.
        verdict: Their verdict.
    """
    shown = verdict.pick or verdict.decision.leader
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
    if matrix is not None:
        figures["confusion"] = confusion_heatmap(matrix, test_set.labels)
    environment = Environment(
        loader=PackageLoader("textgraft.comparison.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "score": wording.score,
        "signed": wording.signed,
        "interval": wording.interval,
        "count": wording.count,
        "about": wording.about,
        "seconds": wording.seconds,
        "milliseconds": wording.milliseconds,
        "megabytes": wording.megabytes,
        "times": wording.times,
        "overlap_title": overlap_title,
    }
    return environment.get_template("report.html.j2").render(
        plan=plan,
        test_set=test_set,
        trials=trials,
        verdict=verdict,
        shown=shown,
        colours={name: colour for name, (colour, _) in styles([c.contender for c in verdict.curves]).items()},
        titles={name: entry.title for name, entry in plan.contenders.items()},
        confusions=[] if matrix is None else sections.top_confusions(matrix, test_set.labels),
        is_confusable=is_confusable,
        calibrated=any(row.calibration_error is not None for row in verdict.standings),
        priced=any(row.price_of_thousand is not None for row in verdict.standings),
        errors=sections.confident_errors(judged, test_set),
        samples=sections.samples(at_size, test_set),
        missing=left_out(plan),
        looking=looking,
        attentions=len(maps),
        writes=any(row.tokens_per_second is not None for row in verdict.standings),
        efforts=sections.efforts(trials),
        facts=check_facts(test_set.check),
        given_up=MARGINS["cost"] if verdict.preferences.prefer == "cost" else None,
        labels_words=wording.LABELS,
        time_words=wording.TRAINING_TIME,
        chance_at_most=CHANCE_AT_MOST,
        most_labels=MOST_LABELS,
        figures=_embedded_json(figures),
        plotly_js=Markup(get_plotlyjs()),
    )


def _embedded_json(value: Any) -> Markup:
    """Write JSON that may stand inside a script element whatever the texts in it are."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)
