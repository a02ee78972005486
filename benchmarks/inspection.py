"""What inspections find, for docs/inspection.md.

    python benchmarks/inspection.py reach
    python benchmarks/inspection.py context --data ../shared/data
    python benchmarks/inspection.py deletion --data ../shared/data

`reach` trains the four networks on each task of long range, as `textgraft inspect gradients` does at its
defaults: what they learn depends on how fast a core is, not on how busy it is. `context` tells senses of
words apart in tagged entities, with the bundled encoder. `deletion` leaves words out of SST-2's test
sentences, with the sentiment graft that comes along.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from machine import describe

from textgraft.inspection import inspect
from textgraft.inspection.page import Result

TAGGED = {
    "Wikigold": "wikigold_en/train.conll",
    "BTC": "btc_en/train.conll",
    "WikiANN": "wikiann_en/test.conll",
}


def print_table(found: Result) -> None:
    """Print the first table of a result as Markdown, and its findings."""
    page = found.page()
    table = next(section.table for section in page.sections if section.table is not None)
    print(f"\n{page.title}: {page.meta}\n")
    print("| " + " | ".join(table.columns) + " |")
    print("|---" * len(table.columns) + "|")
    for row in table.rows:
        print("| " + " | ".join(row) + " |")
    print(f"\n{page.headline}", *page.findings, sep="\n", flush=True)


def main() -> None:
    """Print the tables of one inspection."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("reach", "context", "deletion"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--tasks", default="recall,copy,adding")
    parser.add_argument("--budget", default="90s")
    parser.add_argument("--rows", type=int, default=100)
    arguments = parser.parse_args()
    print(describe("textgraft", "torch"))
    if arguments.what == "reach":
        for task in arguments.tasks.split(","):
            print_table(inspect.reach(task, budget=arguments.budget))
    elif arguments.what == "context":
        for path in TAGGED.values():
            print_table(inspect.context("bundled", tagged=arguments.data / path))
    else:
        source = arguments.data / "sst2" / "test.csv"
        print_table(inspect.tokens("sentiment", source=source, rows=arguments.rows))


if __name__ == "__main__":
    main()
