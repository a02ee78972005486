"""The whole comparison against the same trials scripted with sentence-transformers, scikit-learn and Trainer.

    python benchmarks/comparison.py [--data train.csv test.csv] [--sizes 300,1000] [--seeds 2]

Both sides get the same training, dev and test rows, the same settings and, for fine-tuning, the same
number of epochs (as many as early stopping let ours run). Each trial runs on one side and then on the
other, in one process; the figure is wall-clock time from raw text to test predictions.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from sentence_transformers import SentenceTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline
from torch.utils.data import Dataset as TorchDataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
)

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.running.trials import TrialSpec, run_trial
from textgraft.data.dataset import Dataset
from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import make_splits, nested_subsets
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

NAMES = ("tfidf", "bert-frozen", "bert-finetuned")


class Rows(TorchDataset):
    """Tokenized rows as Trainer wants them."""

    def __init__(self, tokenizer, texts: list[str], labels: list[int], length: int) -> None:
        self.encoded = tokenizer(texts, truncation=True, max_length=length)
        self.labels = labels

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, row: int) -> dict:
        return {**{key: values[row] for key, values in self.encoded.items()}, "labels": self.labels[row]}


def script_tfidf(job: Job, test: Dataset, settings: Any, epochs: float) -> np.ndarray:
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=settings.c, max_iter=1000),
    )
    model.fit(job.train.texts, job.targets(job.train))
    return model.predict(test.texts)


def script_frozen(job: Job, test: Dataset, settings: Any, epochs: float) -> np.ndarray:
    encoder = SentenceTransformer(str(job.encoder.path))
    model = LogisticRegression(C=settings.c, max_iter=1000)
    model.fit(encoder.encode(job.train.texts, show_progress_bar=False), job.targets(job.train))
    return model.predict(encoder.encode(test.texts, show_progress_bar=False))


def script_finetuned(job: Job, test: Dataset, settings: Any, epochs: float) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(job.encoder.path)
    model = AutoModelForSequenceClassification.from_pretrained(
        job.encoder.path, num_labels=len(job.task.labels)
    )
    length = 256
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder,
                num_train_epochs=round(epochs),
                learning_rate=settings.learning_rate,
                per_device_train_batch_size=settings.batch_size,
                per_device_eval_batch_size=64,
                eval_strategy="epoch",
                save_strategy="no",
                report_to=[],
                disable_tqdm=True,
                logging_strategy="no",
                seed=job.seed,
            ),
            train_dataset=Rows(tokenizer, job.train.texts, job.targets(job.train), length),
            eval_dataset=Rows(tokenizer, job.dev.texts, job.targets(job.dev), length),
            data_collator=DataCollatorWithPadding(tokenizer),
        )
        trainer.train()
        output = trainer.predict(Rows(tokenizer, test.texts, job.targets(test), length))
    return output.predictions.argmax(axis=1)


SCRIPTS = {"tfidf": script_tfidf, "bert-frozen": script_frozen, "bert-finetuned": script_finetuned}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs=2, type=Path, metavar=("TRAIN", "TEST"))
    parser.add_argument("--sizes", default="300,1000")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.data:
        train, test = (read_dataset(path) for path in arguments.data)
        splits = make_splits(train, test=test)
    else:
        splits = make_splits(docstrings_dataset())
    task = SingleLabelClassification(sorted(set(splits.train.labels)))
    gold = task.targets(splits.test)
    encoder = resolve_encoder("bundled")
    sizes = [int(size) for size in arguments.sizes.split(",")]
    print(describe("torch", "transformers", "sentence-transformers", "scikit-learn", "textgraft"))
    print(f"{torch.get_num_threads()} threads; {len(splits.test):,} test rows; sizes {sizes}")
    print(
        f"{'contender':<16}{'rows':>7}{'seed':>5}{'script s':>10}{'ours s':>9}{'ratio':>7}   F1 script / ours"
    )
    ratios: dict[str, list[float]] = {name: [] for name in NAMES}
    totals = {"script": 0.0, "ours": 0.0}
    # Encodings that an earlier run left on disk would flatter us.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TEXTGRAFT_CACHE"] = cache
        for seed in range(arguments.seeds):
            subsets = nested_subsets(splits.train.labels, sizes, seed)
            for size in sizes:
                rows = splits.train.select(subsets[size])
                dev = splits.dev.select(range(min(len(splits.dev), size // 4)))
                job = Job(rows, dev, task, seed, encoder)
                for name in NAMES:
                    contender = contenders_for("classification")[name]
                    settings = contender.grid[0]
                    setup = TrialSpec(contender, job, splits.test, size, (settings,), "benchmark")
                    start = time.perf_counter()
                    trial, _ = run_trial(setup)
                    ours = time.perf_counter() - start
                    start = time.perf_counter()
                    predicted = SCRIPTS[name](job, splits.test, settings, max(1.0, trial.epochs))
                    script = time.perf_counter() - start
                    ratios[name].append(script / ours)
                    totals["script"] += script
                    totals["ours"] += ours
                    theirs = f1_score(gold, predicted, average="macro")
                    print(
                        f"{name:<16}{size:>7}{seed:>5}{script:>10.2f}{ours:>9.2f}{script / ours:>7.2f}   "
                        f"{theirs:.3f} / {trial.metrics['macro_f1']:.3f}",
                        flush=True,
                    )
    for name in NAMES:
        print(f"RATIO {name}: {statistics.median(ratios[name]):.2f} (median over trials)")
    print(
        f"RATIO whole comparison: {totals['script'] / totals['ours']:.2f} ({totals['script']:.1f} s / "
        f"{totals['ours']:.1f} s)"
    )


if __name__ == "__main__":
    main()
