"""Sources and the texts that are to be made of them: translations, summaries, rewritten texts.

A table with a column of sources and one of targets, or two files of lines
(:mod:`textgraft.data.formats.parallel`). The target of a row is a list of texts, all of them right; the first
is what models learn.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from textgraft.data.columns import Choice, Columns, as_tuple, choose_columns
from textgraft.data.dataset import Dataset
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.parallel import ParallelTable, side_names, split_pair
from textgraft.data.formats.tables import Table
from textgraft.data.readers.reading import FORMATS, Form, missing_file, open_table, read_rows
from textgraft.data.sample import Sample
from textgraft.data.values import UnusableError, as_name, as_text, whole, within_limit
from textgraft.errors import DataError

SUMMARY_SIDES = (
    ("document", "summary"), ("article", "summary"), ("article", "highlights"), ("dialogue", "summary"),
    ("text", "summary"), ("content", "summary"), ("body", "summary"), ("body", "subject"),
    ("text", "headline"),
)  # fmt: skip
"""Columns that are taken for a text and what it says in short."""
TEXT_SIDES = (
    ("source", "target"), ("src", "tgt"), ("src", "trg"), ("input", "output"), ("input", "target"),
    ("prompt", "completion"), ("prompt", "response"), ("instruction", "output"), ("instruction", "response"),
    ("question", "answer"),
)  # fmt: skip
"""Columns that are taken for any source and what is to be made of it."""
LANGUAGES = frozenset((
    "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es",
    "et", "eu", "fa", "fi", "fr", "ga", "gl", "gu", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja",
    "jv", "ka", "kk", "km", "kn", "ko", "ku", "ky", "la", "lb", "lo", "lt", "lv", "mk", "ml", "mn", "mr",
    "ms", "my", "nb", "ne", "nl", "nn", "no", "pa", "pl", "ps", "pt", "ro", "ru", "sd", "si", "sk", "sl",
    "sq", "sr", "sv", "sw", "ta", "te", "tg", "th", "tk", "tl", "tr", "tt", "ug", "uk", "ur", "uz", "vi",
    "xh", "yi", "zh", "zu",
))  # fmt: skip
"""Codes of ISO 639-1 that columns of translations are called by."""

_REGION = re.compile(r"([a-z]{2}|[A-Z]{2})(?:[-_]([A-Za-z]{2}|[A-Z][a-z]{3}|\d{3}))?")
"""A code alone, or with a country or a script behind it."""


def language_of(name: str) -> str | None:
    """Return the language that a column is named for, as "de" for ``de`` and ``de_AT``, or None."""
    match = _REGION.fullmatch(name)
    return match[1].lower() if match and match[1].lower() in LANGUAGES else None


def find_languages(columns: Sequence[str]) -> tuple[str, str] | None:
    """Return the only two columns that are named for languages, in their order, or None."""
    found = [name for name in columns if language_of(name)]
    if len(found) > 2:  # an id is Indonesian only where there is no other language
        found = [name for name in found if name.lower() != "id"]
    return (found[0], found[1]) if len(found) == 2 else None


def find_sides(columns: Sequence[str], known: Sequence[tuple[str, str]]) -> tuple[str, str] | None:
    """Return the first of some pairs of names that columns have, in the columns' own spelling, or None."""
    plain = {column.lower(): column for column in reversed(columns)}
    return next(
        ((plain[source], plain[target]) for source, target in known if source in plain and target in plain),
        None,
    )


def read_sequences(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
) -> Dataset:
    """Read sources and their targets.

    Args:
        source: A table, as for :func:`~textgraft.data.readers.reading.read_dataset`; two files of lines as
            ``train.de,train.en``; or, for rows to predict, one file of lines with any ending.
        text: The column of the source, or several, which are joined by newlines. Guessed if None, as the
            following: from the names of languages, from :data:`SUMMARY_SIDES` and :data:`TEXT_SIDES`, or
            because there are only two columns.
        label: The column of the target: a text, or a list of texts that are all right.
        id_column: As there.
        group: As there.
        labelled: Whether rows need a target.

    Returns:
        Rows whose labels are lists of texts. Set aside are rows with an empty source or target.

    Raises:
        DataError: As there, or the two files have different numbers of lines.
        OptionError: A named column does not exist.
    """
    wanted = Columns.named(text, label, id_column, group, labelled)

    def choose(sample: Sample) -> Choice:
        rest = [name for name in sample.columns if name not in (id_column, group)]
        guessed = _guess(rest, wanted.text, wanted.label)
        sides = replace(
            wanted,
            text=wanted.text or guessed[:1],
            label=wanted.label or (guessed[1:] if labelled else ()),
        )
        return choose_columns(sample, sides, where=str(source))

    name = next(iter(as_tuple(label)), None)
    opened = functools.partial(_open, given=wanted.text, label=name, labelled=labelled)
    dataset = read_rows(source, choose, Form(as_source, as_target), opened=opened)
    if dataset.labels is None:
        return dataset
    return replace(dataset, labels=[list(texts) for texts in dataset.labels])


def _guess(columns: Sequence[str], given: Sequence[str], label: Sequence[str]) -> tuple[str, ...]:
    """Return source and target column, where columns that are not named tell them; else nothing."""
    rest = [name for name in columns if name not in given and name not in label]
    if given or label:
        return (rest[0], rest[0]) if len(rest) == 1 else ()
    found = find_languages(columns) or find_sides(columns, SUMMARY_SIDES) or find_sides(columns, TEXT_SIDES)
    return found or (tuple(columns) if len(columns) == 2 else ())


def _open(source: Source, *, given: Sequence[str], label: str | None, labelled: bool) -> Table:
    """Open a table, two files of lines, or, for rows to predict, one."""
    if isinstance(source, GivenTable):
        return source
    pair = split_pair(str(source))
    if pair is None:
        path = Path(source)
        ending = Path(bare_name(path)).suffix.lower()
        is_table = ending in FORMATS and ending != ".txt"
        if labelled or is_table or not path.is_file():
            return open_table(source, labelled=labelled)
        return ParallelTable([path], [given[0] if given else "source"])
    for path in pair:
        if not path.exists():
            raise missing_file(path)
        if path.is_dir():
            raise DataError("this is a folder, not a file", where=str(path), fix="Name two files of lines.")
    names = side_names(*pair)
    columns = (given[0] if given else names[0], label or names[1])
    return ParallelTable(pair, columns)


def as_source(values: Sequence[Any]) -> list[str]:
    """Return the texts of a source, at least one of which says something."""
    texts = [as_text(value) for value in values]
    if not any(text and not text.isspace() for text in texts):
        raise UnusableError("empty source: there is nothing to read")
    return within_limit(texts)


def as_target(value: Any) -> tuple[str, ...]:
    """Return the right texts for a row: one, or those of a list."""
    entries = value if isinstance(value, list | tuple) else [value]
    texts = [whole(entry, "target") if isinstance(entry, str) else _written(entry) for entry in entries]
    kept = [text.strip() for text in texts if text.strip()]
    if not kept:
        raise UnusableError("empty target: there is nothing to learn or to compare with")
    return tuple(within_limit(kept))


def _written(value: Any) -> str:
    """Write a number or truth value as people do; nothing for a missing one."""
    return "" if value is None else as_text(value) if isinstance(value, bytes) else as_name(value, "target")
