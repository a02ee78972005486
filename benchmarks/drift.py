"""How often drift is said of rows of one set, and of real shifts: another domain, another language.

Rows of both sides are drawn anew --draws times, from different halves of the set where nothing has drifted.
The model is logistic regression on the encodings of other rows of the reference set; its accuracy on the new
rows is estimated without their labels, and known here.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED, table
from machine import describe
from scipy.special import softmax

from textgraft.inference.encode import encode
from textgraft.models.baselines.linear import fit_linear
from textgraft.review.drift import Answers, Side, find_drift

SETS = {
    "film sentences": FITTED["polarity"],
    "tweets, English": FITTED["tweets-english"],
    "tweets, German": FITTED["tweets-german"],
    "film reviews, long": FITTED["reviews"],
    "films, Stanford": table("sst2/train.csv", "sst2/test.csv"),
}
SHIFTS = (
    ("film sentences", "film sentences"),
    ("film sentences", "films, Stanford"),
    ("film sentences", "film reviews, long"),
    ("tweets, English", "tweets, English"),
    ("tweets, English", "tweets, German"),
    ("tweets, English", "film sentences"),
)
NAMES = {"0": "negative", "1": "positive", "neg": "negative", "pos": "positive", "2": "positive"}


def read(data: Path, name: str, most: int) -> tuple[list[str], list[str]]:
    rows = [(text, NAMES.get(label.lower(), label.lower())) for text, label in SETS[name](data)]
    order = np.random.default_rng(0).permutation(len(rows))[:most]
    return [rows[place][0] for place in order], [rows[place][1] for place in order]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--draws", type=int, default=40)
    options = parser.parse_args()
    print(describe("scikit-learn", "scipy"))
    print(
        "| reference | new | drift said | meaning | words | length | confidence | answers | accuracy "
        "| estimated |\n|---|---|---|---|---|---|---|---|---|---|"
    )
    held: dict[str, tuple[list[str], list[str], np.ndarray]] = {}
    for name in dict.fromkeys(name for shift in SHIFTS for name in shift):
        texts, labels = read(options.data, name, 1200)
        held[name] = texts, labels, encode(texts, cache=True)
    for old, new in SHIFTS:
        measure(held[old], held[new], (old, new), options)


def measure(reference, new, names, options) -> None:
    texts, labels, encodings = reference
    classes = sorted(set(labels))
    train = slice(0, 400)
    scale = np.sqrt(encodings.shape[1]) / 4
    gold = np.array([classes.index(label) for label in labels[train]])
    weight, bias = fit_linear(encodings[train] * scale, gold, len(classes), 0.3, None)

    def side(rows, places) -> Side:
        probabilities = softmax(rows[2][places] * scale @ weight.T + bias, axis=1)
        given = [classes[place] for place in probabilities.argmax(axis=1)]
        right = [one == rows[1][place] for one, place in zip(given, places, strict=True)]
        answers = Answers(given, probabilities.max(axis=1).tolist(), right)
        return Side([rows[0][place] for place in places], rows[2][places], answers)

    said, tests, accuracies, estimates = 0, {}, [], []
    for draw in range(options.draws):
        rng = np.random.default_rng(draw)
        left = rng.permutation(np.arange(400, len(texts)))
        right = left[options.rows :] if new is reference else rng.permutation(len(new[0]))
        sides = side(reference, left[: options.rows]), side(new, right[: options.rows])
        found = find_drift(*sides, (options.rows, options.rows), seed=draw)
        said += found.drifted
        for shift in found.shifts:
            tests[shift.name] = tests.get(shift.name, 0) + shift.is_drift
        accuracies.append(float(np.mean(sides[1].answers.right)))
        estimates.append(found.estimated_accuracy.value)
    shares = " | ".join(f"{count / options.draws:.0%}" for count in (said, *tests.values()))
    print(
        f"| {names[0]} | {names[1]} | {shares} | {np.mean(accuracies):.3f} | {np.mean(estimates):.3f} |",
        flush=True,
    )


if __name__ == "__main__":
    main()
