"""Chains of models against their last part: score, and processor time.

    python benchmarks/cascade.py --data ../shared/data

A chain has a linear model on TF-IDF weights or one of static vectors first; a frozen encoder under a shallow
network, or one that is fine-tuned, is last. On each set the parts learn from 1,500 rows (of 2,150 that are
split as usual); 2,000 other rows choose the chain's threshold and measure it, half of them each. Times are
processor time, in batches. Trained models stay in their folder: a second call measures alone.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from pathlib import Path

import numpy as np
from labelled_sets import FITTED
from machine import describe

import textgraft

SETS = ("banking77", "trec", "sst2")
SMALL = ("tfidf", "static")
LARGE = ("bert-frozen", "bert-finetuned")
LEARNED, FRESH = 2150, 2000


def drawn(name: str, data: Path, folder: Path) -> tuple[Path, Path]:
    """Write the rows to learn from and those for the chain; no text stands in both."""
    rows = list(dict.fromkeys((text, label) for text, label in FITTED[name](data)))
    order = np.random.default_rng(0).permutation(len(rows))
    texts: dict[str, str] = {}
    for place in order:
        texts.setdefault(*rows[place])
    chosen = list(texts.items())
    files = folder / f"{name}-learned.csv", folder / f"{name}-fresh.csv"
    for path, part in zip(files, (chosen[:LEARNED], chosen[LEARNED : LEARNED + FRESH]), strict=True):
        with path.open("w", newline="") as handle:
            csv.writer(handle).writerows([("text", "label"), *part])
    return files


def measured(models: list[Path], fresh: Path, chain: Path) -> str:
    """Make a chain, and return its line of the table."""
    found = textgraft.cascade(models, fresh, chain, overwrite=True)
    last, own = found.last.score, found.chain
    ends = f"{own.difference.low:+.3f} to {own.difference.high:+.3f}"
    least = "none" if found.least is None else f"{found.least:.3f}"
    parts = " / ".join(f"{part.score.value:.3f}" for part in found.parts)
    times = " / ".join(f"{one.processor_milliseconds:.2f}" for one in (*found.parts, own))
    is_met = found.least is not None and found.is_within and found.time_share <= 1 / 3
    return (
        f"{' → '.join(part.name for part in found.parts)} | {found.measured_on:,} | {parts} "
        f"| {last.low:.3f} to {last.high:.3f} | {own.score.value:.3f} | {own.difference.value:+.3f} ({ends}) "
        f"| {least} | {' / '.join(f'{part.answered:.0%}' for part in found.parts)} | {times} "
        f"| {found.time_share:.2f} | {'yes' if is_met else 'no'} |"
    )


def main() -> None:
    """Print a line for each set and chain."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", type=Path, default=Path("cascade-models"), help="Folder for the models.")
    parser.add_argument("--sets", nargs="+", default=SETS, choices=FITTED)
    parser.add_argument("--large", nargs="+", default=LARGE, choices=LARGE)
    arguments = parser.parse_args()
    arguments.models.mkdir(parents=True, exist_ok=True)
    print(describe("textgraft", "torch", "scikit-learn"))
    print(
        "| set | chain | rows | macro F1 of the parts | interval of the last | chain | difference "
        "| sure from | answered by | ms a text, the chain last | share of the time | a third, and within |"
    )
    print("|---" * 12 + "|")
    for large, name in itertools.product(arguments.large, arguments.sets):
        learned, fresh = drawn(name, arguments.data, arguments.models)
        for contender in (*SMALL, large):
            folder = arguments.models / f"{name}-{contender}"
            if not folder.is_dir():
                textgraft.train(learned, folder, contender=contender, text="text", label="label")
        for small in SMALL:
            models = [arguments.models / f"{name}-{contender}" for contender in (small, large)]
            line = measured(models, fresh, arguments.models / f"{name}-chain")
            print(f"| {name} | {line}", flush=True)


if __name__ == "__main__":
    main()
