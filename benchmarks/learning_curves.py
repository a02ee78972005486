"""Measure real learning curves with quick contenders: material to hold predictions of scores against.

    python benchmarks/learning_curves.py --data ../shared/data --output runs/learning_curves [NAME …]

Each set is pooled and split anew into training rows and test rows. TF-IDF and frozen encodings, both under
logistic regression, are trained on nested samples that double in size, with several seeds; so is the LSTM of
the comparison, where it is asked for. For each set and contender one file holds the answers to every test
row; a set that has its files is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from labelled_sets import FITTED, HELD_OUT
from machine import describe
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.data.splits import nested_subsets
from textgraft.inference.encode import encode
from textgraft.inference.predictor import Predictor
from textgraft.tasks.text.classification import SingleLabelClassification

SEEDS = 6
SMALLEST, MOST_ROWS, MOST_TEST_ROWS, MOST_LSTM_ROWS = 25, 3200, 2000, 800
C = 10.0
Answers = NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """A set in a random order that is always the same: training rows, then test rows."""

    texts: list[str]
    gold: NDArray[np.int64]
    """The number of each row's label."""
    train_rows: int

    @property
    def test_texts(self) -> list[str]:
        """Texts of the test rows."""
        return self.texts[self.train_rows :]

    def dataset(self, chosen: Sequence[int]) -> Dataset:
        """Return some rows as the comparison takes them."""
        rows = Dataset.unlabelled({"text": [self.texts[row] for row in chosen]})
        return replace(rows, labels=[str(self.gold[row]) for row in chosen])


def rows(data: Path, name: str, most_rows: int) -> Rows:
    """Read a set."""
    labelled = dict({**FITTED, **HELD_OUT}[name](data))
    known = list(labelled)
    texts = [known[place] for place in np.random.default_rng(0).permutation(len(labelled))]
    texts = texts[: most_rows + MOST_TEST_ROWS]
    gold = np.unique([labelled[one] for one in texts], return_inverse=True)[1]
    return Rows([one[:2000] for one in texts], gold, min(most_rows, len(texts) * 2 // 3))


def sizes(train_rows: int) -> list[int]:
    """Return the training sizes of a set, each twice the one before."""
    return [SMALLEST * 2**power for power in range(20) if SMALLEST * 2**power <= train_rows]


def tfidf(rows: Rows) -> Callable[[list[int], int], Answers]:
    """Return what learns from some rows and answers the test rows: TF-IDF under logistic regression."""

    def answer(chosen: list[int], seed: int) -> Answers:
        del seed
        vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=20_000)
        vectors = vectorizer.fit_transform([rows.texts[row] for row in chosen])
        model = LogisticRegression(C=C, max_iter=300).fit(vectors, rows.gold[chosen])
        return model.predict(vectorizer.transform(rows.test_texts))

    return answer


def frozen(rows: Rows) -> Callable[[list[int], int], Answers]:
    """Return the same on the encodings of the bundled encoder."""
    encodings = np.asarray(encode(rows.texts))

    def answer(chosen: list[int], seed: int) -> Answers:
        del seed
        model = LogisticRegression(C=C, max_iter=300).fit(encodings[chosen], rows.gold[chosen])
        return model.predict(encodings[rows.train_rows :])

    return answer


def lstm(rows: Rows) -> Callable[[list[int], int], Answers]:
    """Return the same by the comparison's LSTM, with a quarter as many further rows for early stopping."""
    contender = contenders_for("classification")["lstm"]
    task = SingleLabelClassification(sorted({str(label) for label in rows.gold}))
    test = Dataset.unlabelled({"text": rows.test_texts})

    def answer(chosen: list[int], seed: int) -> Answers:
        others = np.setdiff1d(np.arange(rows.train_rows), chosen)
        dev = np.random.default_rng(seed).permutation(others)[: max(20, len(chosen) // 4)]
        job = Job(rows.dataset(chosen), rows.dataset(dev.tolist()), task, seed, encoder=None)
        torch.manual_seed(seed)
        fitted = contender.fit(job, contender.grid[0])
        predictor = Predictor(fitted.model, fitted.tokenizer, task, fitted.max_length)
        return np.array([int(prediction.label) for prediction in predictor.predict_rows(test)])

    return answer


CONTENDERS = {"tfidf": tfidf, "bert-frozen": frozen, "lstm": lstm}


def measure(contender: str, rows: Rows, most_rows: int) -> Iterator[NDArray[np.int16]]:
    """Train at every size with every seed; yield the answers to the test rows, [sizes, test rows]."""
    answer = CONTENDERS[contender](rows)
    labels = [str(label) for label in rows.gold[: rows.train_rows]]
    for seed in range(SEEDS):
        subsets = nested_subsets(labels, sizes(most_rows), seed)
        yield np.array([answer(chosen, seed) for chosen in subsets.values()], dtype=np.int16)


def measure_all(
    names: Sequence[str], contenders: Sequence[str], data: Path, folder: Path, most_rows: int
) -> None:
    """Measure the curves that a folder does not have yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        for contender in contenders:
            path = folder / f"{name}.{contender}.npz"
            if path.is_file():
                continue
            read = rows(data, name, most_rows)
            largest = min(read.train_rows, MOST_LSTM_ROWS) if contender == "lstm" else read.train_rows
            found = np.stack(list(measure(contender, read, largest)))
            test = read.gold[read.train_rows :]
            scores = [f1_score(test, at, average="macro", zero_division=0) for at in found[0]]
            told = " ".join(f"{score:.3f}" for score in scores)
            print(name, contender, len(test), "test rows:", told, flush=True)
            partial = path.with_suffix(".partial.npz")
            np.savez_compressed(partial, sizes=sizes(largest), gold=test, answers=found)
            partial.replace(path)


def main() -> None:
    """Measure the curves of the sets named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join([*FITTED, *HELD_OUT]))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("runs/learning_curves"))
    parser.add_argument("--contenders", default="tfidf,bert-frozen", help=f"of {', '.join(CONTENDERS)}")
    parser.add_argument("--most-rows", type=int, default=MOST_ROWS, help="that are trained on")
    arguments = parser.parse_args()
    print(describe("scikit-learn"))
    measure_all(
        arguments.names or list(FITTED),
        arguments.contenders.split(","),
        arguments.data,
        arguments.output,
        arguments.most_rows,
    )


if __name__ == "__main__":
    main()
