"""Which columns hold what: named by the user, or told by the names in common use and by the first rows."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from textgraft.data.sample import Sample
from textgraft.errors import DataError, OptionError, unknown

TEXT_NAMES = (
    "text", "sentence", "review", "plot", "content", "body", "message", "description", "question", "query",
    "utterance", "document", "article", "comment", "tweet", "post", "abstract", "summary", "headline",
    "title", "docstring", "phrase", "statement", "claim", "transcript", "lyrics", "narrative", "reviewbody",
)  # fmt: skip
"""Column names that are taken for the text when no column is named. "text" wins over the others."""

LABEL_NAMES = (
    "label", "class", "category", "target", "sentiment", "intent", "topic", "origin", "genre", "polarity",
    "emotion", "language", "tag", "stance", "verdict", "classindex",
)  # fmt: skip
"""Column names that are taken for the label when no column is named. "label" wins over the others."""

NUMBER_NAMES = (
    "label", "score", "similarity", "relatedness", "rating", "stars", "value", "number", "price", "target",
    "overall",
)  # fmt: skip
"""The same for targets that are numbers."""

SCALE_NAMES = ("score", "rating", "stars", "overall", "grade")
"""Columns that people grade texts in: taken for the label where no column of :data:`LABEL_NAMES` is."""

PAIR_LABEL_NAMES = (
    "label", "goldlabel", "class", "target", "relation", "isduplicate", "duplicate", "entailment", "judgment",
    "quality",
)  # fmt: skip
"""The same for labels of pairs."""

PAIRS = (
    ("premise", "hypothesis"), ("question", "sentence"), ("question", "answer"), ("query", "document"),
    ("query", "passage"), ("question", "passage"), ("claim", "evidence"), ("first", "second"),
    ("left", "right"),
)  # fmt: skip
"""Names of two columns that are taken for a pair of texts, beside those that count one of
:data:`NUMBERED_TEXTS`: sentence1 and sentence2, text_a and text_b."""

NUMBERED_TEXTS = (*TEXT_NAMES, "string", "snippet", "s", "q", "t")

Named = TypeVar("Named", list[str], tuple[str, ...])
"""Columns that were told."""

_SHOWN_COLUMNS = 40
_PROPOSED_COLUMNS = 3
_LONGER = 1.5
"""How many times as long as the others one of several columns must be to be taken for the text."""
_NOT_LABELS = re.compile(r"(.*[^a-z])?(id|index|idx|no|nr|date|time|timestamp|url|link|user|username|author)")
"""Columns that say where rows come from; what they hold may repeat as labels do."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the user says of the columns of a source."""

    text: tuple[str, ...] = ()
    """The text columns in the order to join them; none: they are to be told by names and values."""
    label: tuple[str, ...] = ()
    """The label column, or one for each label of a row; none: likewise."""
    id: str | None = None
    group: str | None = None
    labelled: bool = True
    """Whether labels are to be read."""

    @classmethod
    def named(
        cls,
        text: str | Sequence[str] | None = None,
        label: str | Sequence[str] | None = None,
        id_column: str | None = None,
        group: str | None = None,
        labelled: bool = True,
    ) -> Columns:
        """Take columns as options and keywords name them.

        Raises:
            OptionError: A name is no text.
        """
        text, label = as_tuple(text), as_tuple(label)
        for name in (id_column, group):
            if name is not None and not isinstance(name, str):
                raise _no_names(name)
        return cls(text, label if labelled else (), id_column, group, labelled)


