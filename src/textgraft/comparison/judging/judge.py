"""The verdict: what the trials of a comparison say, in figures and in sentences."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

import msgspec
import numpy as np

from textgraft.comparison.contenders.registry import has_fixed_sizes, is_floor
from textgraft.comparison.judging.choice import choose, cost_index, excess
from textgraft.comparison.judging.curves import find_crossing
from textgraft.comparison.judging.dropping import score_at_most
from textgraft.comparison.judging.forecasts import FURTHEST, carry_on
from textgraft.comparison.judging.judged_size import judged_size
from textgraft.comparison.judging.savings import savings
from textgraft.comparison.judging.scores import Cell, ScoreTable
from textgraft.comparison.judging.sentences import write_sentences
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.trials import TestSet, Trial
from textgraft.comparison.records.verdict import (
    Curve,
    Forecast,
    Pair,
    Point,
    Standing,
    Unmeasured,
    Verdict,
)
from textgraft.errors import DataError, OptionError
from textgraft.evaluation.calibration import expected_calibration_error
from textgraft.evaluation.corrections import shaffer
from textgraft.evaluation.paired import SIGNIFICANT, PairedTest
from textgraft.tasks.base import Task

READ = 0.9
"""Of the windows of texts: who reads so many has read them."""
FEW_SEEDS = 4
"""Further seeds of a contender that may be asked for."""


def judge(trials: Sequence[Trial], test_set: TestSet, *, preferences: Preferences | None = None) -> Verdict:
    """Judge the finished trials of a comparison.

    Args:
        trials: Any finished trials of one data set; contenders keep the order in which they first occur.
        test_set: What the trials were judged on.
        preferences: Limits, and what to prefer; they change the pick and no figure.

    Raises:
        DataError: All test rows have the same target.
        OptionError: There is no trial.
    """
    wanted = preferences or Preferences()
    if not trials:
        raise OptionError("no trial has finished: there is nothing to judge", fix="Let at least one finish.")
    table = ScoreTable(trials, test_set)
    check_test_targets(table.task, test_set.gold)
    size = judged_size(table.cells)
    places = {
        contender: own
        for contender in table.contenders
        if (own := table.size_at(contender, size)) is not None
    }
    places |= _ahead(table, places)
    standings = _standings(table, places, test_set, wanted)
    pairs = _pairs(table, places)
    curves = {contender: table.curve(contender) for contender in table.contenders}
    crossings = [
        crossing
        for first, second in itertools.combinations(table.contenders, 2)
        if (crossing := find_crossing(curves[first], curves[second], (first, second)))
    ]
    names = metric_titles(table.task)
    verdict = Verdict(
        task=table.task.name,
        metric=names[table.task.main_metric],
        metrics=names,
        overall_metric=table.task.overall_metric,
        size=size,
        shots={trial.size: trial.shots for trial in trials if trial.shots is not None},
        decision=choose(standings, pairs, wanted),
        preferences=wanted,
        standings=standings,
        pairs=pairs,
        curves=[_curve(table, contender) for contender in table.contenders],
        crossings=crossings,
        savings=savings(table),
        unmeasured=[_unmeasured(table, name, size) for name in table.contenders if name not in places],
        test_rows=len(test_set.gold),
        set_aside=test_set.set_aside,
        labels=len(test_set.labels),
        train_rows=test_set.train_rows,
        leaked=len(test_set.leaked),
        trials=len(trials),
        signatures=next((trial.writing.signatures for trial in trials if trial.writing), {}),
        encoder_warning=test_set.check.get("encoder_warning"),
    )
    return msgspec.structs.replace(verdict, sentences=write_sentences(verdict))


def _ahead(table: ScoreTable, places: Mapping[str, int]) -> dict[str, int]:
    """Return who scores more with fewer rows than all others with more, and its largest size.

    With as many rows it would not score less, so its model is the better one to have, where time was short.

    Args:
        table: All scores.
        places: Contenders and the sizes that they are judged at.
    """

    def score(place: tuple[str, int]) -> float:
        return float(table.cells[place].values().mean())

    best = max(map(score, places.items()))
    behind = [name for name in table.contenders if name not in places and not is_floor(name)]
    largest = {name: table.sizes(name)[-1] for name in behind}
    return {name: own for name, own in largest.items() if score((name, own)) > best}


def check_test_targets(task: Task, gold: Sequence[Any]) -> None:
    """Refuse test rows that tell no contender from another.

    Raises:
        DataError: All of them have the same target.
    """
    sole = task.sole_target(gold)
    if sole is not None:
        raise DataError(
            f"all {len(gold):,} test rows have the same target, {sole!r}: any contender that always gives it "
            "scores full marks, so there can be no verdict",
            fix="Test on rows of several targets; without --test, a fifth of the rows is set aside for it.",
        )


def _standings(
    table: ScoreTable, places: Mapping[str, int], test_set: TestSet, preferences: Preferences
) -> list[Standing]:
    rows = []
    for contender, size in places.items():
        cell = table.cells[contender, size]
        costs = [trial.cost for trial in cell.trials]
        seconds = median(cost.training_seconds for cost in costs)
        latency = median(cost.latency_ms_p50 for cost in costs)
        megabytes = median(cost.model_mb for cost in costs)
        rows.append(
            Standing(
                contender=contender,
                size=size,
                seeds=cell.seeds,
                epochs=float(np.mean([trial.epochs for trial in cell.trials])),
                unread=next(
                    (
                        str(reading)
                        for trial in cell.trials
                        if (reading := trial.reading) is not None and reading.read < READ * reading.whole
                    ),
                    None,
                ),
                ended_by_clock=sum(trial.stopped_by == "budget" for trial in cell.trials),
                score=table.score(contender, size),
                metrics={name: table.score(contender, size, name) for name in table.task.metric_names},
                score_without_leaked=table.score_without(contender, size, test_set.leaked, test_set),
                calibration_error=_calibration_error(cell, test_set, table.task),
                training_seconds=seconds,
                tuning_seconds=max(cost.tuning_seconds for cost in costs),
                latency_ms_p50=latency,
                latency_ms_p95=median(cost.latency_ms_p95 for cost in costs),
                throughput_per_second=median(cost.throughput_per_second for cost in costs),
                model_mb=megabytes,
                tokens_per_second=_median(
                    [trial.writing.tokens_per_second for trial in cell.trials if trial.writing]
                ),
                oracle=_median([trial.writing.oracle for trial in cell.trials if trial.writing]),
                perplexity=_median([trial.writing.perplexity for trial in cell.trials if trial.writing]),
                asked=costs[0].asked,
                price_of_thousand=_median([preferences.price_of_answers(cost, 1000) for cost in costs]),
                price_of_training=preferences.price_of_time(seconds),
                cost=cost_index(seconds, latency, megabytes),
                excluded_by=[],
            )
        )
    cheapest = min(row.cost for row in rows)
    rows = [
        msgspec.structs.replace(row, cost=row.cost / cheapest, excluded_by=list(excess(row, preferences)))
        for row in rows
    ]
    return sorted(rows, key=lambda row: -row.score.value)


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _calibration_error(cell: Cell, test_set: TestSet, task: Task) -> float | None:
    if not task.has_probabilities or any(trial.cost.asked for trial in cell.trials):
        return None
    errors = [
        expected_calibration_error(trial.confidence, list(map(task.is_right, test_set.gold, trial.predicted)))
        for trial in cell.trials
    ]
    return float(np.mean(errors))


def metric_titles(task: Task) -> dict[str, str]:
    """Return the task's metrics, the main one first, and how people call them."""
    others = [name for name in task.metric_names if name != task.main_metric]
    return {name: task.title(name) for name in (task.main_metric, *others)}


