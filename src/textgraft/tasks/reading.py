"""The user's rows: which task they are of, read and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from textgraft.data.columns import as_tuple
from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.read_options import Offsets, Packing
from textgraft.data.spans import CHARACTERS, check_unit
from textgraft.data.spellings import merge_spellings
from textgraft.data.splits import Splits, make_splits
from textgraft.errors import OptionError
from textgraft.tasks.base import Task
from textgraft.tasks.guessing import guess_task
from textgraft.tasks.named import RowSettings
from textgraft.tasks.registry import task_class
from textgraft.tasks.sketch import Sketch


def named_task(source: Source | Dataset, settings: RowSettings, note: Callable[[str], None]) -> type[Task]:
    """Return the task that the user named, or the one that the file tells; what was assumed of it is noted.

    Rows that are given as a data set, without a task, are classified.
    """
    name, text, label = settings.task, settings.text, settings.label
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


def with_offsets(task: type[Task], offsets: str) -> Offsets:
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
    source: Source | Dataset,
    settings: RowSettings,
    note: Callable[[str], None] = lambda line: None,
) -> tuple[Splits, Dataset]:
    """Read the user's files; return their splits and the whole of the first one.

    Args:
        task: What the rows are of.
        source: The user's file, or rows.
        settings: What the user named.
        note: Told how the rows were read, where they could have been read in another way.

    Raises:
        DataError: A file cannot be read, or its rows cannot be split.
        OptionError: A column does not exist.
    """
    whole, test, dev = read_files(task, source, settings, note)
    return make_splits(whole, test=test, dev=dev), whole


def read_files(
    task: type[Task],
    source: Source | Dataset,
    settings: RowSettings,
    note: Callable[[str], None],
    *,
    packed: bool = False,
) -> tuple[Dataset, Dataset | None, Dataset | None]:
    """Read the user's file and, where they are named, the test and dev files, as :func:`read_splits` does.

    Args:
        task: As there.
        source: As there.
        settings: As there.
        note: As there.
        packed: Whether texts and labels are to be held in little memory, where the task can.
    """
    units = with_offsets(task, settings.offsets)
    packing: Packing = {"packed": True} if packed and task.packs_texts else {}

    def read(rows: Source | Dataset, text: Sequence[str], label: Sequence[str]) -> Dataset:
        if isinstance(rows, Dataset):
            return rows
        if isinstance(rows, GivenTable):
            rows = rows.called(text, label)
        id_column, group = settings.id_column, settings.group
        return task.read(
            rows, text=text or None, label=label or None, id_column=id_column, group=group, **units, **packing
        )

    named = as_tuple(settings.text), as_tuple(settings.label)
    whole = read(source, *named)
    # Columns that were guessed in one file must be the same in the others.
    names = list(whole.columns) if whole.label_column else []
    others = [
        read(rows, names, as_tuple(whole.label_column)) if rows is not None else None
        for rows in (settings.test, settings.dev)
    ]
    if settings.merge_labels:
        given = [dataset for dataset in (whole, *others) if dataset is not None]
        (whole, *rest), found = merge_spellings(given)
        others = [None if dataset is None else rest.pop(0) for dataset in others]
        for group_of_spellings in found:
            note(f"merged into {group_of_spellings.name!r}: {group_of_spellings}")
    for remark in whole.notes.remarks if whole.notes else ():
        note(remark)
    return whole, others[0], others[1]
