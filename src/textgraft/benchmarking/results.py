"""What a benchmark found, as records: a row for each set and contender, beside what is published."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from textgraft.comparison.contenders.registry import CONTENDERS, ON
from textgraft.evaluation.intervals import Score
from textgraft.tables import Table
from textgraft.terminal import visible
from textgraft.wording import interval


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One contender on the scored rows of one set."""

    contender: str
    train_rows: int
    seeds: int
    scores: dict[str, Score]
    """By the key of each official measure."""
    training_seconds: float
    """Mean over seeds, in wall-clock time."""


class SetResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on one set."""

    name: str
    task: str
    measures: dict[str, str]
    """Key and title of each, the first one leads."""
    scored_on: str
    test_rows: int
    left_out: int
    """Rows of the scored file that could not be used."""
    caveat: str
    figures: list[Figure]
    published: dict[str, dict[str, float]]
    """By system and key of a measure, in percent."""


class BenchmarkResult(msgspec.Struct, frozen=True, kw_only=True):
    """What was found on the sets of a suite."""

    suite: str
    title: str
    sets: list[SetResult]
    lacking: dict[str, str]
    """Sets that the folder does not hold, and what it lacks."""
    sources: dict[str, str]
    """Where published figures stand, by system."""
    machine: str

    def __repr__(self) -> str:
        return visible(f"<BenchmarkResult {self.suite}: {len(self.sets)} sets>")

    def table(self) -> Table:
        """Return a row for each set and measure: what contenders scored and what is published, in percent.

        A cell of ours is the mean over seeds with its 95% interval; contenders stand in the order in which
        they are listed everywhere, so that tables of several suites read alike.
        """
        contenders = sorted({figure.contender for one in self.sets for figure in one.figures}, key=turn)
        systems = [name for name in self.sources if any(name in one.published for one in self.sets)]
        return Table(
            ["set", "measure", "scored on", *contenders, *(f"{name} (published)" for name in systems)],
            list(self._rows(contenders, systems)),
        )

    def _rows(self, contenders: Sequence[str], systems: Sequence[str]) -> Iterator[list[Any]]:
        for one in self.sets:
            figures = {figure.contender: figure for figure in one.figures}
            for key, title in one.measures.items():
                ours = [percent(figures[name].scores[key]) if name in figures else "–" for name in contenders]
                theirs = [one.published.get(name, {}).get(key) for name in systems]
                yield [
                    one.name,
                    title,
                    f"{one.scored_on}, {one.test_rows:,} rows",
                    *ours,
                    *("–" if figure is None else f"{figure:.1f}" for figure in theirs),
                ]


def turn(contender: str) -> tuple[int, str]:
    """Return by what columns are ordered: as contenders are listed, whoever leads on the first set."""
    name, _, encoder = contender.partition(ON)
    names = [known.name for known in CONTENDERS]
    return names.index(name) if name in names else len(names), encoder


def percent(score: Score) -> str:
    """Write a score as papers do, in percent, with its interval: "52.1 (46.0 to 58.3)"."""
    value = f"{100 * score.value:.1f}"
    if score.low is None or score.high is None:
        return f"{value} ({interval(score)})"
    return f"{value} ({100 * score.low:.1f} to {100 * score.high:.1f})"
