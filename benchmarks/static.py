"""Static vectors: quality and speed beside model2vec on the same encoder, TF-IDF and a frozen BERT.

    python benchmarks/static.py [--data DATA] [--sets trec,sst2,banking77] [--rows 2500] [--rounds 5]
    python benchmarks/static.py --encoder FOLDER --sets german,arabic
    python benchmarks/static.py --networks --sets trec,sst2,banking77

All sides learn from the same rows and are judged on the same test rows; model2vec gets the same shallow
network on its vectors, with the same configurations to choose from by the dev rows. Then each takes turns to
answer the test rows from raw text; texts a second go by processor time, which a neighbour on the same cores
disturbs least. model2vec is left out where it is not installed. With ``--networks`` the LSTM from random word
vectors is put beside the one that begins with static vectors, by the mean of a word's tokens, and with the
encodings of whole words in their place.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import describe
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.inference import token_vectors
from textgraft.inference.encode import Encoder
from textgraft.inference.predictor import Predictor
from textgraft.models.encoders import EncoderSource, load_encoder, resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.training.shallow import fit_shallow

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
SETS = {
    "trec": ("trec", "coarse"),
    "sst2": ("sst2", "label"),
    "banking77": ("banking77", "label"),
    "german": ("umsab_multilingual_sentiment/german", "label"),
    "arabic": ("umsab_multilingual_sentiment/arabic", "label"),
}
CONTENDERS = ("tfidf", "static", "bert-frozen")
Answer = Callable[[Sequence[str]], NDArray[np.int64]]


def read(path: Path, label: str) -> tuple[list[str], list[str]]:
    """Return texts and labels of a file."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [row["text"] for row in rows], [row[label] for row in rows]


def dataset(texts: Sequence[str], labels: Sequence[str]) -> Dataset:
    numbers = list(range(len(texts)))
    return Dataset({"text": list(texts)}, list(labels), [str(number) for number in numbers], numbers, "rows")


def split(data: Path, name: str, rows: int, seed: int = 0) -> tuple[Dataset, Dataset, Dataset]:
    """Return training, dev and test rows: the dev rows are a quarter as many as the training rows."""
    folder, label = SETS[name]
    texts, labels = read(data / folder / "train.csv", label)
    order = np.random.default_rng(seed).permutation(len(texts))
    dev = min(rows, len(texts)) // 5
    parts = order[:dev], order[dev : dev + rows]
    chosen = [dataset([texts[row] for row in part], [labels[row] for row in part]) for part in parts]
    return chosen[1], chosen[0], dataset(*read(data / folder / "test.csv", label))


def ours(name: str, job: Job) -> Answer:
    """Fit a contender with every configuration of its grid; keep what is best on the dev rows."""
    best: tuple[float, Predictor] | None = None
    entry = contenders_for("classification")[name]
    for settings in entry.grid:
        fitted = entry.fit(job, settings)
        predictor = Predictor(fitted.model, fitted.tokenizer, job.task, fitted.max_length)
        found = [prediction.answer for prediction in predictor.predict_rows(job.dev)]
        score = f1_score(job.targets(job.dev), found, average="macro")
        if best is None or score > best[0]:
            best = score, predictor
    assert best is not None
    predictor = best[1]
    return lambda texts: np.array(
        [row.answer for row in predictor.predict_rows(Dataset.unlabelled({"text": list(texts)}))]
    )


def theirs(model, job: Job) -> Answer:
    """Fit the same shallow network on model2vec's vectors of texts."""
    train, dev = (model.encode(rows.texts, use_multiprocessing=False) for rows in (job.train, job.dev))
    gold, dev_gold = (np.array(job.targets(rows)) for rows in (job.train, job.dev))
    best: tuple[float, list] | None = None
    for options in ({"c": 10.0}, {"c": 1.0}, {"hidden_size": 128}):
        layers = fit_shallow(
            train.astype(np.float32), gold, dev.astype(np.float32), dev_gold, len(job.task.labels), **options
        )
        score = f1_score(dev_gold, _outputs(layers, dev), average="macro")
        if best is None or score > best[0]:
            best = score, layers
    assert best is not None
    layers = best[1]
    return lambda texts: _outputs(layers, model.encode(list(texts), use_multiprocessing=False))


def _outputs(layers: Sequence, encodings: NDArray[np.float32]) -> NDArray[np.int64]:
    *hidden, (weight, bias) = layers
    for lower, shift in hidden:
        encodings = np.maximum(encodings @ lower.T + shift, 0)
    return (encodings @ weight.T + bias).argmax(axis=1)


