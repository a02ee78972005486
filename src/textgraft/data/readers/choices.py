"""Multiple choice: a prompt, several choices, and which of them is right.

Two forms are read. In the form of SWAG (Zellers et al. 2018) every choice has a column of its own:
``ending0`` to ``ending3``, ``choice_a`` and ``choice_b``, or ``A`` to ``D``. Otherwise one column holds the
list of choices, as a JSON list. In the data set every choice is a column; those of a list are named
``choices[0]``, ``choices[1]``, ….

The label is the number of the right choice, or its letter, its column or its text. Numbers are counted from
0, or from 1 where none is 0 and one is that of the last choice.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textgraft.data.columns import Choice, Columns, as_tuple, choose_columns
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.readers.reading import Form, read_rows, set_aside
from textgraft.data.sample import Sample, is_missing
from textgraft.data.values import UnusableError, any_text, as_list, as_name, every_text, within_limit
from textgraft.errors import DataError, OptionError

CHOICE_NAMES = ("ending", "choice", "option", "answer", "candidate", "alternative")
"""Names that, with a number or letter behind them, are taken for the columns of the choices; in the plural
for the column of a list of choices."""

PROMPTS = (
    ("startphrase",), ("prompt",), ("ctx",), ("sent1", "sent2"), ("context", "question"),
    ("article", "question"), ("premise", "question"), ("premise",), ("context",), ("question",),
    ("sentence",), ("text",),
)  # fmt: skip
"""Columns that are taken for the prompt when no column is named: the first entry whose columns all exist."""

LABEL_NAMES = ("label", "gold", "answer", "answerkey", "correct", "correctanswer", "target", "answeridx")
"""Column names that are taken for the label when no column is named."""

_ELEMENT = re.compile(r"(.+)\[(\d+)\]")
_NUMBERED = re.compile(rf"({'|'.join(CHOICE_NAMES)})(\d+|[a-z])|()([a-z])")


def split_names(columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell the columns of the prompt from those of the choices, both in their order.

    Choices are the columns named as such (see :data:`CHOICE_NAMES`) or the elements of a list; where fewer
    than two are, all columns but the first.
    """
    choices = find_choices(columns) or [name for name in columns if _ELEMENT.fullmatch(name)]
    if len(choices) < 2:
        choices = list(columns[1:])
    return [name for name in columns if name not in choices], choices


def find_choices(columns: Sequence[str]) -> list[str]:
    """Return the columns that are numbered like choices, in the order of their numbers, or none."""
    families: dict[str, dict[tuple[int, str], str]] = {}
    for column in columns:
        if match := _NUMBERED.fullmatch(re.sub(r"[^a-z0-9]", "", column.lower())):
            stem, mark = match[1] or "", match[2] or match[4]
            families.setdefault(stem, {})[len(mark), mark] = column
    for stem, family in families.items():
        if len(family) >= (2 if stem else 3):
            return [family[mark] for mark in sorted(family)]
    return []


def find_list(columns: Sequence[str]) -> str | None:
    """Return the column that is named like a list of choices, or None."""
    plural = {f"{name}s" for name in CHOICE_NAMES}
    return next((column for column in columns if column.lower() in plural), None)


def choices_of(sample: Sample, wanted: Columns) -> list[str] | None:
    """Return the columns of choices, or the one of their list, where most labels name one of them.

    None also where the user's word is of other columns: of texts without choices, or of several labels.
    """
    labels = list(wanted.label) or [name for name in sample.columns if _plain(name) in LABEL_NAMES]
    found = find_choices([name for name in sample.columns if name not in labels])
    listed = find_list([name for name in sample.columns if name not in labels])
    columns = found or ([listed] if listed else [])
    named = [name for name in wanted.text if name in columns or _ELEMENT.fullmatch(name)]
    if not columns or len(wanted.label) > 1 or (wanted.text and wanted.label and not named):
        return None
    for label in labels:
        values = zip(
            sample[label].values, zip(*(sample[name].values for name in columns), strict=True), strict=True
        )
        told = [_names_choice(value, row, found) for value, row in values if not is_missing(value)]
        if told and 2 * sum(told) > len(told):
            return columns
    return None


def _names_choice(label: Any, cells: Sequence[Any], columns: Sequence[str]) -> bool:
    """Tell whether a label names one of a row's choices, counted from 0 or from 1."""
    try:
        choices = _choices(list(cells) if columns else cells[0])
        name = as_name(label)
        if name.isdigit():
            return int(name) <= len(choices)
        _target(name, columns or [""] * len(choices), choices)
    except UnusableError:
        return False
    return True


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_choices(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
) -> Dataset:
    """Read questions with their choices.

    Args:
        source: As for :func:`~textgraft.data.readers.reading.read_dataset`.
        text: The column of the prompt, or several which are joined; behind them, optionally, the columns of
            the choices, or the column of their list. Guessed from common names if None.
        label: The label column; guessed from common names if None. Not read unless ``labelled``.
        id_column: As there.
        group: As there.
        labelled: Whether rows need a label.

    Returns:
        Rows with the columns of the prompt and one column a choice; labels are numbers of choices, from 0.
        Set aside are rows with an empty choice, with another number of choices than most, or with a label
        that is none of the choices.

    Raises:
        DataError: As there, or no choices are found.
        OptionError: As there.
    """
    where = str(source)
    prompt: list[str] = []
    choices: list[str] = []

    def choose(sample: Sample) -> Choice:
        nonlocal prompt, choices
        taken = {*as_tuple(label), id_column, group}
        prompt, choices = _name_columns(sample.columns, list(as_tuple(text)), taken, where)
        wanted = Columns.named([*prompt, *choices], label, id_column, group, labelled)
        return choose_columns(sample, wanted, where=where, label_names=LABEL_NAMES)

    def as_texts(values: Sequence[Any]) -> list[Any]:
        prompts, rest = any_text(values[: len(prompt)]), values[len(prompt) :]
        return [*prompts, _choices(rest[0])] if len(choices) == 1 else [*prompts, *_choices(list(rest))]

    dataset = read_rows(source, choose, Form(as_texts), labelled=labelled)
    if len(choices) == 1:
        dataset = _spread(dataset, choices[0])
    return _with_targets(dataset) if dataset.labels is not None else dataset