def _pairs(table: ScoreTable, places: Mapping[str, int]) -> list[Pair]:
    tests, metric = _tests(table, places), table.task.overall_metric
    overall = _tests(table, places, metric) if metric else {}
    return [
        Pair(
            first=first,
            second=second,
            difference=test.estimate,
            p_value=test.p_value,
            p_adjusted=p_adjusted,
            seeds_to_tell=None
            if p_adjusted < SIGNIFICANT
            else _seeds_to_tell(
                table,
                [
                    (name, places[name])
                    for name in ((first, second) if test.difference > 0 else (second, first))
                ],
                SIGNIFICANT * (test.p_value / p_adjusted if p_adjusted < 1 else 1 / len(tests)),
            ),
            overall=overall[first, second][0].estimate if overall else None,
            overall_p=overall[first, second][1] if overall else None,
        )
        for (first, second), (test, p_adjusted) in tests.items()
    ]


def _tests(
    table: ScoreTable, places: Mapping[str, int], metric: str | None = None
) -> dict[tuple[str, str], tuple[PairedTest, float]]:
    """Test every two contenders in a metric, the main one if None; return each test with its corrected p."""
    tests = {
        (first, second): table.compare((first, places[first]), (second, places[second]), metric=metric)
        for first, second in itertools.combinations(places, 2)
    }
    adjusted = shaffer({pair: test.p_value for pair, test in tests.items()})
    return {pair: (test, adjusted[pair]) for pair, test in tests.items()}


def _seeds_to_tell(table: ScoreTable, places: Sequence[tuple[str, int]], level: float) -> int | None:
    """Return how many further seeds of the better one of two would tell them apart; None: too many.

    Args:
        table: All scores.
        places: The better one and the other, each a contender and a size.
        level: Below which the p-value would have to be.
    """
    better, other = places
    if has_fixed_sizes(better[0]):
        return None
    tests = ((further, table.compare(better, other, further)) for further in range(1, FEW_SEEDS + 1))
    return next((further for further, test in tests if test.p_value < level), None)


def _unmeasured(table: ScoreTable, contender: str, size: int) -> Unmeasured:
    """Say what can be said of a contender at a size that it was not measured at."""
    curve, largest = table.curve(contender), table.sizes(contender)[-1]
    expected, refused = None, None
    try:
        expected, _ = carry_on(curve).forecast(size)
    except OptionError as error:
        refused = error.what
    return Unmeasured(
        contender=contender,
        largest=largest,
        score=table.score(contender, largest),
        expected=expected,
        refused=refused,
        at_most=score_at_most(curve, size),
    )


def _curve(table: ScoreTable, contender: str) -> Curve:
    points = []
    for size in table.sizes(contender):
        cell = table.cells[contender, size]
        points.append(
            Point(
                size=size,
                seeds=len(cell.trials),
                score=table.score(contender, size),
                training_seconds=median(trial.cost.training_seconds for trial in cell.trials),
            )
        )
    if has_fixed_sizes(contender):
        return Curve(
            contender=contender, points=points, forecasts=[], refused="it learns from no further labels"
        )
    try:
        extrapolation = carry_on(table.curve(contender))
    except OptionError as error:
        return Curve(contender=contender, points=points, forecasts=[], refused=error.what)
    forecasts = []
    for labels in (2 * points[-1].size, FURTHEST * points[-1].size):
        score, gain = extrapolation.forecast(labels)
        forecasts.append(Forecast(labels=labels, score=score, gain=gain))
    return Curve(contender=contender, points=points, forecasts=forecasts, refused=None)
