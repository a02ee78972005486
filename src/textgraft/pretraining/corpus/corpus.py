"""A corpus: files of plain text, JSON Lines or Parquet, as a stream of documents.

Nothing is held but the document at hand: a corpus may be larger than memory.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from textgraft.data.columns import Columns, choose_columns
from textgraft.data.dataset import Rejected
from textgraft.data.formats.compressed import COMPRESSIONS, bare_name
from textgraft.data.formats.lines import TextLines, detect_encoding
from textgraft.data.formats.tables import reject_line
from textgraft.data.readers.reading import missing_file, open_table
from textgraft.data.sample import Sample
from textgraft.errors import DataError
from textgraft.files import called, sha256_file
from textgraft.tokenization.sentences import are_sentences, split_sentences
from textgraft.wording import listing

logger = logging.getLogger(__name__)

FORMATS = (".txt", ".jsonl", ".ndjson", ".parquet")
"""Endings of a corpus' files; that of a compression, as .gz or .zst, may follow."""
LONGEST_DOCUMENT = 1 << 24
"""Characters; a longer document goes on as the next one, so that a file without blank lines cannot fill the
memory."""
SHUFFLED_CHARACTERS = 1 << 26
"""Size of the buffer that documents are shuffled in: about 100 MB."""

_JUDGED_LINES = 500
_MOST_UNUSABLE = 0.2
"""Share of the judged lines; with more of them a file is no text."""

Documents = Literal["blank-lines", "files"]


@dataclass(frozen=True, slots=True)
class Document:
    """A text whose sentences belong together."""

    text: str
    """As it stands in the file, with "\\n" at the ends of its lines but the last."""
    where: str
    """The file, and the line or row on which it begins."""
    lines_are_sentences: bool = False

    @property
    def sentences(self) -> list[str]:
        """Its sentences in order, each on one line."""
        if not self.lines_are_sentences:
            return split_sentences(self.text)
        return [" ".join(line.split()) for line in self.text.split("\n") if line.strip()]


@dataclass(frozen=True)
class Texts:
    """The texts of documents, to be iterated over as often as one likes."""

    documents: Iterable[Document]

    def __iter__(self) -> Iterator[str]:
        return (document.text for document in self.documents)


@dataclass
class Corpus:
    """Documents of some files, each text once; to be iterated over as often as one likes.

    Raises:
        DataError: On iteration: a file is damaged or of another format than its ending says, or no document
            can be used.
    """

    files: tuple[Path, ...]
    text: str | None = None
    documents: Documents = "blank-lines"
    duplicates: int = 0
    """Documents left out because their text came before, known after an iteration."""
    rejected: int = 0
    """Lines and rows that could not be used, known after an iteration."""
    first_rejected: str = ""
    """Where and why."""
    _hashes: dict[Path, str] = field(default_factory=dict, repr=False)

    def __iter__(self) -> Iterator[Document]:
        self.duplicates = self.rejected = 0
        is_empty = True
        # A private file that is gone when closed; SQLite holds at most two megabytes of it in memory.
        # Trainers of tokenizers draw documents from several threads, though one at a time.
        with closing(sqlite3.connect("", check_same_thread=False)) as seen:
            seen.execute("CREATE TABLE seen (hash INTEGER PRIMARY KEY)")
            for document in self._stream():
                if _is_new(seen, document.text):
                    is_empty = False
                    yield document
                else:
                    self.duplicates += 1
        if self.rejected:
            logger.warning("%d lines or rows passed over; the first: %s", self.rejected, self.first_rejected)
        if is_empty:
            raise DataError(
                f"the corpus holds no text; the first problem: {self.first_rejected}"
                if self.rejected
                else "the corpus holds no text",
                where=str(self.files[0].parent if len(self.files) > 1 else self.files[0]),
                fix="Give files with text in them.",
            )

    @property
    def texts(self) -> Texts:
        """The documents' texts."""
        return Texts(self)

    def identity(self) -> list[str]:
        """Return what the documents depend on: the content of the files, and how they are read."""
        for path in self.files:
            if path not in self._hashes:
                self._hashes[path] = sha256_file(path)
        return [*(self._hashes[path] for path in self.files), self.text or "", self.documents]

    def _stream(self) -> Iterator[Document]:
        for path in self.files:
            is_text = bare_name(path).lower().endswith(".txt")
            try:
                yield from self._text_file(path) if is_text else self._table(path)
            except OSError as error:
                raise DataError(
                    f"the file cannot be read: {error.strerror or error}",
                    where=str(path),
                    fix="It is damaged or not readable: write it again, or leave it out.",
                ) from error

    def _text_file(self, path: Path) -> Iterator[Document]:
        encoding = detect_encoding(path)
        head = list(islice(TextLines(path, encoding), _JUDGED_LINES))
        unusable = [line for line in head if line.problem is not None]
        if len(unusable) > _MOST_UNUSABLE * len(head):
            raise DataError(
                f"this is no text: {len(unusable)} of the first {len(head)} lines cannot be used; the first, "
                f"line {unusable[0].number}: {unusable[0].problem}",
                where=str(path),
                fix="Leave the file out, or write it again as text in UTF-8.",
            )
        lines_are_sentences = are_sentences([line.text for line in head])
        held: list[str] = []
        first = size = 0

        def document() -> Document:
            return Document("\n".join(held), f"{called(path)}, line {first}", lines_are_sentences)

        for line in TextLines(path, encoding):
            if line.problem is not None:
                self._reject(path, reject_line(line))
                continue
            text = line.text.rstrip("\r\n")
            is_end = not text.strip() and self.documents == "blank-lines"
            if held and (is_end or size + len(text) > LONGEST_DOCUMENT):
                yield document()
                held, size = [], 0
            if not is_end:
                first = first if held else line.number
                held.append(text)
                size += len(text)
        if any(text.strip() for text in held):
            yield document()

    def _table(self, path: Path) -> Iterator[Document]:
        table = open_table(str(path))
        wanted = Columns.named(self.text, labelled=False)
        choice = choose_columns(Sample.of(table), wanted, where=str(path))
        for row in table.rows(choice.names):
            if isinstance(row, Rejected):
                self._reject(path, row)
            elif not isinstance(row.values[0], str) or not row.values[0].strip():
                self._reject(path, row.reject("empty text" if row.values[0] in (None, "") else "no text"))
            else:
                yield Document(
                    row.values[0].replace("\r\n", "\n"), f"{called(path)}, {table.numbering} {row.line}"
                )

    def _reject(self, path: Path, row: Rejected) -> None:
        if not self.rejected:
            self.first_rejected = f"{called(path)}, line {row.line}: {row.reason}"
        self.rejected += 1


