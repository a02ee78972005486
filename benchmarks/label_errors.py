"""Flip 5% of the labels of some sets: how many are found, beside cleanlab, and what that is worth.

Each set gets as many rows as --rows, and as many others to score. The flags are as many as twice the flipped
rows: the first ones of ours, and of cleanlab's ranking on the same probabilities (the mean of the families').
"""

from __future__ import annotations

import argparse
import importlib.util
import random
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe

from textgraft.evaluation.confident_learning import margins
from textgraft.evaluation.metrics import weighted_metrics
from textgraft.inference.encode import encode
from textgraft.models.baselines.linear import fit_linear
from textgraft.review.label_errors import rank
from textgraft.review.out_of_fold import consensus, out_of_fold

FLIPPED = 0.05


def macro_f1(train, gold, test, test_gold, labels: int) -> float:
    scale = np.sqrt(train.shape[1]) / 4
    weight, bias = fit_linear(train * scale, gold, labels, 1.0, None)
    answers = (test * scale @ weight.T + bias).argmax(axis=1)
    ones = np.ones((len(answers), 1), dtype=np.float32)
    return float(weighted_metrics(test_gold, answers, labels, ones)["macro_f1"][0])


def measure(data: Path, name: str, rows: int, seed: int) -> None:
    found = list(FITTED[name](data))
    random.Random(0).shuffle(found)
    texts = [text for text, _ in found[: 2 * rows]]
    names = sorted({label for _, label in found})
    gold = np.array([names.index(label) for _, label in found[: 2 * rows]])
    encodings = encode(texts, cache=True)
    rng = np.random.default_rng(seed)
    rows = min(rows, len(texts) // 2)
    given = gold[:rows].copy()
    flipped = rng.choice(rows, round(FLIPPED * rows), replace=False)
    given[flipped] = (given[flipped] + rng.integers(1, len(names), len(flipped))) % len(names)
    families = out_of_fold(texts[:rows], given, encodings[:rows], seed=seed)
    mean = consensus(families)
    flags = 2 * len(flipped)
    ranked = [place for place, *_ in rank(families, given)]
    # Where fewer are flagged than are counted, the next in the order of the margins.
    by_margin = consensus({family: margins(part, given) for family, part in families.items()})
    rest = [place for place in by_margin.argsort() if place not in set(ranked)]
    ours = [*ranked, *rest][:flags]
    share = len(set(ours) & set(flipped)) / len(flipped)
    line = f"| {name} | {rows} | {len(flipped)} | {len(ranked)} | {share:.0%} | "
    for part in families.values():
        single = [int(place) for place in margins(part, given).argsort()[:flags]]
        line += f"{len(set(single) & set(flipped)) / len(flipped):.0%} | "
    if importlib.util.find_spec("cleanlab"):
        from cleanlab.rank import get_label_quality_scores

        order = get_label_quality_scores(given, mean, method="normalized_margin").argsort()[:flags]
        line += f"{len(set(order.tolist()) & set(flipped)) / len(flipped):.0%} | "
    else:
        line += "not installed | "
    test, test_gold = encodings[rows:], gold[rows:]
    kept = np.setdiff1d(np.arange(rows), ranked)
    scores = [
        macro_f1(encodings[:rows], gold[:rows], test, test_gold, len(names)),
        macro_f1(encodings[:rows], given, test, test_gold, len(names)),
        macro_f1(encodings[kept], given[kept], test, test_gold, len(names)),
    ]
    print(line + " | ".join(f"{score:.3f}" for score in scores) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sets", nargs="*", default=["trec", "snips", "sst2"])
    options = parser.parse_args()
    print(describe("scikit-learn", "numpy"))
    print(
        "| set | rows | flipped | flagged | found by both | by words | by encodings | cleanlab | macro F1, "
        "clean labels | flipped ones in | flagged rows out |\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for name in options.sets:
        for seed in range(options.seeds):
            measure(options.data, name, options.rows, seed)


if __name__ == "__main__":
    main()
