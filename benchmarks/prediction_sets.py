"""Prediction sets made in several ways: how large they are, and for which texts they hold the true label.

    python benchmarks/prediction_sets.py --data ../shared/data

The sets of ``textgraft predict --sets`` have the labels whose probability is no further from 1 than the right
quantile of the true ones' (Sadinle, Lei and Wasserman 2019). Adaptive ones have the likeliest labels until
their probabilities together reach such a quantile (APS: Romano, Sesia and Candès 2020), or with a fee for
every label beyond a number of them (RAPS: Angelopoulos et al. 2021); a label counts here by the probabilities
before it, without a draw, so that a text has the same set whenever it is asked about. All are promised the
same coverage. The model is logistic regression on the bundled encoder's encodings, calibrated; quantiles are
those of 400 rows, in 30 draws.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe
from scipy.special import softmax

from textgraft.evaluation.calibration import fit_temperature
from textgraft.evaluation.conformal import Nonconformity
from textgraft.inference.encode import encode
from textgraft.models.baselines.linear import fit_linear

ROWS = {"banking77": 3000, "trec": 2000}
CALIBRATING = 400
DRAWS = 30
WAYS = {
    "each label by itself (ours)": None,
    "APS": (0.0, 1),
    "RAPS, 0.01 a label beyond 5": (0.01, 5),
    "RAPS, 0.05 a label beyond 3": (0.05, 3),
    "RAPS, 0.1 a label beyond 2": (0.1, 2),
}
"""The fee of a label, and of which on it is asked for."""


def nonconformity(probabilities: np.ndarray, fee: tuple[float, int] | None) -> np.ndarray:
    """Return how unlikely each label of each text is to be its true one, [texts, labels]."""
    if fee is None:
        return 1 - probabilities
    order = np.argsort(-probabilities, axis=1)
    ordered = np.take_along_axis(probabilities, order, axis=1)
    ranks = np.argsort(order, axis=1)
    before = np.take_along_axis(ordered.cumsum(axis=1) - ordered, ranks, axis=1)
    return before + fee[0] * np.maximum(ranks + 1 - fee[1], 0)


def measure(probabilities: np.ndarray, gold: np.ndarray, scores: np.ndarray, level: float) -> np.ndarray:
    """Return coverage, size, singles, coverage of the least and of the most confident third; of all draws."""
    found = []
    likeliest, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    scaled = scores / scores.max()
    for draw in range(DRAWS):
        order = np.random.default_rng(draw).permutation(len(gold))
        rows, new = order[:CALIBRATING], order[CALIBRATING:]
        measured = Nonconformity.of_values(scaled[rows, gold[rows]])
        inside = scaled[new] <= measured.quantile(level)
        inside[np.arange(len(new)), likeliest[new]] = True
        sizes, covered = inside.sum(axis=1), inside[np.arange(len(new)), gold[new]]
        low, high = np.quantile(confidence[new], [1 / 3, 2 / 3])
        least, most = covered[confidence[new] <= low], covered[confidence[new] > high]
        by_label = [covered[gold[new] == label].mean() for label in np.unique(gold[new])]
        found.append(
            [
                covered.mean(),
                sizes.mean(),
                np.quantile(sizes, 0.95),
                (sizes == 1).mean(),
                least.mean(),
                most.mean(),
                np.quantile(by_label, 0.1),
            ]
        )
    return np.mean(found, axis=0)


def main() -> None:
    """Print a line for each set, level and way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--levels", type=float, nargs="*", default=[0.9, 0.95])
    options = parser.parse_args()
    print(describe("textgraft", "scikit-learn"))
    print(
        "| set | accuracy | promised | made by | covered | labels | 95% have at most | one label "
        "| covered: least confident third | most confident | lowest tenth of labels |"
    )
    print("|---" * 11 + "|")
    for name, count in ROWS.items():
        rows = list(FITTED[name](options.data))
        order = np.random.default_rng(0).permutation(len(rows))[:count]
        names = sorted({rows[at][1] for at in order})
        gold = np.array([names.index(rows[at][1]) for at in order])
        encodings = encode([rows[at][0] for at in order], cache=True)
        half = len(order) // 2
        centre = encodings[:half].mean(axis=0)
        scaled = (encodings - centre) / np.sqrt(encodings[:half].var(axis=0).sum())
        weight, bias = fit_linear(scaled[:half], gold[:half], len(names), 10.0, None)
        logits, gold = scaled[half:] @ weight.T + bias, gold[half:]
        temperature = fit_temperature(logits[:200], gold[:200])
        probabilities = softmax(logits[200:] / temperature, axis=1).astype(np.float64)
        gold = gold[200:]
        accuracy = (probabilities.argmax(axis=1) == gold).mean()
        for level in options.levels:
            for way, fee in WAYS.items():
                found = measure(probabilities, gold, nonconformity(probabilities, fee), level)
                covered, size, large, single, least, most, tenth = found
                print(
                    f"| {name} | {accuracy:.1%} | {level:.0%} | {way} | {covered:.1%} | {size:.2f} "
                    f"| {large:.1f} | {single:.0%} | {least:.1%} | {most:.1%} | {tenth:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
