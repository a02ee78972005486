"""What is seen of a file before its task is known: its form, its columns, its first rows, the user's word."""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Literal

from textgraft.data.columns import (
    LABEL_NAMES,
    NUMBER_NAMES,
    PAIR_LABEL_NAMES,
    Choice,
    Columns,
    choose_columns,
    find_pair,
    is_label_name,
    is_text_name,
)
from textgraft.data.dataset import Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.delimited import is_tabbed
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.json_document import JsonTable, open_json
from textgraft.data.formats.parallel import split_pair
from textgraft.data.formats.tables import Table
from textgraft.data.readers.feature_vectors import ARRAYS
from textgraft.data.readers.reading import open_table
from textgraft.data.readers.sequences import SUMMARY_SIDES, TEXT_SIDES, find_languages, find_sides
from textgraft.data.readers.tagged import has_conll_columns
from textgraft.data.sample import FEW_ROWS, Column, Sample
from textgraft.data.values import UnusableError, listed_names
from textgraft.errors import TextgraftError
from textgraft.wording import listing

LabelKind = Literal["names", "sets", "numbers", "texts"]
"""One name a row, any number of names, numbers with fractions, or texts."""


class Evidence(IntEnum):
    """How strongly a file speaks for a task; what it speaks for most strongly is what it is taken for."""

    NOTHING = 0
    """No other task is likelier."""
    VALUES = 1
    """A text and a label are told by their values."""
    NAMES = 2
    """Columns are named for the task, and their values allow it."""
    PLAIN = 3
    """One text and one label, by their names or by the user's word: the plain reading of a table."""
    FITS = 4
    """Columns are named for the task, and their values fit each other as only this task's do."""
    FORM = 5
    """The file is of a form that is made for the task."""


@dataclass(frozen=True, slots=True)
class Guess:
    """A task that a file may be for, and why."""

    task: str
    """Its name, as after ``--task``."""
    reason: str
    """A clause to say it with, as in "taken for multi-label: 'tags' holds lists"."""
    evidence: Evidence = Evidence.NOTHING


