"""Texts whose words have tags: CoNLL columns, words and tags, texts and spans, or a row for each word.

All of them become BIO tags on the words of a text, whatever scheme the file is in. What had to be changed for
that is told in the notes; what cannot be used is listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from textgraft.data.annotations import refusal, verdict_column
from textgraft.data.columns import Columns
from textgraft.data.dataset import Dataset, Numbering, ReadingNotes, Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.conll import ConllTable, Sentence, is_conll
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.lines import LONGEST_ROW, Encoding
from textgraft.data.formats.tables import EXCERPT, Table
from textgraft.data.readers.reading import open_table, read_dataset, reading_errors
from textgraft.data.readers.tagging import Tagging, find_tagging, named_tagging, words_of
from textgraft.data.readers.word_rows import sentences
from textgraft.data.sample import Sample
from textgraft.data.spans import (
    CHARACTERS,
    UNIT_TITLES,
    Unit,
    better_unit,
    check_unit,
    in_characters,
    parse_spans,
    place_spans,
)
from textgraft.data.tag_schemes import (
    bio_tags,
    broken_transitions,
    detect_scheme,
    entities,
    is_tag,
    repaired,
)
from textgraft.data.values import UnusableError, as_list, as_name, as_text, whole
from textgraft.data.words import Words, cut_words, joined
from textgraft.errors import DataError, OptionError, unknown

CONLL = (".conll", ".conllu", ".iob", ".iob2", ".bio")
"""Endings of CoNLL columns; files with others are such where their lines end in tags."""
_TABLES = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".ods")
"""Endings of files that are never CoNLL columns."""
_EXAMPLES = (
    'columns of words and tags, "John B-PER" a line, in a file named .conll; or JSON Lines (.jsonl) as '
    '{"tokens": ["John", "ran"], "tags": ["B-PER", "O"]} or '
    '{"text": "John ran", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'
)
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
    other_units: int = 0
    """Rows whose offsets fit their words in another unit alone; they were set aside."""
    first_other_line: int | None = None
    other_unit: Unit = CHARACTERS

    def warnings(self) -> Iterator[str]:
        """Say what of it may mean that the source was read wrongly."""
        # A dataclass with slots is made anew, which a super() without arguments does not survive.
        yield from ReadingNotes.warnings(self)
        if self.other_units:
            yield (
                f"{self.other_units:,} rows have offsets that fit their words only if they count "
                f"{UNIT_TITLES[self.other_unit]} (first on {self.numbering} {self.first_other_line}). "
                f"They were set aside: read them by --offsets {self.other_unit} (in Python: "
                f"offsets={self.other_unit!r})."
            )
        if self.broken_rows:
            yield (
                f"{self.broken_rows:,} rows have tags that break the scheme {self.scheme} (first on "
                f"{self.numbering} {self.first_broken_line}), as an I- that follows an O. Read as conlleval "
                "does."
            )
        if self.widened_rows:
            yield (
                f"{self.widened_rows:,} rows have spans that begin or end within a word (first on "
                f"{self.numbering} {self.first_widened_line}). They were widened to whole words: correct "
                "them if they matter."
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
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
    offsets: str = CHARACTERS,
) -> Dataset:
    """Read texts whose words have tags, or texts to be tagged.

    With tags: CoNLL columns, or any table (CSV, JSON, Parquet, Hub) of

    - words and tags, a list each (or a text and as many tags, with spaces between them);
    - texts and spans (:mod:`textgraft.data.spans`);
    - a row for each word (:mod:`textgraft.data.readers.word_rows`).

    Tags may be IOB1, BIO (IOB2), IOBES (BIOES) or BILOU. Without tags: the same files, or whatever
    :func:`~textgraft.data.readers.reading.read_dataset` takes, one text a row.

    Args:
        source: Path of the file, or a Hub name.
        text: The column of the words or the text; one at most.
        label: The column of the tags or the spans.
        id_column: A column whose values are unique.
        group: A column whose equal values must stay on one side of every split.
        labelled: Whether rows need tags; without, those that stand there are not read.
        offsets: What the offsets of spans count: "characters", "utf-16" or "utf-8".

    Returns:
        Columns ``text``, and ``words`` with the (start, end) of each word of it; as labels one list of BIO
        tags a row. ``notes`` are :class:`TaggingNotes`.

    Raises:
        DataError: The file is missing, empty, of another format or damaged, or none of its rows can be used.
        OptionError: A column does not exist, or columns are named of a file that has none.
    """
    where = str(source)
    wanted = Columns.named(text, label, id_column, group, labelled)
    unit = check_unit(offsets)
    if len(wanted.text) > 1:
        raise OptionError(
            f"the words stand in one column, not in {len(wanted.text)}: {', '.join(map(repr, wanted.text))}",
            where="--text",
            fix="Name one.",
        )
    with reading_errors(where):
        if not isinstance(source, GivenTable) and has_conll_columns(Path(source)):
            return _read_conll(Path(source), wanted)
        table = open_table(source, labelled=labelled)
        sample = Sample.of(table)
        for name in (*wanted.text, *wanted.label, wanted.id, wanted.group):
            if name is not None and name not in table.columns:
                raise unknown("column", name, table.columns, where=where)
        tagging = find_tagging(sample, wanted) or named_tagging(sample, wanted)
        if tagging is None and labelled:
            raise DataError(
                "no columns look like words and tags, or text and spans; there are "
                f"{', '.join(map(repr, table.columns))}",
                where=where,
                fix=f"Name them with --text and --label, or give {_EXAMPLES}.",
            )
        if tagging is None:
            return _read_texts(source, wanted)
        return _read_table(table, sample, tagging, wanted, where, unit)


def has_conll_columns(path: Path) -> bool:
    """Tell whether a file has CoNLL columns: by its ending, or because its lines end in tags."""
    ending = Path(bare_name(path)).suffix.lower()
    if not path.is_file() or ending in _TABLES:
        return False
    try:
        return ending in CONLL or is_conll(path)
    except DataError:  # no text at all: whoever reads it says what it is
        return False


def _read_texts(source: Source, wanted: Columns) -> Dataset:
    """Read rows to be tagged from a table or plain text."""
    dataset = read_dataset(
        source, text=wanted.text or None, id_column=wanted.id, group=wanted.group, labelled=False
    )
    texts = dataset.texts
    return replace(dataset, columns={"text": texts, "words": [cut_words(text) for text in texts]})


def _read_conll(path: Path, wanted: Columns) -> Dataset:
    named = {"text": wanted.text, "label": wanted.label, "id_column": wanted.id, "group": wanted.group}
    if given := next((f"{name}={key!r}" for name, key in named.items() if key), None):
        raise OptionError(
            "CoNLL files have no named columns: the word is in the first, its tag in the last",
            where=f"{path}, {given}",
            fix="Leave the option out, or give JSON Lines.",
        )
    table = ConllTable(path, labelled=wanted.labelled)
    rows = _Rows(wanted.labelled, table.numbering)
    for sentence in table.sentences():
        rows.take_sentence(sentence)
    return rows.dataset(str(path), table)


def _read_table(
    table: Table, sample: Sample, tagging: Tagging, wanted: Columns, where: str, unit: Unit
) -> Dataset:
    rows = _Rows(wanted.labelled, table.numbering, unit)
    if tagging.form == "rows":
        for sentence in sentences(table, tagging.text, tagging.label, tagging.sentence):
            rows.take_sentence(sentence)
        return rows.dataset(where, table)
    named = {"id": wanted.id, "group": wanted.group, "label": tagging.label}
    extra = {part: name for part, name in named.items() if name is not None}
    verdict = verdict_column(sample, [tagging.text, *extra.values()]) if wanted.labelled else None
    columns = [tagging.text, *extra.values(), *([verdict] if verdict else [])]
    for row in table.rows(columns):
        if isinstance(row, Rejected):
            rows.rejected.append(row)
            continue
        try:
            if verdict and (reason := refusal(row.values[-1])):
                raise UnusableError(reason)
            values = dict(zip(extra, row.values[1:], strict=False))
            target = values.pop("label", None)
            parsed = rows.parse(row.line, row.values[0], target, tagging)
            names = {part: as_name(value, part) for part, value in values.items()}
            rows.take(parsed._replace(name=names.get("id"), group=names.get("group")))
        except UnusableError as problem:
            rows.rejected.append(row.reject(str(problem)))
    return rows.dataset(where, table, id_column=wanted.id)


def _check_tags(tags: Sequence[Any]) -> None:
    for tag in tags:
        if not isinstance(tag, str) or not is_tag(tag):
            raise UnusableError(f"unknown tag: {tag!r} is neither O nor of the form B-TYPE or I-TYPE")
        whole(tag, "tag")


def _types(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the types that tags name, each once."""
    return tuple(dict.fromkeys(kind for kind, _, _ in entities(tags)))


