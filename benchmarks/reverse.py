"""Sequences to reverse: what each sequence-to-sequence model learns of a task whose answer is known.

    python benchmarks/reverse.py [--output runs/reverse] [--contenders lstm-attention transformer …]

Every model is trained by `textgraft.train` on the same 20,000 random sequences of 1 to 20 of 26 letters,
and writes the reverse of sequences of every length up to 30, a hundred of each, none of which it has seen
from about the fifth letter on. Printed are the share of sequences without any mistake, over the lengths
trained on and by length; reverse.svg in the output folder plots it. A vector of fixed width holds only so
much; attention looks at every symbol; and what lies beyond the lengths trained on, none of them has
learned.
"""

from __future__ import annotations

import argparse
import csv
import time
from pathlib import Path

from line_plot import write_plot
from machine import describe
from rich.console import Console
from rich.table import Table

from textgraft.comparison.train import train
from textgraft.data.demo.synthetic import synthetic_rows

ROWS, LONGEST = 20_000, 20
EACH, FARTHEST = 100, 30
"""Test sequences of a length, and the longest of them."""
RECURRENT = {
    "embedding_size": 64,
    "hidden_size": 128,
    "learning_rate": 3e-3,
    "dropout": 0.0,
    "embedding_dropout": 0.0,
    "epochs": 10,
}
SETTINGS = {
    "lstm-seq2seq": {**RECURRENT, "epochs": 20},
    "lstm-attention": RECURRENT,
    "transformer": {
        "hidden_size": 128,
        "num_layers": 2,
        "feed_forward_size": 512,
        "learning_rate": 1e-3,
        "dropout": 0.0,
        "epochs": 20,
    },
}
SHARED = {
    "batch_size": 128,
    "max_tokens": 4096,
    "num_beams": 1,
    "label_smoothing": 0.0,
    "precision": "fp32",
    "patience": None,
}


def write_rows(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write a table of sources and targets."""
    with path.open("w", newline="") as handle:
        csv.writer(handle, delimiter="\t").writerows([("source", "target"), *rows])
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/reverse"))
    parser.add_argument("--contenders", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    rows = {
        name: write_rows(
            options.output / f"{name}.tsv", synthetic_rows("reverse", count, longest=LONGEST, seed=seed)
        )
        for seed, (name, count) in enumerate({"train": ROWS, "dev": 500, "test": 500}.items())
    }
    by_length = {
        length: synthetic_rows("reverse", EACH, shortest=length, longest=length, seed=100 + length)
        for length in range(1, FARTHEST + 1)
    }
    print(describe("torch", "transformers"))
    table = Table(
        "contender", "parameters", "training", f"exact, 1 to {LONGEST}", "length 10", "20", "25", "30"
    )
    lines: dict[str, list[tuple[float, float]]] = {}
    for name in options.contenders:
        start = time.perf_counter()
        trained = train(
            rows["train"],
            options.output / name,
            task="text2text",
            text=["source"],
            label="target",
            dev=str(rows["dev"]),
            test=str(rows["test"]),
            contender=name,
            settings={**SETTINGS[name], **SHARED},
        )
        seconds = time.perf_counter() - start
        predictor = trained.predictor
        lines[name] = []
        for length, pairs in by_length.items():
            answers = [answer.answer for answer in predictor.predict([source for source, _ in pairs])]
            exact = sum(answer == target for answer, (_, target) in zip(answers, pairs, strict=True)) / EACH
            lines[name].append((length, exact))
        shares = dict(lines[name])
        table.add_row(
            name,
            f"{predictor.model.num_parameters():,}",
            f"{seconds:.0f} s",
            f"{trained.trial.metrics['exact_match']:.3f}",
            *(f"{shares[length]:.2f}" for length in (10, 20, 25, 30)),
        )
    Console(width=110).print(table)
    write_plot(
        options.output / "reverse.svg",
        f"Sequences reversed without a mistake; trained on lengths 1 to {LONGEST}",
        lines,
        x_label="symbols of the source",
        y_label="share without a mistake",
    )


if __name__ == "__main__":
    main()
