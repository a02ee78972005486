"""What a comparison of the BERT contenders takes: seconds of the call, and of its trials as they are charged.

    python benchmarks/shared_work.py --data DATA/trec [--contenders bert-frozen] [--sizes 50,250,1000,4907]

Three seeds and three configurations, as by default. The figures of two versions compare where this file is
run under each of them in turn. Processor seconds tell the same on a busy machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from machine import describe

from textgraft.comparison.compare import compare


def main() -> None:
    """Run one comparison, and print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--label", default="coarse")
    parser.add_argument("--contenders", default="bert-frozen")
    parser.add_argument("--sizes", default="50,250,1000,4907")
    arguments = parser.parse_args()
    print(describe("textgraft", "torch", "transformers"))
    with tempfile.TemporaryDirectory() as folder:
        start, processor = time.perf_counter(), time.process_time()
        done = compare(
            arguments.data / "train.csv",
            test=arguments.data / "test.csv",
            text="text",
            label=arguments.label,
            contenders=arguments.contenders,
            sizes=arguments.sizes,
            output=Path(folder) / "run",
        )
        seconds, processor = time.perf_counter() - start, time.process_time() - processor
    trials = done.trials
    charged = sum(trial.cost.training_seconds + trial.cost.tuning_seconds for trial in trials)
    print(
        f"{len(trials)} trials: {seconds:.0f} s, {processor:.0f} s of processor time; {charged:.0f} s charged"
    )
    for standing in done.verdict.standings:
        score = f"{done.verdict.metric} {standing.score.value:.4f} at {done.verdict.size:,} rows"
        print(f"{standing.contender}: {score}")


if __name__ == "__main__":
    main()
