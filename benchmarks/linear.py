"""Logistic regression beside scikit-learn's: seconds, iterations, the loss that it ends at, and macro F1.

    python benchmarks/linear.py [--data DATA] [--sets trec,sst2,banking77,news] [--rows 5000] [--rounds 5]

Both fit the same features of the same rows, with the same penalties: TF-IDF, static vectors, and encodings by
the bundled encoder. scikit-learn's LogisticRegression has its defaults, but for 1,000 iterations at most; its
loss is ours at its weights. They take turns, and seconds are the medians of their processor time, on one
thread.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from labelled_sets import FITTED, HELD_OUT
from machine import describe
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from threadpoolctl import threadpool_limits

import textgraft
from textgraft.inference.token_vectors import token_vectors
from textgraft.models.baselines.softmax_regression import _Loss, fit_softmax
from textgraft.models.baselines.tfidf import weigh_ngrams
from textgraft.models.encoders import resolve_encoder

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = FITTED | HELD_OUT
PENALTIES = (1.0, 10.0)


def features(texts: list[str], targets: NDArray[np.int64], labels: int) -> Iterator[tuple[str, Any]]:
    """Yield what contenders make of texts, as they give it to the regression."""
    yield "TF-IDF", weigh_ngrams(texts, targets, labels).weights
    source = resolve_encoder("bundled")
    for name, found in (
        ("static", token_vectors(source, texts).means(texts)),
        ("encodings", textgraft.encode(texts)),
    ):
        centred = np.asarray(found, np.float32) - np.mean(found, axis=0)
        yield name, centred / np.sqrt(centred.var(axis=0).sum())


Weights = tuple[NDArray[Any], NDArray[Any]]


def theirs(rows: Any, targets: NDArray[np.int64], c: float) -> Weights:
    """Fit as scikit-learn does."""
    found = LogisticRegression(C=c, max_iter=1_000).fit(rows, targets)
    return found.coef_, found.intercept_


def ours(rows: Any, targets: NDArray[np.int64], c: float) -> Weights:
    """Fit as we do."""
    weight, bias = fit_softmax(rows, targets, int(targets.max()) + 1, c)
    return (weight[1:] - weight[:1], bias[1:] - bias[:1]) if len(weight) == 2 else (weight, bias)


def timed(
    fit: Callable[..., Weights], rows: Any, targets: NDArray[np.int64], c: float
) -> tuple[float, Weights]:
    """Return the processor time of a fit, and what it found."""
    start = time.process_time()
    found = fit(rows, targets, c)
    return time.process_time() - start, found


def answers(weights: Weights, rows: Any) -> NDArray[np.int64]:
    """Return the likeliest label of each row."""
    scores = rows @ weights[0].T + weights[1]
    return (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)


def main() -> None:
    """Run all fits and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--sets", default="trec,sst2,banking77,news")
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print(describe("scikit-learn", "textgraft"))
    print("| set | features | c | scikit-learn | ours | times | loss | ours | macro F1 | ours |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in arguments.sets.split(","):
        pairs = list(SETS[name](arguments.data))
        order = np.random.default_rng(0).permutation(len(pairs))[: 2 * arguments.rows].tolist()
        names = sorted({pairs[place][1] for place in order[: arguments.rows]})
        order = [place for place in order if pairs[place][1] in names]
        texts = [pairs[place][0] for place in order]
        targets = np.array([names.index(pairs[place][1]) for place in order])
        train = np.arange(len(order)) < arguments.rows
        for kind, rows in features(texts, targets, len(names)):
            for c in PENALTIES:
                taken: dict[Any, list[float]] = {theirs: [], ours: []}
                weights: dict[Any, Weights] = {}
                with threadpool_limits(1):
                    for _ in range(arguments.rounds):
                        for fit, times in taken.items():
                            seconds, weights[fit] = timed(fit, rows[train], targets[train], c)
                            times.append(seconds)
                medians = [statistics.median(times) for times in taken.values()]
                loss = _Loss(rows[train], targets[train], len(names) if len(names) > 2 else 1, c, np.float64)
                losses = [loss(np.vstack([table.T, bias]))[0] for table, bias in weights.values()]
                scores = [
                    f1_score(targets[~train], answers(found, rows[~train]), average="macro")
                    for found in weights.values()
                ]
                cells = (
                    name, kind, f"{c:g}", *(f"{one:.2f} s" for one in medians),
                    f"{medians[0] / medians[1]:.2f}", *(f"{one:.4f}" for one in losses),
                    *(f"{one:.3f}" for one in scores),
                )  # fmt: skip
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