class Sketch:
    """A source, as far as it is looked at to tell its task.

    Args:
        source: A path, two files with a comma between them, or a Hub name.
        text: The text columns, where the user named them.
        label: The label columns, likewise.

    Raises:
        DataError: The file is missing, empty, damaged or of an unknown format.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed.
    """

    def __init__(self, source: Source, text: Sequence[str] = (), label: Sequence[str] = ()) -> None:
        self.source = str(source)
        self._given = source if isinstance(source, GivenTable) else None
        self.path = Path(self.source)
        self.ending = "" if self._given else Path(bare_name(self.path)).suffix.lower()
        self.wanted = Columns(tuple(text), tuple(label))
        self.pair = None if self._given else split_pair(self.source)
        """The two files that are named, if two are."""
        self.is_array = self.ending in ARRAYS or bool(self.pair and self.pair[0].suffix.lower() in ARRAYS)
        self.is_conll = not (self._given or self.pair or self.is_array) and has_conll_columns(self.path)
        self.is_squad = False
        self.is_plain = False
        """Whether it is plain text, a text a line."""
        table = self._open()
        self.sample = Sample.of(table) if table else Sample([])
        self.columns = self.sample.columns

    def _open(self) -> Table | None:
        """Open the source, if it is a table."""
        if self.pair or self.is_array or self.is_conll:
            return None
        if self.ending == ".json" and self.path.is_file():
            table = open_json(self.path, lines=False)
            self.is_squad = isinstance(table, JsonTable) and table.squad is not None
            return None if self.is_squad else table
        is_table = self.ending == ".txt" and self.path.is_file() and is_tabbed(self.path)
        found = open_table(self._given or self.source, labelled=is_table)
        self.is_plain = found.format == "plain text"
        return None if self.is_plain else found

    def allows(self, text: Collection[str], label: Collection[str] = ()) -> bool:
        """Tell whether the user's word allows these columns: whatever is named must be used."""
        texts, labels = self.wanted.text, self.wanted.label
        return (not texts or set(texts) == set(text)) and (not labels or set(labels) == set(label))

    def choose(
        self,
        label_names: Collection[str] = LABEL_NAMES,
        *,
        pair: bool = False,
        several_labels: bool = False,
    ) -> Choice | None:
        """Return the columns of text and label as they would be read; None where they cannot be told."""
        try:
            return choose_columns(
                self.sample,
                self.wanted,
                where=self.source,
                pair=pair,
                several_labels=several_labels,
                label_names=label_names,
            )
        except TextgraftError:  # whoever reads the file says what is wrong
            return None

    @functools.cached_property
    def plain(self) -> tuple[Choice, Evidence] | None:
        """The columns of the plain reading, one text and a label or several, and what speaks for it."""
        if not self.columns or self.text_pair is not None:
            return None
        choice = self.choose() or self.choose(several_labels=True)
        if choice is None:
            return None
        told = self.wanted.text or all(map(is_text_name, choice.text))
        labelled = self.wanted.label or all(map(is_label_name, choice.labels))
        return choice, Evidence.PLAIN if told and labelled else Evidence.VALUES

    @functools.cached_property
    def text_pair(self) -> Choice | None:
        """Two text columns that are named as a pair, and the label of both; None where there are none."""
        named = [name for name in self.wanted.text or self.columns if name not in self.wanted.label]
        if len(self.wanted.text) not in (0, 2) or len(self.wanted.label) > 1 or not find_pair(named):
            return None
        choice = self.choose(PAIR_LABEL_NAMES, pair=True)
        if choice is None or choice.label is None:
            return self.choose(NUMBER_NAMES, pair=True)
        of_pairs = self.wanted.label or is_label_name(choice.label, (*PAIR_LABEL_NAMES, *NUMBER_NAMES))
        others = [name for name in self.columns if name not in choice.text and is_label_name(name)]
        return choice if of_pairs or not others else None

    @functools.cached_property
    def label_kind(self) -> LabelKind | None:
        """What the labels of the plain reading are; None where there is none."""
        if self.plain is None:
            return None
        choice = self.plain[0]
        if choice.label is None:
            return "sets"
        column = self.sample[choice.label]
        if column.is_structured:
            return None
        if column.is_lists:
            return self._kind_of_lists(choice.label)
        if any(isinstance(value, str) and "|" in value for value in column.filled):
            return "sets"
        if column.is_fractions:
            return "numbers"
        return "texts" if self._is_written(column, choice) else "names"

    def _kind_of_lists(self, label: str) -> LabelKind:
        """Tell one name a row from several: by all rows, as few may have more than one."""
        table = self._open()
        assert table is not None
        cells = (row.values[0] for row in table.rows([label]) if not isinstance(row, Rejected))
        counts = {len(names) for cell in cells if (names := _names(cell)) is not None}
        if counts - {1}:
            return "sets"
        column = Column([next(iter(_names(value) or ()), value) for value in self.sample[label].filled])
        return "texts" if column.is_prose and column.is_varied and len(column.filled) >= FEW_ROWS else "names"

    def _is_written(self, column: Column, choice: Choice) -> bool:
        """Tell whether values are texts of their own rather than labels."""
        if not column.is_texts or not column.is_varied:
            return False
        known = [*choice.text, *choice.labels]
        sides = find_sides(known, SUMMARY_SIDES) or find_sides(known, TEXT_SIDES) or find_languages(known)
        return sides is not None or (column.is_prose and len(column.filled) >= FEW_ROWS)


def texts(choice: Choice) -> str:
    """Say which columns are the text."""
    named = listing(list(map(repr, choice.text)))
    return f"{named} {'is' if len(choice.text) == 1 else 'are'} the text"


def _names(cell: object) -> tuple[str, ...] | None:
    try:
        return listed_names(cell)
    except UnusableError:
        return None
