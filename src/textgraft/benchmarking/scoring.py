"""From the trials of a set to its row in the table: its official measures, at the size that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import msgspec

from textgraft.benchmarking.finding import FoundSet, find_file
from textgraft.benchmarking.measures import Gold, official_scores
from textgraft.benchmarking.results import Figure, SetResult
from textgraft.benchmarking.sets import BenchmarkSet, Further
from textgraft.comparison.records.record import FORMAT, load_record
from textgraft.comparison.records.trials import Trial, task_of
from textgraft.comparison.records.verdict import best_seed
from textgraft.comparison.result import Comparison
from textgraft.comparison.running.kept_models import KeptModels
from textgraft.data.dataset import Dataset
from textgraft.integrity import write_record

_FURTHER = "further.json"


class _FurtherAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """What kept models answered on further rows: nothing is asked twice."""

    format: int = FORMAT
    answers: dict[str, list[Any]] = {}
    """By the hash of the rows and the id of the trial."""


def score_set(found: FoundSet, comparison: Comparison) -> list[SetResult]:
    """Score the trials of a set by its official measures, and its models on further rows where there are any.

    Args:
        found: The set and its files.
        comparison: Of its contenders.

    Raises:
        DataError: A file of further rows cannot be read.
    """
    trials, test_set = _judged(comparison), comparison.test_set
    test = found.read(found.test)
    answers = {name: [trial.predicted for trial in of_it] for name, of_it in trials.items()}
    results = [
        SetResult(
            name=found.of.name,
            scored_on=found.layout.scored_on,
            left_out=len(test) + len(test.rejected) - len(test_set.gold),
            published=_plain(found.of.published),
            **_scored(found, Gold(test_set.labels, test_set.gold), answers, trials),
        )
    ]
    for further in found.of.further:
        path = find_file(found.folder, further.test)
        if path is not None:
            results.append(_score_further(found, further, found.read(path), comparison))
    return results


def _judged(comparison: Comparison) -> dict[str, list[Trial]]:
    """Return the trials of each contender at the size that it is judged at, by seed."""
    trials: dict[str, list[Trial]] = {}
    for standing in comparison.verdict.standings:
        of_it = [
            trial
            for trial in comparison.trials
            if trial.contender == standing.contender and comparison.verdict.is_judged(trial)
        ]
        if of_it:
            trials[standing.contender] = of_it
    return trials


def _scored(
    found: FoundSet,
    gold: Gold,
    answers: Mapping[str, Sequence[Sequence[Any]]],
    trials: Mapping[str, Sequence[Trial]],
) -> dict[str, Any]:
    """Return what all rows of a set have alike, and the figures of its contenders."""
    wanted: BenchmarkSet = found.of
    figures = [
        Figure(
            contender=name,
            train_rows=of_it[0].size,
            seeds=len(answers[name]),
            scores=official_scores(wanted.measures, gold, answers[name]),
            training_seconds=fmean(trial.cost.training_seconds for trial in of_it),
        )
        for name, of_it in trials.items()
    ]
    return {
        "task": wanted.task,
        "measures": {measure.key: measure.title for measure in wanted.measures},
        "test_rows": len(gold.targets),
        "caveat": found.layout.caveat,
        "figures": figures,
    }


def _score_further(found: FoundSet, further: Further, rows: Dataset, comparison: Comparison) -> SetResult:
    """Score the kept model of each contender, one seed's, on rows that no trial has seen."""
    known = [place for place, label in enumerate(rows.labels or ()) if label in comparison.test_set.labels]
    usable = rows.select(known)
    trials = {name: [best_seed(of_it)] for name, of_it in _judged(comparison).items()}
    given = _answers(comparison.folder, usable, [one for (one,) in trials.values()])
    gold = Gold(comparison.test_set.labels, task_of(comparison.test_set).targets(usable))
    answers = {name: [given[one.id]] for name, (one,) in trials.items()}
    return SetResult(
        name=further.name,
        scored_on=found.layout.scored_on,
        left_out=len(rows) - len(usable) + len(rows.rejected),
        published=_plain(further.published),
        **_scored(found, gold, answers, trials),
    )


def _answers(folder: Path, rows: Dataset, trials: Sequence[Trial]) -> dict[str, list[Any]]:
    """Return the answers of the trials' models to some rows, asking those that have not answered yet."""
    from textgraft.inference.predictor import load

    path, kept = folder / _FURTHER, KeptModels(folder)
    known = load_record(path, _FurtherAnswers, "Delete it.").answers if path.is_file() else {}
    missing = [trial for trial in trials if f"{rows.hash}-{trial.id}" not in known]
    for trial in missing:
        predictions = load(kept.path(trial)).predict_rows(rows)
        known[f"{rows.hash}-{trial.id}"] = [prediction.answer for prediction in predictions]
        write_record(path, _FurtherAnswers(answers=known))
    return {trial.id: known[f"{rows.hash}-{trial.id}"] for trial in trials}


def _plain(published: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    return {system: dict(figures) for system, figures in published.items()}
