"""Rows that stand in more than one of the parts: among the rows learned from and those judged on, say."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.near_duplicates import normalise
from textgraft.data.packed import StackedColumns
from textgraft.data.splits import Splits

EXAMPLES = 5
"""Of each finding so many are shown."""
EXCERPT = 160
"""Characters that are shown of a text."""
LEAK = ("test", "train")
SHARED_WITH = (LEAK, ("dev", "test"), ("dev", "train"))
"""The pairs of sides that must share no rows, the gravest first; the rows of the first side are counted."""


@dataclass(frozen=True)
class Overlap:
    """The rows of one side whose text stands, exactly or nearly, among the rows of another."""

    side: str
    other: str
    rows: list[int]
    """Their positions in the side, ascending."""
    exact: int
    """How many of them have the same normalised text; the others only resemble a row."""
    of: int
    """Rows of the side."""
    own_files: bool
    """Whether the two sides come from different files, so that the user can take the rows out."""
    examples: list[dict[str, Any]]

    @property
    def fraction(self) -> float:
        """Of the side's rows."""
        return len(self.rows) / max(1, self.of)

    @property
    def pair(self) -> tuple[str, str]:
        """The names of the two sides, as in :data:`SHARED_WITH`."""
        return self.side, self.other

    @property
    def warning(self) -> str:
        """How many rows they are, and what to do about it."""
        count = len(self.rows)
        row, stands = ("row", "stands") if count == 1 else ("rows", "stand")
        some = f"{self.exact:,} of them exactly" if self.exact else "nearly"
        how = "exactly" if self.exact == count else some
        taken = "take them out of one of the two" if self.own_files else "name what they share by --group"
        other, advice = {
            LEAK: ("training", "Scores on them are too good: look at the scores without them."),
            ("dev", "test"): (
                "test",
                f"What is chosen on dev rows is chosen on test rows then, and scores are too good: {taken}.",
            ),
            ("dev", "train"): (
                "training",
                f"Choices and early stopping go by rows that were learned, so they come out wrong: {taken}.",
            ),
        }[self.pair]
        return (
            f"{count:,} {self.side} {row} ({self.fraction:.1%}) {stands} among the {other} rows too, {how}, "
            f"as {' and '.join(self.examples[0]['rows'])}. {advice}"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-like values, small however many rows there are."""
        return {
            "side": self.side,
            "other": self.other,
            "rows": len(self.rows),
            "exact": self.exact,
            "fraction": self.fraction,
            "examples": self.examples,
        }


class StackedRows:
    """The rows of several data sets one after the other, and which of them have the same normalised text.

    Kept as arrays of numbers: lists of a million rows would take several times the memory of their texts.
    """

    def __init__(self, parts: Sequence[Dataset]) -> None:
        self.texts = StackedColumns([part.texts for part in parts])
        codes: dict[str | None, int] = {}
        labels = (label for part in parts for label in _names_or_none(part))
        self._labels = np.fromiter(
            (codes.setdefault(label, len(codes)) for label in labels), np.int32, len(self.texts)
        )
        self._names = list(codes)
        self._parts = parts
        self._ends = np.cumsum([len(part) for part in parts])
        # Two of a million different texts have the same hash of 64 bits with a probability below 1e-7.
        hashes = np.fromiter((hash(normalise(text)) for text in self.texts), np.int64, len(self.texts))
        order = np.argsort(hashes, kind="stable").astype(np.int32)
        ordered = hashes[order]
        del hashes
        begins = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])).astype(np.int32)
        del ordered
        counts = np.diff(begins, append=np.int32(len(order)))
        turn = np.argsort(order[begins])
        self.first = order[begins[turn]]
        """Position of the first row of each different text; texts count in the order of their first rows."""
        self.counts = counts[turn]
        """Rows of each different text."""
        self._stops = np.cumsum(self.counts, dtype=np.int32)
        # The rows of all texts one after the other: each run of the old order, moved to its new place.
        moved = np.repeat(begins[turn] - (self._stops - self.counts), self.counts)
        self._order = order[moved + np.arange(len(order), dtype=np.int32)]
        self.last = self._order[self._stops - 1]
        """Position of the last row of each different text."""

    @property
    def different(self) -> Sequence[str]:
        """The normalised texts, each once."""
        return _Different(self)

    def positions(self, text: int) -> list[int]:
        """Return the rows of a different text, ascending."""
        return self._order[self._stops[text] - self.counts[text] : self._stops[text]].tolist()

    def contradictory(self) -> np.ndarray:
        """Return the different texts whose rows have several labels, ascending."""
        of_row = self._labels[self._order]
        starts = self._stops - self.counts
        return np.flatnonzero(np.minimum.reduceat(of_row, starts) != np.maximum.reduceat(of_row, starts))

    def place(self, position: int) -> tuple[str, int]:
        """Return file and line of a row."""
        part = int(np.searchsorted(self._ends, position, side="right"))
        own = self._parts[part]
        return Path(own.source).name, own.lines[position - (int(self._ends[part]) - len(own))]

    def example(self, positions: Sequence[int]) -> dict[str, Any]:
        """Show some rows in the order of the file: where they stand, the first one's text, their labels."""
        shown = sorted(positions, key=self.place)[:EXAMPLES]
        return {
            "rows": [f"{name}:{line}" for name, line in map(self.place, shown)],
            "text": self.texts[shown[0]][:EXCERPT],
            "labels": [self._names[self._labels[position]] for position in shown],
        }


def _names_or_none(part: Dataset) -> Iterable[str | None]:
    """Return the label of each row where rows have one name each; else None for each."""
    return (part.labels if part.has_names else None) or itertools.repeat(None, len(part))


class _Different(Sequence[str]):
    """Normalised texts, each made when it is asked for."""

    def __init__(self, rows: StackedRows) -> None:
        self._texts, self._first = rows.texts, rows.first

    def __len__(self) -> int:
        return len(self._first)

    def __getitem__(self, index: Any) -> Any:
        return normalise(self._texts[self._first[index]])

    def __iter__(self) -> Iterator[str]:
        wanted = np.zeros(len(self._texts), dtype=bool)
        wanted[self._first] = True  # the first rows ascend
        return map(normalise, itertools.compress(self._texts, wanted.tobytes()))


def overlaps(
    splits: Splits, rows: StackedRows | None = None, near: Iterable[tuple[int, int, float]] = ()
) -> list[Overlap]:
    """Find the rows that each two sides share, for every pair of :data:`SHARED_WITH`.

    Args:
        splits: The sides.
        rows: Training, dev and test rows one after the other, where they are at hand.
        near: Pairs of different texts of them that resemble each other; without them, only rows with the
            same normalised text are found.
    """
    sides = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    rows = rows or StackedRows(list(sides.values()))
    neighbours: defaultdict[int, list[int]] = defaultdict(list)
    for left, right, _ in near:
        neighbours[left].append(right)
        neighbours[right].append(left)
    ends = np.cumsum([len(side) for side in sides.values()]).tolist()
    spans = dict(zip(sides, zip([0, *ends], ends, strict=False), strict=True))
    return [
        _overlap(rows, neighbours, (side, sides[side], spans[side]), (other, sides[other], spans[other]))
        for side, other in SHARED_WITH
    ]


_Side = tuple[str, Dataset, tuple[int, int]]
"""Name, rows, and where they begin and end among all rows."""


def _overlap(rows: StackedRows, neighbours: dict[int, list[int]], side: _Side, other: _Side) -> Overlap:
    (name, own, (begin, end)), (other_name, others, (other_begin, other_end)) = side, other

    def origin(text: int) -> int | None:
        # Positions ascend: of a text's rows the first tells of the foremost side, the last of the hindmost.
        ends = (int(rows.first[text]), int(rows.last[text]))
        return next((at for at in ends if other_begin <= at < other_end), None)

    # A text that is not in both has its first row in the hinder side, or its last one in the one before.
    may_have_both = (rows.first < min(end, other_end)) & (rows.last >= max(begin, other_begin))
    exact, found = 0, []
    for text in {*np.flatnonzero(may_have_both).tolist(), *neighbours}:
        places = [position for position in rows.positions(text) if begin <= position < end]
        if not places:
            continue
        same = origin(text)
        sources = [same, *(origin(near) for near in neighbours.get(text, ()))]
        source = next((source for source in sources if source is not None), None)
        if source is not None:
            found += [(position - begin, source) for position in places]
            exact += len(places) if same is not None else 0
    found.sort()
    return Overlap(
        side=name,
        other=other_name,
        rows=[position for position, _ in found],
        exact=exact,
        of=len(own),
        own_files=own.source != others.source,
        examples=[rows.example([begin + position, source]) for position, source in found[:EXAMPLES]],
    )
