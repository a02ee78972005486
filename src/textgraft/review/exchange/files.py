"""Files of review items: which tool a file is of, and reading and writing it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from textgraft.data.dataset import Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.json_document import read_document
from textgraft.data.formats.lines import detect_encoding
from textgraft.data.values import UnusableError
from textgraft.errors import DataError, OptionError, unknown
from textgraft.files import atomic_writer, write_json
from textgraft.review.exchange.argilla import ARGILLA
from textgraft.review.exchange.base import Exchanged, Tool
from textgraft.review.exchange.doccano import DOCCANO
from textgraft.review.exchange.label_studio import LABEL_STUDIO, interface
from textgraft.review.exchange.prodigy import PRODIGY
from textgraft.review.exchange.table import Records, Wanted, read_items
from textgraft.review.items import Answered, Decision, Item

TABLE = "table"
TOOLS: Mapping[str, Tool] = {
    "label-studio": LABEL_STUDIO,
    "argilla": ARGILLA,
    "prodigy": PRODIGY,
    "doccano": DOCCANO,
}
"""By the name of their format; in the order in which files are tried."""
FORMATS = (TABLE, *TOOLS)
_LOOKED_AT = 20


@dataclass
class Found:
    """What stands in a file."""

    title: str
    items: list[Item] = field(default_factory=list)
    answers: list[tuple[str, Answered]] = field(default_factory=list)
    """What its people answered, each with the id of its item."""
    rejected: list[Rejected] = field(default_factory=list)


def read_file(path: Path, form: str | None, wanted: Wanted) -> Found:
    """Read the items of a file, and what was answered in it.

    Args:
        path: CSV, TSV, JSON, JSON Lines or Parquet.
        form: One of :data:`FORMATS`; told by the file if None.
        wanted: Which rows, and as what.

    Raises:
        DataError: It cannot be read, is not of that format, or answers in it have no reviewer.
        OptionError: An option is unknown or does not fit.
    """
    if form is not None and form not in FORMATS:
        raise unknown("format", form, FORMATS, where="--format")
    records = None if form == TABLE else _records(path)
    tool = TOOLS[form] if form is not None and form in TOOLS else _tool(records)
    if tool is None:
        items, rejected = read_items(path, wanted)
        return Found("table", items, [], rejected)
    for option, value in (("--below", wanted.below), ("--rows", wanted.rows), ("--label", wanted.label)):
        if value is not None:
            raise OptionError(
                f"files of {tool.title} have no use for it",
                where=option,
                fix="Leave it out, or give a table.",
            )
    found = Found(tool.title)
    for line, record in records or ():
        if isinstance(record, Rejected):
            found.rejected.append(record)
            continue
        try:
            if not tool.recognises(record) and form is None:
                raise UnusableError(f"no record of {tool.title}")
            _add(found, tool.read(record, wanted.task), path, wanted)
        except (UnusableError, KeyError) as problem:
            found.rejected.append(Rejected(line, str(problem), str(record)[:200]))
    if not found.items and found.rejected:
        raise DataError(
            f"no record can be used: {found.rejected[0].reason}",
            where=f"{path}, record {found.rejected[0].line}",
            fix=f"Give a file as {tool.title} exports it, or name its --format.",
        )
    return found


def _add(found: Found, exchanged: Exchanged, path: Path, wanted: Wanted) -> None:
    facts = {"source": str(path), "reviewers": wanted.reviewers, "time": path.stat().st_mtime}
    if wanted.model:
        facts["model"] = wanted.model
    item = msgspec.structs.replace(exchanged.item, **facts)
    found.items.append(item)
    for answer in exchanged.answers:
        reviewer = answer.reviewer or wanted.by
        if not reviewer:
            raise DataError(
                f"the file does not say who answered, as for {item.text[:40]!r}",
                where=str(path),
                fix="Say it: --by NAME.",
            )
        found.answers.append((item.id, msgspec.structs.replace(answer, reviewer=reviewer)))


def _records(path: Path) -> list[tuple[int, Any]] | None:
    """Return the objects in a JSON file with their lines or numbers; None where it is something else."""
    suffix = Path(bare_name(path)).suffix.lower()
    if suffix in (".jsonl", ".ndjson") and path.is_file():
        table = Records(path)
        if table.are_predictions:
            return None
        found: list[tuple[int, Any]] = [
            (line, {name: value for name, value in record.items() if value is not None})
            for line, record in table
        ]
        return [*found, *((row.line, row) for row in table.rejected)]
    if suffix == ".json" and path.is_file():
        document = read_document(path, detect_encoding(path))
        if isinstance(document, list):
            return [
                (number, entry if isinstance(entry, dict) else Rejected(number, "malformed: no object", ""))
                for number, entry in enumerate(document, start=1)
            ]
    return None


def _tool(records: Sequence[tuple[int, Any]] | None) -> Tool | None:
    first = [record for _, record in islice(records or (), _LOOKED_AT) if isinstance(record, dict)]
    for tool in TOOLS.values():
        if first and all(tool.recognises(record) for record in first):
            return tool
    return None


def write_tool(
    path: Path, form: str, rows: Iterable[tuple[Item, Decision | None]], labels: Mapping[str, Sequence[str]]
) -> int:
    """Write items, with what was decided of them, as a tool reads them; returns how many.

    For Label Studio, ``<path>.xml`` is the labelling interface that its project needs.

    Args:
        path: The file.
        form: One of :data:`TOOLS`.
        rows: The items; of those without a decision what the model answered is suggested.
        labels: Of each task.

    Raises:
        DataError: Items of several tasks cannot be asked by one interface.
        OutputError: The file cannot be written.
    """
    tool = TOOLS[form]
    listed = list(rows)
    tasks = {item.task for item, _ in listed}
    if len(tasks) > 1:
        raise DataError(
            f"the store has items of {' and '.join(sorted(tasks))}, and such a file is of one task",
            fix="Export one of them: --task.",
        )
    written = [tool.write(item, decision, labels[item.task]) for item, decision in listed]
    if tool.ending == ".json":
        write_json(path, written)
    else:
        with atomic_writer(path) as handle:
            for record in written:
                handle.write(msgspec.json.encode(record) + b"\n")
    if tool is LABEL_STUDIO and listed:
        item = listed[0][0]
        with atomic_writer(interface_file(path)) as handle:
            handle.write(interface(item, labels[item.task]).encode())
    return len(written)


def interface_file(path: Path) -> Path:
    """Return the file of the labelling interface that belongs to tasks of Label Studio."""
    return path.with_name(path.name + ".xml")


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows as CSV or JSON Lines, by the ending; lists are written as JSON in CSV. Returns how many.

    Raises:
        OutputError: The file cannot be written.
    """
    listed = list(rows)
    with atomic_writer(path) as handle:
        if path.suffix.lower() == ".jsonl":
            for row in listed:
                handle.write(msgspec.json.encode(row) + b"\n")
            return len(listed)
        names = list(dict.fromkeys(name for row in listed for name in row))
        text = io.TextIOWrapper(handle, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(names)
        writer.writerows(_cells(row, names) for row in listed)
        text.detach()
    return len(listed)


def _cells(row: Mapping[str, Any], names: Sequence[str]) -> Iterator[Any]:
    for name in names:
        value = row.get(name)
        yield msgspec.json.encode(value).decode() if isinstance(value, list | dict) else value
