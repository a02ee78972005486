"""Texts whose words have tags: CoNLL columns, JSON Lines of words and tags, or of texts and spans.

All of them become BIO tags on the words of a text, whatever scheme the file is in. What had to be changed for
that is told in the notes; what cannot be used is listed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from textgraft.data.dataset import Dataset, ReadingNotes, Rejected
from textgraft.data.formats.conll import ConllTable
from textgraft.data.formats.hub import is_hub_name
from textgraft.data.formats.jsonlines import JsonLinesTable
from textgraft.data.formats.lines import LONGEST_ROW
from textgraft.data.formats.tables import EXCERPT
from textgraft.data.readers.reading import missing_file, read_dataset
from textgraft.data.tag_schemes import (
    Entity,
    bio_tags,
    broken_transitions,
    detect_scheme,
    entities,
    is_tag,
    repaired,
)
from textgraft.data.values import UnusableError, as_name
from textgraft.data.words import Words, cut_words, joined
from textgraft.errors import DataError, OptionError, unknown

CONLL = (".conll", ".conllu", ".iob", ".iob2", ".bio", ".txt")
JSON_LINES = (".jsonl", ".ndjson")
FORMATS = (*CONLL, *JSON_LINES)
"""Endings of the files that can be read with tags."""
_EXAMPLES = (
    'columns of words and tags, "John B-PER" a line, in a file named .conll; or JSON Lines (.jsonl) as '
    '{"tokens": ["John", "ran"], "tags": ["B-PER", "O"]} or '
    '{"text": "John ran", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'
)
_TOKENS = ("tokens", "words")
_TAGS = ("tags", "ner_tags", "labels")
_TEXTS = ("text", "sentence", "content")
_SPANS = ("spans", "entities")
_BILOU = str.maketrans("LU", "ES")


@dataclass(frozen=True, slots=True)
class TaggingNotes(ReadingNotes):
    """How a file of tags was read."""

    scheme: str = "BIO"
    """"IOB1", "BIO" or "IOBES": what the tags of the file were."""
    broken_rows: int = 0
    """Rows with tags that break the scheme, as an I- behind an O; they were read as conlleval does."""
    first_broken_line: int | None = None
    widened_rows: int = 0
    """Rows with spans that begin or end within a word; these were widened to whole words."""
    first_widened_line: int | None = None

    def warnings(self) -> Iterator[str]:
        """Say what of it may mean that the source was read wrongly."""
        # A dataclass with slots is made anew, which a super() without arguments does not survive.
        yield from ReadingNotes.warnings(self)
        if self.broken_rows:
            yield (
                f"{self.broken_rows:,} rows have tags that break the scheme {self.scheme} (first on line "
                f"{self.first_broken_line}), as an I- that follows an O. Read as conlleval does."
            )
        if self.widened_rows:
            yield (
                f"{self.widened_rows:,} rows have spans that begin or end within a word (first on line "
                f"{self.first_widened_line}). They were widened to whole words: correct them if they matter."
            )


class _Parsed(NamedTuple):
    """A row that is whole, but for its tags, which may be of any scheme."""

    line: int
    text: str
    words: Words
    tags: list[str]
    name: str | None = None
    group: str | None = None
    is_widened: bool = False


def read_tagged(
    source: str | Path,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
) -> Dataset:
    """Read texts whose words have tags, or texts to be tagged.

    With tags: CoNLL columns, JSON Lines with ``tokens`` and ``tags``, or JSON Lines with ``text`` and
    ``spans`` (also ``entities``), a list of ``{"start", "end", "label"}`` whose offsets count characters
    (code points), the end excluded. Tags may be IOB1, BIO (IOB2), IOBES (BIOES) or BILOU. Without tags: the
    same files, or whatever :func:`~textgraft.data.readers.reading.read_dataset` takes, one text a row.

    Args:
        source: Path of the file.
        text: The key of the tokens or the text, in JSON Lines; one at most.
        label: The key of the tags or the spans, in JSON Lines.
        id_column: A key whose values are unique, in JSON Lines.
        group: A key whose equal values must stay on one side of every split, in JSON Lines.
        labelled: Whether rows need tags; without, those that stand there are not read.

    Returns:
        Columns ``text``, and ``words`` with the (start, end) of each word of it; as labels one list of BIO
        tags a row. ``notes`` are :class:`TaggingNotes`.

    Raises:
        DataError: The file is missing, empty, of another format or damaged, or none of its rows can be used.
        OptionError: A key does not exist, or keys are named of a file that has none.
    """
    path, where = Path(source), str(source)
    suffix = path.suffix.lower()
    named = [text] if isinstance(text, str) else list(text or [])
    if len(named) > 1:
        raise OptionError(
            f"the words stand in one column, not in {len(named)}: {', '.join(map(repr, named))}",
            where="--text",
            fix="Name one.",
        )
    keys = {"text": named[0] if named else None, "label": label, "id_column": id_column, "group": group}
    is_conll = suffix in CONLL and (labelled or suffix != ".txt")
    if not path.is_file() or not (is_conll or suffix in JSON_LINES):
        return _read_texts(path, where, keys, labelled=labelled)
    try:
        return _read_conll(path, keys, labelled) if is_conll else _read_json_lines(path, keys, labelled)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=where,
            fix="Check the path and your permission to read it.",
        ) from error


def _read_texts(path: Path, where: str, keys: dict[str, str | None], *, labelled: bool) -> Dataset:
    """Read rows to be tagged from a table or plain text; raises for all that has no tags but needs them."""
    if path.suffix.lower() in FORMATS and not path.exists():
        raise missing_file(path)
    if labelled and (path.is_file() or (is_hub_name(where) and not path.exists())):
        kind = f"files ending in {path.suffix!r}" if path.is_file() else "Hub data sets"
        raise DataError(f"tags are not read from {kind}", where=where, fix=f"Give {_EXAMPLES}.")
    dataset = read_dataset(
        where, text=keys["text"], id_column=keys["id_column"], group=keys["group"], labelled=False
    )
    texts = dataset.texts
    return replace(dataset, columns={"text": texts, "words": [cut_words(text) for text in texts]})


def _read_conll(path: Path, keys: dict[str, str | None], labelled: bool) -> Dataset:
    if named := [name for name, key in keys.items() if key is not None]:
        raise OptionError(
            "CoNLL files have no named columns: the word is in the first, its tag in the last",
            where=f"{path}, {named[0]}={keys[named[0]]!r}",
            fix="Leave the option out, or give JSON Lines.",
        )
    table = ConllTable(path, labelled=labelled)
    rows = _Rows(labelled)
    for sentence in table.sentences():
        if isinstance(sentence, Rejected):
            rows.rejected.append(sentence)
            continue
        try:
            _check_tags(sentence.tags)
            rows.take(_Parsed(sentence.line, *joined(sentence.words), sentence.tags))
        except UnusableError as problem:
            rows.rejected.append(sentence.reject(str(problem)))
    return rows.dataset(path, table)


def _read_json_lines(path: Path, keys: dict[str, str | None], labelled: bool) -> Dataset:
    table = JsonLinesTable(path)
    text, label = _choose_keys(table.columns, keys["text"], keys["label"], str(path), labelled)
    named = {"id": keys["id_column"], "group": keys["group"]}
    for name in (text, label, *named.values()):
        if name is not None and name not in table.columns:
            raise unknown("key", name, table.columns, where=str(path))
    extra = {part: name for part, name in named.items() if name is not None}
    columns = [text, *([label] if label is not None else []), *extra.values()]
    rows = _Rows(labelled)
    for row in table.rows(columns):
        if isinstance(row, Rejected):
            rows.rejected.append(row)
            continue
        values = list(row.values)
        try:
            parsed = _parse(row.line, values.pop(0), values.pop(0) if label is not None else None, labelled)
            names = {part: as_name(value, part) for part, value in zip(extra, values, strict=True)}
            rows.take(parsed._replace(name=names.get("id"), group=names.get("group")))
        except UnusableError as problem:
            rows.rejected.append(row.reject(str(problem)))
    return rows.dataset(path, table, id_column=keys["id_column"])


def _choose_keys(
    columns: Sequence[str], text: str | None, label: str | None, where: str, labelled: bool
) -> tuple[str, str | None]:
    """Return the keys of the words or the text, and of the tags or the spans."""
    tokens, tags, raw, spans = (
        next((name for name in names if name in columns), None) for names in (_TOKENS, _TAGS, _TEXTS, _SPANS)
    )
    if not labelled:
        text = text or tokens or raw
    elif text is None and label is None:
        text, label = (tokens, tags) if tokens and tags else (raw, spans)
    else:
        text, label = text or tokens or raw, label or tags or spans
    if text is None or (labelled and label is None):
        raise DataError(
            f"no keys look like words and tags, or text and spans; there are {', '.join(map(repr, columns))}",
            where=where,
            fix=f"Name them with --text and --label, or give {_EXAMPLES}.",
        )
    return text, label if labelled else None


def _parse(line: int, given: Any, target: Any, labelled: bool) -> _Parsed:
    """Judge the values of a JSON object."""
    if isinstance(given, list):
        for word in given:
            if not isinstance(word, str) or not word.strip():
                raise UnusableError(f"no words: {word!r} stands where a word is needed")
        text, words = joined(given)
    elif isinstance(given, str):
        text, words = given, cut_words(given)
    else:
        raise UnusableError(f"no text: {given!r} where a text or a list of words is needed"[:EXCERPT])
    if not words:
        raise UnusableError("empty text: there is no word in it")
    if len(text) > LONGEST_ROW:
        raise UnusableError(f"too long: the text has more than {LONGEST_ROW:,} characters")
    if not labelled:
        return _Parsed(line, text, words, [])
    if not isinstance(target, list):
        raise UnusableError(f"no tags: {target!r} where a list is needed"[:EXCERPT])
    if isinstance(given, str):
        found = _spans(text, words, target)
        is_widened = any((words[a][0], words[b - 1][1]) != (start, end) for (_, a, b), start, end in found)
        return _Parsed(
            line, text, words, bio_tags([entity for entity, _, _ in found], len(words)), is_widened=is_widened
        )
    if len(target) != len(words):
        raise UnusableError(f"unequal numbers: {len(words)} words and {len(target)} tags")
    _check_tags(target)
    return _Parsed(line, text, words, target)


def _check_tags(tags: Sequence[Any]) -> None:
    for tag in tags:
        if not isinstance(tag, str) or not is_tag(tag):
            raise UnusableError(f"unknown tag: {tag!r} is neither O nor of the form B-TYPE or I-TYPE")


def _spans(text: str, words: Words, given: Sequence[Any]) -> list[tuple[Entity, int, int]]:
    """Return the entity that each span is in words, with the span's own start and end but for white space."""
    starts, ends = [start for start, _ in words], [end for _, end in words]
    found = []
    for span in given:
        start, end, kind = _span(text, span)
        first, last = bisect_right(ends, start), bisect_left(starts, end)
        if first >= last:
            raise UnusableError(f"empty span: there is no word at {start} to {end}")
        found.append(((kind, first, last), start, end))
    found.sort(key=lambda entry: entry[1:])
    for (before, *place), (after, *next_place) in pairwise(found):
        if before[2] > after[1]:
            reason = "overlapping spans" if place[1] > next_place[0] else "two spans in one word"
            raise UnusableError(f"{reason}: {place[0]} to {place[1]} and {next_place[0]} to {next_place[1]}")
    return found