def _name_columns(
    columns: Sequence[str], given: list[str], taken: set[str | None], where: str
) -> tuple[list[str], list[str]]:
    """Return the columns of the prompt, and those of the choices or the one column of their list."""
    free = [name for name in columns if name not in taken]
    if elements := [
        match[1] for name in given if (match := _ELEMENT.fullmatch(name)) and match[1] in columns
    ]:
        return [name for name in given if not _ELEMENT.fullmatch(name)], elements[:1]
    if len(given) > 2:
        prompt, choices = split_names(given)
        if not prompt:
            raise OptionError(
                f"the prompt is missing: {', '.join(map(repr, given))} are all choices",
                where=where,
                fix="Name the column of the prompt first.",
            )
        return prompt, choices
    if len(given) == 2 and given[1] == find_list(given):
        return given[:1], given[1:]
    choices = find_choices([name for name in free if name not in given])
    if not choices and (found := find_list([name for name in free if name not in given])):
        choices = [found]
    if not choices:
        raise DataError(
            "no columns look like choices",
            where=where,
            fix="Name the prompt and every choice with --text (in Python: text=[…]), or name the columns "
            f"ending0, ending1, … or choices. Columns found: {', '.join(map(repr, columns[:40]))}.",
        )
    if given:
        return given, choices
    plain = {name.lower(): name for name in reversed(free)}
    for names in PROMPTS:
        if all(name in plain for name in names):
            return [plain[name] for name in names], choices
    raise DataError(
        "no column looks like the prompt",
        where=where,
        fix=f"Name it with --text (in Python: text=…). Columns found: {', '.join(map(repr, columns[:40]))}.",
    )


def _choices(value: Any) -> list[str]:
    """Return the texts in a list of choices."""
    found = as_list(value, "choices")
    if found is None:
        raise UnusableError("no choices: a list is needed")
    if len(found) < 2:
        raise UnusableError(f"too few choices: {len(found)} where at least 2 are needed")
    return within_limit(every_text(found, "choice"))


def _spread(dataset: Dataset, column: str) -> Dataset:
    """Make a column of every choice; set aside the rows that have more or fewer than most have."""
    choices = dataset.columns[column]
    counts = Counter(len(row) for row in choices)
    usual = min(counts, key=lambda count: (-counts[count], count))
    dataset = set_aside(
        dataset,
        {
            row: f"unequal choices: {len(found)} where most rows have {usual}"
            for row, found in enumerate(choices)
            if len(found) != usual
        },
    )
    columns = {name: values for name, values in dataset.columns.items() if name != column}
    choices = dataset.columns[column]
    for place in range(usual):
        columns[f"{column}[{place}]"] = [row[place] for row in choices]
    return replace(dataset, columns=columns)


def _with_targets(dataset: Dataset) -> Dataset:
    """Turn labels into numbers of choices; set aside the rows whose label is none."""
    _, names = split_names(list(dataset.columns))
    targets: list[Any] = []
    reasons: dict[int, str] = {}
    numbers = {int(label) for label in dataset.labels or () if label.isdigit()}
    from_one = bool(numbers) and min(numbers) == 1 and max(numbers) == len(names)
    if from_one and dataset.notes is not None:
        said = f"Choices are counted from 1: the labels are 1 to {len(names)}, and none is 0."
        dataset = replace(dataset, notes=replace(dataset.notes, remarks=(*dataset.notes.remarks, said)))
    for row, label in enumerate(dataset.labels or ()):
        try:
            named = str(int(label) - 1) if from_one and label.isdigit() else label
            targets.append(_target(named, names, [dataset.columns[name][row] for name in names]))
        except UnusableError as problem:
            targets.append(None)
            reasons[row] = str(problem)
    return set_aside(replace(dataset, labels=targets), reasons)


def _target(label: str, names: Sequence[str], choices: Sequence[str]) -> int:
    """Return the number of the choice that a label names."""
    if re.fullmatch(r"-?\d+", label):
        if 0 <= int(label) < len(choices):
            return int(label)
        raise UnusableError(f"label out of range: {label}, but choices are counted 0 to {len(choices) - 1}")
    texts = [choice.strip() for choice in choices]
    if label in texts:
        if texts.count(label) > 1:
            raise UnusableError(f"ambiguous label: {texts.count(label)} choices read {label[:40]!r}")
        return texts.index(label)
    if label in names:
        return list(names).index(label)
    if len(label) == 1 and 0 <= ord(label.lower()) - ord("a") < len(choices):
        return ord(label.lower()) - ord("a")
    raise UnusableError(f"unknown label: {label[:40]!r} is none of the choices")
