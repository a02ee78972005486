"""German to English on Multi30k: LSTM without and with attention, and a Transformer.

    python benchmarks/translation.py --data ../shared/data/multi30k [--models NAME …] [--minutes 12]
        [--output runs/translation]

Every model is trained by `textgraft.train` on all 29,000 pairs with the settings a comparison would take
first, but for as many passes as the minutes allow, and judged by its beam search (4) on the test set of 2016.
Printed are the scores, and BLEU by the length of the source over all three test sets; curves.svg plots the
perplexity of the dev set against time, by_length.svg BLEU against length. What is finished in the output
folder is kept, not trained again, and shown with the rest.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from line_plot import write_plot
from machine import describe
from msgspec import to_builtins

import textgraft
from textgraft.comparison.train import train
from textgraft.data.readers.sequences import read_sequences
from textgraft.evaluation.bleu import weighted_bleu
from textgraft.files import write_json
from textgraft.inference.evaluate import evaluate

MODELS = ("lstm-seq2seq", "lstm-attention", "transformer")
TRAINING = {"epochs": None, "patience": None, "evaluations_per_epoch": 2}
TEST = "test_2016_flickr"
TESTS = (TEST, "test_2017_flickr", "test_2017_mscoco")
SCORES = ("bleu", "chrf", "exact_match", "perplexity")
LENGTHS = (8, 11, 14, 17, 21)
"""Words of a source from which on it belongs to the next group."""


def pair(data: Path, name: str) -> str:
    """Name the two files of a set."""
    return f"{data / name}.de,{data / name}.en"


def trained(name: str, data: Path, output: Path, seconds: float) -> dict[str, Any]:
    """Train and score a model, or find that it was; return what is told of it."""
    record = output / f"{name}.json"
    if not record.is_file():
        model = train(
            pair(data, "train"),
            output / name,
            resume=True,
            task="translation",
            dev=pair(data, "val"),
            test=pair(data, TEST),
            contender=name,
            budget=seconds,
            settings=TRAINING,
        )
        assert model.trial.writing is not None
        write_json(
            record,
            {
                "parameters": model.predictor.model.num_parameters(),
                "history": model.trial.history,
                "tokens_per_second": model.trial.writing.tokens_per_second,
                "scores": to_builtins(evaluate(output / name, pair(data, TEST)).metrics),
            },
        )
    return dict(json.loads(record.read_text()))


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the scores as a Markdown table."""
    lines = [
        "| model | parameters | training | passes | BLEU (95%) | chrF | exact match "
        "| perplexity | tokens/s |",
        "|---" * 9 + "|",
    ]
    for name, trial in found.items():
        bleu, chrf, exact, perplexity = (trial["scores"][metric] for metric in SCORES)
        lines.append(
            f"| {name} | {trial['parameters'] / 1e6:.1f} M | {trial['history'][-1]['seconds'] / 60:.0f} min "
            f"| {trial['history'][-1]['epoch']:.1f} "
            f"| {100 * bleu['value']:.1f} ({100 * bleu['low']:.1f}–{100 * bleu['high']:.1f}) "
            f"| {100 * chrf['value']:.1f} | {100 * exact['value']:.1f}% "
            f"| {perplexity['value']:.2f} | {trial['tokens_per_second']:,.0f} |"
        )
    return "\n".join(lines)


def by_length(names: Sequence[str], output: Path, data: Path) -> str:
    """Score the translations of all test sets by the length of their source; plot and return them."""
    sets = [read_sequences(pair(data, name)) for name in TESTS]
    sources = [text for rows in sets for text in rows.texts]
    gold = [texts for rows in sets for texts in rows.labels or ()]
    lengths = np.array([len(text.split()) for text in sources])
    groups = np.digitize(lengths, LENGTHS)
    weights = (groups[:, None] == np.arange(len(LENGTHS) + 1)).astype(np.float32)
    means = [lengths[groups == group].mean() for group in range(len(LENGTHS) + 1)]
    lines: dict[str, list[tuple[float, float]]] = {}
    for name in names:
        found = textgraft.load(output / name).predict(sources)
        scores = weighted_bleu(gold, [prediction.answer for prediction in found], weights)
        lines[name] = [(float(x), 100 * float(y)) for x, y in zip(means, scores, strict=True)]
    write_plot(
        output / "by_length.svg",
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--minutes", type=float, default=12, help="of training for each model")
    parser.add_argument("--output", type=Path, default=Path("runs/translation"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    print(describe("textgraft", "torch", "transformers", "sacrebleu"), flush=True)
    found = {}
    for name in MODELS:
        if name not in options.models and not (options.output / f"{name}.json").is_file():
            continue
        found[name] = trained(name, options.data, options.output, 60 * options.minutes)
        print(name, "done", flush=True)
    write_plot(
        options.output / "curves.svg",
        "Multi30k, German to English: dev set while training",
        {
            name: [(entry["seconds"], entry["perplexity"]) for entry in trial["history"]]
            for name, trial in found.items()
        },
        x_label="seconds",
        y_label="perplexity of the dev set",
        log_x=True,
    )
    print(f"\n{table(found)}\n\n{by_length(list(found), options.output, options.data)}")


if __name__ == "__main__":
    main()
