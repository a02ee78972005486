"""Questions about contexts: SQuAD JSON, version 1.1 or 2, and JSON Lines.

Every answer must stand in its context where the file says so. A question that cannot be used is listed with
its place and the reason, as in every reader.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textgraft.data.dataset import Dataset, ReadingNotes, Rejected
from textgraft.data.formats.jsonlines import JsonLinesTable
from textgraft.data.formats.lines import LONGEST_ROW, Encoding, detect_encoding
from textgraft.data.formats.tables import EXCERPT
from textgraft.data.readers.reading import missing_file
from textgraft.data.values import UnusableError
from textgraft.errors import DataError, nearest

FORMATS = (".json", ".jsonl", ".ndjson")
"""Endings of the files that can be read."""
_KEYS = ("id", "question", "context", "answers", "answer", "answer_start", "is_impossible", "title")
_EXAMPLE = '{"question": "Who ran?", "context": "Ann ran.", "answers": [{"text": "Ann", "answer_start": 0}]}'


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


def read_squad(source: str | Path, *, labelled: bool = True) -> Dataset:
    """Read questions, the contexts that hold their answers, and the answers.

    SQuAD JSON (``data``, ``paragraphs``, ``qas``), or JSON Lines with ``question``, ``context`` and one of

    - ``answers``: ``{"text": [...], "answer_start": [...]}``, or a list of ``{"text", "answer_start"}``;
    - ``answer``, with ``answer_start`` beside it.

    ``answer_start`` counts characters (code points) from 0 and may be left out where the answer stands in the
    context exactly once. An empty list of answers makes a question unanswerable. ``id`` and ``title`` are
    optional; questions of one title, or without titles of one context, never straddle splits.

    Args:
        source: Path of the file.
        labelled: Whether questions need answers; without, those that stand there are not read.

    Returns:
        Columns ``question`` and ``context``; as labels the answers of each row, a list of
        ``{"text": str, "start": int}``. ``lines`` count the questions where the file is SQuAD JSON.

    Raises:
        DataError: The file is missing, empty, of another format or damaged, or none of its questions can be
            used.
    """
    path = Path(source)
    _must_be_readable(path)
    try:
        if path.suffix.lower() == ".json":
            encoding = detect_encoding(path)
            questions = _squad_questions(path, encoding)
        else:
            table = JsonLinesTable(path)
            encoding = table.encoding
            questions = _line_questions(path, table)
        rows = _Rows(labelled)
        for question in questions:
            rows.take(question)
    except OSError as error:
        raise DataError(
            f"the file cannot be read: {error.strerror or error}",
            where=str(path),
            fix="Check the path and your permission to read it.",
        ) from error
    if not rows.ids:
        raise _nothing_usable(rows.rejected, str(path))
    return Dataset(
        columns={"question": rows.questions, "context": rows.contexts},
        labels=rows.answers if labelled else None,
        ids=rows.ids,
        lines=rows.lines,
        source=str(path),
        groups=rows.groups,
        rejected=rows.rejected,
        notes=ReadingNotes(
            format="SQuAD JSON" if path.suffix.lower() == ".json" else "JSON Lines",
            total_rows=len(rows.ids) + len(rows.rejected),
            encoding=encoding.title,
            byte_order_mark=encoding.byte_order_mark,
            first_undecodable_line=encoding.first_undecodable_line,
        ),
    )


def _must_be_readable(path: Path) -> None:
    where = str(path)
    if not path.exists():
        raise missing_file(path)
    if path.is_dir():
        raise DataError("this is a folder, not a file", where=where, fix="Name one file.")
    if path.suffix.lower() not in FORMATS:
        raise DataError(
            f"questions are not read from files ending in {path.suffix or 'nothing'!r}",
            where=where,
            fix=f"Give SQuAD JSON (.json), or JSON Lines (.jsonl) as in: {_EXAMPLE}",
        )


# From a file to raw questions.


def _line_questions(path: Path, table: JsonLinesTable) -> Iterator[_Question | Rejected]:
    for key in ("question", "context"):
        if key not in table.columns:
            guess = nearest(key, table.columns)
            raise DataError(
                f"no object has the key {key!r}; there are {', '.join(map(repr, table.columns))}",
                where=str(path),
                fix=f"Rename {guess!r}." if guess else f"Each line must be like: {_EXAMPLE}",
            )
    for row in table.rows(_KEYS):
        if isinstance(row, Rejected):
            yield row
        else:
            yield _Question(row.line, dict(zip(_KEYS, row.values, strict=True)), row.raw or "")


def _squad_questions(path: Path, encoding: Encoding) -> Iterator[_Question | Rejected]:
    number = 0
    for article_place, article in _entries(_decoded(path, encoding), "data", ""):
        for paragraph_place, paragraph in _entries(article, "paragraphs", article_place):
            for place, entry in _entries(paragraph, "qas", paragraph_place):
                number += 1
                if not isinstance(entry, dict):
                    yield Rejected(number, f"malformed SQuAD: no question at {place}", str(entry)[:EXCERPT])
                    continue
                values = {key: entry.get(key) for key in _KEYS}
                values |= {"context": paragraph.get("context"), "title": article.get("title")}
                yield _Question(number, values, str(entry.get("question")), place)


def _decoded(path: Path, encoding: Encoding) -> dict[str, Any]:
    where = str(path)
    try:
        value = json.loads(path.read_text(encoding=encoding.codec))
    except UnicodeDecodeError as error:
        line = encoding.first_undecodable_line
        raise DataError(
            f"the file is not valid {encoding.title}: {error.reason}",
            where=f"{where}, line {line}" if line else where,
            fix="Save it as UTF-8.",
        ) from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"malformed JSON: {error.msg}",
            where=f"{where}, line {error.lineno}, column {error.colno}",
            fix="Check that it was written to the end. One object a line is JSON Lines: name it .jsonl.",
        ) from error
    except RecursionError as error:
        raise DataError(
            "the JSON is nested too deeply", where=where, fix="SQuAD JSON has six levels."
        ) from error
    if not isinstance(value, dict) or not isinstance(value.get("data"), list):
        raise DataError(
            "this is not SQuAD JSON: there is no list 'data' at the top",
            where=where,
            fix=f"Give a file as SQuAD's own, or one object a line in a file named .jsonl, as in: {_EXAMPLE}",
        )
    return value


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

    def __init__(self, labelled: bool) -> None:
        self.labelled = labelled
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
            answers = _answers(values, context) if self.labelled else []
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
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise UnusableError(
            f"broken Unicode: half a surrogate pair at character {error.start + 1} of the {part}"
        ) from error
    return value


def _name(value: Any, number: int) -> str:
    if value is None:
        return str(number)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        raise UnusableError(f"malformed id: {_kind(value)} where a text or number is needed")
    return str(value)


def _answers(values: dict[str, Any], context: str) -> list[dict[str, Any]]:
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
    return [{"text": text, "start": _place(context, text, start)} for text, start in given]


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
            raise UnusableError(f"malformed answers: {len(texts)} texts and {len(starts)} starts")
        return list(zip(texts, starts, strict=True))
    if not isinstance(given, list):
        raise UnusableError(f"malformed answers: {_kind(given)} where a list is needed")
    for answer in given:
        if not isinstance(answer, dict) or "text" not in answer:
            raise UnusableError("malformed answers: an entry is no object with 'text' and 'answer_start'")
    return [(answer["text"], answer.get("answer_start")) for answer in given]


def _place(context: str, answer: Any, start: Any) -> int:
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
    if start < 0 or not context.startswith(answer, start):
        there = context[max(start, 0) : max(start, 0) + len(answer)] if start < len(context) else ""
        places = _occurrences(context, answer)
        elsewhere = f"it stands at {_listed(places)}" if places else "it occurs nowhere in the context"
        raise UnusableError(
            f"answer not at its offset: {answer[:80]!r} is not at {start}, where the context has "
            f"{there[:80]!r}; {elsewhere}"
        )
    return start


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
    kinds = Counter(row.kind for row in rejected)
    kind, count = kinds.most_common(1)[0]
    first = next(row for row in rejected if row.kind == kind)
    return DataError(
        f"none of the {len(rejected)} questions can be used; {count} of them have this: {first.reason}",
        where=f"{where}, question {first.line}",
        fix=f"Look at it: {first.excerpt[:80]!r}",
    )
