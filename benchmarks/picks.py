"""Does a tenth of the time pick the contender that an unlimited comparison picks?

    python benchmarks/picks.py --data DATA [--sets trec,…] [--rows 1000] [--output runs/picks]

For each set a comparison without budget runs first, then one with a tenth of the time that it took, never
less than a minute, each in a process of its own with encodings of its own. "The same" is the same contender,
or one that the unlimited run cannot tell from its own pick on the user's rows: its p-value there is 0.05 or
more. What is finished is not run again. Beside the time of an unlimited run stands what was planned for its
trials and what they took.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from labelled_sets import FITTED, HELD_OUT
from machine import describe

from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.records.verdict import Verdict, load_verdict
from textgraft.wording import duration

SETS = FITTED | HELD_OUT
DEFAULT = (
    "trec", "sst2", "banking77", "snips", "news", "tweets-english", "origins", "film-kinds", "corpora",
    "docstrings",
)  # fmt: skip
TENTH = 0.1
LEAST = 60.0
"""Seconds: less than a minute is no comparison."""


def prepare(name: str, data: Path, folder: Path, rows: int) -> Path:
    """Write some rows of a set, in random order, unless they are there."""
    path = folder / f"{name}.csv"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        labelled = list(SETS[name](data))
        random.Random(0).shuffle(labelled)
        with path.open("w", newline="") as handle:
            csv.writer(handle).writerows([("text", "label"), *labelled[:rows]])
    return path


def run(table: Path, folder: Path, budget: float | None) -> float:
    """Compare in a process of its own; return the seconds that it took."""
    taken = folder / "seconds.json"
    if not taken.is_file():
        limit = [] if budget is None else ["--budget", f"{budget:.0f}s"]
        command = [sys.executable, "-m", "textgraft", "compare", str(table), "--output", str(folder), *limit]
        start = time.perf_counter()
        cache = os.environ | {"TEXTGRAFT_CACHE": str(folder / "cache")}
        subprocess.run(command, check=True, env=cache)
        taken.write_text(json.dumps(time.perf_counter() - start))
    return float(json.loads(taken.read_text()))


def judged(short: Verdict, whole: Verdict) -> str:
    """Say how the pick of a short run stands in the whole one."""
    if short.pick == whole.pick:
        return "same"
    for pair in whole.pairs:
        if {pair.first, pair.second} == {short.pick, whole.pick}:
            return "not told apart" if pair.p_value >= 0.05 else f"worse, p = {pair.p_value:.3f}"
    return "not measured"


def main() -> None:
    """Run both comparisons of each set and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sets", default=",".join(DEFAULT))
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--output", type=Path, default=Path("runs/picks"))
    arguments = parser.parse_args()
    print(describe("torch", "textgraft"))
    print("| set | unlimited | planned, taken | pick | score | a tenth | pick | score | in the unlimited |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in arguments.sets.split(","):
        table = prepare(name, arguments.data, arguments.output, arguments.rows)
        folders = [arguments.output / f"{name}-{kind}" for kind in ("unlimited", "tenth")]
        unlimited = run(table, folders[0], None)
        short = run(table, folders[1], max(LEAST, TENTH * unlimited))
        verdicts = [load_verdict(folder) for folder in folders]
        cells = [name]
        for seconds, verdict in zip((unlimited, short), verdicts, strict=True):
            score = next(each.score for each in verdict.standings if each.contender == verdict.pick)
            cells += [duration(seconds), str(verdict.pick), f"{score.value:.3f}"]
        plan = load_plan(folders[0])
        cells.insert(2, f"{duration(plan.seconds)}, {duration(plan.spent)}")
        print(f"| {' | '.join([*cells, judged(verdicts[1], verdicts[0])])} |", flush=True)


if __name__ == "__main__":
    main()
