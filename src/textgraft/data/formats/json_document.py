"""A JSON file that is one document: records, columns, or what annotation tools export.

The forms that are read as a table:

- a list of objects, also one that is the only list within objects (``{"data": [...]}``);
- a list of lists of equal length: their columns are called "column 1", "column 2", …; spaCy's training pairs
  of a text and ``{"entities": [...]}`` are such;
- an object of columns: ``{"text": [...], "label": [...]}``, as pandas writes them with ``orient="list"``,
  "dict" or "split", or an object of objects, a row each;
- the tasks of Label Studio (:mod:`textgraft.data.formats.label_studio`).

SQuAD is a document as well, and no table.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.compressed import open_bytes
from textgraft.data.formats.jsonlines import JsonLinesTable, lenient
from textgraft.data.formats.label_studio import are_tasks, flatten
from textgraft.data.formats.lines import Encoding, TextLines, detect_encoding
from textgraft.data.formats.nested import nested_names, reach
from textgraft.data.formats.tables import SAMPLE, Row
from textgraft.errors import DataError

_SAMPLED_RECORDS = 1000
_DEEPEST = 4
"""Objects within which the list of records may lie."""


def open_json(path: Path, *, lines: bool) -> JsonLinesTable | JsonTable:
    """Open a JSON file as a table, whether it is a document or has an object a line.

    Args:
        path: The file.
        lines: Whether its name promises an object a line; what stands in it decides.

    Raises:
        DataError: The file is empty, not text, malformed, or holds no table.
    """
    encoding = detect_encoding(path)
    filled = (line.text.strip() for line in TextLines(path, encoding) if line.text.strip())
    first, second = next(filled, ""), next(filled, "")
    if first.startswith("[") and lines:
        try:
            return JsonTable(path)
        except DataError:
            return JsonLinesTable(path)  # says what is wrong with its lines
    has_lines = first.startswith("{") and second.startswith("{") and _is_whole(first)
    return JsonLinesTable(path) if lines or has_lines else JsonTable(path)


def _is_whole(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return lenient(text) is not None
    return True


def read_document(path: Path, encoding: Encoding) -> Any:
    """Decode a JSON file; NaN and Infinity in it are None.

    Raises:
        DataError: It is malformed, nested too deeply, or not of its encoding.
    """
    where = str(path)
    try:
        with open_bytes(path) as handle:
            text = handle.read().decode(encoding.codec)
    except UnicodeDecodeError as error:
        line = encoding.first_undecodable_line
        raise DataError(
            f"the file is not valid {encoding.title}: {error.reason}",
            where=f"{where}, line {line}" if line else where,
            fix="Save it as UTF-8.",
        ) from error
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except json.JSONDecodeError as error:
        raise DataError(
            f"malformed JSON: {error.msg}",
            where=f"{where}, line {error.lineno}, column {error.colno}",
            fix="Check that it was written to the end. One object a line is JSON Lines: name it .jsonl.",
        ) from error
    except RecursionError as error:
        raise DataError(
            "the JSON is nested too deeply", where=where, fix="Records have few levels."
        ) from error


def is_squad(document: Any) -> bool:
    """Tell whether a document has the form of SQuAD: data, paragraphs, questions."""
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        return False
    return not data or any(isinstance(entry, dict) and "paragraphs" in entry for entry in data)


class JsonTable:
    """A JSON document as a table. Its rows have no lines, so they are numbered from 1.

    Raises:
        DataError: The document is malformed, or of no form that is a table.
    """

    format = "JSON"
    numbering: Numbering = "row"
    delimiter: str | None = None
    blank_lines = 0

    def __init__(self, path: Path) -> None:
        self.encoding: Encoding = detect_encoding(path)
        document = read_document(path, self.encoding)
        self.squad: dict[str, Any] | None = document if is_squad(document) else None
        """The document, where it is no table but questions in SQuAD's form: then there are no rows."""
        records = None if self.squad else _records(document)
        if records is None and self.squad is None:
            raise DataError(
                "this JSON document is no table: it is neither a list of records nor an object of columns",
                where=str(path),
                fix='Write a list of objects, as [{"text": "…", "label": "…"}], or one object a line '
                "in a file named .jsonl.",
            )
        self._records: Sequence[dict[str, Any] | Rejected | None] = records or []
        self.remarks: Sequence[str] = ()
        if are_tasks(self._records):
            self.format = "Label Studio JSON"
            self._records, self.remarks = flatten(self._records)
        keys: dict[str, None] = {}
        for record in islice(self._records, _SAMPLED_RECORDS):
            if isinstance(record, dict):
                keys.update(dict.fromkeys(record))
        self.columns = list(map(str, keys))
        objects = [record for record in self._records[:SAMPLE] if isinstance(record, dict)]
        self.nested: Sequence[str] = nested_names(objects, self.columns)

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Give the keys ``names`` of every record."""
        names, take = reach(names, self.columns)
        for number, record in enumerate(self._records, start=1):
            if isinstance(record, Rejected):
                yield record
            elif record is None:
                yield Rejected(number, "malformed record: it is neither an object nor a list", "")
            else:
                yield Row(number, take([record.get(name) for name in names]))


def _records(document: Any, depth: int = 0) -> list[dict[str, Any] | None] | None:
    """Return a document's records, None in place of what is none; None where it holds no list of them."""
    if isinstance(document, list):
        return _of_list(document)
    if not isinstance(document, dict) or not document or depth > _DEEPEST:
        return None
    values = list(document.values())
    if isinstance(document.get("columns"), list) and isinstance(document.get("data"), list):  # orient="split"
        names = list(map(str, document["columns"]))
        rows = document["data"]
        return [dict(zip(names, row, strict=False)) if isinstance(row, list) else None for row in rows]
    if _are_columns(values):
        return [dict(zip(document, row, strict=True)) for row in zip(*values, strict=True)]
    if len(values) > 1 and all(isinstance(value, dict) for value in values):
        return _of_objects(document)
    nested = [value for value in values if isinstance(value, dict | list)]
    found = [records for value in nested if (records := _records(value, depth + 1))]
    return found[0] if len(found) == 1 else None


def _are_columns(values: Sequence[Any]) -> bool:
    if not all(isinstance(value, list) for value in values) or len({len(value) for value in values}) > 1:
        return False
    return len(values) > 1 or not any(isinstance(entry, dict | list) for entry in values[0])


def _of_list(entries: list[Any]) -> list[dict[str, Any] | None] | None:
    if any(isinstance(entry, dict) for entry in entries):
        return [entry if isinstance(entry, dict) else None for entry in entries]
    if not entries or not any(isinstance(entry, list) and len(entry) > 1 for entry in entries):
        return None
    return [_of_row(entry) if isinstance(entry, list) else None for entry in entries]


def _of_row(values: list[Any]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for place, value in enumerate(values, start=1):
        if isinstance(value, dict) and "entities" in value:  # spaCy's annotations of the text before
            row |= value
        else:
            row[f"column {place}"] = value
    return row


def _of_objects(document: Mapping[str, dict[str, Any]]) -> list[dict[str, Any] | None]:
    """Read an object of objects: of rows by column where all have the same many keys, else of rows."""
    first, *others = document.values()
    columns = all(value.keys() == first.keys() for value in others)
    # Both forms are grids; a column's keys are the numbers of rows.
    if columns and all(key.isdigit() for key in first) and not all(key.isdigit() for key in document):
        return [{name: values[key] for name, values in document.items()} for key in first]
    return list(document.values())
