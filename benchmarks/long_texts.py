"""Long reviews: how much of a text frozen BERT has to read.

    python benchmarks/long_texts.py --data DATA/movie_reviews_long [--rows 120] [--seeds 2] [--windows 1 4 16]

TF-IDF reads all of a text; frozen BERT as many windows of 256 tokens as are named. Both learn from the same
rows and take the first configuration of their grids; the score is macro F1 on the same test rows.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from machine import describe

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.contenders.shared import Shared
from textgraft.comparison.running.trials import TrialSpec, run_trial
from textgraft.data.readers.reading import read_dataset
from textgraft.data.splits import nested_subsets
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification


def main() -> None:
    """Run a trial of each with every seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=120)
    parser.add_argument("--test-rows", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--windows", type=int, nargs="+", default=[1, 4, 16])
    arguments = parser.parse_args()
    print(describe("textgraft", "torch", "scikit-learn"))
    rows, test = (
        read_dataset(arguments.data / f"{side}.csv", text="text", label="label") for side in ("train", "test")
    )
    test = test.select(nested_subsets(test.strata, [arguments.test_rows], 0, None)[arguments.test_rows])
    task, encoder = SingleLabelClassification.fitted_to(rows), resolve_encoder()
    able = contenders_for("classification")
    entries = {"tfidf": (able["tfidf"], able["tfidf"].grid[0])}
    for windows in arguments.windows:
        frozen = able["bert-frozen"]
        entries[f"bert-frozen, {windows} windows"] = frozen, frozen.grid[0].but(windows=windows)
    scores: dict[str, list[float]] = {}
    shared = Shared()
    for seed in range(arguments.seeds):
        count = arguments.rows + max(20, arguments.rows // 4)
        both = rows.select(nested_subsets(rows.strata, [count], seed, None)[count])
        train, dev = (both.select(part) for part in (range(arguments.rows), range(arguments.rows, count)))
        job = Job(train, dev, task, seed, encoder, shared=shared)
        for name, (contender, settings) in entries.items():
            start = time.process_time()
            trial, _ = run_trial(TrialSpec(contender, job, test, (settings,), ""))
            scores.setdefault(name, []).append(trial.score)
            print(
                f"seed {seed}, {name}: {trial.score:.3f}, {trial.truncated_fraction:.0%} of the tokens cut, "
                f"{time.process_time() - start:.0f} s of processor time",
                flush=True,
            )
    for name, values in scores.items():
        print(f"{name:24s} {task.main_metric} {statistics.fmean(values):.3f}")


if __name__ == "__main__":
    main()