class _Described(Protocol):
    """What notes tell of a file, whether a table or CoNLL columns."""

    @property
    def format(self) -> str: ...

    @property
    def numbering(self) -> Numbering: ...

    @property
    def encoding(self) -> Encoding | None: ...

    @property
    def delimiter(self) -> str | None: ...

    @property
    def remarks(self) -> Sequence[str]: ...


class _Rows:
    """The usable rows, and the others."""

    def __init__(self, labelled: bool, numbering: Numbering, unit: Unit = CHARACTERS) -> None:
        self.labelled, self.numbering = labelled, numbering
        self.unit = unit
        self.usable: list[_Parsed] = []
        self.rejected: list[Rejected] = []
        self.other_units: dict[int, Unit] = {}
        """Lines of rows whose offsets fit in another unit alone."""
        self._line_of_name: dict[str, int] = {}

    def take_sentence(self, sentence: Sentence | Rejected) -> None:
        """Judge a sentence whose words stand apart."""
        if isinstance(sentence, Rejected):
            self.rejected.append(sentence)
            return
        try:
            _check_tags(sentence.tags)
            self.take(_Parsed(sentence.line, *joined(sentence.words), sentence.tags))
        except UnusableError as problem:
            self.rejected.append(sentence.reject(str(problem)))

    def parse(self, line: int, given: Any, target: Any, tagging: Tagging) -> _Parsed:
        """Judge the words or the text of a row, and its tags or spans."""
        words = None
        if not isinstance(given, str | list):
            raise UnusableError(f"no text: {given!r} where a text or a list of words is needed"[:EXCERPT])
        if tagging.form == "words":
            words = words_of(given)
            for word in words:
                if not isinstance(word, str) or not word.strip():
                    raise UnusableError(f"no words: {word!r} stands where a word is needed")
                whole(word, "word")
            text, places = joined(words)
        else:
            text = as_text(given)
            places = cut_words(text)
        if not places:
            raise UnusableError("empty text: there is no word in it")
        if len(text) > LONGEST_ROW:
            raise UnusableError(f"too long: the text has more than {LONGEST_ROW:,} characters")
        if not self.labelled:
            return _Parsed(line, text, places, [])
        if words is None:
            return self._with_spans(line, text, places, target)
        in_text = isinstance(given, str) and isinstance(target, str)
        tags = words_of(target) if in_text else as_list(target, "tags")
        if tags is None:
            raise UnusableError(f"no tags: {target!r} where a list is needed"[:EXCERPT])
        if len(tags) != len(places):
            raise UnusableError(f"unequal numbers: {len(places)} words and {len(tags)} tags")
        _check_tags(tags)
        return _Parsed(line, text, places, tags)

    def _with_spans(self, line: int, text: str, words: Words, target: Any) -> _Parsed:
        spans = list(parse_spans(target))
        other = better_unit(text, words, spans) if self.unit == CHARACTERS else None
        if other is not None:
            self.other_units[line] = other
            raise UnusableError(f"offsets in {UNIT_TITLES[other]}: read them by --offsets {other}")
        found, is_widened = place_spans(text, words, in_characters(text, spans, self.unit))
        return _Parsed(line, text, words, bio_tags(found, len(words)), is_widened=is_widened)

    def take(self, row: _Parsed) -> None:
        """Add a row.

        Raises:
            UnusableError: Its id is taken.
        """
        if row.name is not None and self._line_of_name.setdefault(row.name, row.line) != row.line:
            raise UnusableError(
                f"repeated id: {row.name!r} stands on {self.numbering} {self._line_of_name[row.name]} already"
            )
        self.usable.append(row)

    def dataset(self, where: str, table: _Described, id_column: str | None = None) -> Dataset:
        """Turn all tags into BIO and make columns of the rows.

        Raises:
            DataError: There is no usable row.
        """
        rows, encoding = self.usable, table.encoding
        if not rows:
            raise self._nothing_usable(where)
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
            ids=[row.name or str(row.line) for row in rows],
            lines=[row.line for row in rows],
            source=where,
            groups=[row.group for row in rows if row.group is not None] or None,
            rejected=self.rejected,
            id_column=id_column,
            numbering=table.numbering,
            kinds=[_types(tags) for tags in labels] if self.labelled else None,
            notes=TaggingNotes(
                format=table.format,
                total_rows=len(rows) + len(self.rejected),
                encoding=encoding.title if encoding else None,
                byte_order_mark=bool(encoding and encoding.byte_order_mark),
                first_undecodable_line=encoding.first_undecodable_line if encoding else None,
                delimiter=table.delimiter,
                numbering=table.numbering,
                remarks=tuple(table.remarks),
                scheme=scheme,
                broken_rows=len(broken),
                first_broken_line=min(broken, default=None),
                widened_rows=len(widened),
                first_widened_line=min(widened, default=None),
                other_units=len(self.other_units),
                first_other_line=min(self.other_units, default=None),
                other_unit=next(iter(self.other_units.values()), CHARACTERS),
            ),
        )

    def _nothing_usable(self, where: str) -> DataError:
        if not self.rejected:
            return DataError("there are no words in this file", where=where, fix=f"Give {_EXAMPLES}.")
        first, told = Rejected.most_telling(self.rejected)
        return DataError(
            told,
            where=f"{where}, {self.numbering} {first.line}",
            fix=f"Look there: {first.excerpt[:80]!r}",
        )
