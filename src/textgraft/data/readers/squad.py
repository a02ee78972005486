"""Questions about contexts: SQuAD JSON, version 1.1 or 2, and tables.

Every answer must stand in its context where the file says so. A question that cannot be used is listed with
its place and the reason, as in every reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgraft.data.columns import Columns
from textgraft.data.dataset import Dataset, ReadingNotes, Rejected
from textgraft.data.formats.compressed import bare_name
from textgraft.data.formats.delimited import DelimitedTable
from textgraft.data.formats.given import GivenTable, Source
from textgraft.data.formats.json_document import JsonTable, open_json
from textgraft.data.formats.lines import LONGEST_ROW
from textgraft.data.formats.tables import EXCERPT, Table
from textgraft.data.readers.reading import missing_file, open_table, reading_errors
from textgraft.data.sample import MARKS, Sample, mark_of
from textgraft.data.spans import CHARACTERS, UNIT_TITLES, UNITS, Span, Unit, check_unit, in_characters
from textgraft.data.values import UnusableError, as_list, as_object, whole
from textgraft.errors import DataError, OptionError, nearest, unknown
from textgraft.wording import counted

_KEYS = ("id", "question", "context", "answers", "answer", "answer_start", "is_impossible", "title")
_QUESTIONS = ("question", "query")
_CONTEXTS = ("context", "passage", "paragraph", "document", "article")
_ANSWERS = ("answers", "answer", "answer_text", "text")
_EXAMPLE = '{"question": "Who ran?", "context": "Ann ran.", "answers": [{"text": "Ann", "answer_start": 0}]}'
_MOST = 0.5
"""Fraction of rows whose answer stands in its context, in a file of questions."""


@dataclass(frozen=True, slots=True)
class _Question:
    """A question as it stands in the file, not yet judged."""

    number: int
    """Line of a JSON Lines file, or which question of a SQuAD file it is; counted from 1."""
    values: dict[str, Any]
    """What stands under each of _KEYS, None where nothing does."""
    raw: str
    place: str = ""
    """The path to it inside a SQuAD file; a JSON Lines file needs none."""

    def reject(self, reason: str) -> Rejected:
        place = f" ({self.place})" if self.place else ""
        return Rejected(self.number, reason + place, self.raw[:EXCERPT].rstrip("\r\n"))


def read_squad(
    source: Source,
    *,
    text: str | Sequence[str] | None = None,
    label: str | Sequence[str] | None = None,
    id_column: str | None = None,
    group: str | None = None,
    labelled: bool = True,
    offsets: str = CHARACTERS,
) -> Dataset:
    """Read questions, the contexts that hold their answers, and the answers.

    SQuAD JSON (``data``, ``paragraphs``, ``qas``), or a table with ``question``, ``context`` and one of

    - ``answers``: ``{"text": [...], "answer_start": [...]}``, or a list of ``{"text", "answer_start"}``;
    - ``answer`` (or ``text``), with ``answer_start`` beside it.

    ``answer_start`` may be left out where the answer stands in the context exactly once. An empty list of
    answers makes a question unanswerable. ``id`` and ``title`` are optional; questions of one title, or
    without titles of one context, never straddle splits.

    Args:
        source: Path of the file, or a Hub name.
        text: The columns of question and context, in a table; told by their names if None.
        label: The column of the answers; likewise.
        id_column: The column of ids; "id" if None.
        group: The column whose equal values never straddle splits; "title" if None.
        labelled: Whether questions need answers; without, those that stand there are not read.
        offsets: What ``answer_start`` counts: "characters" (code points), "utf-16" or "utf-8"; from 0.

    Returns:
        Columns ``question`` and ``context``; as labels the answers of each row, a list of
        ``{"text": str, "start": int}``. ``lines`` count the questions where the file is SQuAD JSON.

    Raises:
        DataError: The file is missing, empty, of another format or damaged, or none of its questions can be
            used.
        OptionError: A column does not exist, or columns are named of SQuAD JSON, which has none.
    """
    where = str(source)
    wanted = Columns.named(text, label, id_column, group, labelled)
    rows = _Rows(labelled, check_unit(offsets))
    with reading_errors(where):
        table = _open(source, labelled)
        squad = table.squad if isinstance(table, JsonTable) else None
        named = next((name for name in (*wanted.text, *wanted.label, wanted.id, wanted.group) if name), None)
        if squad is not None and named is not None:
            raise OptionError(
                f"SQuAD JSON has no columns: {named!r} is none of its parts",
                where=where,
                fix="Leave the option out: question, context, answers, id and title name themselves.",
            )
        for question in (
            _squad_questions(squad) if squad is not None else _table_questions(table, wanted, where)
        ):
            rows.take(question)
    if not rows.ids:
        raise _nothing_usable(rows.rejected, where)
    encoding = table.encoding
    return Dataset(
        columns={"question": rows.questions, "context": rows.contexts},
        labels=rows.answers if labelled else None,
        ids=rows.ids,
        lines=rows.lines,
        source=where,
        groups=rows.groups,
        rejected=rows.rejected,
        numbering="question" if squad else table.numbering,
        notes=ReadingNotes(
            format="SQuAD JSON" if squad else table.format,
            total_rows=len(rows.ids) + len(rows.rejected),
            encoding=encoding.title if encoding else None,
            byte_order_mark=bool(encoding and encoding.byte_order_mark),
            first_undecodable_line=encoding.first_undecodable_line if encoding else None,
            delimiter=table.delimiter,
            numbering="question" if squad else table.numbering,
            remarks=tuple(table.remarks),
        ),
    )


def _open(source: Source, labelled: bool) -> Table:
    path = Path(str(source))
    is_document = not isinstance(source, GivenTable) and Path(bare_name(path)).suffix.lower() == ".json"
    if not is_document or path.is_dir():
        return open_table(source, labelled=labelled)
    if not path.exists():
        raise missing_file(path)
    return open_json(path, lines=False)


# From a file to raw questions.


@dataclass(frozen=True, slots=True)
class QuestionColumns:
    """The columns of a table of questions."""

    question: str
    context: str
    answers: str | None
    """None where there are none."""


def find_questions(sample: Sample, wanted: Columns) -> QuestionColumns | None:
    """Find the columns of questions, contexts and answers by their names, or by the user's word.

    Args:
        sample: Of the table.
        wanted: What the user says of its columns.
    """
    plain = {column.lower(): column for column in reversed(sample.columns)}

    def first(names: Sequence[str], taken: Sequence[str | None] = ()) -> str | None:
        return next((plain[name] for name in names if name in plain and plain[name] not in taken), None)

    if wanted.text and len(wanted.text) != 2:
        return None
    question, context = wanted.text or (first(_QUESTIONS), first(_CONTEXTS))
    if wanted.text and str(context).lower() in _QUESTIONS:
        question, context = context, question
    if question is None or context is None or len(wanted.label) > 1:
        return None
    answers = next(iter(wanted.label), None) or first(_ANSWERS, (question, context))
    return QuestionColumns(question, context, answers)


def answers_fit(sample: Sample, columns: QuestionColumns) -> bool:
    """Tell whether most answers of a table stand in their contexts, none among them being fewest."""
    if columns.answers is None:
        return False
    fitting = found = 0
    for value, context in zip(sample[columns.answers].values, sample[columns.context].values, strict=True):
        texts = _texts(value)
        found += bool(texts)
        fitting += bool(texts) and isinstance(context, str) and all(text in context for text in texts)
    # A word that stands in a text may be its label: of answers hardly any is as frequent.
    repeated = sample[columns.answers].is_categorical and "answer_start" not in sample.columns
    return fitting > _MOST * found and not repeated


def _texts(value: Any) -> list[str]:
    """Return the texts of the answers in a cell, as far as they can be told."""
    given = _structured(value)
    if isinstance(given, dict):
        given = given.get("text")
    entries = given if isinstance(given, list) else [given]
    texts = [entry.get("text") if isinstance(entry, dict) else entry for entry in entries]
    return [text for text in texts if isinstance(text, str) and text.strip()]


def _structured(value: Any) -> Any:
    """Return an object or a list that is written as text; other values as they are."""
    if not isinstance(value, str):
        return value
    try:
        found = as_object(value) or as_list(value, "answers")
    except UnusableError:
        return value
    return value if found is None else found


def _table_questions(table: Table, wanted: Columns, where: str) -> Iterator[_Question | Rejected]:
    sample = Sample.of(table)
    for name in (*wanted.text, *wanted.label, wanted.id, wanted.group):
        if name is not None and name not in table.columns:
            raise unknown("column", name, table.columns, where=where)
    if wanted.text and len(wanted.text) != 2:
        raise OptionError(
            f"a question and its context stand in two columns, and {len(wanted.text)} is named",
            where="--text",
            fix="Name both: --text question --text context.",
        )
    columns = find_questions(sample, wanted)
    if columns is None:
        missing = next(key for key in ("question", "context") if not find_named(table.columns, key))
        guess = nearest(missing, table.columns)
        raise DataError(
            f"no column is called {missing!r}; there are {', '.join(map(repr, table.columns))}",
            where=where,
            fix=f"Rename {guess!r}, or name both by --text." if guess else f"Rows must be like: {_EXAMPLE}",
        )
    is_text = isinstance(table, DelimitedTable)
    places = {"question": columns.question, "context": columns.context, "id": wanted.id or "id"}
    places |= {name: name for name in ("answer_start", "is_impossible")} | {"title": wanted.group or "title"}
    if columns.answers is not None and wanted.labelled:
        listed = any(isinstance(_structured(value), dict | list) for value in sample[columns.answers].filled)
        places["answers" if listed or columns.answers == "answers" else "answer"] = columns.answers
    known = {key: name for key, name in places.items() if name in table.columns}
    names = list(dict.fromkeys(known.values()))
    for row in table.rows(names):
        if isinstance(row, Rejected):
            yield row
            continue
        cells = dict(zip(names, row.values, strict=True))
        values = dict.fromkeys(_KEYS) | {key: cells[name] for key, name in known.items()}
        yield _Question(row.line, _typed(values) if is_text else values, row.raw or "")


def find_named(columns: Sequence[str], part: str) -> bool:
    """Tell whether a column is named as a question, or as a context."""
    names = _QUESTIONS if part == "question" else _CONTEXTS
    return any(column.lower() in names for column in columns)


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Give the cells of a file in which all is text the types that JSON has."""
    typed = {key: None if value == "" else value for key, value in values.items()}
    typed["answers"] = _structured(typed["answers"])
    start = str(typed["answer_start"] or "").strip().removesuffix(".0")
    if start.lstrip("-").isdigit():
        typed["answer_start"] = int(start)
    if typed["is_impossible"] is not None:
        typed["is_impossible"] = MARKS.get(mark_of(typed["is_impossible"]))
    return typed


