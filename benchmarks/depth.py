"""How deep fine-tuning pays: score and processor seconds of fine-tuning all layers, or the upper ones alone.

    python benchmarks/depth.py --data DATA [--sets trec sst2 banking77] [--rows 300] [--seeds 2]

Each configuration learns from the same rows, and is scored on the same 400 test rows. What frozen layers
compute is charged to each fit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from machine import describe

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.bert import FineTuningSettings
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_subsets
from textgraft.inference.predictor import Predictor
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

LABELS = {"trec": "coarse", "sst2": "label", "banking77": "label", "umsab_multilingual_sentiment": "label"}
CONFIGURATIONS = {
    f"{name}, {rate:g}": FineTuningSettings(
        learning_rate=rate, head_learning_rate=10 * rate, batch_size=16, freeze_layers=frozen
    )
    for name, frozen in (("upper half", "half"), ("all layers", 0))
    for rate in (1e-4, 3e-4)
}
TEST_ROWS = 400


def sample(rows: Dataset, count: int, seed: int) -> Dataset:
    """Draw rows by label."""
    return rows.select(nested_subsets(rows.strata, [count], seed, None)[count])


def main() -> None:
    """Fit every configuration on every set with every seed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", default=["trec", "sst2", "banking77"], choices=list(LABELS))
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--encoder", default="bundled")
    arguments = parser.parse_args()
    print(describe("textgraft", "torch", "transformers"))
    contender = contenders_for("classification")["bert-finetuned"]
    encoder = resolve_encoder(arguments.encoder)
    for name in arguments.sets:
        folder, columns = arguments.data / name, {"text": "text", "label": LABELS[name]}
        rows, test = (read_dataset(folder / f"{side}.csv", **columns) for side in ("train", "test"))
        test = sample(test, min(TEST_ROWS, len(test)), 0)
        task = SingleLabelClassification.fitted_to(rows)
        found: dict[str, list[tuple[float, float]]] = {}
        for seed in range(arguments.seeds):
            both = sample(rows, arguments.rows + max(20, arguments.rows // 4), seed)
            train, dev = (
                both.select(part) for part in (range(arguments.rows), range(arguments.rows, len(both)))
            )
            job = Job(train, dev, task, seed, encoder)
            for kind, settings in CONFIGURATIONS.items():
                torch.manual_seed(seed)
                start = time.process_time()
                fitted = contender.fit(replace(job), settings)
                seconds = time.process_time() - start + max(0.0, fitted.cached_seconds)
                predictor = Predictor(fitted.model, fitted.tokenizer, task, fitted.max_length)
                answers = [prediction.answer for prediction in predictor.predict_rows(test)]
                score = task.metrics(task.targets(test), answers)[task.main_metric]
                found.setdefault(kind, []).append((score, seconds))
                print(f"{name}, seed {seed}, {kind}: {score:.3f}, {seconds:.0f} s", flush=True)
        for kind, results in found.items():
            score, seconds = (statistics.fmean(values) for values in zip(*results, strict=True))
            print(f"{name}: {kind:20s} {task.main_metric} {score:.3f}, {seconds:.0f} s of processor time")


if __name__ == "__main__":
    main()
