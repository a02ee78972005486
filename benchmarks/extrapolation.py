"""Hold forecasts of scores against scores: real learning curves whose largest sizes are hidden.

    python benchmarks/extrapolation.py --data ../shared/data --curves runs/held_out_curves

The curves are of sets that no constant of the forecasts was set on (HELD_OUT in labelled_sets.py). What is
missing of them in the folder is measured first, so that the command can be stopped and goes on. From every
beginning of three sizes and more a curve is carried on to twice and four times as many labels: by this
package, by a power law with bootstrap intervals, and under the prior of LC-PFN.

Forecasts see what a user would: a quarter of the test rows and half of the seeds. They are held against the
score on the other rows with the other seeds, whose own error makes coverage look lower than it is. With
``--test-rows 60`` they see 60 test rows, eight times others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import curve_power_law
import curve_prior
import numpy as np
from labelled_sets import HELD_OUT
from learning_curves import measure_all
from machine import describe
from numpy.typing import NDArray

from textgraft.comparison.judging.curves import LearningCurve
from textgraft.comparison.judging.forecasts import FEWEST_SIZES, carry_on
from textgraft.errors import OptionError
from textgraft.evaluation.bootstrap import over_seeds, resampled_scores
from textgraft.evaluation.intervals import Estimate, jackknife_covariance, left_out_scores
from textgraft.evaluation.seeds import seed_variance
from textgraft.tasks.text.classification import SingleLabelClassification

LSTM_SETS = ("articles", "entities-english", "corpora", "tweets-french", "docstrings", "film-kinds")
MOST_ROWS = 3200
HEADING = (
    "| {} | method | forecasts | gains held (95%) | scores held | width | error | score off | refused |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
PARTS = 8
"""Times that some test rows are taken from a set."""
Labels = NDArray[np.int64]
Forecasts = list[tuple[Estimate, Estimate]]
"""Score and gain at each number of labels."""


def ours(curve: LearningCurve, labels: Sequence[float]) -> Forecasts:
    """Carry a curve on as the verdict does."""
    extrapolation = carry_on(curve)
    return [extrapolation.forecast(size) for size in labels]


METHODS: dict[str, Callable[[LearningCurve, Sequence[float]], Forecasts]] = {
    "local linear trend (ours)": ours,
    "power law, bootstrap": curve_power_law.forecast,
    "LC-PFN's prior": curve_prior.forecast,
}


@dataclass(frozen=True)
class Held:
    """A forecast beside what was then measured."""

    curve: str
    method: str
    largest: float
    times: int
    score: Estimate | None
    """None: refused."""
    gain: Estimate | None
    measured_score: float
    measured_gain: float

    def __str__(self) -> str:
        told = "refused" if self.gain is None else f"{self.gain.low:+.3f} to {self.gain.high:+.3f}"
        return f"{self.curve} {self.largest:.0f} x{self.times}: {told}, was {self.measured_gain:+.3f}"


def read_curves(path: Path, test_rows: int | None) -> Iterator[tuple[LearningCurve, NDArray[np.float64]]]:
    """Yield a curve as a comparison measures it, and the scores with other seeds on other test rows.

    Args:
        path: Of the answers.
        test_rows: How many the comparison has, several times others; None: a quarter, once.
    """
    with np.load(path) as file:
        sizes, gold, answers = file["sizes"], file["gold"].astype(np.int64), file["answers"].astype(np.int64)
    task = SingleLabelClassification([str(label) for label in range(max(gold.max(), answers.max()) + 1)])
    seeds = len(answers) // 2
    seen, unseen = answers[:seeds], answers[seeds:]
    step = test_rows or len(gold) // 4
    for place in range(min(PARTS, len(gold) // 2 // step) if test_rows else 1):
        rows = np.arange(place * step, (place + 1) * step)
        others = np.setdiff1d(np.arange(len(gold)), rows)
        truth = [_scores(task, gold[others], unseen[:, at, others]).mean() for at in range(len(sizes))]
        yield _measured(task, sizes, gold[rows], seen[:, :, rows]), np.array(truth)


def _scores(task: SingleLabelClassification, gold: Labels, answers: Labels) -> NDArray[np.float64]:
    """Return the score of each seed's answers, [seeds]."""
    return np.array([task.metrics(gold, one)[task.main_metric] for one in answers])


def _measured(task: SingleLabelClassification, sizes: Labels, gold: Labels, answers: Labels) -> LearningCurve:
    """Return the curve that a comparison draws of answers, [seeds, sizes, rows]."""

    def weighted(predicted: Labels, weights: NDArray[np.float32]):
        return task.weighted_metrics(gold, predicted, weights)

    scores, draws, left_out, of_seeds = [], [], [], []
    for place in range(len(sizes)):
        seen = answers[:, place]
        values = _scores(task, gold, seen)
        scores.append(values.mean())
        of_seeds.append(seed_variance(values).variance)
        draws.append(over_seeds(resampled_scores(weighted, seen, len(gold))[task.main_metric]))
        left_out.append(left_out_scores(weighted, seen, len(gold))[task.main_metric].mean(axis=0))
    drawn = np.stack(draws)
    drawn += (np.array(scores) - drawn.mean(axis=1))[:, None]
    of_rows = jackknife_covariance(np.stack(left_out))
    return LearningCurve(sizes.astype(np.float64), np.array(scores), drawn, of_rows, np.array(of_seeds))