def _squad_questions(document: dict[str, Any]) -> Iterator[_Question | Rejected]:
    number = 0
    for article_place, article in _entries(document, "data", ""):
        for paragraph_place, paragraph in _entries(article, "paragraphs", article_place):
            for place, entry in _entries(paragraph, "qas", paragraph_place):
                number += 1
                if not isinstance(entry, dict):
                    yield Rejected(number, f"malformed SQuAD: no question at {place}", str(entry)[:EXCERPT])
                    continue
                values = {key: entry.get(key) for key in _KEYS}
                values |= {"context": paragraph.get("context"), "title": article.get("title")}
                yield _Question(number, values, str(entry.get("question")), place)


def _entries(parent: Any, key: str, place: str) -> Iterator[tuple[str, Any]]:
    """Yield the entries of a list below ``parent``, each with its path; None once where there is no list."""
    path = f"{place}.{key}" if place else key
    entries = parent.get(key) if isinstance(parent, dict) else None
    if not isinstance(entries, list):
        yield path, None
        return
    for position, entry in enumerate(entries):
        yield f"{path}[{position}]", entry


# From raw questions to rows.


class _Rows:
    """The usable questions, gathered in columns, and the others."""

    def __init__(self, labelled: bool, unit: Unit) -> None:
        self.labelled = labelled
        self.unit = unit
        self.questions: list[str] = []
        self.contexts: list[str] = []
        self.answers: list[list[dict[str, Any]]] = []
        self.ids: list[str] = []
        self.lines: list[int] = []
        self.groups: list[str] = []
        self.rejected: list[Rejected] = []
        self._number_of_id: dict[str, int] = {}
        # A context is shared by its questions: one string each instead of five.
        self._shared: dict[str, str] = {}

    def take(self, question: _Question | Rejected) -> None:
        """Judge a question."""
        if isinstance(question, Rejected):
            self.rejected.append(question)
            return
        values = question.values
        try:
            text = _text(values["question"], "question")
            context = _text(values["context"], "context")
            answers = _answers(values, context, self.unit) if self.labelled else []
            title = values["title"]
            group = _text(title, "title") if title is not None else context
            name = _name(values["id"], question.number)
            if self._number_of_id.setdefault(name, question.number) != question.number:
                raise UnusableError(
                    f"repeated id: {name!r} is that of question {self._number_of_id[name]} already"
                )
        except UnusableError as problem:
            self.rejected.append(question.reject(str(problem)))
            return
        self.questions.append(text)
        self.contexts.append(self._shared.setdefault(context, context))
        self.answers.append(answers)
        self.ids.append(name)
        self.lines.append(question.number)
        self.groups.append(self._shared.setdefault(group, group))