def distilled(source: EncoderSource, texts: Sequence[str]):
    """Distil both ways, on this encoder; return model2vec's model, None where it is not installed."""
    Encoder(source).open()  # converting the encoder for the engine is not part of it
    start = time.process_time()
    vectors = token_vectors.token_vectors(source, texts)
    print(
        f"textgraft distilled {len(vectors.matrix):,} tokens, {vectors.matrix.shape[1]} numbers each, in "
        f"{time.process_time() - start:.1f} s of processor time"
    )
    if importlib.util.find_spec("model2vec") is None:
        return None
    from model2vec.distill import distill_from_model

    encoder, tokenizer = load_encoder(source)
    start = time.process_time()
    model = distill_from_model(encoder, tokenizer, device="cpu")
    print(
        f"model2vec distilled {len(model.embedding):,} tokens, {model.dim} numbers each, in "
        f"{time.process_time() - start:.1f} s of processor time"
    )
    return model


def beside(source: EncoderSource, data: Path, sets: Sequence[str], rows: int, rounds: int) -> None:
    """Print macro F1 and texts a second of every side on every set."""
    model = None
    for place, name in enumerate(sets):
        train, dev, test = split(data, name, rows)
        if not place:
            model = distilled(source, train.texts)
        task = SingleLabelClassification(sorted({*train.labels, *dev.labels, *test.labels}))
        job = Job(train, dev, task, 0, source)
        sides: dict[str, Answer] = {contender: ours(contender, job) for contender in CONTENDERS}
        if model is not None:
            sides["model2vec"] = theirs(model, job)
        gold, sample = task.targets(test), test.texts[:500]
        scores = {side: f1_score(gold, answer(test.texts), average="macro") for side, answer in sides.items()}
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for _ in range(rounds):
            for side, answer in sides.items():
                start = time.process_time()
                answer(sample)
                rates[side].append(len(sample) / (time.process_time() - start))
        for side in sides:
            print(
                f"{name:<12}{len(train):>6} rows  {side:<12} macro F1 {scores[side]:.3f}  "
                f"{statistics.median(rates[side]):>8,.0f} texts/s",
                flush=True,
            )


def networks(source: EncoderSource, data: Path, sets: Sequence[str], rows: int, seeds: int) -> None:
    """Print macro F1 and processor seconds of an LSTM from random word vectors and from static ones."""
    means = token_vectors.TokenVectors.means
    encoder = Encoder(source)

    def whole_words(self: token_vectors.TokenVectors, words: Sequence[str]) -> NDArray[np.float32]:
        from sklearn.decomposition import PCA

        return PCA(128).fit_transform(encoder.encode(words))

    variants = {
        "lstm": ("lstm", means),
        "lstm-static": ("lstm-static", means),
        "whole words": ("lstm-static", whole_words),
    }
    for name in sets:
        for seed in range(seeds):
            train, dev, test = split(data, name, rows, seed)
            task = SingleLabelClassification(sorted({*train.labels, *dev.labels, *test.labels}))
            job = Job(train, dev, task, seed, source)
            for title, (contender, vectors_of) in variants.items():
                token_vectors.TokenVectors.means = vectors_of  # type: ignore[method-assign]
                entry = contenders_for("classification")[contender]
                start = time.process_time()
                fitted = entry.fit(job, entry.grid[0])
                seconds = time.process_time() - start
                predictor = Predictor(fitted.model, fitted.tokenizer, task, fitted.max_length)
                answers = [prediction.answer for prediction in predictor.predict_rows(test)]
                score = f1_score(task.targets(test), answers, average="macro")
                print(
                    f"{name:<12}{len(train):>6} rows, seed {seed}  {title:<12} macro F1 {score:.3f}  "
                    f"{seconds:.0f} s",
                    flush=True,
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--encoder", default="bundled")
    parser.add_argument("--sets", default="trec,sst2,banking77", help=", ".join(SETS))
    parser.add_argument("--rows", type=int, default=2500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--networks", action="store_true")
    arguments = parser.parse_args()
    source, sets = resolve_encoder(arguments.encoder), arguments.sets.split(",")
    print(describe("torch", "transformers", "scikit-learn", "textgraft"))
    if arguments.networks:
        networks(source, arguments.data, sets, arguments.rows, arguments.seeds)
    else:
        beside(source, arguments.data, sets, arguments.rows, arguments.rounds)


if __name__ == "__main__":
    main()
