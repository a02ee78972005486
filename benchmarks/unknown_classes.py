"""How well texts of labels that a model has never seen are told from those that it knows.

    python benchmarks/unknown_classes.py --data ../shared/data

A part of the labels is left out of training. Each way to tell gives every text a number; printed are the
area under the ROC curve, which is the share of pairs of a known and an unknown text that it orders
rightly, and how many of the unknown are taken for known where 95% of the known are (FPR95). Distances are
measured between the bundled encoder's encodings, or TF-IDF's weights, to the training texts: the nearest
one's cosine (Sun et al. 2022), and Mahalanobis' distance to the nearest label's mean (Lee et al. 2018).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe
from scipy.special import softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import textgraft

SETS = {"banking77": 20, "snips": 2, "trec": 2}
"""Labels that are left out."""
TEXTS = 3000


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


def main() -> None:
    """Print a line for each set, features and way to tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    print(describe("textgraft", "scikit-learn"))
    print("| set | left out | features | told by | AUROC | FPR95 |")
    print("|---" * 6 + "|")
    for name, left_out in SETS.items():
        rows = list(FITTED[name](arguments.data))
        order = np.random.default_rng(0).permutation(len(rows))[:TEXTS]
        texts, labels = [rows[at][0] for at in order], np.array([rows[at][1] for at in order])
        names = np.random.default_rng(1).permutation(np.unique(labels))
        is_unknown = np.isin(labels, names[:left_out])
        learned = ~is_unknown & (np.arange(len(labels)) % 2 == 0)
        new = ~learned
        weights = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2)).fit(
            [text for text, use in zip(texts, learned, strict=True) if use]
        )
        for kind, matrix in (("TF-IDF", weights.transform(texts)), ("MiniLM", textgraft.encode(texts))):
            model = LogisticRegression(C=10.0, max_iter=300).fit(matrix[learned], labels[learned])
            logits = model.decision_function(matrix[new])
            similar = matrix[new] @ matrix[learned].T
            nearest = (similar.toarray() if hasattr(similar, "toarray") else similar).max(axis=1)
            ways = {
                "probability of the label": softmax(logits, axis=1).max(axis=1),
                "largest logit": logits.max(axis=1),
                "nearest training text": nearest,
            }
            if kind == "MiniLM":
                ways["Mahalanobis"] = mahalanobis(matrix[learned], labels[learned], matrix[new])
            for way, score in ways.items():
                known, unknown = score[~is_unknown[new]], score[is_unknown[new]]
                area = roc_auc_score(~is_unknown[new], score)
                print(
                    f"| {name} | {left_out} of {len(names)} | {kind} | {way} | {area:.3f} "
                    f"| {false_positives(known, unknown):.1%} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
