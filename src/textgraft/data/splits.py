"""Train, dev and test rows: stratified, fixed by content, and the same text or group never on two sides.

Rows are gathered into units that stay whole: the rows of one group, or, without groups, the rows with the
same normalised text. Within each label the units are ordered by a hash of their content; the test rows are
taken from the front of that order and the dev rows from its back. Hence the split does not depend on the
order of the file or on a seed, and rows that are added later move only as many rows as the shares demand.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from textgraft.data.annotations import ANSWER, KIND
from textgraft.data.dataset import Dataset, Rejected
from textgraft.data.near_duplicates import normalise
from textgraft.errors import DataError, OptionError

Unit = list[int]
"""Positions of rows that stay together."""


@dataclass(frozen=True)
class Splits:
    """Rows to train on, to choose settings on, and to judge on.

    Rows of ``dev`` and ``test`` whose label no training row has are in their ``rejected``: no model could
    predict them.
    """

    train: Dataset
    dev: Dataset
    test: Dataset


def make_splits(
    dataset: Dataset,
    *,
    test: Dataset | None = None,
    dev: Dataset | None = None,
    test_fraction: float = 0.2,
    dev_fraction: float = 0.1,
) -> Splits:
    """Split labelled rows.

    A label, or a type of tags, of which fewer units exist than there are sides to draw keeps them all for
    training; every other one has at least one unit on each side.

    Args:
        dataset: The rows to split.
        test: Rows of the user's own test file; None to draw them from ``dataset``.
        dev: Rows of the user's own dev file; None to draw them from ``dataset``.
        test_fraction: Fraction of the rows of ``dataset`` that are drawn for testing, above 0 and below 1.
        dev_fraction: The same for dev; both together are below 1.

    Raises:
        DataError: There are fewer than two labels, or too few rows or groups to split, or the user's own test
            or dev file has other columns or labels, or is the training file itself, or one the other.
        OptionError: A share is out of range.
    """
    shares = {"test": test_fraction if test is None else 0.0, "dev": dev_fraction if dev is None else 0.0}
    if not (0 < test_fraction < 1 and 0 < dev_fraction < 1 and test_fraction + dev_fraction < 1):
        raise OptionError(
            f"test_fraction {test_fraction} and dev_fraction {dev_fraction} leave no rows for a side",
            fix="Both must be above 0, and their sum below 1.",
        )
    labels = _labels(dataset)
    if dataset.has_names and len(set(labels)) < 2:
        refused = sum(row.kind == KIND for row in dataset.rejected)
        left_out = f"; {refused} rows that annotators rejected are left out" if refused else ""
        raise DataError(
            f"all {len(labels)} rows have the same label, {labels[0]!r}{left_out}",
            where=dataset.source,
            fix="There is nothing to learn from one label: check which column is the label."
            + (f" --label {ANSWER} learns what is accepted from what is rejected." if refused else ""),
        )
    for part, own in (("test", test), ("dev", dev)):
        if own is not None:
            _must_fit(dataset, own, part)
    if test is not None and dev is not None and _stands_in(*sorted((test, dev), key=len)):
        raise DataError(
            "the dev rows are the test rows",
            where=dev.source,
            fix="Choices are made on dev rows, so scores on the same rows are too good: leave the dev file "
            "out, and dev rows are set apart from the training file.",
        )
    side = _draw(_strata(dataset), shares, len(dataset))
    train = dataset.select(_rows_of(side, _TRAIN))
    drawn_test = dataset.select(_rows_of(side, _TEST)) if test is None else test
    drawn_dev = dataset.select(_rows_of(side, _DEV)) if dev is None else dev
    known = set(train.name_counts)
    splits = Splits(train, _with_known_labels(drawn_dev, known), _with_known_labels(drawn_test, known))
    one_label = dataset.has_names and len(known) < 2
    if not len(splits.dev) or not len(splits.test) or one_label:
        units = "rows with different texts" if dataset.groups is None else "groups"
        raise DataError(
            f"too few {units}: to split {len(dataset)} rows in train, dev and test a label needs three",
            where=dataset.source,
            fix="Label more rows, or check which column is the label.",
        )
    return splits


_TRAIN, _DEV, _TEST = 0, 1, 2


def _rows_of(side: np.ndarray, code: int) -> array[int]:
    return array("q", np.flatnonzero(side == code).astype(np.int64).tobytes())


def _labels(dataset: Dataset) -> Sequence[Any]:
    if dataset.labels is None:
        raise DataError("these rows have no labels", where=dataset.source, fix="Name the label column.")
    return dataset.labels


def _must_fit(dataset: Dataset, own: Dataset, part: str) -> None:
    """Check the user's own dev or test rows against the training rows."""
    if list(own.columns) != list(dataset.columns):
        raise DataError(
            f"the {part} file has the text columns {list(own.columns)}, not {list(dataset.columns)}",
            where=own.source,
            fix="Name the text columns of both files alike.",
        )
    if len(own) == len(dataset) and _stands_in(own, dataset):
        raise DataError(
            f"the {part} rows are the training rows",
            where=own.source,
            fix=f"Leave the {part} file out: {part} rows are then set apart from the training file.",
        )
    if not dataset.has_names:
        return
    known, found = set(_labels(dataset)), set(_labels(own))
    if not known & found:
        raise DataError(
            f"no label of the {part} file occurs in the training file: {_few(found)}, but {_few(known)}",
            where=own.source,
            fix="Write the labels of both files alike.",
        )


