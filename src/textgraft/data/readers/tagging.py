"""Which columns of a table hold words with tags, or texts with spans: told by their names and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from textgraft.data.columns import Columns, choose_columns
from textgraft.data.sample import Column, Sample
from textgraft.data.spans import are_spans
from textgraft.data.tag_schemes import OUTSIDE, is_tag
from textgraft.data.values import UnusableError, as_list
from textgraft.errors import TextgraftError

_TOKENS = ("tokens", "words", "sentence", "text", "token", "word")
_TAGS = (
    "ner_tags",
    "tags",
    "ner",
    "labels",
    "label",
    "tag",
    "bio_tags",
    "word_labels",
    "iob",
    "bio",
    "entity",
)
_TEXTS = ("text", "sentence", "content")
_SPANS = ("spans", "entities", "label", "labels", "annotations", "ner")
_WORD = ("word", "token", "words", "tokens", "form")
_SENTENCE = re.compile(r"(sentence|sent|s)[\s_.-]*(#|id|idx|nr|no|number|num)?", re.IGNORECASE)
_MOST = 0.8


@dataclass(frozen=True, slots=True)
class Tagging:
    """The columns of words and tags."""

    form: Literal["words", "spans", "rows"]
    """Lists of words with lists of tags, texts with spans, or a row for each word."""
    text: str
    label: str | None
    """None where tags are not read."""
    sentence: str | None = None
    """Of a row for each word, the column that tells its sentence, if there is one."""


def find_tagging(sample: Sample, wanted: Columns) -> Tagging | None:
    """Find the columns of words and tags; None where there are none, or the user's word speaks against it.

    Args:
        sample: Of the table.
        wanted: What the user says of its columns.
    """
    if len(wanted.text) > 1 or len(wanted.label) > 1:
        return None
    if not wanted.labelled:
        return _untagged(sample, wanted)
    return _words(sample, wanted) or _word_rows(sample, wanted) or _spans(sample, wanted)


def named_tagging(sample: Sample, wanted: Columns) -> Tagging | None:
    """Find the columns by their names, or by the user's word, alone: rows are judged as they are read."""
    if not wanted.labelled or len(wanted.text) > 1 or len(wanted.label) > 1:
        return None
    both = bool(wanted.text and wanted.label)
    for texts, labels in ((_TOKENS[:2], _TAGS[:4]), (_TEXTS, _SPANS)):
        text, label = _candidates(sample, wanted.text, texts), _candidates(sample, wanted.label, labels)
        if text and label:
            listed = any(isinstance(value, list) for value in sample[text[0]].filled)
            form: Literal["words", "spans"] = "words" if listed or (texts != _TEXTS and not both) else "spans"
            return Tagging(form, text[0], label[0])
    return None


def words_of(value: Any) -> list[Any]:
    """Return the words in a cell: a list, or a text that is cut at white space."""
    found = as_list(value, "words") if not isinstance(value, str) or value.startswith("[") else None
    if found is None and isinstance(value, str):
        return list(value.split())
    if found is None:
        raise UnusableError(f"no words: {value!r} where a list of words is needed"[:200])
    return found


def _candidates(sample: Sample, given: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the user's column, or the columns of these names in the order of the names."""
    if given:
        return [name for name in given if name in sample.columns]
    plain = {column.strip().lower().replace(" ", "_"): column for column in reversed(sample.columns)}
    return [plain[name] for name in names if name in plain]


def _words(sample: Sample, wanted: Columns) -> Tagging | None:
    for text in _candidates(sample, wanted.text, _TOKENS):
        for label in _candidates(sample, wanted.label, _TAGS):
            if text != label and _fit(sample[text], sample[label]):
                return Tagging("words", text, label)
    return None


def _fit(words: Column, tags: Column) -> bool:
    """Tell whether most rows have a tag for each word."""
    pairs = list(zip(words.values, tags.values, strict=True))
    return bool(pairs) and sum(_fits(*pair) for pair in pairs) >= _MOST * len(pairs)


def _fits(words: Any, tags: Any) -> bool:
    try:
        one, other = words_of(words), words_of(tags)
    except UnusableError:
        return False
    # One word with one tag is a row for each word; a tag is a string, whatever the scheme.
    is_row = isinstance(words, str) and isinstance(tags, str) and len(one) < 2
    return len(one) == len(other) > 0 and not is_row and all(isinstance(t, str) and is_tag(t) for t in other)


def _spans(sample: Sample, wanted: Columns) -> Tagging | None:
    known = _candidates(sample, wanted.label, _SPANS)
    others = [name for name in sample.columns if name not in known and not wanted.label]
    for label in (*known, *others):
        if sample[label].is_structured and are_spans(sample[label].filled):
            text = _text(sample, wanted, label)
            if text is not None:
                return Tagging("spans", text, label)
    return None


def _text(sample: Sample, wanted: Columns, label: str) -> str | None:
    if wanted.text:
        return wanted.text[0]
    rest = Sample([name for name in sample.columns if name != label], ())
    places = [sample.columns.index(name) for name in rest.columns]
    rest = Sample(rest.columns, [[row[place] for place in places] for row in sample.rows])
    try:
        return choose_columns(rest, Columns(labelled=False), where="").text[0]
    except TextgraftError:
        return None


def _word_rows(sample: Sample, wanted: Columns) -> Tagging | None:
    text = next((n for n in _candidates(sample, wanted.text, _WORD) if _are_words(sample[n])), None)
    if text is None:
        text = next((name for name in sample.columns if not wanted.text and _are_words(sample[name])), None)
    names = _candidates(sample, wanted.label, _TAGS) or (() if wanted.label else sample.columns)
    label = next((name for name in names if name != text and _are_tags(sample[name])), None)
    if text is None or label is None:
        return None
    return Tagging("rows", text, label, _sentence(sample, text, label))


def _are_words(column: Column) -> bool:
    words = [value for value in column.filled if isinstance(value, str)]
    single = sum(len(word.split()) == 1 for word in words)
    return bool(words) and single >= _MOST * len(words) and not _are_tags(column) and not column.is_numbers


def _are_tags(column: Column) -> bool:
    tags = [value for value in column.filled if isinstance(value, str)]
    tagged = sum(map(is_tag, tags))
    return bool(tags) and tagged >= _MOST * len(tags) and set(tags) != {OUTSIDE}


def _sentence(sample: Sample, text: str, label: str | None) -> str | None:
    free = [name for name in sample.columns if name not in (text, label)]
    return next((name for name in free if _SENTENCE.fullmatch(name.strip())), None)


def _untagged(sample: Sample, wanted: Columns) -> Tagging | None:
    """Find words to be tagged: in lists, or in a row each; None for texts."""
    for name in _candidates(sample, wanted.text, _TOKENS[:2]):
        if any(isinstance(value, list) for value in sample[name].filled):
            return Tagging("words", name, None)
    for name in _candidates(sample, wanted.text, _WORD):
        sentence = _sentence(sample, name, None)
        if sentence is not None and _are_words(sample[name]):
            return Tagging("rows", name, None, sentence)
    return None
