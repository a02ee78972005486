"""Hold the promise of thresholds to real rows: how often it is kept, and how many rows are answered.

    python benchmarks/thresholds.py --data ../shared/data

On each set a linear model on TF-IDF weights learns from a third of the rows. The rest is the population, on
which the true precision of every threshold is known; from it labelled rows are drawn a thousand times, at
random and with replacement, and each draw decides a threshold. The temperature is that of the first draw.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe
from scipy.special import softmax

from textgraft.data.dataset import Dataset
from textgraft.evaluation.calibration import fit_temperature
from textgraft.evaluation.selective import GRID, certified
from textgraft.inference.predictor import Predictor
from textgraft.models.baselines.tfidf import fit_tfidf
from textgraft.tasks.text.classification import SingleLabelClassification

SETS = ("trec", "snips", "banking77", "polarity", "news")
DRAWS = 1000
ROWS = (300, 1000)
TARGETS = (0.9, 0.95, 0.97)


def population(name: str, data: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the logits [rows, labels] of a model for rows that it has not seen, and their labels [rows]."""
    rows = list(FITTED[name](data))
    order = np.random.default_rng(0).permutation(len(rows))
    texts = [rows[place][0] for place in order]
    names = sorted({label for _, label in rows})
    labels = np.array([names.index(rows[place][1]) for place in order])
    cut = len(rows) // 3
    model, tokenizer = fit_tfidf(texts[:cut], labels[:cut], len(names))
    task = SingleLabelClassification(names)
    task.configure(model.config)
    _, decoded = Predictor(model, tokenizer, task, tokenizer.model_max_length).outputs(
        Dataset.unlabelled({"text": texts[cut:]})
    )
    return task.logits(decoded), labels[cut:]


def tally(places: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count answers and wrong answers above each threshold, for many draws: both [draws, grid]."""
    flat = places + (len(GRID) + 1) * np.arange(len(places))[:, None]
    shape = (len(places), len(GRID) + 1)
    answered, wrong = (
        np.bincount(flat.ravel(), kinds, shape[0] * shape[1]).reshape(shape).astype(np.int64)
        for kinds in (None, (~right).ravel())
    )
    return answered[:, :-1].cumsum(axis=1), wrong[:, :-1].cumsum(axis=1)


def main() -> None:
    """Print a line for each set, number of labelled rows and target."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=DRAWS)
    arguments = parser.parse_args()
    print(describe("textgraft", "scikit-learn"))
    print("| set | accuracy | labelled rows | target | kept | found one | answered | possible |")
    print("|---" * 8 + "|")
    for name in SETS:
        logits, labels = population(name, arguments.data)
        generator = np.random.default_rng(1)
        first = generator.integers(0, len(labels), 300)
        scores = softmax(logits / fit_temperature(logits[first], labels[first]), axis=1).max(axis=1)
        right = logits.argmax(axis=1) == labels
        order = np.argsort(-scores)
        above = np.searchsorted(-scores[order], -GRID, side="right")
        true = np.append(0, right[order].cumsum())[above] / np.maximum(above, 1)
        places = np.searchsorted(-GRID, -scores, side="left")
        for rows in ROWS:
            drawn = generator.integers(0, len(labels), (arguments.draws, rows))
            tallied = tally(places[drawn], right[drawn])
            for target in TARGETS:
                kept_at = certified(*tallied, target, rows)
                found = kept_at.any(axis=1)
                chosen = np.where(found, kept_at.shape[1] - 1 - kept_at[:, ::-1].argmax(axis=1), -1)
                kept = (chosen < 0) | (true[chosen] >= target)
                answered = np.where(chosen < 0, 0, above[chosen] / len(labels))
                possible = above[true >= target].max(initial=0) / len(labels)
                print(
                    f"| {name} | {right.mean():.3f} | {rows:,} | {target} | {kept.mean():.1%} "
                    f"| {(chosen >= 0).mean():.0%} | {answered.mean():.0%} | {possible:.0%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
