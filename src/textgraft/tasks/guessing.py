"""Which task a file is for, where its ending, its columns and its first labels make that plain.

The rules, first match first:

1. An ending of CoNLL files, or plain text whose lines end in tags: token-classification. ``.json``:
   question-answering.
2. Columns of tokens and tags, or of text and spans: token-classification.
3. Columns ``question`` and ``context`` with answers: question-answering.
4. Columns, or one column with a list, of choices: multiple-choice.
5. Arrays, or a column of vectors beside one of texts: captioning. Two files of lines, or columns named for
   two languages: translation. A document's column and one of summaries: summarization. Columns ``source`` and
   ``target``, or the like, with targets that are nearly all different: text2text.
6. Two text columns named like a pair: similarity if the labels are numbers with fractions, else pairs.
7. Labels that are lists, or fields with bars: multi-label.
8. Labels that are numbers, of which many have fractions: regression.
9. Anything else: classification.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from textgraft.data.columns import (
    LABEL_NAMES,
    NUMBER_NAMES,
    choose_columns,
    find_pair,
)
from textgraft.data.formats.lines import TextLines, detect_encoding
from textgraft.data.formats.parallel import split_pair
from textgraft.data.formats.tables import Row, Table
from textgraft.data.readers.choices import find_choices, find_list
from textgraft.data.readers.feature_vectors import ARRAYS, CAPTION_NAMES, VECTOR_NAMES
from textgraft.data.readers.reading import open_table
from textgraft.data.readers.sequences import SUMMARY_SIDES, TEXT_SIDES, find_languages, find_sides
from textgraft.data.values import UnusableError, as_list, as_number
from textgraft.errors import TextgraftError

SAMPLE = 200
"""Rows, or lines of plain text, that are looked at."""
_DIFFERENT = 0.8
"""Share of different values from which on targets are texts rather than names."""
MANY = 5
"""Different numbers with fractions from which on labels are taken for numbers rather than names."""

_CONLL = (".conll", ".conllu", ".iob", ".iob2", ".bio")
_TAGGED_LINE = re.compile(r"\S.*\s(O|[BIESLU]-\S+)")


@dataclass(frozen=True, slots=True)
class Guess:
    """A task, and why it was guessed."""

    task: str
    """Its name, as after ``--task``."""
    reason: str
    """A clause to say it with, as in "taken for multi-label: 'tags' holds lists"."""


def guess_task(
    source: str | Path, *, text: str | Sequence[str] | None = None, label: str | None = None
) -> Guess:
    """Guess the task of a file from its ending, its columns and its first rows.

    Args:
        source: A path or Hub name.
        text: The text columns, where the user named them.
        label: The label column, where the user named it.

    Raises:
        DataError: The file is missing, empty, damaged or of an unknown format.
        MissingExtraError: A Hub name is given and ``datasets`` is not installed.
    """
    path = Path(source)
    ending = path.suffix.lower()
    if pair := split_pair(str(source)):
        if pair[0].suffix.lower() in ARRAYS:
            return Guess("captioning", "an array stands beside texts")
        return Guess("translation", "two files of lines are named")
    if ending in ARRAYS:
        return Guess("captioning", f"{ending} files hold vectors")
    if ending in _CONLL:
        return Guess("token-classification", f"{ending} files hold words with tags")
    if ending == ".json":
        return Guess("question-answering", "a .json file is read as SQuAD")
    if ending == ".txt" and path.is_file():
        if _is_tagged(path):
            return Guess("token-classification", "its lines end in tags")
        return Guess("classification", "a .txt file holds plain texts")
    table = open_table(str(source))
    given = [text] if isinstance(text, str) else list(text or [])
    return _by_columns(table.columns) or _by_targets(table) or _by_labels(table, given, label)


def _is_tagged(path: Path) -> bool:
    lines = islice(TextLines(path, detect_encoding(path)), SAMPLE)
    told = [
        line.text.strip() for line in lines if line.text.strip() and not line.text.startswith("-DOCSTART-")
    ]
    return bool(told) and all(_TAGGED_LINE.fullmatch(line) for line in told)


def _by_columns(columns: Sequence[str]) -> Guess | None:
    """Guess from the columns alone; None where they do not tell."""
    places = {column.lower(): column for column in reversed(columns)}

    def first(*names: str) -> str | None:
        return next((places[name] for name in names if name in places), None)

    tokens, tags = first("tokens", "words"), first("tags", "ner_tags", "labels")
    if tokens and tags:
        return Guess("token-classification", f"{tokens!r} and {tags!r} hold words and their tags")
    body, spans = first("text", "sentence", "content"), first("spans", "entities")
    if body and spans:
        return Guess("token-classification", f"{spans!r} holds parts of {body!r}")
    choices = find_choices(columns)
    if "question" in places and "context" in places and not choices:
        answers = first("answers", "answer", "answer_start")
        if answers and not first("choices", "options", "endings"):
            return Guess("question-answering", f"{answers!r} stands beside 'question' and 'context'")
    if choices:
        return Guess("multiple-choice", f"{choices[0]!r} to {choices[-1]!r} are choices")
    if listed := find_list(columns):
        return Guess("multiple-choice", f"{listed!r} holds lists of choices")
    return None


def _by_targets(table: Table) -> Guess | None:
    """Guess that texts are to be written, from columns and first rows; None where nothing says so."""
    columns = table.columns
    plain = {column.lower(): column for column in reversed(columns)}
    caption = next((plain[name] for name in CAPTION_NAMES if name in plain), None)
    for name in VECTOR_NAMES:
        if caption and name in plain and _are_vectors(_values(table, plain[name])):
            return Guess("captioning", f"{plain[name]!r} holds vectors, {caption!r} their captions")
    if languages := find_languages(columns):
        return Guess("translation", f"{languages[0]!r} and {languages[1]!r} are languages")
    if sides := find_sides(columns, SUMMARY_SIDES):
        return Guess("summarization", f"{sides[1]!r} says in short what {sides[0]!r} says")
    if sides := find_sides(columns, TEXT_SIDES):
        targets = [str(value) for value in _values(table, sides[1])]
        if len(set(targets)) > _DIFFERENT * len(targets):
            return Guess("text2text", f"{sides[1]!r} holds texts, nearly all different")
    return None


def _values(table: Table, column: str) -> list[Any]:
    """Return the first values of a column that are not empty."""
    values = [row.values[0] for row in islice(table.rows([column]), SAMPLE) if isinstance(row, Row)]
    return [value for value in values if value not in (None, "")]


def _are_vectors(values: Sequence[Any]) -> bool:
    return bool(values) and all(isinstance(value, list) for value in values)


def _by_labels(table: Table, text: list[str], label: str | None) -> Guess:
    """Guess from the text columns and the first labels."""
    pair = find_pair(text or table.columns) if len(text) in (0, 2) else []
    if pair:
        named = f"{pair[0]!r} and {pair[1]!r} are a pair"
        column, values = _labels(table, pair, label, NUMBER_NAMES)
        if _fractions(values):
            return Guess("similarity", f"{named}, and {column!r} holds numbers with fractions")
        return Guess("pairs", named)
    for names in (LABEL_NAMES, NUMBER_NAMES):
        column, values = _labels(table, text, label, names)
        if any(isinstance(value, str) and "|" in value for value in values):
            return Guess("multi-label", f"fields of {column!r} hold bars")
        if values and all(_is_list(value) for value in values):
            return Guess("multi-label", f"{column!r} holds lists")
        if len(_fractions(values)) >= MANY:
            return Guess("regression", f"{column!r} holds numbers with fractions")
    return Guess("classification", "nothing speaks for another task")


def _labels(
    table: Table, text: list[str], label: str | None, names: Collection[str]
) -> tuple[str | None, list[Any]]:
    """Return the label column and its first values that are not empty; none if no column can be told."""
    try:
        choice = choose_columns(
            table.columns,
            text=text or None,
            label=label,
            id_column=None,
            group=None,
            labelled=True,
            where="",
            label_names=names,
        )
    except TextgraftError:  # whoever reads the file says what is wrong
        return None, []
    assert choice.label is not None
    return choice.label, _values(table, choice.label)


def _is_list(value: Any) -> bool:
    try:
        return as_list(value, "labels") is not None
    except UnusableError:
        return False


def _fractions(values: Sequence[Any]) -> set[float]:
    """Return the different numbers with a fraction; none if any value is no number."""
    try:
        return {number for number in map(as_number, values) if not number.is_integer()}
    except UnusableError:
        return set()
