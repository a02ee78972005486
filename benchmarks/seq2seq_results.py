"""Run the comparisons of sequence to sequence in docs/results.md and print their tables as Markdown.

    python benchmarks/seq2seq_results.py --data ../shared/data --output runs/seq2seq [NAME …]

Every run is an ordinary `textgraft compare` with the options in RUNS: it can be stopped and goes on. After
multi30k, the translations of its test sets are scored by the length of their source, and by_length.svg in the
output folder plots how each contender fares. What is to be reversed, where the answer is known, has a command
of its own: benchmarks/reverse.py.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from line_plot import write_plot
from machine import describe
from results import curves
from rich.console import Console

import textgraft
from textgraft.comparison.compare import compare
from textgraft.comparison.planning import parse_seconds
from textgraft.comparison.progress import TerminalReporter, duration
from textgraft.comparison.verdict import Verdict, load_verdict
from textgraft.data.sequences import read_sequences
from textgraft.evaluation.bleu import weighted_bleu

WRITING = ["lstm-seq2seq", "lstm-attention", "transformer"]
ONCE: dict[str, Any] = {"seeds": 1, "tuning": 1}

RUNS: dict[str, dict[str, Any]] = {
    "multi30k": {
        "task": "translation",
        "train": "train.de,train.en",
        "dev": "val.de,val.en",
        "test": "test_2016_flickr.de,test_2016_flickr.en",
        "contenders": ["copy", *WRITING],
        "sizes": [29000],
        "budget": "45m",
        **ONCE,
    },
    "multi30k_bert": {
        "folder": "multi30k",
        "task": "translation",
        "train": "train.de,train.en",
        "dev": "val.de,val.en",
        "test": "test_2016_flickr.de,test_2016_flickr.en",
        "contenders": ["lstm-attention", "bert-to-bert"],
        "sizes": [5000],
        "budget": "25m",
        **ONCE,
    },
    "tatoeba_deu_eng": {
        "task": "translation",
        "train": "train.tsv",
        "dev": "dev.tsv",
        "test": "test.tsv",
        "text": ["de"],
        "label": "en",
        "contenders": ["copy", *WRITING],
        "sizes": [3000, 46000],
        "budget": "40m",
        **ONCE,
    },
    "aeslc": {
        "task": "summarization",
        "train": "train.jsonl",
        "dev": "dev.jsonl",
        "test": "test.jsonl",
        "text": ["text"],
        "label": "summary",
        "contenders": ["lead", "lstm-attention", "transformer"],
        "sizes": [3000, 14000],
        "max_length": 96,
        "budget": "22m",
        **ONCE,
    },
    "icon_captions": {
        "task": "captioning",
        "contenders": ["nearest", "lstm-captioner"],
        "sizes": [300, 1000, 2900],
        "seeds": 3,
        "tuning": 2,
    },
    "digits": {
        "task": "captioning",
        "contenders": ["nearest", "lstm-captioner"],
        "sizes": [100, 300, 1000],
        "seeds": 3,
        "tuning": 2,
    },
}
LENGTHS = (8, 11, 14, 17, 21)
"""Words of a source from which on it belongs to the next group."""
TESTS = ("test_2016_flickr", "test_2017_flickr", "test_2017_mscoco")
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
"""Sets whose files are made first."""


def _save(path: Path, vectors: np.ndarray, captions: Sequence[str]) -> str:
    np.savez_compressed(path, vectors=vectors, captions=np.array(captions))
    return str(path)


def run(name: str, data: Path, output: Path) -> None:
    """Run one comparison, or go on with it."""
    options = dict(RUNS[name])
    if name in MADE:
        options |= MADE[name](data, output)
    else:
        folder = data / options.pop("folder", name)
        for side in ("train", "dev", "test"):
            options[side] = ",".join(str(folder / part) for part in options[side].split(","))
    if "budget" in options:
        options["budget"] = parse_seconds(options["budget"])
    reporter = TerminalReporter(Console())
    try:
        compare(options.pop("train"), output=output / name, reporter=reporter, **options)
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
    for row in verdict.rows:
        score = row.score
        seconds = duration(row.training_seconds) if row.training_seconds >= 1 else "< 1 s"
        perplexity = "–" if row.perplexity is None else f"{row.perplexity:.2f}"
        lines.append(
            f"| {row.contender}{' ✓' if row.contender == verdict.pick else ''} "
            f"| {score.value:.3f} ({score.low:.3f}–{score.high:.3f}) "
            f"| {' | '.join(f'{row.metrics[name].value:.3f}' for name in others)} "
            f"| {perplexity} | {seconds} | {row.tokens_per_second:,.0f} | {row.model_mb:.1f} MB |"
        )
    return "\n".join(lines)


def by_length(models: Path, data: Path, plot: Path) -> str:
    """Score the translations of all test sets by the length of their source; plot and return them."""
    sets = [read_sequences(f"{data / name}.de,{data / name}.en") for name in TESTS]
    sources = [text for rows in sets for text in rows.texts]
    gold = [texts for rows in sets for texts in rows.labels or ()]
    lengths = np.array([len(text.split()) for text in sources])
    groups = np.digitize(lengths, LENGTHS)
    weights = (groups[:, None] == np.arange(len(LENGTHS) + 1)).astype(np.float32)
    means = [lengths[groups == group].mean() for group in range(len(LENGTHS) + 1)]
    lines: dict[str, list[tuple[float, float]]] = {}
    for name in WRITING:
        found = textgraft.load(models / name).predict(sources)
        scores = weighted_bleu(gold, [prediction.answer for prediction in found], weights)
        lines[name] = [(float(x), 100 * float(y)) for x, y in zip(means, scores, strict=True)]
    write_plot(
        plot,
        "Multi30k, German to English: all three test sets",
        lines,
        x_label="words of the source",
        y_label="BLEU",
    )
    bounds = [f"to {LENGTHS[0] - 1}", *(f"{low} to {high - 1}" for low, high in pairwise(LENGTHS))]
    rows = [
        f"| words of the source | {' | '.join([*bounds, f'from {LENGTHS[-1]}'])} |",
        "|---" * (len(LENGTHS) + 2) + "|",
        f"| sentences | {' | '.join(f'{count:,.0f}' for count in weights.sum(axis=0))} |",
    ]
    rows += [f"| {name} | {' | '.join(f'{y:.1f}' for _, y in line)} |" for name, line in lines.items()]
    return "\n".join(rows)


def main() -> None:
    """Run what is asked for, then print all that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(RUNS), help=", ".join(RUNS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("runs/seq2seq"))
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
    if "multi30k" in arguments.names:
        models = arguments.output / "multi30k" / "models"
        plot = arguments.output / "by_length.svg"
        print(f"\n## By length\n\n{by_length(models, arguments.data / 'multi30k', plot)}\n\nPlot: {plot}")


if __name__ == "__main__":
    main()
