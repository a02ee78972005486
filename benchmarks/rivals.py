"""Does a comparison's winner score as well as what others train on the same rows, encoder and seconds?

    python -m venv rivals-setfit && rivals-setfit/bin/pip install torch==2.13.0 setfit==1.2.0
    python -m venv rivals-autointent && rivals-autointent/bin/pip install torch==2.13.0 \
        "autointent[transformers,sentence-transformers]==0.4.0"
    python benchmarks/rivals.py --data DATA --setfit rivals-setfit/bin/python \
        --autointent rivals-autointent/bin/python [--sets trec,…] [--rivals setfit,…] [--rows 1000]
        [--shots 8] [--output runs/rivals]

A rival trains first, in its own environment; then ``textgraft compare`` gets the rows that it had as a file,
the same encoder, and the time that it took as its budget, never less than a minute. SetFit trains on few rows
a label, everyone else on a thousand. Both answer the set's own test rows. The difference of macro F1 is
tested in pairs, with the luck of one training in its interval. What is finished is not run again.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from machine import describe

from textgraft.comparison.records.verdict import load_verdict
from textgraft.data.readers.reading import read_dataset
from textgraft.evaluation.intervals import left_out_scores
from textgraft.evaluation.paired import PairedTest, paired_test
from textgraft.inference.predictor import load
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import NO_ANSWER, SingleLabelClassification
from textgraft.wording import duration

SETS = {"trec": "coarse", "sst2": "label", "snips": "label", "banking77": "label", "ag_news_7600": "label"}
"""Each with its label column."""
RIVALS = ("tfidf", "encodings", "autointent-classic-light", "autointent-transformers-no-hpo", "setfit")
LEAST_BUDGET = 60.0
"""Seconds: less than a minute is no comparison."""


def write_table(path: Path, rows: list[tuple[str, str]]) -> Path:
    """Write texts and labels, unless they are there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="") as handle:
            csv.writer(handle).writerows([("text", "label"), *rows])
    return path


def prepare(name: str, data: Path, folder: Path, rows: int, shots: int) -> tuple[Path, Path, Path]:
    """Write the training rows, those with few a label, and the test rows of a set."""
    label = SETS[name]
    train, test = (read_dataset(data / name / f"{side}.csv", label=label) for side in ("train", "test"))
    pairs = list(zip(train.texts, train.labels, strict=True))
    random.Random(0).shuffle(pairs)
    met: Counter[str] = Counter()
    few = []
    for text, given in pairs:
        met[given] += 1
        if met[given] <= shots:
            few.append((text, given))
    return (
        write_table(folder / f"{name}-{rows}.csv", pairs[:rows]),
        write_table(folder / f"{name}-{shots}-a-label.csv", few),
        write_table(folder / f"{name}-test.csv", list(zip(test.texts, test.labels, strict=True))),
    )


def ours(train: Path, test: Path, seconds: float, folder: Path) -> dict:
    """Compare within so many seconds and let the winner answer."""
    done = folder / "answers.json"
    if not done.is_file():
        budget = max(LEAST_BUDGET, seconds)
        command = [sys.executable, "-m", "textgraft", "compare", str(train), "--test", str(test)]
        start = time.perf_counter()
        subprocess.run([*command, "--budget", f"{budget:.0f}s", "--output", str(folder)], check=True)
        taken = time.perf_counter() - start
        answers = [answer.label for answer in load(folder / "best").predict(read_dataset(test).texts)]
        done.write_text(json.dumps({"seconds": taken, "budget": budget, "answers": answers}))
    return json.loads(done.read_text()) | {"pick": load_verdict(folder).pick}


def theirs(rival: str, python: str, train: Path, test: Path, done: Path) -> dict | None:
    """Let a rival train and answer, in its own environment; None where it fails."""
    if not done.is_file():
        script = Path(__file__).with_name("rival_scripts.py")
        encoder = str(resolve_encoder("bundled").path)
        subprocess.run([python, str(script), rival, str(train), str(test), encoder, str(done)], check=False)
    return json.loads(done.read_text()) if done.is_file() else None


def difference(test: Path, ours: list[str], theirs: list[str]) -> tuple[float, float, PairedTest]:
    """Return both macro F1 and their difference, ours minus theirs."""
    gold = read_dataset(test).labels
    task = SingleLabelClassification(sorted(set(gold)))
    places = {label: place for place, label in enumerate(task.labels)}
    truth = [places[label] for label in gold]
    answers = [[places.get(label, NO_ANSWER) for label in each] for each in (ours, theirs)]
    metric = task.main_metric
    scores = [task.metrics(truth, each)[metric] for each in answers]
    left_out = left_out_scores(
        lambda given, weights: task.weighted_metrics(truth, given, weights), answers, len(truth)
    )[metric]
    evidence = task.evidence(truth)[metric]
    return *scores, paired_test([scores[0] - scores[1]], np.diff(-left_out, axis=0), evidence)


def main() -> None:
    """Run everyone and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--setfit", default=sys.executable, help="Python that has setfit")
    parser.add_argument("--autointent", default=sys.executable, help="Python that has autointent")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--rivals", default=",".join(RIVALS))
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--output", type=Path, default=Path("runs/rivals"))
    arguments = parser.parse_args()
    pythons = {"setfit": arguments.setfit, "autointent": arguments.autointent}
    print(describe("torch", "textgraft"))
    print("| set | rival | rows | its time | its macro F1 | our time | our pick | ours | ours minus its |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in arguments.sets.split(","):
        many, few, test = prepare(name, arguments.data, arguments.output, arguments.rows, arguments.shots)
        for rival in arguments.rivals.split(","):
            train = few if rival == "setfit" else many
            folder = arguments.output / f"{name}-{rival}"
            folder.mkdir(parents=True, exist_ok=True)
            python = pythons.get(rival.split("-")[0], arguments.setfit)
            peer = theirs(rival, python, train, test, folder / "rival.json")
            if peer is None:
                print(f"| {name} | {rival} | {len(read_dataset(train)):,} | failed | | | | | |", flush=True)
                continue
            own = ours(train, test, peer["seconds"], folder / "textgraft")
            score, peers, test_result = difference(test, own["answers"], peer["answers"])
            interval = f"{test_result.difference:+.3f} ({test_result.low:+.3f} to {test_result.high:+.3f})"
            cells = (
                name, rival, f"{len(read_dataset(train)):,}", duration(peer["seconds"]), f"{peers:.3f}",
                duration(own["seconds"]), own["pick"], f"{score:.3f}", interval,
            )  # fmt: skip
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
