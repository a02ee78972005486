"""Students of the bundled encoder against their teacher: size, speed and score.

    python benchmarks/distillation.py [--minutes 20] [--texts 60000] [--students layers lstm] [--keep FOLDER]

Each student is distilled for an equal share of the minutes on sentences of raw text; the teacher's reading of
them comes before. Then teacher and students take turns in encoding the test sentences of the STS benchmark,
by the torch engine on one thread and the same precision. Scores: Spearman's correlation on the STS
benchmark's test pairs, and accuracy on TREC's six kinds of questions of logistic regression on the frozen
encodings. "untrained" is the student of layers as it is cut out of its teacher.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from machine import describe

from textgraft.evaluation.correlations import weighted_regression_metrics
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.students import layer_student
from textgraft.pretraining.distill import STUDENTS, distill
from textgraft.training.shallow import fit_shallow

DATA = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
TEACHER = "bundled"


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def untrained(folder: Path) -> Path:
    """Save every other layer of the teacher as it is."""
    teacher, tokenizer = load_encoder(resolve_encoder(TEACHER))
    layer_student(teacher).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def sts_spearman(encoder: Encoder) -> float:
    """Return Spearman's correlation between cosines and people's ratings, in hundredths."""
    pairs = rows("stsb/test.csv")
    first, second = (encoder.encode([row[f"sentence{side}"] for row in pairs]) for side in (1, 2))
    gold = [float(row["score"]) for row in pairs]
    weights = np.ones((len(pairs), 1), dtype=np.float32)
    scores = weighted_regression_metrics(gold, (first * second).sum(axis=1), weights)
    return 100 * float(scores["spearman"][0])


def trec_accuracy(encoder: Encoder) -> float:
    """Return the accuracy of logistic regression on frozen encodings, in hundredths."""
    train, test = rows("trec/train.csv"), rows("trec/test.csv")
    names = sorted({row["coarse"] for row in train})
    encodings = [encoder.encode([row["text"] for row in part]) for part in (train, test)]
    gold = [np.array([names.index(row["coarse"]) for row in part]) for part in (train, test)]
    ((weight, bias),) = fit_shallow(encodings[0], gold[0], encodings[0], gold[0], len(names), c=10.0)
    return 100 * float(((encodings[1] @ weight.T + bias).argmax(axis=1) == gold[1]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--texts", type=int, default=60_000)
    parser.add_argument("--students", nargs="+", default=["layers", "lstm"], choices=STUDENTS)
    parser.add_argument("--corpus", type=Path, default=DATA / "docs_corpus")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keep", type=Path, default=Path("runs/distillation"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(describe("torch", "transformers"))
    folders = {"teacher": TEACHER, "untrained": str(untrained(options.keep / "untrained"))}
    for student in options.students:
        folder = options.keep / student
        if not folder.is_dir():
            distilled = distill(
                TEACHER,
                options.corpus,
                folder,
                student=student,
                texts=options.texts,
                budget=60 * options.minutes / len(options.students),
                note=print,
                settings={"epochs": 100},
            )
            result = distilled.result
            print(
                f"{student}: {result.steps:,} steps, {result.tokens:,} tokens in {result.seconds:,.0f} s, "
                f"cosine to the teacher on held-out sentences {distilled.metrics['cosine']:.3f}"
            )
        folders[student] = str(folder)
    encoders = {name: Encoder(folder, engine="torch", threads=1) for name, folder in folders.items()}
    texts = [row[f"sentence{side}"] for row in rows("stsb/test.csv") for side in (1, 2)]
    rates: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(options.rounds + 1):  # the first one warms up
        for name, encoder in encoders.items():
            start = time.process_time()
            encoder.encode(texts)
            rates[name].append(len(texts) / (time.process_time() - start))
    print("\n| encoder | parameters, M | MB | texts/s | STS-B | TREC |\n|---|---|---|---|---|---|")
    for name, encoder in encoders.items():
        model, _ = load_encoder(encoder.source)
        parameters = sum(parameter.numel() for parameter in model.parameters())
        size = (encoder.source.path / "model.safetensors").stat().st_size
        rate = statistics.median(rates[name][1:])
        scores = f"{sts_spearman(encoder):.1f} | {trec_accuracy(encoder):.1f}"
        print(f"| {name} | {parameters / 1e6:.1f} | {size / 1e6:.0f} | {rate:,.0f} | {scores} |")


if __name__ == "__main__":
    main()
