"""Which columns hold what: named by the user, or guessed from the names in common use."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from textgraft.errors import DataError, OptionError, unknown

TEXT_NAMES = (
    "text", "sentence", "review", "plot", "content", "body", "message", "description", "question", "query",
    "utterance", "document", "article", "comment", "tweet", "post", "abstract", "summary", "headline",
    "title", "docstring",
)  # fmt: skip
"""Column names that are taken for the text when no column is named. "text" wins over the others."""

LABEL_NAMES = (
    "label", "class", "category", "target", "sentiment", "intent", "topic", "origin", "genre", "polarity",
    "emotion", "language", "tag",
)  # fmt: skip
"""Column names that are taken for the label when no column is named. "label" wins over the others."""

NUMBER_NAMES = (
    "label", "score", "similarity", "relatedness", "rating", "stars", "value", "number", "price", "target",
)  # fmt: skip
"""The same for targets that are numbers."""

PAIR_LABEL_NAMES = (
    "label", "goldlabel", "class", "target", "relation", "isduplicate", "duplicate", "entailment", "judgment",
    "quality",
)  # fmt: skip
"""The same for labels of pairs."""

PAIRS = (
    ("premise", "hypothesis"), ("question", "sentence"), ("question", "answer"), ("query", "document"),
    ("query", "passage"), ("first", "second"), ("left", "right"),
)  # fmt: skip
"""Names of two columns that are taken for a pair of texts, beside those that count one of
:data:`NUMBERED_TEXTS`: sentence1 and sentence2, text_a and text_b."""

NUMBERED_TEXTS = (*TEXT_NAMES, "string", "snippet", "s", "q", "t")

_SHOWN_COLUMNS = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns to read."""

    text: list[str]
    label: str | None = None
    id: str | None = None
    group: str | None = None

    @property
    def names(self) -> list[str]:
        """Every column to read, each once, the text columns first."""
        others = (self.label, self.id, self.group)
        return list(dict.fromkeys([*self.text, *(name for name in others if name is not None)]))


def choose_columns(
    columns: Sequence[str],
    *,
    text: str | Sequence[str] | None,
    label: str | None,
    id_column: str | None,
    group: str | None,
    labelled: bool,
    where: str,
    pair: bool = False,
    label_names: Collection[str] = LABEL_NAMES,
) -> Choice:
    """Settle which columns to read.

    Args:
        columns: The columns of the source.
        text: The text columns in the order to join them; None to guess one.
        label: The label column; None to guess it. Not read unless ``labelled``.
        id_column: The id column, if there is one.
        group: The group column, if there is one.
        labelled: Whether a label column is needed.
        where: The source, for errors.
        pair: Whether there must be exactly two text columns.
        label_names: Column names that are taken for the label when no column is named.

    Raises:
        OptionError: A named column does not exist, stands twice in the source, or is given two parts; or a
            pair is wanted and not two text columns are named.
        DataError: A column is to be guessed and none, or more than one, qualifies.
    """
    given = [text] if isinstance(text, str) else list(text or [])
    label = label if labelled else None
    for name in (*given, *(name for name in (label, id_column, group) if name is not None)):
        _must_exist(name, columns, where)
    if len(set(given)) < len(given) or label in given:
        raise OptionError(
            f"a column is used twice: text {', '.join(map(repr, given))}; label {label!r}",
            where=where,
            fix="Name each text column once, and another column as the label.",
        )
    if pair and given and len(given) != 2:
        raise OptionError(
            f"a pair needs two text columns, and {len(given)} are named: {', '.join(map(repr, given))}",
            where=where,
            fix="Name the column of the first text and that of the second: --text first --text second.",
        )
    taken = {*given, label, id_column, group}
    free = [name for name in columns if name not in taken]
    if not given:
        # What is left when the label is known must be the text, and the other way round.
        rest = [name for name in free if label is not None or not _matches(name, label_names)]
        given = _guess_pair(free, rest, where) if pair else [_guess("text", TEXT_NAMES, free, rest, where)]
        free = [name for name in free if name not in given]
    if labelled and label is None:
        label = _guess("label", label_names, free, free, where)
    for name in (*given, *([label] if label is not None else [])):
        _must_be_single(name, columns, where)
    return Choice(given, label, id_column, group)


def _must_exist(name: str, columns: Sequence[str], where: str) -> None:
    shown = [_shorten(column) for column in columns[:_SHOWN_COLUMNS]]
    if name not in columns:
        raise unknown("column", name, shown, where=where)


def _must_be_single(name: str, columns: Sequence[str], where: str) -> None:
    if columns.count(name) > 1:
        raise OptionError(
            f"the column {name!r} stands {columns.count(name)} times in the header",
            where=where,
            fix="Give every column a name of its own.",
        )


def _guess(part: str, known: Collection[str], free: Sequence[str], rest: Sequence[str], where: str) -> str:
    """Return the only column in ``free`` with a known name; failing that, the only column in ``rest``."""
    found = [name for name in free if _matches(name, known)]
    plain = [name for name in found if _matches(name, (part,))]
    candidates = plain or found or (list(rest) if len(rest) == 1 else [])
    if candidates and len(set(candidates)) == 1:
        return candidates[0]
    shown = ", ".join(map(repr, map(_shorten, free[:_SHOWN_COLUMNS])))
    if candidates:
        names = ", ".join(map(repr, candidates))
        raise DataError(
            f"which column is the {part}? {names} could all be",
            where=where,
            fix=f"Say which with --{part} (in Python: {part}=…). Columns found: {shown}.",
        )
    raise DataError(
        f"no column looks like the {part}",
        where=where,
        fix=f"Name it with --{part} (in Python: {part}=…). Columns found: {shown}. "
        "If these are values, the file lacks a first row with the names of its columns.",
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
    shown = ", ".join(map(repr, map(_shorten, free[:_SHOWN_COLUMNS])))
    raise DataError(
        "no two columns look like a pair of texts",
        where=where,
        fix=f"Name both with --text (in Python: text=[…, …]). Columns found: {shown}.",
    )


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _matches(name: str, known: Collection[str]) -> bool:
    """Tell whether ``name`` is one of ``known``, in any case, with plural or surrounding marks."""
    plain = re.sub(r"[^a-z]", "", name.lower())
    return plain in known or plain.removesuffix("s") in known


def _shorten(name: str) -> str:
    return name if len(name) <= 60 else name[:59] + "…"
