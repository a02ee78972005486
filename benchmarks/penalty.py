"""How should the penalty of a linear layer on encodings be chosen: on dev rows, or by cross-validation?

    python benchmarks/penalty.py --data DATA [--sets trec,…] [--seeds 5]

For each set and number of training rows, macro F1 on the test rows, means over the seeds: with a fixed
strength (10), with the better of two on dev rows (a quarter as many, fifteen at least), with the one that
cross-validation over the training rows chooses, and with the best in hindsight.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from machine import describe
from sklearn.metrics import f1_score

from textgraft.data.readers.reading import read_dataset
from textgraft.inference.encode import encode
from textgraft.models.baselines.softmax_regression import Clock
from textgraft.training.shallow import fit_shallow
from textgraft.training.strength import STRENGTHS, choose_strength

SETS = {
    "trec": ("trec", "coarse"),
    "sst2": ("sst2", "label"),
    "snips": ("snips", "label"),
    "banking77": ("banking77", "label"),
    "tweets": ("umsab_multilingual_sentiment/english", "label"),
}
"""Folder and label column of each."""
SIZES = (60, 200, 800)
LEAST_DEV = 15
TEST_ROWS = 1_500
COLUMNS = ("10", "10 or 1 on dev rows", "cross-validation", "best in hindsight")


def scores(train: tuple, dev: tuple, test: tuple, labels: int, seed: int) -> tuple[list[float], float]:
    """Return macro F1 on the test rows of each way to choose, and the seconds of cross-validation."""
    by_dev, by_test = {}, {}
    for c in STRENGTHS:
        ((weight, bias),) = fit_shallow(*train, *dev, labels, c=c)
        by_dev[c], by_test[c] = (
            f1_score(gold, (encodings @ weight.T + bias).argmax(axis=1), average="macro", zero_division=0.0)
            for encodings, gold in (dev, test)
        )
    centred = train[0] - train[0].mean(axis=0)
    start = time.process_time()
    # As fit_shallow scales them.
    scaled = centred / np.sqrt(centred.var(axis=0).sum())
    chosen = choose_strength(scaled, train[1], labels, None, seed=seed, clock=Clock())
    seconds = time.process_time() - start
    on_dev = max((10.0, 1.0), key=by_dev.__getitem__)
    return [by_test[10.0], by_test[on_dev], by_test[chosen], max(by_test.values())], seconds


def main() -> None:
    """Print a line for each set and size, and the means."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe("scikit-learn", "textgraft"))
    print(f"| set | rows | {' | '.join(COLUMNS)} | seconds of cross-validation |")
    print("|---|---|---|---|---|---|---|")
    means = []
    for name in arguments.sets.split(","):
        folder, label = SETS[name]
        sides = [
            read_dataset(arguments.data / folder / f"{side}.csv", label=label) for side in ("train", "test")
        ]
        names = sorted({label for side in sides for label in side.labels})
        sides[1] = sides[1].select(range(min(TEST_ROWS, len(sides[1]))))
        most = max(SIZES) + max(SIZES) // 4
        test = encode(sides[1].texts), np.array([names.index(label) for label in sides[1].labels])
        for size in SIZES:
            if size < 3 * len(names):
                continue
            found = []
            for seed in range(arguments.seeds):
                drawn = np.random.default_rng(seed).permutation(len(sides[0]))[:most]
                rows = sides[0].select(drawn[: size + max(LEAST_DEV, size // 4)].tolist())
                encodings = encode(rows.texts)
                targets = np.array([names.index(label) for label in rows.labels])
                train, dev = (encodings[:size], targets[:size]), (encodings[size:], targets[size:])
                values, seconds = scores(train, dev, test, len(names), seed)
                found.append([*values, seconds])
            means.append(np.mean(found, axis=0))
            print(f"| {name} | {size} | {' | '.join(f'{value:.3f}' for value in means[-1])} |", flush=True)
    print(f"| mean | | {' | '.join(f'{value:.3f}' for value in np.mean(means, axis=0))} |")


if __name__ == "__main__":
    main()