def _text(value: Any, part: str) -> str:
    if value is None:
        raise UnusableError(f"no {part}: it is missing")
    if not isinstance(value, str):
        raise UnusableError(f"malformed {part}: {_kind(value)} where a text is needed")
    if not value.strip():
        raise UnusableError(f"empty {part}: there is nothing in it")
    if len(value) > LONGEST_ROW:
        raise UnusableError(f"too long: the {part} has more than {LONGEST_ROW:,} characters")
    return whole(value, part)


def _name(value: Any, number: int) -> str:
    if value is None:
        return str(number)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UnusableError(f"malformed id: {_kind(value)} where a text or number is needed")
    return whole(str(value), "id")


def _answers(values: dict[str, Any], context: str, unit: Unit) -> list[dict[str, Any]]:
    """Return the answers as they stand in the context; none for an unanswerable question."""
    given = _given_answers(values)
    impossible = values["is_impossible"]
    if given is None:
        if impossible is not True:
            raise UnusableError("no answers: give them, or an empty list where there are none")
        given = []
    if impossible is True and given:
        raise UnusableError(f"contradiction: is_impossible is true, yet there are {len(given)} answers")
    if impossible is False and not given:
        raise UnusableError("contradiction: is_impossible is false, yet there are no answers")
    return [{"text": text, "start": _place(context, text, start, unit)} for text, start in given]


