"""How well texts of labels that a model has never seen are told from those that it knows.

    python benchmarks/unknown_classes.py --data ../shared/data

A part of the labels is left out of training. Each way to tell gives every text a number; printed are the
area under the ROC curve, which is the share of pairs of a known and an unknown text that it orders
rightly, and how many of the unknown are taken for known where 95% of the known are (FPR95). Distances are
measured between the bundled encoder's encodings, or TF-IDF's weights, to the training texts: the nearest
one's cosine (Sun et al. 2022), and Mahalanobis' distance to the nearest label's mean (Lee et al. 2018).
"Both" is what ``textgraft predict --reject`` goes by: the log-odds of the label and the nearest training
text, each in its standard deviations on dev rows. Of the rows with a known label half are learned from, a
quarter are dev rows. Figures are means over --seeds choices of the labels that are left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import roc_auc_score

import textgraft
from textgraft.evaluation.unknown import Strangeness
from textgraft.models.baselines.linear import fit_linear

SETS = {"banking77": 20, "news": 1, "snips": 2, "trec": 2}
"""Labels that are left out."""
TEXTS = {"banking77": 3000}
USUAL = 2000
"""Texts of the others."""


def false_positives(known: np.ndarray, unknown: np.ndarray) -> float:
    """Return the share of unknown texts among those as known as 95% of the known are."""
    return float((unknown >= np.quantile(known, 0.05)).mean())


def mahalanobis(train: np.ndarray, labels: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """Return minus the distance of each text to the nearest label's mean, with one covariance for all."""
    means = np.stack([train[labels == label].mean(axis=0) for label in np.unique(labels)])
    centred = train - means[np.unique(labels, return_inverse=True)[1]]
    covariance = centred.T @ centred / len(train)
    shrunk = 0.9 * covariance + 0.1 * np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    root = np.linalg.cholesky(np.linalg.inv(shrunk))
    apart = ((texts @ root)[:, None] - (means @ root)[None]) ** 2
    return -apart.sum(axis=2).min(axis=1)


def told(matrix, labels, learned, dev, new) -> dict[str, np.ndarray]:
    """Return how known each new text is, by each way to tell."""
    names, targets = np.unique(labels[learned], return_inverse=True)
    weight, bias = fit_linear(matrix[learned], targets, len(names), 10.0, None)

    def logits(rows: np.ndarray) -> np.ndarray:
        return matrix[rows] @ weight.T + bias

    def nearest(rows: np.ndarray) -> np.ndarray:
        similar = matrix[rows] @ matrix[learned].T
        return (similar.toarray() if hasattr(similar, "toarray") else similar).max(axis=1)

    both = Strangeness.of(softmax(logits(dev), axis=1), nearest(dev))
    probabilities, near = softmax(logits(new), axis=1), nearest(new)
    ways = {
        "probability of the label": probabilities.max(axis=1),
        "largest logit": logits(new).max(axis=1),
        "nearest training text": near,
        "both": -both.values(probabilities, near),
    }
    if not hasattr(matrix, "toarray"):
        ways["Mahalanobis"] = mahalanobis(matrix[learned], labels[learned], matrix[new])
    return ways


def main() -> None:
    """Print a line for each set, features and way to tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--sets", nargs="*", default=list(SETS), choices=SETS)
    arguments = parser.parse_args()
    print(describe("textgraft", "scikit-learn"))
    print("| set | left out | features | told by | AUROC | FPR95 |")
    print("|---" * 6 + "|")
    for name in arguments.sets:
        left_out = SETS[name]
        rows = list(FITTED[name](arguments.data))
        order = np.random.default_rng(0).permutation(len(rows))[: TEXTS.get(name, USUAL)]
        texts, labels = [rows[at][0] for at in order], np.array([rows[at][1] for at in order])
        encodings = textgraft.encode(texts, cache=True)
        figures: dict[tuple[str, str], list[tuple[float, float]]] = {}
        for seed in range(arguments.seeds):
            names = np.random.default_rng(seed).permutation(np.unique(labels))
            is_unknown = np.isin(labels, names[:left_out])
            part = np.arange(len(labels)) % 4
            learned, dev = ~is_unknown & (part % 2 == 0), ~is_unknown & (part == 1)
            new = is_unknown | (part == 3)
            weights = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit(
                [text for text, use in zip(texts, learned, strict=True) if use]
            )
            for kind, matrix in (("TF-IDF", weights.transform(texts)), ("MiniLM", encodings)):
                for way, score in told(matrix, labels, learned, dev, new).items():
                    known, unknown = score[~is_unknown[new]], score[is_unknown[new]]
                    area = roc_auc_score(~is_unknown[new], score)
                    figures.setdefault((kind, way), []).append((area, false_positives(known, unknown)))
        for (kind, way), found in figures.items():
            area, passed = np.mean(found, axis=0)
            print(
                f"| {name} | {left_out} of {len(names)} | {kind} | {way} | {area:.3f} | {passed:.1%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