def beginning(curve: LearningCurve, sizes: int) -> LearningCurve:
    """Return a curve without its larger sizes."""
    return LearningCurve(
        curve.sizes[:sizes],
        curve.scores[:sizes],
        curve.draws[:sizes],
        curve.of_rows[:sizes, :sizes],
        curve.of_seeds[:sizes],
    )


def hold(name: str, method: str, curve: LearningCurve, truth: NDArray[np.float64]) -> list[Held]:
    """Carry every beginning of a curve on, and set what was measured beside it."""
    found = []
    for sizes in range(FEWEST_SIZES, len(curve.sizes)):
        hidden = curve.sizes[sizes : sizes + 2]
        forecasts: Sequence[tuple[Estimate | None, Estimate | None]]
        try:
            forecasts = METHODS[method](beginning(curve, sizes), hidden)
        except OptionError:
            forecasts = [(None, None)] * len(hidden)
        found += [
            Held(
                name,
                method,
                curve.sizes[sizes - 1],
                round(labels / curve.sizes[sizes - 1]),
                *forecast,
                truth[sizes + place],
                truth[sizes + place] - truth[sizes - 1],
            )
            for place, (labels, forecast) in enumerate(zip(hidden, forecasts, strict=True))
        ]
    return found


def holds(estimate: Estimate | None, measured: float) -> bool:
    """Return whether an interval holds what was measured."""
    return estimate is not None and estimate.low <= measured <= estimate.high


def of_curves(held: Sequence[Held]) -> tuple[float, float]:
    """Return the 95% interval of the coverage of gains, by resampling whole curves."""
    by_curve: dict[str, list[bool]] = {}
    for one in held:
        by_curve.setdefault(one.curve, []).append(holds(one.gain, one.measured_gain))
    counts = np.array([(sum(some), len(some)) for some in by_curve.values()])
    drawn = counts[np.random.default_rng(0).integers(0, len(counts), (2000, len(counts)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return float(low), float(high)


def row(held: Sequence[Held]) -> str:
    """Return the cells of a table for some forecasts."""
    given = [one for one in held if one.gain is not None and one.score is not None]
    low, high = of_curves(given)
    cells = [
        str(len(given)),
        f"{np.mean([holds(one.gain, one.measured_gain) for one in given]):.0%} ({low:.0%}–{high:.0%})",
        f"{np.mean([holds(one.score, one.measured_score) for one in given]):.0%}",
        f"{np.mean([one.gain.high - one.gain.low for one in given]):.3f}",
        f"{np.mean([abs(one.gain.value - one.measured_gain) for one in given]):.3f}",
        f"{np.mean([one.score.value - one.measured_score for one in given]):+.3f}",
        f"{len(held) - len(given)} of {len(held)}",
    ]
    return " | ".join(cells)


def main() -> None:
    """Measure what curves are missing, then print how forecasts did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--curves", type=Path, default=Path("runs/held_out_curves"))
    parser.add_argument("--as-they-are", action="store_true", help="measure no further curves")
    parser.add_argument("--test-rows", type=int, help="of the comparison (default: a quarter of a set's)")
    parser.add_argument("--misses", action="store_true", help="print the gains that our intervals miss")
    arguments = parser.parse_args()
    print(describe("textgraft", "scikit-learn"))
    if not arguments.as_they_are:
        for names, contenders in ((list(HELD_OUT), ["tfidf", "bert-frozen"]), (LSTM_SETS, ["lstm"])):
            measure_all(names, contenders, arguments.data, arguments.curves, MOST_ROWS)
    paths = sorted(path for path in arguments.curves.glob("*.npz") if ".partial" not in path.name)
    held = [
        one
        for path in paths
        for curve in read_curves(path, arguments.test_rows)
        for method in METHODS
        for one in hold(path.stem, method, *curve)
    ]
    print(f"{len(paths)} curves of {len({path.name.split('.')[0] for path in paths})} sets\n")
    print(HEADING.format("labels"))
    for times in (2, 4):
        for method in METHODS:
            chosen = [one for one in held if one.method == method and one.times == times]
            print(f"| {times} times | {method} | {row(chosen)} |")
    print("\n" + HEADING.format("contender"))
    for contender in sorted({path.stem.split(".")[1] for path in paths}):
        for method in METHODS:
            chosen = [one for one in held if one.method == method and one.curve.endswith(contender)]
            print(f"| {contender} | {method} | {row(chosen)} |")
    if arguments.misses:
        print()
        for one in held:
            if one.method == next(iter(METHODS)) and not holds(one.gain, one.measured_gain):
                print(one)


if __name__ == "__main__":
    main()
