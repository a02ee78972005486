"""Rows chosen by label-next against rows drawn at random: how many labels each needs for the same macro F1.

The model is logistic regression on the bundled encoder's encodings. Both begin with the same random rows and
get --batch more at a time. The score to match is what random rows reach with --labels, on average of the
seeds; how many chosen rows reach it is read off each seed's curve, made rising, on a straight line between
two sizes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe
from scipy.special import softmax

from textgraft.evaluation.metrics import weighted_metrics
from textgraft.inference.encode import encode
from textgraft.models.baselines.linear import fit_linear
from textgraft.review.label_next import choose_rows

C = 1.0


def curve(data, test, sizes: list[int], seed: int, *, chosen: bool) -> list[float]:
    encodings, gold, labels = data
    scale = np.sqrt(encodings.shape[1]) / 4
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(gold))
    labelled, rest = list(order[: sizes[0]]), list(order[sizes[0] :])
    scores: list[float] = []
    weight, bias = np.zeros((labels, encodings.shape[1])), np.zeros(labels)
    for size in sizes:
        if size > len(labelled) and chosen:
            probabilities = softmax(encodings[rest] * scale @ weight.T + bias, axis=1)
            picked = choose_rows(probabilities, encodings[rest], size - len(labelled), seed=seed)
            taken = {rest[place] for place in picked}
        else:
            taken = set(rest[: size - len(labelled)])
        labelled += sorted(taken)
        rest = [row for row in rest if row not in taken]
        weight, bias = fit_linear(encodings[labelled] * scale, gold[labelled], labels, C, None)
        answers = (test[0] * scale @ weight.T + bias).argmax(axis=1)
        ones = np.ones((len(answers), 1), dtype=np.float32)
        scores.append(float(weighted_metrics(test[1], answers, labels, ones)["macro_f1"][0]))
    return scores


def needed(sizes: list[int], scores: list[float], target: float) -> float:
    rising = np.maximum.accumulate(scores)
    return float(np.interp(target, rising, sizes)) if rising[-1] >= target else float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--labels", type=int, default=400)
    parser.add_argument("--batch", type=int, default=50)
    parser.add_argument("--pool", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=["trec", "banking77", "tweets-english"])
    options = parser.parse_args()
    print(describe("scikit-learn", "numpy"))
    print(
        f"| set | labels | macro F1, {options.labels} at random | as many chosen | labels for it, "
        "chosen (each seed) | saved |\n|---|---|---|---|---|---|"
    )
    sizes = list(range(options.batch, options.labels + 1, options.batch))
    for name in options.sets:
        rows = list(FITTED[name](options.data))
        order = np.random.default_rng(0).permutation(len(rows))[: options.pool + 1000]
        names = sorted({label for _, label in rows})
        texts = [rows[place][0] for place in order]
        gold = np.array([names.index(rows[place][1]) for place in order])
        encodings = encode(texts, cache=True)
        cut = len(texts) - 1000
        data, test = (encodings[:cut], gold[:cut], len(names)), (encodings[cut:], gold[cut:])
        by = {
            chosen: [curve(data, test, sizes, seed, chosen=chosen) for seed in range(options.seeds)]
            for chosen in (False, True)
        }
        target = float(np.mean([scores[-1] for scores in by[False]]))
        counts = [needed(sizes, scores, target) for scores in by[True]]
        own = float(np.mean([scores[-1] for scores in by[True]]))
        each = ", ".join("not reached" if np.isinf(count) else f"{count:.0f}" for count in counts)
        saved = 1 - np.median(counts) / options.labels
        told = "none" if np.isinf(saved) or saved <= 0 else f"{saved:.0%}"
        print(f"| {name} | {len(names)} | {target:.3f} | {own:.3f} | {each} | {told} |", flush=True)


if __name__ == "__main__":
    main()
