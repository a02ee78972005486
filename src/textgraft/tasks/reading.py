"""The user's rows: which task they are of, read and split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from textgraft.data.dataset import Dataset
from textgraft.data.spellings import merge_spellings
from textgraft.data.splits import Splits, make_splits
from textgraft.tasks.base import Task
from textgraft.tasks.registry import task_class


def named_task(
    name: str | None,
    source: str | Path | Dataset,
    note: Callable[[str], None],
    *,
    text: str | Sequence[str] | None,
    label: str | None,
) -> type[Task]:
    """Return the task of a name, or the one that the file tells; what was guessed is noted.

    Rows that are given as a data set, without a task, are classified.
    """
    if name is None and not isinstance(source, Dataset):
        from textgraft.tasks.guessing import guess_task

        guess = guess_task(source, text=text, label=label)
        name = guess.task
        if name != "classification":
            note(f"taken for {name}: {guess.reason}")
    return task_class(name or "classification")


def read_splits(
    task: type[Task],
    source: str | Path | Dataset,
    *,
    text: str | Sequence[str] | None,
    label: str | None,
    id_column: str | None,
    group: str | None,
    test: str | Path | None,
    dev: str | Path | None,
    merge_labels: bool = False,
) -> tuple[Splits, Dataset]:
    """Read the user's files; return their splits and the whole of the first one.

    With ``merge_labels``, labels that differ in spelling alone become one, in all files alike.
    """
    columns = [text] if isinstance(text, str) else text

    def read(path: str | Path, text: Sequence[str] | None, label: str | None) -> Dataset:
        return task.read(path, text=text, label=label, id_column=id_column, group=group)

    whole = source if isinstance(source, Dataset) else read(source, columns, label)
    # Columns that were guessed in one file must be the same in the others.
    names = list(whole.columns) if whole.label_column else None
    others = [read(path, names, whole.label_column) if path else None for path in (test, dev)]
    if merge_labels:
        given = [dataset for dataset in (whole, *others) if dataset is not None]
        merged, _ = merge_spellings(given)
        whole, *rest = merged
        others = [None if dataset is None else rest.pop(0) for dataset in others]
    return make_splits(whole, test=others[0], dev=others[1]), whole
