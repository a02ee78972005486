"""The whole comparison against the same trials scripted with sentence-transformers, scikit-learn and Trainer.

    python benchmarks/comparison.py [--data train.csv test.csv] [--label NAME] [--sizes 300,1000] [--seeds 2]

Both sides get the same training, dev and test rows and the same settings: the strengths that are tried, the
lower layers that stay as they are, the learning rates of encoder and head, the batch size, and as many epochs
as early stopping let ours run. Each trial runs on one side and then on the other, in one process; the figure
is wall-clock time from raw text to test predictions, on our side with what a trial measures besides. What is
loaded and prepared on the way counts, as the conversion of the encoder: nothing is on disk at the start.

Our trials compute once between them what they share, as in a comparison: encodings of texts and the states of
frozen layers. "By itself" is what they would have taken without that.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import describe
from sentence_transformers import SentenceTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch.utils.data import Dataset as TorchDataset
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    get_linear_schedule_with_warmup,
)

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.bert import frozen_layers
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.contenders.shared import Shared
from textgraft.comparison.running.trials import TrialSpec, run_trial
from textgraft.data.dataset import Dataset
from textgraft.data.demo.embedded import docstrings_dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import make_splits, nested_subsets
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.training.strength import FOLDS, STRENGTHS

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
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": STRENGTHS}, scoring="f1_macro", cv=FOLDS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of labels with fewer rows than folds
        search.fit(encoder.encode(job.train.texts, show_progress_bar=False), job.targets(job.train))
    return search.predict(encoder.encode(test.texts, show_progress_bar=False))


def script_finetuned(job: Job, test: Dataset, settings: Any, epochs: float) -> np.ndarray:
    tokenizer = AutoTokenizer.from_pretrained(job.encoder.path)
    model = AutoModelForSequenceClassification.from_pretrained(
        job.encoder.path, num_labels=len(job.task.labels)
    )
    frozen = frozen_layers(job.encoder, settings.freeze_layers)
    if frozen:
        model.bert.embeddings.requires_grad_(False)
        for layer in model.bert.encoder.layer[:frozen]:
            layer.requires_grad_(False)
    rates = {"bert": settings.learning_rate, "classifier": settings.head_learning_rate}
    optimizer = torch.optim.AdamW(
        [
            {"params": [one for one in getattr(model, part).parameters() if one.requires_grad], "lr": rate}
            for part, rate in rates.items()
        ],
        weight_decay=settings.weight_decay,
    )
    steps = round(epochs) * -(-len(job.train) // settings.batch_size)
    schedule = get_linear_schedule_with_warmup(optimizer, round(settings.warmup_fraction * steps), steps)
    length = 256
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(
            model=model,
            args=TrainingArguments(
                folder,
                num_train_epochs=round(epochs),
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
            optimizers=(optimizer, schedule),
        )
        trainer.train()
        output = trainer.predict(Rows(tokenizer, test.texts, job.targets(test), length))
    return output.predictions.argmax(axis=1)


SCRIPTS = {"tfidf": script_tfidf, "bert-frozen": script_frozen, "bert-finetuned": script_finetuned}


@dataclass
class Totals:
    """Seconds of all trials of a contender."""

    script: float = 0.0
    ours: float = 0.0
    alone: float = 0.0
    """Of ours, without what the trials share."""
    scores: list[tuple[float, float]] = field(default_factory=list)
    """Macro F1 of the script and of ours."""

    def row(self, name: str) -> str:
        """Return a line of the last table."""
        script, ours = (statistics.fmean(scores) for scores in zip(*self.scores, strict=True))
        return (
            f"{name:<16}{self.script:>10.1f}{self.ours:>9.1f}{self.script / self.ours:>7.2f}"
            f"{self.script / self.alone:>11.2f}   {script:.3f} / {ours:.3f}"
        )


def run_both(name: str, job: Job, test: Dataset, totals: list[Totals]) -> None:
    """Run a trial on our side and as a script, print what it took, and add that up."""
    contender = contenders_for("classification")[name]
    settings = contender.grid[0]
    saved = job.shared.charged - job.shared.spent
    start = time.perf_counter()
    trial, _ = run_trial(TrialSpec(contender, job, test, (settings,), "benchmark"))
    ours = time.perf_counter() - start
    alone = ours + job.shared.charged - job.shared.spent - saved
    start = time.perf_counter()
    predicted = SCRIPTS[name](job, test, settings, max(1.0, trial.epochs))
    script = time.perf_counter() - start
    scores = f1_score(job.targets(test), predicted, average="macro"), trial.metrics["macro_f1"]
    for one in totals:
        one.script, one.ours, one.alone = one.script + script, one.ours + ours, one.alone + alone
        one.scores.append(scores)
    print(
        f"{name:<16}{len(job.train):>7}{job.seed:>5}{script:>10.2f}{ours:>9.2f}{script / ours:>7.2f}   "
        f"{scores[0]:.3f} / {scores[1]:.3f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs=2, type=Path, metavar=("TRAIN", "TEST"))
    parser.add_argument("--label")
    parser.add_argument("--sizes", default="300,1000")
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.data:
        train, test = (read_dataset(path, label=arguments.label) for path in arguments.data)
        splits = make_splits(train, test=test)
    else:
        splits = make_splits(docstrings_dataset())
    task = SingleLabelClassification(sorted(set(splits.train.labels)))
    encoder = resolve_encoder("bundled")
    sizes = [int(size) for size in arguments.sizes.split(",")]
    print(describe("torch", "transformers", "sentence-transformers", "scikit-learn", "textgraft"))
    print(f"{torch.get_num_threads()} threads; {len(splits.test):,} test rows; sizes {sizes}")
    print(
        f"{'contender':<16}{'rows':>7}{'seed':>5}{'script s':>10}{'ours s':>9}{'ratio':>7}   F1 script / ours"
    )
    totals = {name: Totals() for name in (*NAMES, "all")}
    # What an earlier run left on disk would flatter us.
    with tempfile.TemporaryDirectory() as cache:
        os.environ["TEXTGRAFT_CACHE"] = cache
        shared = Shared()
        for seed in range(arguments.seeds):
            subsets = nested_subsets(splits.train.labels, sizes, seed)
            for size in sizes:
                rows = splits.train.select(subsets[size])
                dev = splits.dev.select(range(min(len(splits.dev), size // 4)))
                job = Job(rows, dev, task, seed, encoder, shared=shared)
                for name in NAMES:
                    run_both(name, job, splits.test, [totals[name], totals["all"]])
    print(
        f"\n{'in all':<16}{'script s':>10}{'ours s':>9}{'ratio':>7}{'by itself':>11}   mean F1 script / ours"
    )
    for name, total in totals.items():
        print(total.row(name))


if __name__ == "__main__":
    main()
