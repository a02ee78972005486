"""A folder of texts, a file each: ``pos/1.txt``, ``neg/2.txt``; a text's folder is its label."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest
from pathlib import Path

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import LONGEST_ROW, Encoding, detect_encoding
from textgraft.data.formats.tables import EXCERPT, Row
from textgraft.errors import DataError

ID = "id"
"""The column that names a text by its path in the folder, as "pos/1.txt"."""
_NO_LABELS = ("unsup", "unlabeled", "unlabelled")
"""Folders whose texts have no label, as in the IMDB reviews."""
_BYTES_A_CHARACTER = 4


def holds_texts(path: Path, *, labelled: bool) -> bool:
    """Tell whether a folder is one of texts: in sub-folders, or without labels also in itself."""
    return any(map(_is_label, _folders(path))) or (not labelled and _has_text(path))


def _folders(path: Path) -> list[Path]:
    return sorted(Path(entry.path) for entry in os.scandir(path) if entry.is_dir())


def _is_label(path: Path) -> bool:
    """Tell whether a folder holds the texts of a label, and is not itself one of labels."""
    return _has_text(path) and not any(map(_has_text, _folders(path)))


def _has_text(path: Path) -> bool:
    return any(_is_text(entry) for entry in os.scandir(path))


def _is_text(entry: os.DirEntry[str]) -> bool:
    return entry.name.lower().endswith(".txt") and not entry.name.startswith(".") and entry.is_file()


class FolderTable:
    """The texts of a folder. Rows come from the sub-folders in turn, each in the order of its files' names.

    Its columns are "text", "label" (the sub-folder) and "id" (the path inside the folder); the texts of a
    folder without sub-folders have no label. Rows have no lines, so they are numbered from 1.
    """

    format = "folder"
    numbering: Numbering = "row"
    encoding: Encoding | None = None
    delimiter: str | None = None
    blank_lines = 0

    def __init__(self, path: Path) -> None:
        self._path = path
        by_label: dict[str, list[str]] = {}
        for folder in filter(_is_label, _folders(path)):
            by_label[folder.name] = sorted(entry.name for entry in os.scandir(folder) if _is_text(entry))
        own = sorted(entry.name for entry in os.scandir(path) if _is_text(entry))
        self.nested: Sequence[str] = ()
        self.remarks: list[str] = []
        if by_label and own:
            files = f"{len(own):,} .txt files" if len(own) > 1 else own[0]
            self.remarks.append(f"Only the texts in sub-folders are read; beside them there is {files}.")
        paths = [[f"{folder}/{name}" for name in names] for folder, names in by_label.items()]
        # In turn, so that the first rows, by which a task is told, have every label.
        self._names = [name for name in chain(*zip_longest(*paths)) if name is not None] or own
        self.columns = ["text", "label", ID] if by_label else ["text", ID]

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the columns ``names``, file by file."""
        for number, name in enumerate(self._names, start=1):
            label = name.rpartition("/")[0]
            known: dict[str, str | None] = {"label": None if label.lower() in _NO_LABELS else label, ID: name}
            if "text" not in names:
                yield Row(number, [known[column] for column in names], name)
                continue
            try:
                text = _read(self._path / name)
            except DataError as error:
                yield Rejected(number, error.what, name)
                continue
            known["text"] = text
            yield Row(number, [known[column] for column in names], f"{name}: {text[:EXCERPT]}")


def _read(path: Path) -> str:
    """Read one text.

    Raises:
        DataError: It is no text, or too long; what is wrong is a reason to set the row aside.
    """
    with path.open("rb") as handle:
        data = handle.read(_BYTES_A_CHARACTER * LONGEST_ROW + 1)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        encoding = detect_encoding(path)
        text = data.decode(encoding.codec, errors="replace")
        if encoding.title == "UTF-8":
            raise DataError("broken UTF-8, or binary data")
    if len(text) > LONGEST_ROW:
        raise DataError(f"too long: the text has more than {LONGEST_ROW:,} characters")
    return text.rstrip("\r\n")
