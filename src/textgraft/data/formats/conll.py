"""CoNLL columns: a word a line, its tag in the last column, an empty line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from textgraft.data.dataset import Numbering, Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.lines import LONGEST_ROW, Encoding, Line, TextLines, detect_encoding
from textgraft.data.formats.tables import EXCERPT, reject_line
from textgraft.data.tag_schemes import OUTSIDE, is_tag
from textgraft.errors import DataError

_SAMPLED_LINES = 1000
_DOCUMENT = "-DOCSTART-"
_TAGGED_LINE = re.compile(r"\S.*\s(O|[BIESLU]-\S+)")
_MOST = 0.8
"""Fraction of lines, or of cells of a column, that must be tagged: a few may be odd."""
_LONG_SENTENCE = 30
"""Words without an empty line between them from which on sentences are cut at full stops."""
_ENDS = frozenset((".", "!", "?", "。", "！", "？", "।", "؟"))


def is_conll(path: Path) -> bool:
    """Tell whether most of the first lines of a text file end in tags.

    Raises:
        DataError: The file is empty or not text.
    """
    lines = islice(TextLines(path, detect_encoding(path)), _SAMPLED_LINES)
    told = [text for line in lines if (text := line.text.strip()) and not text.startswith((_DOCUMENT, "# "))]
    tagged = sum(_TAGGED_LINE.fullmatch(text) is not None for text in told)
    return bool(told) and tagged >= _MOST * len(told)


class Sentence(NamedTuple):
    """A sentence as it stands in the file."""

    line: int
    """Where it begins."""
    words: list[str]
    tags: list[str]
    """One a word; none where tags are not read."""

    def reject(self, reason: str) -> Rejected:
        """Set the sentence aside."""
        return Rejected(self.line, reason, " ".join(self.words[:EXCERPT])[:EXCERPT])


class ConllTable:
    """A file of CoNLL columns, separated by tabs or by spaces.

    The word is in the first column, in .conllu files in the second, behind its number. Tags are in the last
    column that holds them, maybe as one of the features in it (``name=B-PER|SpaceAfter=No``).
    Lines that begin with ``-DOCSTART-`` stand between documents; those that begin with ``#`` and are no word
    are comments. What most of the first lines have in common is the form of the file. Where no line is empty,
    sentences end with a full stop.

    Args:
        path: The file.
        labelled: Whether there are tags, to be read.

    Raises:
        DataError: The file is empty or not text, or has no column of tags; or, once its sentences are read,
            nothing separates them.
    """

    format = "CoNLL columns"
    numbering: Numbering = "line"

    def __init__(self, path: Path, *, labelled: bool) -> None:
        self._path = path
        self._labelled = labelled
        self._is_numbered = Path(bare_name(path)).suffix.lower() == ".conllu"
        self.encoding: Encoding = detect_encoding(path)
        first = list(islice(TextLines(path, self.encoding), _SAMPLED_LINES))
        sample = [
            line.text.rstrip("\r\n")
            for line in first
            if line.text.strip() and not line.text.startswith((_DOCUMENT, "# "))
        ]
        self.remarks: list[str] = []
        inner = [line.text for line in first if not line.text.startswith("#")]
        is_unbroken = all(text.strip() and not text.startswith(_DOCUMENT) for text in inner)
        self._ends_at_stops = is_unbroken and len(sample) >= _LONG_SENTENCE
        if self._ends_at_stops:
            self.remarks.append("There is no empty line between sentences: they were cut after full stops.")
        tabbed = sum("\t" in text for text in sample)
        self.delimiter = "\t" if 2 * tabbed > len(sample) else " "
        counts = Counter(len(self._fields(text)) for text in sample)
        self.width = counts.most_common(1)[0][0] if counts else 0
        if labelled and self.width < 2 + self._is_numbered:
            raise DataError(
                "there is no column of tags: the lines hold one field",
                where=str(path),
                fix="Each line needs a word and, in the last column, its tag, with a tab or a space between.",
            )
        rows = [fields for text in sample if len(fields := self._fields(text)) == self.width]
        self._tag_at, self._feature = _find_tags(rows, self._is_numbered) if labelled else (-1, None)
        if self._is_numbered and labelled and self._tag_at is None:
            raise DataError(
                "no column holds tags, nor does a feature in the last one",
                where=str(path),
                fix="Tags are O, B-TYPE and I-TYPE; in CoNLL-U they may stand in MISC, as name=B-PER.",
            )

    def _fields(self, text: str) -> list[str]:
        return text.split("\t") if self.delimiter == "\t" else re.split(" +", text.strip(" "))

    def sentences(self) -> Iterator[Sentence | Rejected]:
        """Read sentence by sentence."""
        block: list[Line] = []
        count = 0
        for line in TextLines(self._path, self.encoding):
            is_gap = line.problem is None and (not line.text.strip() or line.text.startswith(_DOCUMENT))
            if not is_gap:
                block.append(line)
            if is_gap or self._is_end(line):
                if block:
                    count += 1
                    yield from self._sentence(block)
                block = []
        if block:
            if self._ends_at_stops and not count:
                raise DataError(
                    f"nothing separates the sentences: none of {len(block):,} lines is empty or a full stop",
                    where=str(self._path),
                    fix="Put an empty line after each sentence.",
                )
            yield from self._sentence(block)

    def _is_end(self, line: Line) -> bool:
        return self._ends_at_stops and self._fields(line.text.rstrip("\r\n"))[0] in _ENDS

    def _sentence(self, block: Sequence[Line]) -> Iterator[Sentence | Rejected]:
        words, tags, line = [], [], block[0].number
        size = 0
        for place in block:
            text = place.text.rstrip("\r\n")
            fields = self._fields(text)
            if place.problem is None and self._is_comment(text, fields):
                continue
            if reason := place.problem or self._problem(fields):
                yield Rejected(line, f"{reason} (line {place.number})", reject_line(place, reason).excerpt)
                return
            if self._is_numbered and not fields[0].isdecimal():
                continue  # of a word that stands for several, as "1-2", these follow; "1.1" is no word at all
            word = fields[self._is_numbered]
            size += len(word) + 1
            if size > LONGEST_ROW:
                yield Rejected(
                    line, f"too long: the sentence has more than {LONGEST_ROW:,} characters", text[:EXCERPT]
                )
                return
            words.append(word)
            if self._labelled:
                tags.append(self._tag(fields))
        if words:
            yield Sentence(line, words, tags)

    def _tag(self, fields: Sequence[str]) -> str:
        tag = fields[-1 if self._tag_at is None else self._tag_at]
        return tag if self._feature is None else _features(tag).get(self._feature, OUTSIDE)

    def _is_comment(self, text: str, fields: Sequence[str]) -> bool:
        """Tell "# text = …" from the word "#" and its tag."""
        if not text.startswith("#"):
            return False
        return len(fields) != self.width or (self._labelled and not is_tag(self._tag(fields)))

    def _problem(self, fields: Sequence[str]) -> str | None:
        if len(fields) != self.width:
            return f"mixed columns: {len(fields)} where the file has {self.width}"
        if not fields[self._is_numbered].strip():
            return "empty word: the column of words holds nothing"
        if self._labelled and not self._tag(fields).strip():
            return "no tag: the column of tags holds nothing"
        return None


def _find_tags(rows: Sequence[Sequence[str]], is_numbered: bool) -> tuple[int | None, str | None]:
    """Return the last column of tags, and the feature in it that they stand under, if they do."""
    width = len(rows[0]) if rows else 0
    for place in range(width - 1, int(is_numbered), -1):
        cells = [row[place] for row in rows]
        if sum(map(is_tag, cells)) >= _MOST * len(cells):
            return place, None
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in _features(row[-1]).items():
            values.setdefault(name, []).append(value)
    for name, found in values.items():
        if all(map(is_tag, found)) and set(found) != {OUTSIDE}:
            return width - 1, name
    return None, None


def _features(cell: str) -> dict[str, str]:
    """Read "SpaceAfter=No|name=B-PER"."""
    return dict(part.partition("=")[::2] for part in cell.split("|") if "=" in part)
