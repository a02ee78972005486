"""Data sets of the Hugging Face Hub, by name, through the ``datasets`` package."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import Encoding
from textgraft.data.formats.tables import Row
from textgraft.errors import DataError, MissingExtraError

_HUB_NAME = re.compile(r"hub:\S+|[A-Za-z0-9][\w.-]*/[\w.-]+")
_BATCH_ROWS = 1000


def is_hub_name(source: str) -> bool:
    """Tell whether ``source`` has the form of a Hub name: ``owner/name``, or anything after ``hub:``."""
    return _HUB_NAME.fullmatch(source) is not None


class HubTable:
    """One split of a Hub data set. Class labels stored as numbers come back as their names.

    Args:
        name: As ``owner/name``, or ``hub:name`` for names without an owner and for folders.
        split: The split to read.

    Raises:
        MissingExtraError: The package ``datasets`` is not installed.
        DataError: There is no such data set or split, or it cannot be fetched.
    """

    format = "Hub"
    numbering: Numbering = "row"
    encoding: Encoding | None = None
    delimiter: str | None = None
    blank_lines = 0
    remarks: Sequence[str] = ()
    nested: Sequence[str] = ()

    def __init__(self, name: str, split: str) -> None:
        try:
            import datasets
        except ImportError as error:
            raise MissingExtraError("datasets", "hub", "Reading a data set from the Hub") from error
        try:
            self._data = datasets.load_dataset(name.removeprefix("hub:"), split=split)
        except Exception as error:  # the package lets through whatever its network and file layers raise
            raise DataError(
                f"this data set cannot be loaded: {str(error).strip() or type(error).__name__}",
                where=f"{name}, split {split!r}",
                fix="Check the name and the split on huggingface.co/datasets, or give a file instead.",
            ) from error
        self.columns = list(self._data.column_names)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, batch by batch."""
        classes = [getattr(self._data.features[name], "names", None) for name in names]
        start = 1
        for batch in self._data.select_columns(list(names)).iter(batch_size=_BATCH_ROWS):
            columns = [
                values if titles is None else [_class_name(value, titles) for value in values]
                for values, titles in zip((batch[name] for name in names), classes, strict=True)
            ]
            for number, values in enumerate(zip(*columns, strict=True), start):
                yield Row(number, values)
            start += len(columns[0])


def _class_name(value: int | None, names: Sequence[str]) -> str | None:
    # Hub sets write -1 where the label is withheld.
    return None if value is None or value < 0 else names[value]
