"""JSON Lines: one JSON object a line, decoded line by line so that one broken line costs one row."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.lines import Encoding, TextLines, detect_encoding
from textgraft.data.formats.nested import nested_names, reach
from textgraft.data.formats.tables import SAMPLE, Row, reject_line
from textgraft.errors import DataError

_SAMPLED_OBJECTS = 1000
"""A key counts as a column if it occurs in one of the first so many objects."""
_BEYOND_JSON = re.compile(r"NaN|Infinity|\\u[dD][89a-fA-F]")


def lenient(text: str) -> Any:
    """Decode JSON that holds what Python and pandas write and JSON does not have: NaN and Infinity, as None.

    Strings may hold half a surrogate pair; whoever uses one must look at it. None for what is no JSON at all,
    or would have been decoded anyway.
    """
    if not _BEYOND_JSON.search(text):
        return None
    try:
        return json.loads(text, parse_constant=lambda name: None)
    except (ValueError, RecursionError):
        return None


class JsonLinesTable:
    """A file with one JSON object a line; its keys are the columns.

    Raises:
        DataError: The file is empty, not text, or no line of it is a JSON object.
    """

    format = "JSON Lines"
    numbering: Numbering = "line"
    delimiter: str | None = None
    remarks: Sequence[str] = ()

    def __init__(self, path: Path) -> None:
        self._path = path
        self.encoding: Encoding = detect_encoding(path)
        self.blank_lines = 0
        keys: dict[str, None] = {}
        objects: list[dict[str, Any]] = []
        for value in islice(self._decoded(msgspec.json.Decoder(dict[str, Any])), _SAMPLED_OBJECTS):
            keys.update(dict.fromkeys(value))
            if len(objects) < SAMPLE:
                objects.append(value)
        if not keys:
            raise DataError(
                "no line of this file is a JSON object",
                where=str(path),
                fix='Each line must be one object, as in: {"text": "…", "label": "…"}',
            )
        self.columns = list(keys)
        self.nested: Sequence[str] = nested_names(objects, keys)

    def _decoded(self, decoder: msgspec.json.Decoder[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for line in TextLines(self._path, self.encoding):
            if line.problem is None:
                try:
                    yield decoder.decode(line.text)
                except (msgspec.DecodeError, RecursionError):
                    value = lenient(line.text)
                    if isinstance(value, dict):
                        yield value

    def rows(self, names: Sequence[str]) -> Iterator[Row | Rejected]:
        """Read the keys ``names`` of every object; the other keys are skipped without being built."""
        names, take = reach(names, self.columns)
        keys = {f"value{position}": name for position, name in enumerate(names)}
        struct = msgspec.defstruct("Record", [(field, Any, None) for field in keys], rename=keys)
        decode = msgspec.json.Decoder(struct).decode
        astuple = msgspec.structs.astuple
        self.blank_lines = 0
        for line in TextLines(self._path, self.encoding):
            if line.problem is not None:
                yield reject_line(line)
                continue
            try:
                yield Row(line.number, take(astuple(decode(line.text))), line.text)
            except (msgspec.DecodeError, RecursionError) as error:
                if isinstance(value := lenient(line.text), dict):
                    yield Row(line.number, take([value.get(name) for name in names]), line.text)
                elif line.text.strip():
                    yield reject_line(line, f"malformed JSON: {error}")
                else:
                    self.blank_lines += 1
