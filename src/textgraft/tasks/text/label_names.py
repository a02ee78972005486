"""What the names of labels say: as words that an encoder or a person reads, and whether they say anything."""

from __future__ import annotations

import re
from collections.abc import Sequence

from textgraft.tokenization.scripts import UNSPACED

_JOINTS = re.compile(r"[\s_./\\|:]+")
_HUMPS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_CAPITALIZED = re.compile(r"[A-Z][a-z]*")
_LETTERS = re.compile(rf"[^\W\d_]{{3}}|[{UNSPACED}]")
_DIGITS = re.compile(r"\d+")
_WORD = re.compile(rf"[^\W\d_]{{4}}|[{UNSPACED}]")
LONGEST_CODE = 4
"""Letters, all of them capital, that are taken for an abbreviation."""
SHOWN_CODES = 4


def label_words(name: str) -> str:
    """Write the name of a label as words.

    ``card_arrival``, ``card.arrival`` and ``cardArrival`` become "card arrival"; ``ABBR`` stays, as do
    hyphens, which stand within words.
    """
    words = []
    for part in _JOINTS.split(name.strip()):
        humps = _HUMPS.split(part)
        is_joined = len(humps) > 1
        words += [
            word.lower() if is_joined and _CAPITALIZED.fullmatch(word) else word for word in humps if word
        ]
    return " ".join(words) or name


def are_words(labels: Sequence[str]) -> bool:
    """Tell whether labels are called by words, as "sport" is, and not by numbers or letters.

    Every name has three letters in a row, or one of a script in which a character is a word; and without
    their digits no two are the same, as "label 0" and "label 1" are. Abbreviations of three letters pass:
    which of them say something, only a score tells.
    """
    bare = [" ".join(_DIGITS.sub(" ", label_words(label)).lower().split()) for label in labels]
    return len(set(bare)) == len(bare) and all(map(_LETTERS.search, bare))


def label_codes(labels: Sequence[str]) -> list[str]:
    """Return the labels whose names look like codes: nothing that a reader of the texts would understand.

    A code has a digit and no word beside it, as ``B12``, or nothing but up to four capital letters, as
    ``ABBR``. So has ``NEWS``: which of both a capital word is, only the user knows.
    """
    return [
        name
        for name in labels
        if (_DIGITS.search(name) and not _WORD.search(name)) or _is_short_capitals(name)
    ]


def codes_note(reader: str, codes: Sequence[str]) -> str:
    """Say who reads names that look like codes, and what to do.

    Args:
        reader: Who knows labels by their names alone.
        codes: At least one.
    """
    shown = ", ".join(codes[:SHOWN_CODES]) + (", …" if len(codes) > SHOWN_CODES else "")
    like = "looks like a code" if len(codes) == 1 else "look like codes"
    return (
        f"{reader} knows labels by their names alone, and {len(codes):,} of them {like} ({shown}): "
        "say what they mean with --describe labels.csv, a table with the columns label and description"
    )


def _is_short_capitals(name: str) -> bool:
    letters = [letter for letter in name if letter.isalpha()]
    return 0 < len(letters) <= LONGEST_CODE and all(letter.isupper() for letter in letters)
