"""What a person can answer: a label, several labels, or labelled spans of a text, by task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from textgraft.data.spans import parse_spans
from textgraft.data.values import UnusableError, as_name
from textgraft.data.words import cut_words
from textgraft.errors import DataError, unknown

OUTSIDE = ""
"""In place of a label where a word lies in no span."""


class AnswerKind(NamedTuple):
    """What answers of a task are made of."""

    parse: Callable[[Any, str], Any]
    """Makes the form in which an answer is kept of what was given, for a text; raises UnusableError."""
    labels: Callable[[Any], Iterable[str]]
    """The labels in an answer."""
    units: Callable[[Any, str, Sequence[str]], list[str]]
    """The values that two answers about a text are compared by, one after another."""


def _name(given: Any, text: str) -> str:
    del text
    if isinstance(given, list | tuple) and len(given) == 1:
        given = given[0]
    return as_name(given)


def _names(given: Any, text: str) -> list[str]:
    del text
    if not isinstance(given, list | tuple | set):
        given = [given]
    return sorted({as_name(one) for one in given})


def _spans(given: Any, text: str) -> list[dict[str, Any]]:
    found = []
    for span in sorted(parse_spans(given)):
        if not 0 <= span.start < span.end <= len(text):
            raise UnusableError(
                f"span outside the text: {span.start} to {span.end} of {len(text)} characters"
            )
        found.append({"start": span.start, "end": span.end, "label": span.label})
    return found


def _word_labels(answer: Any, text: str, labels: Sequence[str]) -> list[str]:
    """Return for each word of the text the label of the span that it begins in."""
    del labels
    words = []
    for start, _ in cut_words(text):
        inside = (span["label"] for span in answer if span["start"] <= start < span["end"])
        words.append(next(inside, OUTSIDE))
    return words


_NAME = AnswerKind(_name, lambda answer: (answer,), lambda answer, text, labels: [answer])
_NAMES = AnswerKind(
    _names,
    lambda answer: answer,
    lambda answer, text, labels: ["yes" if label in answer else "no" for label in labels],
)
_SPANS = AnswerKind(_spans, lambda answer: (span["label"] for span in answer), _word_labels)

KINDS: Mapping[str, AnswerKind] = {
    "classification": _NAME,
    "pairs": _NAME,
    "multi-label": _NAMES,
    "token-classification": _SPANS,
}
"""The tasks whose rows people can decide here."""


def answer_kind(task: str) -> AnswerKind:
    """Return what answers of a task are made of.

    Raises:
        OptionError: Rows of this task are not decided here.
    """
    if task not in KINDS:
        raise unknown("task for review", task, KINDS, where="--task")
    return KINDS[task]


def parse_answer(task: str, given: Any, text: str, *, where: str = "answer") -> Any:
    """Return an answer in the form in which it is kept.

    Args:
        task: One of :data:`KINDS`.
        given: A label; a list of labels; or a list of spans, each an object with start, end (excluded) and
            label, counted in characters.
        text: What it is about.
        where: What is named where it cannot be used.

    Returns:
        A string, a sorted list of strings, or a sorted list of objects.

    Raises:
        DataError: It is none of these.
    """
    try:
        return answer_kind(task).parse(given, text)
    except UnusableError as problem:
        fixes = {_NAME: "Give one label.", _NAMES: "Give a list of labels."}
        fix = fixes.get(answer_kind(task), 'Give spans as [{"start": 0, "end": 4, "label": "PER"}].')
        raise DataError(str(problem), where=where, fix=fix) from problem
