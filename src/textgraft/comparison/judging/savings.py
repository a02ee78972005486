"""What pre-training saves: labels and training time of a BERT contender against the LSTM.

The claim under test is that a frozen BERT with a shallow network needs a hundredth of the labels and a
twentieth of the training time of an LSTM for the same score. On the user's data it becomes three ratios,
each with an interval from the draws of both curves:

- labels: those from which on the LSTM has its last score over those at which BERT first reaches that score;
- training time at equal score: the LSTM's time at the one size over BERT's time at the other;
- training time at equal size: both at the largest size they share.

Where the LSTM's curve is flat at its end, more labels bought it nothing: its need is counted from the first
size of the plateau, and its score is the mean over the plateau. Where BERT is already better at the smallest
measured size, the first two are bounds: at least so many times.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from textgraft.comparison.contenders.registry import contenders_in_savings
from textgraft.comparison.judging.curves import LearningCurve, labels_needed, plateau_start
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.comparison.records.verdict import Outcome, Ratio, Saving
from textgraft.evaluation.bootstrap import RESAMPLES, seed_weights

CLAIMED_LABELS = 100.0
CLAIMED_TIME = 20.0


def savings(table: ScoreTable) -> list[Saving]:
    """Compare each pre-trained contender with the baseline, where they share a size of several."""
    baselines, *pretrained = (
        contenders_in_savings(part, table.contenders) for part in ("baseline", "claimed", "measured")
    )
    return [
        saving
        for reference in baselines
        for contender in itertools.chain(*pretrained)
        if (saving := saving_of(table, contender, reference)) is not None
    ]


@dataclass(frozen=True)
class Need:
    """What a contender needs to come to the baseline's score: observed (entry 0) and in every draw."""

    curve: LearningCurve
    """Of the contender."""
    baseline: LearningCurve
    start: int
    """Position of the size from which on the baseline has its score."""
    score: NDArray[np.float64]
    """The score to match, [1 + draws]."""
    labels: NDArray[np.float64]
    """Those at which the contender first reaches it; infinite where it never does, [1 + draws]."""

    @property
    def is_reached(self) -> NDArray[np.bool_]:
        """Whether the score is reached at all, [1 + draws]."""
        return np.isfinite(self.labels)

    @property
    def is_bounded(self) -> NDArray[np.bool_]:
        """Whether the smallest measured size reaches it already, [1 + draws]: fewer labels may do."""
        return self.labels <= self.curve.sizes[0]

    @property
    def baseline_labels(self) -> int:
        """The labels from which on the baseline has its score."""
        return int(self.baseline.sizes[self.start])


def need_of(table: ScoreTable, contender: str, reference: str) -> Need | None:
    """Find what a contender needs for the score of another; None where its sizes cannot show it."""
    curve, baseline = table.curve(contender), table.curve(reference)
    # One size shows no saving: how few labels would do was not measured.
    if not set(curve.sizes) & set(baseline.sizes) or len(curve.sizes) < 2:
        return None
    if baseline.sizes[-1] <= curve.sizes[0]:
        return None  # of the fewest labels alone, none can be saved
    start = plateau_start(baseline)
    target = np.append(baseline.scores[start:].mean(), baseline.draws[start:].mean(axis=0))
    return Need(curve, baseline, start, target, labels_needed(curve, target))


def saving_of(table: ScoreTable, contender: str, reference: str) -> Saving | None:
    """Hold a contender against a baseline; None where they share no size, or it has but one.

    Args:
        table: All trials.
        contender: The pre-trained one.
        reference: The baseline.
    """
    need = need_of(table, contender, reference)
    if need is None:
        return None
    times = {name: training_seconds(table, name) for name in (contender, reference)}
    at_need = seconds_at_need(need, times[contender])
    equal_size = max(set(table.sizes(contender)) & set(table.sizes(reference)))
    equal = [times[name][table.sizes(name).index(equal_size)] for name in (reference, contender)]
    reached, bounded = need.is_reached, need.is_bounded
    unbounded = np.zeros_like(bounded)
    ended = any(trial.stopped_by == "budget" for trial in table.cells[reference, need.baseline_labels].trials)
    at_equal_score = (
        ratio_of(need.baseline_labels / need.labels, reached, bounded, CLAIMED_LABELS),
        ratio_of(times[reference][need.start] / at_need, reached, bounded, CLAIMED_TIME),
    )
    # A baseline that the clock ended may score higher: then less is saved.
    labels, time = (_open(ratio) if ended else ratio for ratio in at_equal_score)
    return Saving(
        contender=contender,
        baseline=reference,
        baseline_labels=need.baseline_labels,
        baseline_largest=int(need.baseline.sizes[-1]),
        baseline_score=float(need.score[0]),
        smallest_size=int(need.curve.sizes[0]),
        labels=labels,
        time_at_equal_score=time,
        time_at_equal_size=ratio_of(equal[0] / equal[1], ~unbounded, unbounded, CLAIMED_TIME),
        equal_size=equal_size,
    )


def _open(ratio: Ratio) -> Ratio:
    """Leave a claim undecided that holds as far as was measured."""
    return replace(ratio, outcome="undecided") if ratio.outcome == "holds" else ratio


def training_seconds(table: ScoreTable, contender: str, *, tuning: bool = False) -> NDArray[np.float64]:
    """Return the mean training time at each size, observed (entry 0) and over seeds, [sizes, 1 + draws].

    Args:
        table: All trials.
        contender: Whose.
        tuning: Whether what was spent on configurations that were not chosen counts, too.
    """
    rows = []
    for size in table.sizes(contender):
        costs = [trial.cost for trial in table.cells[contender, size].trials]
        seconds = np.array([cost.training_seconds + tuning * cost.tuning_seconds for cost in costs])
        seconds = np.maximum(seconds, 1e-3)
        draws = seconds @ seed_weights(len(seconds), resamples=RESAMPLES)
        rows.append(np.concatenate([[seconds.mean()], draws]))
    return np.stack(rows)


def seconds_at_need(need: Need, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Read training times of a contender, [sizes, 1 + draws], at the labels that it needs, [1 + draws]."""
    position = np.log(need.curve.sizes)
    wanted = np.log(np.minimum(need.labels, need.curve.sizes[-1]))
    logs = np.log(seconds)
    columns = range(len(wanted))
    return np.exp([np.interp(wanted[column], position, logs[:, column]) for column in columns])


def ratio_of(
    ratios: NDArray[np.float64], reached: NDArray[np.bool_], bounded: NDArray[np.bool_], claimed: float
) -> Ratio:
    """Summarise the observed ratio (entry 0) and its draws, and hold it against the claim.

    Args:
        ratios: [1 + draws].
        reached: Whether the score was reached at all.
        bounded: Whether the ratio is a lower bound only.
        claimed: The ratio that is claimed.
    """
    # A score never reached saves nothing: such draws stand at the lower end.
    draws = np.where(reached, ratios, 0.0)[1:]
    low, high = (float(value) for value in np.quantile(draws, [0.025, 0.975], method="nearest"))
    open_ended = bounded[1:].mean() > 0.025
    if low >= claimed:
        outcome: Outcome = "holds"
    elif high < claimed and not open_ended:
        outcome = "fails"
    else:
        outcome = "undecided"
    return Ratio(
        value=float(ratios[0]) if reached[0] else None,
        low=low if low > 0 else None,
        high=None if open_ended or high == 0 else high,
        at_least=bool(bounded[0]),
        claimed=claimed,
        outcome=outcome,
    )
