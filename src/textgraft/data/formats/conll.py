"""CoNLL columns: a word a line, its tag in the last column, an empty line after each sentence."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from textgraft.data.dataset import Rejected
from textgraft.data.formats.lines import LONGEST_ROW, Encoding, Line, TextLines, detect_encoding
from textgraft.data.formats.tables import EXCERPT, reject_line
from textgraft.data.tag_schemes import is_tag
from textgraft.errors import DataError

_SAMPLED_LINES = 1000
_DOCUMENT = "-DOCSTART-"


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

    The word is in the first column, in .conllu files in the second, behind its number. Lines that begin with
    ``-DOCSTART-`` stand between documents; those that begin with ``#`` and are no word are comments. What
    most of the first lines have in common is the form of the file.

    Args:
        path: The file.
        labelled: Whether a tag stands in the last column, and is read.

    Raises:
        DataError: The file is empty or not text, or has no column of tags.
    """

    format = "CoNLL columns"

    def __init__(self, path: Path, *, labelled: bool) -> None:
        self._path = path
        self._labelled = labelled
        self._is_numbered = path.suffix.lower() == ".conllu"
        self.encoding: Encoding = detect_encoding(path)
        sample = [
            line.text.rstrip("\r\n")
            for line in islice(TextLines(path, self.encoding), _SAMPLED_LINES)
            if line.text.strip() and not line.text.startswith((_DOCUMENT, "# "))
        ]
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

    def _fields(self, text: str) -> list[str]:
        return text.split("\t") if self.delimiter == "\t" else re.split(" +", text.strip(" "))

    def sentences(self) -> Iterator[Sentence | Rejected]:
        """Read sentence by sentence."""
        block: list[Line] = []
        for line in TextLines(self._path, self.encoding):
            if line.problem is None and (not line.text.strip() or line.text.startswith(_DOCUMENT)):
                if block:
                    yield from self._sentence(block)
                block = []
            else:
                block.append(line)
        if block:
            yield from self._sentence(block)

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
                tags.append(fields[-1])
        if words:
            yield Sentence(line, words, tags)

    def _is_comment(self, text: str, fields: Sequence[str]) -> bool:
        """Tell "# text = …" from the word "#" and its tag."""
        if not text.startswith("#"):
            return False
        return len(fields) != self.width or (self._labelled and not is_tag(fields[-1]))

    def _problem(self, fields: Sequence[str]) -> str | None:
        if len(fields) != self.width:
            return f"mixed columns: {len(fields)} where the file has {self.width}"
        if not fields[self._is_numbered].strip():
            return "empty word: the column of words holds nothing"
        if self._labelled and not fields[-1].strip():
            return "no tag: the last column holds nothing"
        return None