def read_corpus(
    source: str | Path, *, text: str | None = None, documents: Documents = "blank-lines"
) -> Corpus:
    """Open a corpus: a file, or a folder with files in it and below.

    Plain text (.txt) has documents separated by blank lines, each with one sentence a line or in free prose;
    which of the two is judged by the first lines of each file. A row of JSON Lines (.jsonl, .ndjson) or
    Parquet (.parquet) is a document. All but Parquet may be compressed (.gz, .zst, .bz2, .xz; .zip with
    one file in it). Lines and rows that cannot be used are counted and passed over.

    Args:
        source: A file or a folder; hidden files and those with other endings are passed over in a folder.
        text: The column with the text; guessed from common names if None.
        documents: "files" makes each .txt file one document, with its blank lines.

    Raises:
        DataError: There is no such file, or none that can be read.
    """
    path = Path(source).expanduser()
    if not path.exists():
        raise missing_file(path)
    if not path.is_dir():
        if not _is_readable(path):
            raise DataError(
                f"files ending in {''.join(path.suffixes[-2:]) or 'nothing'!r} are not read as a corpus",
                where=str(path),
                fix=f"Known: {', '.join(FORMATS)}; also with {listing(list(COMPRESSIONS), 'or')} behind.",
            )
        return Corpus((path,), text, documents)
    files = sorted(file for file in path.rglob("*") if file.is_file() and _belongs(file))
    if not files:
        raise DataError(
            "there is no file that can be read in this folder",
            where=str(path),
            fix=f"Known: {', '.join(FORMATS)}; also with {listing(list(COMPRESSIONS), 'or')} behind.",
        )
    return Corpus(tuple(files), text, documents)


def shuffled(
    documents: Iterable[Document],
    generator: np.random.Generator,
    characters: int = SHUFFLED_CHARACTERS,
) -> Iterator[Document]:
    """Yield documents in random order as far as a buffer reaches.

    Args:
        documents: A stream.
        generator: Determines the order.
        characters: What the buffer holds; a stream that fits into it is shuffled wholly.
    """
    held: list[Document] = []
    size = 0

    def draw() -> Document:
        place = int(generator.integers(len(held)))
        held[place], held[-1] = held[-1], held[place]
        return held.pop()

    for document in documents:
        held.append(document)
        size += len(document.text)
        while size > characters:
            chosen = draw()
            size -= len(chosen.text)
            yield chosen
    while held:
        yield draw()


def fingerprint(text: str) -> int:
    """Return 64 bits of a text's SHA-256; documents that differ in white space alone have the same."""
    digest = hashlib.sha256(" ".join(text.split()).encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def _is_new(seen: sqlite3.Connection, text: str) -> bool:
    return seen.execute("INSERT OR IGNORE INTO seen VALUES (?)", (fingerprint(text),)).rowcount == 1


def _belongs(path: Path) -> bool:
    """Tell whether a file of a folder is one of the corpus."""
    try:
        return _is_readable(path)
    except DataError:  # an archive of several files, as may lie beside them
        return False


def _is_readable(path: Path) -> bool:
    name = bare_name(path).lower()
    return (
        not name.startswith(".")
        and name.endswith(FORMATS)
        and not (name.endswith(".parquet") and name != path.name.lower())
    )
