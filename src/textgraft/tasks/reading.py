"""The user's rows: which task they are of, read and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.data.spans import CHARACTERS, check_unit
from textgraft.data.spellings import merge_spellings
from textgraft.data.splits import Splits, make_splits
from textgraft.errors import OptionError
from textgraft.tasks.base import Task
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.registry import task_class
from textgraft.tasks.sketch import Sketch


def named_task(
    name: str | None,
    source: str | Path | Dataset,
    note: Callable[[str], None],
    *,
    text: str | Sequence[str] | None,
    label: str | Sequence[str] | None,
) -> type[Task]:
    """Return the task of a name, or the one that the file tells; what was assumed of the file is noted.

    Rows that are given as a data set, without a task, are classified.
    """
    if isinstance(source, Dataset) or not str(source):
        return task_class(name or "classification")
    if name is None:
        guess = guess_task(source, text=text, label=label)
        note(f"taken for {guess.task}: {guess.reason}. To change it: --task, --text, --label")
        return task_class(guess.task)
    task = task_class(name)
    if not text or not label:
        found = task.recognise(Sketch(source, as_tuple(text), as_tuple(label)))
        if found is not None:
            note(f"taken as it seems: {found.reason}. To change it: --text, --label")
    return task


def with_offsets(task: type[Task], offsets: str) -> dict[str, str]:
    """Return the keyword by which a task reads offsets that do not count characters, if they do not.

    Raises:
        OptionError: The unit is unknown, or the task's files have no offsets.
    """
    if check_unit(offsets) == CHARACTERS:
        return {}
    if not task.has_offsets:
        raise OptionError(
            f"the files of the task {task.name} have no offsets", where="--offsets", fix="Leave it out."
        )
    return {"offsets": offsets}


def read_splits(
    task: type[Task],
    source: str | Path | Dataset,
    *,
    text: str | Sequence[str] | None,
    label: str | Sequence[str] | None,
    id_column: str | None,
    group: str | None,
    test: str | Path | None,
    dev: str | Path | None,
    merge_labels: bool = False,
    offsets: str = CHARACTERS,
    note: Callable[[str], None] = lambda line: None,
) -> tuple[Splits, Dataset]:
    """Read the user's files; return their splits and the whole of the first one.

    Args:
        task: What the rows are of.
        source: The user's file, or rows.
        text: The text columns, if they are named; so the following ones.
        label: The label columns.
        id_column: The column that names rows.
        group: The column whose equal values never straddle splits.
        test: A file of the user's own test rows.
        dev: One of dev rows.
        merge_labels: Whether labels that differ in spelling alone become one, in all files alike.
        offsets: What the offsets of spans count.
        note: Told how the rows were read, where they could have been read in another way.

    Raises:
        DataError: A file cannot be read, or its rows cannot be split.
        OptionError: A column does not exist.
    """
    whole, own_test, own_dev = read_files(
        task,
        source,
        text=text,
        label=label,
        id_column=id_column,
        group=group,
        test=test,
        dev=dev,
        merge_labels=merge_labels,
        offsets=offsets,
        note=note,
    )
    return make_splits(whole, test=own_test, dev=own_dev), whole


def read_files(
    task: type[Task],
    source: str | Path | Dataset,
    *,
    text: str | Sequence[str] | None,
    label: str | Sequence[str] | None,
    id_column: str | None,
    group: str | None,
    test: str | Path | None,
    dev: str | Path | None,
    merge_labels: bool,
    offsets: str,
    note: Callable[[str], None],
) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """Read the user's file and, where they are given, the test and dev files, as :func:`read_splits` does."""
    units = with_offsets(task, offsets)

    def read(path: str | Path, text: Sequence[str] | None, label: Sequence[str] | None) -> Dataset:
        return task.read(path, text=text, label=label, id_column=id_column, group=group, **units)

    whole = source if isinstance(source, Dataset) else read(source, as_tuple(text), as_tuple(label))
    # Columns that were guessed in one file must be the same in the others.
    names = list(whole.columns) if whole.label_column else None
    others = [read(path, names, as_tuple(whole.label_column)) if path else None for path in (test, dev)]
    if merge_labels:
        given = [dataset for dataset in (whole, *others) if dataset is not None]
        (whole, *rest), found = merge_spellings(given)
        others = [None if dataset is None else rest.pop(0) for dataset in others]
        for group_of_spellings in found:
            note(f"merged into {group_of_spellings.name!r}: {group_of_spellings}")
    for remark in whole.notes.remarks if whole.notes else ():
        note(remark)
    return whole, others[0], others[1]
