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

import numpy as np
from numpy.typing import NDArray

from textgraft.comparison.contenders.registry import contenders_in_savings
from textgraft.comparison.judging.curves import labels_needed, plateau_start
from textgraft.comparison.judging.scores import ScoreTable
from textgraft.comparison.records.verdict import Outcome, Ratio, Saving
from textgraft.evaluation.bootstrap import RESAMPLES, seed_weights

CLAIMED_LABELS = 100.0
CLAIMED_TIME = 20.0


def savings(table: ScoreTable) -> list[Saving]:
    """Compare each pre-trained contender with the baseline, where they share a size of several."""
    pretrained = [*contenders_in_savings("claimed"), *contenders_in_savings("measured")]
    return [
        saving
        for reference in contenders_in_savings("baseline")
        for contender in pretrained
        if {reference, contender} <= set(table.contenders)
        and (saving := _saving(table, contender, reference)) is not None
    ]


def _saving(table: ScoreTable, contender: str, reference: str) -> Saving | None:
    shared = set(table.sizes(contender)) & set(table.sizes(reference))
    curve, baseline = table.curve(contender), table.curve(reference)
    # One size shows no saving: how few labels would do was not measured.
    if not shared or len(curve.sizes) < 2:
        return None
    start = plateau_start(baseline)
    target = np.append(baseline.scores[start:].mean(), baseline.draws[start:].mean(axis=0))
    needed = labels_needed(curve, target)
    reached = np.isfinite(needed)
    bounded = needed <= curve.sizes[0]
    times = {name: _training_seconds(table, name) for name in (contender, reference)}
    at_need = _interpolate_time(
        np.log(curve.sizes), times[contender], np.log(np.minimum(needed, curve.sizes[-1]))
    )
    equal_size = max(shared)
    equal = [times[name][table.sizes(name).index(equal_size)] for name in (reference, contender)]
    unbounded = np.zeros_like(bounded)
    return Saving(
        contender=contender,
        baseline=reference,
        baseline_labels=int(baseline.sizes[start]),
        baseline_largest=int(baseline.sizes[-1]),
        baseline_score=float(target[0]),
        smallest_size=int(curve.sizes[0]),
        labels=_ratio(baseline.sizes[start] / needed, reached, bounded, CLAIMED_LABELS),
        time_at_equal_score=_ratio(times[reference][start] / at_need, reached, bounded, CLAIMED_TIME),
        time_at_equal_size=_ratio(equal[0] / equal[1], ~unbounded, unbounded, CLAIMED_TIME),
        equal_size=equal_size,
    )


def _training_seconds(table: ScoreTable, contender: str) -> NDArray[np.float64]:
    """Mean training time at each size, observed (entry 0) and over resampled seeds, [sizes, 1 + draws]."""
    rows = []
    for size in table.sizes(contender):
        seconds = np.array([trial.cost.training_seconds for trial in table.cells[contender, size].trials])
        seconds = np.maximum(seconds, 1e-3)
        draws = seconds @ seed_weights(len(seconds), resamples=RESAMPLES)
        rows.append(np.concatenate([[seconds.mean()], draws]))
    return np.stack(rows)


def _interpolate_time(
    position: NDArray[np.float64], seconds: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Read training times between sizes: log sizes [sizes], seconds [sizes, n], wanted log sizes [n]."""
    logs = np.log(seconds)
    columns = range(len(wanted))
    return np.exp([np.interp(wanted[column], position, logs[:, column]) for column in columns])


def _ratio(
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