def as_tuple(names: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return what an option names: nothing, one thing or several.

    Raises:
        OptionError: It is no name, and nothing that holds names.
    """
    if names is None or isinstance(names, str):
        return () if names is None else (names,)
    if isinstance(names, Mapping) or not isinstance(names, Iterable):
        raise _no_names(names)
    found = tuple(names)
    for name in found:
        if not isinstance(name, str):
            raise _no_names(name)
    return found


def _no_names(given: object) -> OptionError:
    return OptionError(
        f"a column is named by its name, and this is {type(given).__name__}",
        where=repr(given)[:60],
        fix='Give the name of one, as "text", or a list of names.',
    )


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns to read."""

    text: list[str]
    labels: tuple[str, ...] = ()
    """One column, or one for each label that a row may have; none where rows have no labels."""
    id: str | None = None
    group: str | None = None

    @property
    def label(self) -> str | None:
        """The label column, where there is one alone."""
        return self.labels[0] if len(self.labels) == 1 else None

    @property
    def names(self) -> list[str]:
        """Every column to read, each once, the text columns first."""
        others = (self.id, self.group)
        return list(dict.fromkeys([*self.text, *self.labels, *(name for name in others if name is not None)]))


def choose_columns(
    sample: Sample,
    wanted: Columns,
    *,
    where: str,
    pair: bool = False,
    several_labels: bool = False,
    label_names: Collection[str] = LABEL_NAMES,
) -> Choice:
    """Settle which columns to read.

    Args:
        sample: The columns of the source, and its first rows.
        wanted: What the user says.
        where: The source, for errors.
        pair: Whether there must be exactly two text columns.
        several_labels: Whether each label may have a column of its own.
        label_names: Column names that are taken for the label when no column is named.

    Raises:
        OptionError: A named column does not exist, stands twice in the source, or is given two parts; or a
            pair is wanted and not two text columns are named; or several label columns are, where one is
            needed.
        DataError: A column is to be guessed and none, or more than one, qualifies.
    """
    columns = sample.columns
    text, labels = list(wanted.text), wanted.label if wanted.labelled else ()
    others = [*labels, *(name for name in (wanted.id, wanted.group) if name is not None)]
    likely = [name for name in columns if name not in others and sample[name].is_prose]
    for name in text:
        _must_exist(name, [*columns, *sample.nested], where, likely)
    for name in others:
        _must_exist(name, [*columns, *sample.nested], where)
    if len({*text, *labels}) < len(text) + len(labels):
        raise OptionError(
            f"a column is used twice: text {_listed(text)}; label {_listed(labels)}",
            where=where,
            fix="Name each text column once, and other columns as labels.",
        )
    if pair and text and len(text) != 2:
        raise OptionError(
            f"a pair needs two text columns, and {len(text)} are named: {_listed(text)}",
            where=where,
            fix="Name the column of the first text and that of the second: --text first --text second.",
        )
    if len(labels) > 1 and not several_labels:
        raise OptionError(
            f"one label column is needed, and {len(labels)} are named: {_listed(labels)}",
            where=where,
            fix="Name one, or give --task multi-label where a row may have several labels.",
        )
    known = (*TEXT_NAMES, *label_names)

    def free(names: Sequence[str]) -> list[str]:
        taken = {*text, *labels, wanted.id, wanted.group}
        return [
            name for name in names if name not in taken and (_named(name, known) or not sample.is_empty(name))
        ]

    if not text:
        # What is left when the label is known must be the text, and the other way round.
        def texts(names: Sequence[str]) -> list[str]:
            rest = [name for name in names if labels or not _named(name, label_names)]
            return _guess_pair(names, rest, where) if pair else [_guess_text(sample, names, rest, where)]

        text = _or_inside(sample, free, texts)
    if wanted.labelled and not labels:
        labels = _or_inside(
            sample,
            free,
            lambda names: _guess_labels(sample, names, label_names, where, several=several_labels),
        )
    for name in (*text, *labels):
        _must_be_single(name, columns, where)
    return Choice(text, labels, wanted.id, wanted.group)


def _or_inside(
    sample: Sample, free: Callable[[Sequence[str]], list[str]], guess: Callable[[Sequence[str]], Named]
) -> Named:
    """Guess among the columns; where they are none, among what stands inside their objects."""
    try:
        return guess(free(sample.columns))
    except DataError:
        if not sample.nested:
            raise
    flat: list[str] = [name for name in sample.columns if not sample[name].is_structured]
    return guess(free([*flat, *sample.nested]))


def _must_exist(name: str, columns: Sequence[str], where: str, likely: Sequence[str] = ()) -> None:
    """Refuse a column that does not exist.

    Args:
        name: Of the column.
        columns: Those that exist.
        where: The source, for errors.
        likely: Those that may be meant, for a text column: what looks like text.
    """
    if name in columns:
        return
    parts = [part.strip() for part in name.split(",")]
    if len(parts) > 1 and all(part in columns for part in parts):
        raise OptionError(
            f"{name!r} is no column, but {len(parts)} that are joined by commas",
            where=where,
            fix="Give the option once for each (in Python: a list of names).",
        )
    error = unknown("column", name, [_shorten(column) for column in columns[:_SHOWN_COLUMNS]], where=where)
    if not likely:
        raise error
    options = " or ".join(f"--text {shlex.quote(_shorten(column))}" for column in likely[:_PROPOSED_COLUMNS])
    raise OptionError(error.what, where=where, fix=f"{error.fix} Likely {options} (in Python: text=…).")


def _must_be_single(name: str, columns: Sequence[str], where: str) -> None:
    if columns.count(name) > 1:
        raise OptionError(
            f"the column {name!r} stands {columns.count(name)} times in the header",
            where=where,
            fix="Give every column a name of its own." if name else _hint(columns),
        )


def _guess_text(sample: Sample, free: Sequence[str], rest: Sequence[str], where: str) -> str:
    """Return the text column: the one of a known name, of several the longest; else the only one of prose."""
    told = [name for name in free if sample[name].is_texts]
    plain = [name for name in free if _named(name, ("text",)) and not sample[name].is_structured]
    known = [name for name in told if _named(name, TEXT_NAMES) or _ends_in(name, ("text",))]
    ending = [name for name in told if _ends_in(name, TEXT_NAMES)]
    prose = [name for name in told if sample[name].is_prose]
    candidates = plain or known or ending or prose or (list(rest) if len(rest) == 1 else [])
    return _only("text", sample, candidates, free, where, longest=True)


def _guess_labels(
    sample: Sample, free: Sequence[str], names: Collection[str], where: str, *, several: bool
) -> tuple[str, ...]:
    """Return the label column: the one of a known name, the only one with few values, or the only one."""
    told = [name for name in free if sample[name].is_labels]
    for known in (names, SCALE_NAMES):
        named = [name for name in free if _named(name, known) and not sample[name].is_structured]
        plain = [name for name in named if _named(name, ("label",))]
        likely = [name for name in named if name in told]
        ending = [name for name in told if _ends_in(name, known)]
        if candidates := plain or likely or named or ending:
            return (_only("label", sample, candidates, free, where),)
    few = [name for name in told if sample[name].is_categorical and not _NOT_LABELS.fullmatch(name.lower())]
    if several and len(marks := [name for name in few if sample[name].is_marks]) > 1:
        return tuple(marks)
    rest = [name for name in free if not (sample.nested and sample[name].is_structured)]
    candidates = few or (rest if len(rest) == 1 else [])
    return (_only("label", sample, candidates, free, where),)


def _only(
    part: str,
    sample: Sample,
    candidates: Sequence[str],
    free: Sequence[str],
    where: str,
    *,
    longest: bool = False,
) -> str:
    """Return the only candidate, or, where that may decide, the one that is clearly longest."""
    if candidates and len(set(candidates)) == 1:
        return candidates[0]
    if candidates and longest:
        first, second = sorted(candidates, key=lambda name: sample[name].length, reverse=True)[:2]
        if sample[first].length >= _LONGER * max(1.0, sample[second].length):
            return first
    shown = _listed([*sample.columns, *sample.nested][:_SHOWN_COLUMNS])
    if candidates:
        raise DataError(
            f"which column is the {part}? {_listed(candidates[:_SHOWN_COLUMNS])} could all be",
            where=where,
            fix=f"Say which with --{part} (in Python: {part}=…). Columns found: {shown}.",
        )
    raise DataError(
        f"no column looks like the {part}",
        where=where,
        fix=f"Name it with --{part} (in Python: {part}=…). Columns found: {shown}. {_hint(sample.columns)}",
    )


def _hint(columns: Sequence[str]) -> str:
    """Say what may be wrong with a header that names none of the columns that are looked for."""
    if columns.count("") > 1:
        return "The first row must name the columns: delete what stands above it, as a title."
    lacking = "If these are values, the file lacks a first row with the names of its columns"
    return lacking + (
        ", or what parts them is no comma, semicolon, tab or bar." if len(columns) == 1 else "."
    )


def find_pair(columns: Sequence[str]) -> list[str]:
    """Return the two columns whose names are those of a pair of texts; none if there is no such pair."""
    places: dict[str, str] = {}
    for column in columns:
        places.setdefault(_plain(column), column)
    for name, column in places.items():
        twins = [second for first, second in PAIRS if name == first]
        if name[:-1] in NUMBERED_TEXTS:
            twins += [name[:-1] + other for mark, other in ("12", "ab") if name[-1] == mark]
        if name[:1] == "1" and name[1:] in NUMBERED_TEXTS:  # "#1 String" and "#2 String", as MRPC came
            twins.append("2" + name[1:])
        for twin in twins:
            if twin in places:
                return [column, places[twin]]
    return []


def _guess_pair(free: Sequence[str], rest: Sequence[str], where: str) -> list[str]:
    """Return the two columns of ``free`` named like a pair; failing that, the only two of ``rest``."""
    found = find_pair(free) or list(rest)
    if len(found) == 2:
        return found
    shown = _listed(free[:_SHOWN_COLUMNS])
    raise DataError(
        "no two columns look like a pair of texts",
        where=where,
        fix=f"Name both with --text (in Python: text=[…, …]). Columns found: {shown}.",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _named(name: str, known: Collection[str]) -> bool:
    """Tell whether ``name`` is one of ``known``, in any case, with plural or surrounding marks."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in known or plain.removesuffix("s") in known


def _ends_in(name: str, known: Collection[str]) -> bool:
    """Tell whether the last of several words is one of ``known``, as "sentiment" in airline_sentiment."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)
    return len(words) > 1 and _named(words[-1], known)


def is_text_name(name: str) -> bool:
    """Tell whether a name, or its last word, is one of those in use for texts."""
    return _named(name, TEXT_NAMES) or _ends_in(name, TEXT_NAMES)


def is_label_name(name: str, known: Collection[str] = (*LABEL_NAMES, *SCALE_NAMES)) -> bool:
    """Tell whether a name, or its last word, is one of those in use for labels."""
    return _named(name, known) or _ends_in(name, known)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(_shorten(name)) for name in names)


def _shorten(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