def _stands_in(part: Dataset, whole: Dataset) -> bool:
    """Return whether every row of ``part``, its label included, is one of ``whole``, in whatever order."""
    rows, others = (
        Counter(map(repr, zip(*data.columns.values(), _labels(data), strict=True))) for data in (part, whole)
    )
    return rows <= others


def _few(labels: set[str]) -> str:
    shown = ", ".join(repr(label[:40]) for label in sorted(labels)[:4])
    return f"{shown}, …" if len(labels) > 4 else shown


def _units(keys: Sequence[object]) -> list[Unit]:
    """Gather the rows with equal keys, in the order in which the keys first occur."""
    units: defaultdict[object, Unit] = defaultdict(list)
    for row, key in enumerate(keys):
        units[key].append(row)
    return list(units.values())


def _main_label(labels: Sequence[str], rows: Unit) -> str:
    """Return the most frequent label of ``rows``, the first in the alphabet of several."""
    if len(rows) == 1:
        return labels[rows[0]]
    counts = Counter(labels[row] for row in rows)
    return min(counts, key=lambda name: (-counts[name], name))


@dataclass(frozen=True)
class _Units:
    """Units in an order, as arrays: a list of each would take ten times the memory of its rows."""

    rows: np.ndarray
    """The rows of these and of other units, those of each one side by side, int32."""
    begins: np.ndarray
    """Where each unit begins there, [units] int32."""
    sizes: np.ndarray
    """Rows of each, [units] int32."""

    def __len__(self) -> int:
        return len(self.begins)

    def at(self, units: np.ndarray | slice) -> _Units:
        """Return some of them."""
        return _Units(self.rows, self.begins[units], self.sizes[units])

    def all_rows(self) -> np.ndarray:
        """Return the rows of all of them, unit by unit."""
        ends = np.cumsum(self.sizes, dtype=np.int32)
        moved = np.repeat(self.begins - (ends - self.sizes), self.sizes)
        return self.rows[moved + np.arange(len(moved), dtype=np.int32)]


def _strata(dataset: Dataset) -> Iterator[_Units]:
    """Yield, label by label, the units whose most frequent label it is, in the order of their hash."""
    keys = dataset.groups if dataset.groups is not None else map(normalise, dataset.texts)
    # Two of ten million different keys share a hash of 64 bits with probability 3e-6, and then a side.
    hashes = np.fromiter(map(_hash, keys), dtype=np.uint64, count=len(dataset))
    rows = np.argsort(hashes, kind="stable").astype(np.int32)
    begins = np.flatnonzero(_changes(hashes[rows])).astype(np.int32)
    sizes = np.diff(begins, append=np.int32(len(rows)))
    del hashes  # all that is held while the units are drawn from adds up
    labels = dataset.strata
    codes = {label: code for code, label in enumerate(sorted(set(labels)))}
    of_row = np.fromiter((codes[label] for label in labels), dtype=np.int32, count=len(rows))
    of_unit = of_row[rows[begins]]
    for unit in np.flatnonzero(sizes > 1):
        # The most frequent one; of several, the first in the alphabet.
        own = of_row[rows[begins[unit] : begins[unit] + sizes[unit]]]
        found, counts = np.unique(own, return_counts=True)
        of_unit[unit] = found[counts.argmax()]
    del labels, of_row
    units = _Units(rows, begins, sizes)
    for code in codes.values():
        of_label = np.flatnonzero(of_unit == code)
        if len(of_label):
            yield units.at(of_label)


def _hash(key: str) -> int:
    return int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8])


def _changes(values: np.ndarray) -> np.ndarray:
    """Return at which places of an array another value begins, the first one included."""
    return np.concatenate([[True], values[1:] != values[:-1]])


