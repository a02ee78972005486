"""Captions of real vectors: the icons of icon_captions, and scikit-learn's images of digits.

    python benchmarks/captions.py --data ../shared/data [--output runs/captions] [NAME …]

Each is an ordinary `textgraft compare` of three seeds, which can be stopped and goes on. Printed are the
tables of docs/results_writing.md.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from machine import describe
from results import curves
from rich.console import Console

from textgraft.comparison.compare import compare
from textgraft.comparison.records.verdict import Verdict, load_verdict
from textgraft.comparison.running.progress import TerminalReporter
from textgraft.wording import duration, interval

SIZES = {"icon_captions": (300, 1000, 2900), "digits": (100, 300, 1000)}
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def icon_captions(data: Path, folder: Path) -> dict[str, str]:
    """Write the icons of each split as an .npz of vectors, 0 to 1, and captions."""
    vectors = np.load(data / "icon_captions" / "features_rgb768.npy").astype(np.float32) / 255
    with (data / "icon_captions" / "captions.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    sides = {}
    for side in ("train", "dev", "test"):
        chosen = [row for row in rows if row["split"] == side]
        sides[side] = _save(
            folder / f"icons_{side}.npz",
            vectors[[int(row["index"]) for row in chosen]],
            [row["caption"] for row in chosen],
        )
    return sides


def digits(data: Path, folder: Path) -> dict[str, str]:
    """Write scikit-learn's images of digits, 8 by 8 points, with their names: every fifth one is a test."""
    del data
    from sklearn.datasets import load_digits

    images, names = load_digits(return_X_y=True)
    number = np.arange(len(images))
    sides = {"test": number % 5 == 0, "dev": number % 5 == 1, "train": number % 5 > 1}
    return {
        side: _save(
            folder / f"digits_{side}.npz",
            (images[chosen] / 16).astype(np.float32),
            [f"the digit {DIGITS[name]}" for name in names[chosen]],
        )
        for side, chosen in sides.items()
    }


MADE: dict[str, Callable[[Path, Path], dict[str, str]]] = {"icon_captions": icon_captions, "digits": digits}
"""By name, what writes the files of a set and returns their names."""


def _save(path: Path, vectors: np.ndarray, captions: Sequence[str]) -> str:
    np.savez_compressed(path, vectors=vectors, captions=np.array(captions))
    return str(path)


def run(name: str, data: Path, output: Path) -> None:
    """Run one comparison, or go on with it."""
    sides = MADE[name](data, output)
    reporter = TerminalReporter(Console())
    try:
        compare(
            sides.pop("train"),
            **sides,
            task="captioning",
            contenders=["nearest", "lstm-captioner"],
            sizes=SIZES[name],
            tuning=2,
            output=output / name,
            reporter=reporter,
        )
    finally:
        reporter.close()


def table(verdict: Verdict) -> str:
    """Return the results at the judged size as a Markdown table."""
    others = list(verdict.metrics)[1:]
    names = " | ".join(verdict.metrics[name] for name in others)
    lines = [
        f"| contender | {verdict.metric} (95%) | {names} | perplexity | training | tokens/s | size |",
        "|---" * (6 + len(others)) + "|",
    ]
    for row in verdict.standings:
        score = row.score
        seconds = duration(row.training_seconds) if row.training_seconds >= 1 else "< 1 s"
        perplexity = "–" if row.perplexity is None else f"{row.perplexity:.2f}"
        lines.append(
            f"| {row.contender}{' ✓' if row.contender == verdict.pick else ''} "
            f"| {score.value:.3f} ({interval(score, '–')}) "
            f"| {' | '.join(f'{row.metrics[name].value:.3f}' for name in others)} "
            f"| {perplexity} | {seconds} | {row.tokens_per_second:,.0f} | {row.model_mb:.1f} MB |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, then print all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(MADE), help=", ".join(MADE))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("runs/captions"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        run(name, arguments.data, arguments.output)
    print(describe("textgraft", "torch", "transformers", "sacrebleu", "rouge-score"))
    for name in arguments.names:
        verdict = load_verdict(arguments.output / name)
        print(f"\n## {name}, {verdict.size:,} training rows\n\n{table(verdict)}\n\n{curves(verdict)}\n")
        print("\n".join(f"- {sentence}" for sentence in verdict.sentences))
        for metric, signature in verdict.signatures.items():
            print(f"- {verdict.metrics[metric]}: `{signature}`")


if __name__ == "__main__":
    main()
