"""Measure real learning curves with quick contenders: material to hold predictions of scores against.

    python benchmarks/learning_curves.py --data ../shared/data --output runs/learning_curves [NAME …]

Each set is pooled and split anew into training rows and test rows. TF-IDF and frozen encodings, both under
logistic regression, are trained on nested samples that double in size, with several seeds. For each set and
contender one file holds the answers to every test row; a set that has its files is not run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from machine import describe
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_subsets
from textgraft.inference.encode import encode

SETS: dict[str, tuple[tuple[str, ...], list[str], str]] = {
    "trec": (("trec/train.csv", "trec/test.csv"), ["text"], "coarse"),
    "trec-fine": (("trec/train.csv", "trec/test.csv"), ["text"], "fine"),
    "snips": (("snips/train.csv",), ["text"], "label"),
    "banking77": (("banking77/train.csv",), ["text"], "label"),
    "sst2": (("sst2/train.csv",), ["text"], "label"),
    "polarity": (("mr_sentence_polarity/train.csv",), ["text"], "label"),
    "reviews": (("movie_reviews_long/train.csv", "movie_reviews_long/test.csv"), ["text"], "label"),
    "cola": (("cola/train.csv",), ["sentence"], "label"),
    "news": (("ag_news_7600/train.csv",), ["title", "description"], "label"),
    "origins": (("title_origins_netflix24/train.csv",), ["description", "director", "cast"], "origin"),
    **{
        f"tweets-{language}": (
            tuple(f"umsab_multilingual_sentiment/{language}/{side}.csv" for side in ("train", "val", "test")),
            ["text"],
            "label",
        )
        for language in ("english", "german")
    },
}
"""Files, text columns and label column of each set."""
CONTENDERS = ("tfidf", "bert-frozen")
SEEDS = 6
SMALLEST, MOST_ROWS, MOST_TEST_ROWS = 25, 3200, 2000
C = 10.0


def rows(data: Path, name: str) -> tuple[list[str], NDArray[np.int64]]:
    """Return the texts and label numbers of a set, in a random order that is always the same."""
    files, text, label = SETS[name]
    read = [read_dataset(data / file, text=text, label=label) for file in files]
    labelled = dict(pair for one in read for pair in zip(one.texts, one.labels or (), strict=True))
    known = list(labelled)
    texts = [known[place] for place in np.random.default_rng(0).permutation(len(labelled))]
    texts = texts[: MOST_ROWS + MOST_TEST_ROWS]
    gold = np.unique([labelled[one] for one in texts], return_inverse=True)[1]
    return [one[:2000] for one in texts], gold


def sizes(train_rows: int) -> list[int]:
    """Return the training sizes of a set, each twice the one before."""
    return [SMALLEST * 2**power for power in range(20) if SMALLEST * 2**power <= train_rows]


def answers(
    contender: str, texts: list[str], encodings: NDArray[np.float32], gold: NDArray[np.int64], train_rows: int
) -> Iterator[NDArray[np.int16]]:
    """Train at every size with every seed; yield the answers to the test rows, [sizes, test rows]."""
    test_texts, test_encodings = texts[train_rows:], encodings[train_rows:]
    for seed in range(SEEDS):
        found = []
        for chosen in nested_subsets(
            [str(label) for label in gold[:train_rows]], sizes(train_rows), seed
        ).values():
            model = LogisticRegression(C=C, max_iter=300)
            if contender == "tfidf":
                vectorizer = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=20_000)
                model.fit(vectorizer.fit_transform([texts[row] for row in chosen]), gold[chosen])
                found.append(model.predict(vectorizer.transform(test_texts)))
            else:
                found.append(model.fit(encodings[chosen], gold[chosen]).predict(test_encodings))
        yield np.array(found, dtype=np.int16)


def main() -> None:
    """Measure the curves of the sets named, or of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(SETS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("runs/learning_curves"))
    arguments = parser.parse_args()
    print(describe("scikit-learn"))
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or SETS:
        missing = [part for part in CONTENDERS if not (arguments.output / f"{name}.{part}.npz").is_file()]
        if not missing:
            continue
        texts, gold = rows(arguments.data, name)
        train_rows = min(MOST_ROWS, len(texts) * 2 // 3)
        encodings = np.asarray(encode(texts) if "bert-frozen" in missing else np.zeros((len(texts), 1)))
        for contender in missing:
            found = np.stack(list(answers(contender, texts, encodings, gold, train_rows)))
            test = gold[train_rows:]
            scores = [f1_score(test, at, average="macro", zero_division=0) for at in found[0]]
            print(
                name,
                contender,
                len(test),
                "test rows:",
                " ".join(f"{score:.3f}" for score in scores),
                flush=True,
            )
            np.savez_compressed(
                arguments.output / f"{name}.{contender}.npz",
                sizes=sizes(train_rows),
                gold=test,
                answers=found,
            )


if __name__ == "__main__":
    main()