def _draw(strata: Iterable[_Units], shares: dict[str, float], rows: int) -> np.ndarray:
    """Return the side of every row, [rows]: test from the front of each stratum, dev from its back."""
    side = np.full(rows, _TRAIN, dtype=np.int8)
    wanted = [(code, shares[part]) for code, part in ((_TEST, "test"), (_DEV, "dev")) if shares[part]]
    for units in strata:
        if len(units) <= len(wanted):
            continue
        size, free = int(units.sizes.sum()), units
        for sides_left, (code, share) in zip(range(len(wanted), 0, -1), wanted, strict=True):
            ordered = free if code == _TEST else free.at(slice(None, None, -1))
            taken = _take(ordered.sizes, size * share, at_most=len(free) - sides_left)
            side[ordered.at(taken).all_rows()] = code
            left = np.ones(len(ordered), dtype=bool)
            left[taken] = False
            free = ordered.at(left) if code == _TEST else ordered.at(left).at(slice(None, None, -1))
    return side


def _take(sizes: np.ndarray, wanted: float, *, at_most: int) -> np.ndarray:
    """Return the first units whose rows come nearest to ``wanted``; at least one, and at most ``at_most``."""
    taken = array("i")
    count = 0
    for unit, size in enumerate(sizes.tolist()):
        if len(taken) == at_most or count >= wanted:
            break
        if abs(count + size - wanted) < wanted - count:
            taken.append(unit)
            count += size
    return np.asarray(taken or [int(sizes.argmin())])


def _with_known_labels(part: Dataset, known: set[str]) -> Dataset:
    """Set aside the rows with a label that is not in ``known``; targets without names are left alone."""
    if known.issuperset(part.name_counts):
        return part
    unseen = {
        row: name
        for row, names in enumerate(part.names)
        if (name := next((name for name in names if name not in known), None)) is not None
    }
    rejected = [
        Rejected(part.lines[row], f"unseen label: no training row has {name!r}", part.texts[row][:200])
        for row, name in unseen.items()
    ]
    kept = part.select([row for row in range(len(part)) if row not in unseen])
    return replace(kept, rejected=[*part.rejected, *rejected], notes=part.notes)


def nested_subsets(
    labels: Sequence[str], sizes: Sequence[int], seed: int, groups: Sequence[str] | None = None
) -> dict[int, list[int]]:
    """Draw training subsets of growing size, each containing the smaller ones, each stratified.

    Every row gets a rank: row i (in random order) of the n rows of its label gets (i + ½) / n, and the
    subset of size s holds the s rows of lowest rank, so each label has about its share of it. The first row
    of every label comes before all others, the most frequent labels first: a subset at least as large as the
    number of labels has them all.

    With groups, whole groups are ranked in the same way, by their most frequent label, as if a user labelled
    group after group; only the last one of a subset is cut to its size.

    Args:
        labels: The label of every training row.
        sizes: Numbers of rows, in any order.
        seed: Another seed gives other rows.
        groups: The group of every row, if there are groups.

    Returns:
        For each size the positions of its rows; that of a smaller size is the beginning of that of a larger.

    Raises:
        OptionError: A size is below 1 or above the number of rows.
    """
    for size in sizes:
        if not 1 <= size <= len(labels):
            raise OptionError(
                f"cannot draw {size} of {len(labels)} training rows",
                where="--sizes",
                fix=f"Give sizes from 1 to {len(labels)}.",
            )
    keys: Sequence[object] = range(len(labels)) if groups is None else groups
    units = [(_main_label(labels, rows), rows) for rows in _units(keys)]
    total: Counter[str] = Counter()
    for label, rows in units:
        total[label] += len(rows)
    drawn: Counter[str] = Counter()
    ranked: list[tuple[float, Unit]] = []
    for position in np.random.default_rng(seed).permutation(len(units)):
        label, rows = units[position]
        # Between -1 and 0 for the first unit of a label: before all others.
        rank = (drawn[label] + len(rows) / 2) / total[label] if drawn[label] else -total[label] / len(labels)
        ranked.append((rank, rows))
        drawn[label] += len(rows)
    ranked.sort(key=lambda unit: unit[0])
    order = [row for _, rows in ranked for row in rows]
    return {size: order[:size] for size in sizes}


def nested_shots(labels: Sequence[str], shots: Sequence[int], seed: int) -> dict[int, list[int]]:
    """Draw training subsets with so many rows of every label, each containing the smaller ones.

    A label with fewer rows gives all it has. Rows of one group may be parted: all of them are training rows.

    Args:
        labels: The label of every training row.
        shots: Rows of each label, in any order.
        seed: Another seed gives other rows.

    Returns:
        For each number the positions of its rows, in random order within each round over the labels; that of
        a smaller number is the beginning of that of a larger.
    """
    order = np.random.default_rng(seed).permutation(len(labels)).tolist()
    turns: Counter[str] = Counter()
    rounds: defaultdict[int, list[int]] = defaultdict(list)
    for row in order:
        rounds[turns[labels[row]]].append(row)
        turns[labels[row]] += 1
    return {most: [row for turn in range(most) for row in rounds[turn]] for most in shots}
