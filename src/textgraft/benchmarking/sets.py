"""A public set as a benchmark knows it: where its files are, what its columns are called, its scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from textgraft.benchmarking.measures import Measure


@dataclass(frozen=True)
class Layout:
    """One of the ways in which a set comes: its files, by the names that they may have but for the ending."""

    train: Sequence[str]
    test: Sequence[str]
    """The labelled rows that are scored."""
    dev: Sequence[str] = ()
    """Rows to choose on; where there are none, they are set apart from the training rows."""
    scored_on: str = "test"
    """What the scored rows are called."""
    caveat: str = ""
    """Why its figures are none of the published kind, where they are not."""


@dataclass(frozen=True)
class Further:
    """More rows that the models of a set are scored on."""

    name: str
    """As "MNLI-mm"."""
    test: Sequence[str]
    """Names of their file, likewise."""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Hidden:
    """Rows whose labels only a leaderboard knows."""

    file: str
    """As the leaderboard wants it called, without ``.tsv``."""
    test: Sequence[str]
    """Names of the rows' file, without their endings."""
    folders: Sequence[str] = ()
    """Where it lies in a folder of its own."""


@dataclass(frozen=True)
class BenchmarkSet:
    """One public set."""

    name: str
    task: str
    folders: Sequence[str]
    """Names that its folder may have; only letters, digits, dots and slashes are compared."""
    layouts: Sequence[Layout]
    """Ways in which it may come, the best first."""
    texts: Sequence[Sequence[str]] = ()
    """For each text column the names that it may have; none where the task's files have no columns."""
    label: Sequence[str] = ()
    """Names that the label column may have."""
    measures: Sequence[Measure] = ()
    """The first one leads."""
    published: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """By system and by the key of a measure, in percent."""
    further: Sequence[Further] = ()
    hidden: Sequence[Hidden] = ()
    without_header: Sequence[str] = ()
    """Columns of its .tsv files, where these have no header."""
    written: Mapping[str, str] = field(default_factory=dict)
    """How a leaderboard writes labels that files have as numbers."""


@dataclass(frozen=True)
class Suite:
    """Sets that are published together."""

    name: str
    title: str
    sets: Sequence[BenchmarkSet]
    contenders: str
    """Those that run by default, as for ``compare``."""
    sources: Mapping[str, str]
    """Where the published rows are from, by system."""

    @property
    def systems(self) -> list[str]:
        """The systems with published rows, in order."""
        return list(self.sources)
