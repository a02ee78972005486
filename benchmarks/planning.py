"""Does a comparison take the time that it plans, and keep within its budget?

    python benchmarks/planning.py --data DATA [--budgets 2m,10m,30m] [--sets trec,sst2,banking77,reviews]
        [--busy] [--output runs/planning]

Each comparison runs in a process of its own and can be stopped: what is finished is not run again. For each
it prints what was planned at the start for the trials, what they took, the budget and the time of the whole
call, how many trials there were, and the sizes of each contender. With ``--busy`` a process that does nothing
but compute runs beside it on every core.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.records.verdict import load_verdict
from textgraft.comparison.running.measuring import machine
from textgraft.processor import cores
from textgraft.wording import duration, parse_seconds

SETS: dict[str, list[str]] = {
    "trec": ["trec/train.csv", "--label", "coarse", "--test", "trec/test.csv"],
    "sst2": ["sst2/train.csv", "--test", "sst2/test.csv"],
    "banking77": ["banking77/train.csv", "--test", "banking77/test.csv"],
    "reviews": ["movie_reviews_long/train.csv", "--test", "movie_reviews_long/test.csv"],
}
"""Short questions, sentences, requests with 77 labels, and texts of 750 words."""


@contextlib.contextmanager
def neighbours(count: int) -> Iterator[None]:
    """Have so many processes compute meanwhile."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in busy:
            one.kill()
            one.wait()


def run(name: str, budget: str, data: Path, folder: Path) -> None:
    """Run one comparison from the command line and write down how long it took."""
    taken = folder / "seconds.json"
    if taken.is_file():
        return
    source, *options = (str(data / part) if "/" in part else part for part in SETS[name])
    command = [sys.executable, "-m", "textgraft", "compare", source, *options]
    start = time.perf_counter()
    subprocess.run([*command, "--budget", budget, "--output", str(folder)], check=True)
    taken.write_text(json.dumps(time.perf_counter() - start))


def row(name: str, budget: str, folder: Path) -> str:
    """Return a line of the table."""
    plan, verdict = load_plan(folder), load_verdict(folder)
    whole = json.loads((folder / "seconds.json").read_text())
    wanted = parse_seconds(budget)
    sizes = ", ".join(
        f"{curve.contender} {len(curve.points)} to {curve.points[-1].size:,}" for curve in verdict.curves
    )
    trials = f"{duration(plan.spent)} ({plan.spent / max(plan.seconds, 1e-9) - 1:+.0%})"
    call = f"{duration(whole)} ({whole / wanted - 1:+.0%})"
    cells = (name, budget, duration(plan.seconds), trials, call, len(plan.results), verdict.pick, sizes)
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Run all comparisons and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--budgets", default="2m,10m,30m")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--output", type=Path, default=Path("runs/planning"))
    parser.add_argument("--busy", action="store_true")
    arguments = parser.parse_args()
    pairs = [(name, budget) for budget in arguments.budgets.split(",") for name in arguments.sets.split(",")]
    with neighbours(cores() if arguments.busy else 0):
        for name, budget in pairs:
            run(name, budget, arguments.data, arguments.output / f"{name}-{budget}")
    print(machine())
    print("| set | budget | planned for the trials | they took | whole call | trials | pick | sizes |")
    print("|---|---|---|---|---|---|---|---|")
    for name, budget in pairs:
        print(row(name, budget, arguments.output / f"{name}-{budget}"))


if __name__ == "__main__":
    main()
