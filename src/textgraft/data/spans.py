"""Parts of a text that are marked: the forms in which tools write them, and what their offsets count.

A span is an object with where it starts, where it ends (excluded) and its label, under the names that
Prodigy, doccano, Label Studio, Rasa and others give these; or a list of the three. Offsets count characters
(code points); tools written in JavaScript or Java count UTF-16 units instead, which differ behind an emoji,
and some count the bytes of UTF-8.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Literal, NamedTuple, get_args

from textgraft.data.formats.tables import EXCERPT
from textgraft.data.tag_schemes import Entity
from textgraft.data.values import UnusableError, as_list, as_object
from textgraft.data.words import Words
from textgraft.errors import unknown

Unit = Literal["characters", "utf-16", "utf-8"]
"""What offsets count: code points, the units of UTF-16, or the bytes of UTF-8."""
CHARACTERS: Unit = "characters"
UNITS: tuple[Unit, ...] = get_args(Unit)
UNIT_TITLES = {"characters": "characters", "utf-16": "UTF-16 units", "utf-8": "bytes of UTF-8"}

_STARTS = ("start", "start_offset", "begin", "from", "start_char")
_ENDS = ("end", "end_offset", "stop", "to", "end_char")
_LABELS = ("label", "labels", "type", "tag", "entity", "entity_type", "entity_group", "category", "class")
_TEXTS = ("text", "value", "word", "surface")


_NOTHING = object()


class Span(NamedTuple):
    """A part of a text, as it stands in a file."""

    start: int
    end: int
    label: str
    text: str | None
    """What the file says stands there."""


def check_unit(unit: str) -> Unit:
    """Return the unit of a name.

    Raises:
        OptionError: There is none of this name.
    """
    for known in UNITS:
        if unit == known:
            return known
    raise unknown("unit of offsets", unit, UNITS, where="--offsets")


def are_spans(values: Sequence[Any]) -> bool:
    """Tell whether the values of a column are lists of spans, at least one of which is not empty."""
    found = False
    for value in values:
        try:
            spans = list(parse_spans(value))
        except UnusableError:
            return False
        found = found or bool(spans)
    return found


def parse_spans(value: Any) -> Iterator[Span]:
    """Yield the spans in a cell.

    Raises:
        UnusableError: It is no list of spans.
    """
    wrapped = as_object(value)
    found = as_list(wrapped["entities"] if wrapped and "entities" in wrapped else value, "spans")
    if found is None:
        raise UnusableError(f"no tags: {value!r} where a list is needed"[:EXCERPT])
    for entry in found:
        yield _span(entry)


def _span(entry: Any) -> Span:
    start: Any
    end: Any
    label: Any
    text: Any = None
    if isinstance(entry, list | tuple) and len(entry) == 3:
        start, end, label = entry
    elif isinstance(entry, dict):
        start, end, label, text = (
            next((entry[name] for name in names if name in entry), _NOTHING)
            for names in (_STARTS, _ENDS, _LABELS, _TEXTS)
        )
    else:
        start = end = label = text = _NOTHING
    if _NOTHING in (start, end, label):
        raise UnusableError(f"malformed span: {entry!r} is no object with start, end and label"[:EXCERPT])
    if type(start) is not int or type(end) is not int:
        raise UnusableError(f"malformed span: start {start!r} and end {end!r} must be whole numbers")
    if isinstance(label, list) and len(label) == 1:
        label = label[0]
    if isinstance(label, list) and len(label) > 1:
        raise UnusableError(f"several labels: {start} to {end} is {' and '.join(map(str, label))} at once")
    if not isinstance(label, str) or not label.strip():
        raise UnusableError(f"malformed span: the label {label!r} is no name")
    return Span(start, end, label.strip(), text if isinstance(text, str) else None)


def in_characters(text: str, spans: Sequence[Span], unit: Unit) -> list[Span]:
    """Return spans whose offsets count characters.

    Raises:
        UnusableError: An offset lies within a character.
    """
    if unit == CHARACTERS or text.isascii():
        return list(spans)
    size = _SIZES[unit]
    places, at = {0: 0}, 0
    for place, character in enumerate(text, start=1):
        at += size(character)
        places[at] = place
    # What lies behind the end lies there in every unit; it is judged with the others.
    beyond = len(text) - at
    moved = []
    for span in spans:
        start, end = (places.get(offset, offset + beyond if offset > at else -1) for offset in span[:2])
        if min(start, end) < 0 <= min(span[:2]):
            raise UnusableError(
                f"span not at its offset: {span.start} or {span.end} is no character's, "
                f"counted in {UNIT_TITLES[unit]}"
            )
        moved.append(span._replace(start=start, end=end))
    return moved


_SIZES = {
    "utf-16": lambda character: 2 if character > "\uffff" else 1,
    "utf-8": lambda character: len(character.encode("utf-8", "surrogatepass")),
}


def place_spans(text: str, words: Words, spans: Sequence[Span]) -> tuple[list[Entity], bool]:
    """Return the entities that spans are in words, and whether one was widened to whole words.

    Args:
        text: The text.
        words: Start and end of each of its words.
        spans: Counted in characters.

    Raises:
        UnusableError: A span lies outside the text, is empty, or overlaps another.
    """
    starts, ends = [start for start, _ in words], [end for _, end in words]
    found = []
    for span in spans:
        start, end = _trimmed(text, span)
        first, last = bisect_right(ends, start), bisect_left(starts, end)
        if first >= last:
            raise UnusableError(f"empty span: there is no word at {start} to {end}")
        found.append(((span.label, first, last), start, end))
    found.sort(key=lambda entry: entry[1:])
    for (before, *place), (after, *next_place) in pairwise(found):
        if before[2] > after[1]:
            reason = "overlapping spans" if place[1] > next_place[0] else "two spans in one word"
            raise UnusableError(f"{reason}: {place[0]} to {place[1]} and {next_place[0]} to {next_place[1]}")
    is_widened = any((words[a][0], words[b - 1][1]) != (start, end) for (_, a, b), start, end in found)
    return [entity for entity, _, _ in found], is_widened


def _trimmed(text: str, span: Span) -> tuple[int, int]:
    """Judge a span; returns its start and end, white space at either side left out."""
    start, end, _, said = span
    if start < 0 or end > len(text):
        raise UnusableError(f"span outside the text: {start} to {end} of {len(text)} characters")
    if start >= end or not (inside := text[start:end]).strip():
        raise UnusableError(f"empty span: nothing stands at {start} to {end}")
    if said is not None and said.strip() != inside.strip():
        raise UnusableError(f"span not at its offset: {said!r} is said to be at {start}, there is {inside!r}")
    start += len(inside) - len(inside.lstrip())
    return start, start + len(inside.strip())


def better_unit(text: str, words: Words, spans: Sequence[Span]) -> Unit | None:
    """Return the unit in which alone all spans begin and end with words; None where characters do as well.

    Offsets in the wrong unit lie a little beside the words behind an emoji or an accent.
    """
    if text.isascii() or not spans or _fit(text, words, spans, CHARACTERS):
        return None
    return next((unit for unit in UNITS[1:] if _fit(text, words, spans, unit)), None)


def _fit(text: str, words: Words, spans: Sequence[Span], unit: Unit) -> bool:
    try:
        return not place_spans(text, words, in_characters(text, spans, unit))[1]
    except UnusableError:
        return False