def _span(text: str, span: Any) -> tuple[int, int, str]:
    """Judge one span; returns its start and end, white space at either side left out, and its type."""
    if not isinstance(span, dict) or not {"start", "end", "label"} <= span.keys():
        raise UnusableError(f"malformed span: {span!r} is no object with start, end and label"[:EXCERPT])
    start, end, kind = span["start"], span["end"], span["label"]
    if type(start) is not int or type(end) is not int:
        raise UnusableError(f"malformed span: start {start!r} and end {end!r} must be whole numbers")
    if not isinstance(kind, str) or not kind.strip():
        raise UnusableError(f"malformed span: the label {kind!r} is no name")
    if start < 0 or end > len(text):
        raise UnusableError(f"span outside the text: {start} to {end} of {len(text)} characters")
    if start >= end or not (inside := text[start:end]).strip():
        raise UnusableError(f"empty span: nothing stands at {start} to {end}")
    if isinstance(said := span.get("text"), str) and said != inside:
        raise UnusableError(f"span not at its offset: {said!r} is said to be at {start}, there is {inside!r}")
    start += len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip()), kind.strip()


def _types(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the types that tags name, each once."""
    return tuple(dict.fromkeys(kind for kind, _, _ in entities(tags)))


class _Rows:
    """The usable rows, and the others."""

    def __init__(self, labelled: bool) -> None:
        self.labelled = labelled
        self.usable: list[_Parsed] = []
        self.rejected: list[Rejected] = []
        self._line_of_name: dict[str, int] = {}

    def take(self, row: _Parsed) -> None:
        """Add a row.

        Raises:
            UnusableError: Its id is taken.
        """
        if row.name is not None and self._line_of_name.setdefault(row.name, row.line) != row.line:
            raise UnusableError(
                f"repeated id: {row.name!r} stands on line {self._line_of_name[row.name]} already"
            )
        self.usable.append(row)

    def dataset(
        self, path: Path, table: ConllTable | JsonLinesTable, id_column: str | None = None
    ) -> Dataset:
        """Turn all tags into BIO and make columns of the rows.

        Raises:
            DataError: There is no usable row.
        """
        rows = self.usable
        if not rows:
            raise self._nothing_usable(str(path))
        tags = [row.tags for row in rows]
        if any(tag[0] in "LU" for row in tags for tag in row):
            tags = [[tag[0].translate(_BILOU) + tag[1:] for tag in row] for row in tags]
        scheme = detect_scheme(tags)
        broken = [row.line for row, own in zip(rows, tags, strict=True) if broken_transitions(own, scheme)]
        widened = [row.line for row in rows if row.is_widened]
        # One string for each tag instead of one for each word.
        shared: dict[str, str] = {}
        labels = [[shared.setdefault(tag, tag) for tag in repaired(own)] for own in tags]
        return Dataset(
            columns={"text": [row.text for row in rows], "words": [row.words for row in rows]},
            labels=labels if self.labelled else None,
            ids=[row.name or str(number) for number, row in enumerate(rows, start=1)],
            lines=[row.line for row in rows],
            source=str(path),
            groups=[row.group for row in rows if row.group is not None] or None,
            rejected=self.rejected,
            id_column=id_column,
            kinds=[_types(tags) for tags in labels] if self.labelled else None,
            notes=TaggingNotes(
                format=table.format,
                total_rows=len(rows) + len(self.rejected),
                encoding=table.encoding.title,
                byte_order_mark=table.encoding.byte_order_mark,
                first_undecodable_line=table.encoding.first_undecodable_line,
                delimiter=table.delimiter,
                scheme=scheme,
                broken_rows=len(broken),
                first_broken_line=min(broken, default=None),
                widened_rows=len(widened),
                first_widened_line=min(widened, default=None),
            ),
        )

    def _nothing_usable(self, where: str) -> DataError:
        if not self.rejected:
            return DataError("there are no words in this file", where=where, fix=f"Give {_EXAMPLES}.")
        kind, count = Counter(row.kind for row in self.rejected).most_common(1)[0]
        first = next(row for row in self.rejected if row.kind == kind)
        return DataError(
            f"none of the {len(self.rejected)} rows can be used; {count} of them have this: {first.reason}",
            where=f"{where}, line {first.line}",
            fix=f"Look at that line: {first.excerpt[:80]!r}",
        )
