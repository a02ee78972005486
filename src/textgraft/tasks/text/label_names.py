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
