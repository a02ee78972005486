"""One set of a benchmark as an ordinary comparison: its folder keeps the trials, so that a call resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgraft.benchmarking.finding import FoundSet
from textgraft.benchmarking.settings import BenchmarkSettings
from textgraft.comparison.compare import run_comparison
from textgraft.comparison.contenders.registry import contender_named, contenders_for
from textgraft.comparison.result import Comparison
from textgraft.comparison.running.progress import Reporter
from textgraft.comparison.settings import ALL, CompareSettings
from textgraft.data.splits import make_splits


@dataclass(frozen=True)
class Plan:
    """What is trained on every set of a suite."""

    contenders: Sequence[str]
    """Their names."""
    sizes: Sequence[int]
    """Training rows; where there are fewer, all of them."""
    seeds: int
    """Repeats at each size."""


def run_set(
    found: FoundSet, settings: BenchmarkSettings, output: Path, plan: Plan, reporter: Reporter
) -> Comparison:
    """Train and score the contenders on a set, as far as that is still to do.

    Args:
        found: The set.
        settings: The user's choices.
        output: Folder of the benchmark.
        plan: What the suite trains.
        reporter: Told what goes on.

    Raises:
        DataError: Its files cannot be read.
        OptionError: A contender cannot do the set's task.
    """
    train, test = found.read(found.train), found.read(found.test)
    # Where the scored rows are those to choose on, the latter are set apart from the training rows.
    dev = found.read(found.dev) if found.dev is not None and found.dev != found.test else None
    rows = len(make_splits(train, test=test, dev=dev).train)
    choices: dict[str, Any] = {
        "task": found.of.task,
        "text": list(train.columns) if found.of.texts else None,
        "label": train.label_column if found.of.texts else None,
        "test": test,
        "dev": dev,
        "contenders": able(plan.contenders, found.of.task),
        "sizes": sorted({min(size, rows) for size in plan.sizes}),
        "seeds": plan.seeds,
        # A table has every contender, whether it can still win or not, and scores are of all rows.
        "thorough": True,
        "tuning": settings.tuning,
        "encoder": settings.encoder,
        "vectors": settings.vectors,
        "budget": settings.budget,
        "max_length": settings.max_length,
        "output": output / folder_name(found.of.name),
        # The folder is the benchmark's own: another choice of contenders or rows uses the same trials.
        "add": True,
    }
    return run_comparison(train, CompareSettings.model_validate(choices), reporter)


def able(contenders: Sequence[str], task: str) -> list[str]:
    """Return those of some contenders that can do a task, and names that nobody knows: these are refused."""
    can = contenders_for(task)
    return [name for name in contenders if name in can or contender_named(name) is None]


def table_plan(settings: BenchmarkSettings, contenders: str) -> Plan:
    """Return what fills a table: every contender at one size."""
    names = settings.contenders or contenders.split(",")
    return Plan(names, [settings.rows or ALL], settings.seeds or 1)


def folder_name(name: str) -> str:
    """Return the name of a set's folder: "SQuAD 1.1" becomes "squad-1.1"."""
    return name.lower().replace(" ", "-")
