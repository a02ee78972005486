"""Run the comparisons of docs/results.md and print their tables as Markdown.

    python benchmarks/results.py --data ../shared/data --output runs/results [--encoders FOLDER] [NAME …]
    python benchmarks/results.py --of runs/planning/trec-10m runs/planning/banking77-10m

Every run is an ordinary `textgraft compare` with the options in RUNS: it can be stopped and goes on. Those
with larger encoders need them in a folder: mpnet (all-mpnet-base-v2) and e5 (multilingual-e5-small); they run
where they are named. With --of nothing is run: the tables of comparisons that are there are printed, as of
those that planning.py leaves.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from machine import describe
from rich.console import Console

from textgraft.comparison.compare import compare
from textgraft.comparison.records.verdict import Verdict, load_verdict
from textgraft.comparison.running.progress import TerminalReporter
from textgraft.wording import duration, interval, parse_seconds

EVERY_TASK = {
    "contenders": ["lstm", "bert-frozen", "bert-adapter", "bert-finetuned"],
    "sizes": [1000],
    "seeds": 2,
    "tuning": 1,
    "budget": "4m",
}
"""Of the runs that show each task with the contenders it has, rather than one set at all its sizes."""
SLOWER = {**EVERY_TASK, "freeze_layers": 3, "seeds": 1, "budget": "20m"}
"""The same for longer texts."""

ENCODERS: dict[str, Any] = {
    "contenders": ["tfidf", "lstm", "bert-frozen"],
    "encoder": ["bundled", "mpnet"],
    "sizes": [10, 50, 250, 1000],
    "seeds": 1,
    "tuning": 1,
}
"""Of the runs with an encoder of the size of BERT-base: a hundredth of the labels is among the sizes."""
LANGUAGES: dict[str, Any] = {
    "text": "text",
    "label": "label",
    "contenders": ["tfidf", "lstm", "bert-frozen"],
    "encoder": ["bundled", "e5"],
    "prompt": ["e5=query: "],
    "sizes": [100, 300, 1000],
    "seeds": 2,
    "tuning": 1,
}
"""Of the runs in languages that the bundled encoder does not read."""

RUNS: dict[str, dict[str, Any]] = {
    "sst2": {
        "text": "text",
        "label": "label",
        "dev": "dev.csv",
        "sizes": [70, 300, 1500, 7000],
        "freeze_layers": 3,
        "tuning": 1,
    },
    "stsb": {"task": "similarity", "text": ["sentence1", "sentence2"], "label": "score", **EVERY_TASK},
    "rte": {
        "task": "pairs",
        "text": ["sentence1", "sentence2"],
        "label": "label",
        "test": "dev.csv",
        **SLOWER,
    },
    "wnut17": {
        "task": "token-classification",
        "train": "train.conll",
        "test": "test.conll",
        **SLOWER,
        "contenders": ["lstm", "lstm-crf", "bert-frozen", "bert-adapter", "bert-finetuned"],
    },
    "squad_v1.1_dev": {
        "task": "question-answering",
        "train": "split_train.json",
        "test": "split_dev.json",
        **SLOWER,
    },
    "codah": {"task": "multiple-choice", "train": "train.jsonl", "test": "test.jsonl", **SLOWER},
    "trec_encoders": {"folder": "trec", "text": "text", "label": "coarse", **ENCODERS},
    "sst2_encoders": {
        "folder": "sst2",
        "text": "text",
        "label": "label",
        "test": "dev.csv",
        **ENCODERS,
        "contenders": [*ENCODERS["contenders"], "bert-finetuned"],
        "seeds": 2,
        "budget": "10m",
    },
    **{
        f"sentiment_{language}": {"folder": f"umsab_multilingual_sentiment/{language}", **LANGUAGES}
        for language in ("german", "arabic", "hindi")
    },
}


def run(name: str, data: Path, encoders: Path, output: Path) -> None:
    """Run one comparison, or go on with it."""
    options = {"train": "train.csv", "test": "test.csv", "folder": name, **RUNS[name]}
    folder = data / options.pop("folder")
    for side in ("train", "dev", "test"):
        if side in options:
            options[side] = folder / options[side]
    if "budget" in options:
        options["budget"] = parse_seconds(options["budget"])
    if "encoder" in options:
        options["encoder"] = [
            each if each == "bundled" else str(encoders / each) for each in options["encoder"]
        ]
    reporter = TerminalReporter(Console())
    try:
        compare(options.pop("train"), output=output / name, reporter=reporter, **options)
    finally:
        reporter.close()


def table(verdict: Verdict) -> str:
    """Return the results at the judged size as a Markdown table."""
    others = verdict.others(1)
    second = "".join(f"| {title} " for title in others.values())
    lines = [
        f"| contender | {verdict.metric} (95%) {second}"
        "| training | one row p50, p95 | rows/s | size | memory |",
        "|---" * (7 + len(others)) + "|",
    ]
    for row in verdict.standings:
        score = row.score
        lines.append(
            f"| {row.contender}{' ✓' if row.contender == verdict.pick else ''} "
            f"| {score.value:.3f} ({interval(score, '–')}) "
            f"{''.join(f'| {row.metrics[name].value:.3f} ' for name in others)}"
            f"| {duration(row.training_seconds) if row.training_seconds >= 1 else '< 1 s'} "
            f"| {row.latency_ms_p50:.1f} / {row.latency_ms_p95:.1f} ms | {row.throughput_per_second:,.0f} "
            f"| {row.model_mb:.1f} MB "
            f"| {'–' if row.memory_mb is None else f'{row.memory_mb:,.0f} MB'} |"
        )
    return "\n".join(lines)


def curves(verdict: Verdict) -> str:
    """Return the score by training size as a Markdown table."""
    sizes = sorted({point.size for curve in verdict.curves for point in curve.points})
    header = " | ".join(f"{size:,}" for size in sizes)
    lines = [f"| contender | {header} |", "|---" * (len(sizes) + 1) + "|"]
    for curve in verdict.curves:
        by_size = {point.size: f"{point.score.value:.3f}" for point in curve.points}
        lines.append(f"| {curve.contender} | " + " | ".join(by_size.get(size, "") for size in sizes) + " |")
    return "\n".join(lines)


def overview(verdicts: dict[str, Verdict]) -> str:
    """Return one row for each set and contender: what every generation of models reaches in every task."""
    lines = [
        "| set | score | rows | contender | score (95%) | training | one row | size |",
        "|---" * 8 + "|",
    ]
    for name, verdict in verdicts.items():
        for place, row in enumerate(verdict.standings):
            told = f"{name} | {verdict.metric} | {verdict.size:,}" if place == 0 else "| |"
            score = row.score
            lines.append(
                f"| {told} | {row.contender} | {score.value:.3f} ({interval(score, '–')}) "
                f"| {duration(row.training_seconds)} | {row.latency_ms_p50:.1f} ms | {row.model_mb:.1f} MB |"
            )
    return "\n".join(lines)


def main() -> None:
    """Run what is asked for, then print all that is there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    usual = [name for name, options in RUNS.items() if "encoder" not in options]
    parser.add_argument("names", nargs="*", default=usual)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--encoders", type=Path, default=Path("encoders"))
    parser.add_argument("--output", type=Path, default=Path("runs/results"))
    parser.add_argument("--of", type=Path, nargs="+", default=[], help="folders of finished comparisons")
    arguments = parser.parse_args()
    folders = {folder.name: folder for folder in arguments.of}
    if not folders:
        if arguments.data is None:
            parser.error("--data is needed to run anything")
        folders = {name: arguments.output / name for name in arguments.names}
        for name in folders:
            run(name, arguments.data, arguments.encoders, arguments.output)
    print(describe("textgraft", "torch", "transformers", "scikit-learn"))
    verdicts = {name: load_verdict(folder) for name, folder in folders.items()}
    print(f"\n## Every set\n\n{overview(verdicts)}")
    for name, verdict in verdicts.items():
        print(f"\n## {name}\n\n{table(verdict)}\n\n{curves(verdict)}\n")
        print("\n".join(f"- {sentence}" for sentence in verdict.sentences))


if __name__ == "__main__":
    main()