def _given_answers(values: dict[str, Any]) -> list[tuple[Any, Any]] | None:
    """Return text and start of each answer as given; None where the file says nothing of answers."""
    given = values["answers"]
    if given is None:
        return None if values["answer"] is None else [(values["answer"], values["answer_start"])]
    if isinstance(given, dict):
        texts, starts = given.get("text"), given.get("answer_start")
        if not isinstance(texts, list) or not isinstance(starts, list):
            raise UnusableError("malformed answers: an object needs the lists 'text' and 'answer_start'")
        if len(texts) != len(starts):
            raise UnusableError(
                f"malformed answers: {counted(len(texts), 'text')} and {counted(len(starts), 'start')}"
            )
        return list(zip(texts, starts, strict=True))
    if not isinstance(given, list):
        raise UnusableError(f"malformed answers: {_kind(given)} where a list is needed")
    for answer in given:
        if not isinstance(answer, dict) or "text" not in answer:
            raise UnusableError("malformed answers: an entry is no object with 'text' and 'answer_start'")
    return [(answer["text"], answer.get("answer_start")) for answer in given]


def _place(context: str, answer: Any, start: Any, unit: Unit) -> int:
    """Return where an answer stands in its context."""
    if not isinstance(answer, str):
        raise UnusableError(f"malformed answer: {_kind(answer)} where a text is needed")
    if not answer.strip():
        raise UnusableError("empty answer: an unanswerable question has an empty list of answers")
    if start is None:
        places = _occurrences(context, answer)
        if not places:
            raise UnusableError(f"answer not in its context: {answer[:80]!r} does not occur there")
        if len(places) > 1:
            raise UnusableError(
                f"answer without its place: {answer[:80]!r} stands at {_listed(places)}: give answer_start"
            )
        return places[0]
    if isinstance(start, bool) or not isinstance(start, int):
        raise UnusableError(f"malformed answer: answer_start is {_kind(start)}, not a whole number")
    start = _moved(context, start, unit)
    if start < 0 or not context.startswith(answer, start):
        for other in UNITS:
            if (
                other != unit
                and (moved := _moved(context, start, other)) >= 0
                and context.startswith(answer, moved)
            ):
                raise UnusableError(
                    f"offsets in {UNIT_TITLES[other]}: {answer[:80]!r} is at {start} if these are counted; "
                    f"read them by --offsets {other}"
                )
        there = context[max(start, 0) : max(start, 0) + len(answer)] if start < len(context) else ""
        places = _occurrences(context, answer)
        elsewhere = f"it stands at {_listed(places)}" if places else "it occurs nowhere in the context"
        raise UnusableError(
            f"answer not at its offset: {answer[:80]!r} is not at {start}, where the context has "
            f"{there[:80]!r}; {elsewhere}"
        )
    return start


def _moved(context: str, start: int, unit: Unit) -> int:
    """Return an offset in characters; -1 for one within a character."""
    try:
        return in_characters(context, [Span(start, start, "", None)], unit)[0].start
    except UnusableError:
        return -1


_LISTED = 5


def _occurrences(context: str, answer: str) -> list[int]:
    """Return the first places of an answer: one more than are listed tells that there are more."""
    places: list[int] = []
    place = context.find(answer)
    while place >= 0 and len(places) <= _LISTED:
        places.append(place)
        place = context.find(answer, place + 1)
    return places


def _listed(places: list[int]) -> str:
    return ", ".join(map(str, places[:_LISTED])) + (", …" if len(places) > _LISTED else "")


def _kind(value: Any) -> str:
    kinds = {
        bool: "a truth value",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "an object",
        str: "a text",
        type(None): "nothing",
    }
    return kinds.get(type(value), f"a value of type {type(value).__name__}")


def _nothing_usable(rejected: list[Rejected], where: str) -> DataError:
    if not rejected:
        return DataError("there are no questions in this file", where=where, fix=f"Add some: {_EXAMPLE}")
    first, told = Rejected.most_telling(rejected, "question")
    return DataError(
        told,
        where=f"{where}, question {first.line}",
        fix=f"Look at it: {first.excerpt[:80]!r}",
    )
