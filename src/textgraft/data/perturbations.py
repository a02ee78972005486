"""Texts as careless people and broken systems write them: what a model is to stand, at three levels.

A perturbation is a pure function of text, level and seed. Where it may edit (a letter, a space, a word) a
number is drawn that the level does not depend on, and the edit is made where that is below the level's rate:
what the mild level edits, the strong one edits too. The same text is perturbed in the same way wherever it
stands.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEVELS = ("mild", "medium", "strong")
_KEYBOARD = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_FILLERS = ("um", "uh", "well", "like", "ok", "lol", "pls", "btw", "http://t.co/x1", "…")
_HOMOGLYPHS = str.maketrans(
    "aceijopsxyABCEHIJKMNOPSTXYZ",
    "\u0430\u0441\u0435\u0456\u0458\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u039d\u041e\u0420\u0405\u0422\u0425\u03a5\u0396",
)
"""Latin letters, and Cyrillic and Greek ones that look like them."""
_WORD = re.compile(r"\S+")


def _neighbours() -> dict[str, str]:
    """Return for each key of a QWERTY keyboard those beside it; every row stands half a key further right."""
    found = {}
    for line, keys in enumerate(_KEYBOARD):
        for place, key in enumerate(keys):
            beside = keys[max(0, place - 1) : place] + keys[place + 1 : place + 2]
            above = _KEYBOARD[line - 1][place : place + 2] if line else ""
            below = _KEYBOARD[line + 1][max(0, place - 1) : place + 1] if line < 2 else ""
            found[key] = beside + above + below
    return found | {key.upper(): near.upper() for key, near in found.items()}


_BESIDE = _neighbours()


@dataclass(frozen=True)
class _Drawn:
    """Numbers drawn for the places of a text, in [0, 1)."""

    where: NDArray[np.float64]
    """Below the rate, a place is edited."""
    how: NDArray[np.float64]
    """Chooses among edits."""
    rate: float

    def edits(self, place: int) -> bool:
        """Return whether a place is edited."""
        return bool(self.where[place] < self.rate)

    def one_of(self, place: int, choices: str | tuple[str, ...]) -> str:
        """Choose for a place."""
        return choices[int(self.how[place] * len(choices))]


Edited = tuple[str, int]
"""A text and how many edits were made."""


def _typos(text: str, drawn: _Drawn) -> Edited:
    """Drop a letter, type it twice, or after the next one."""
    out: list[str] = []
    edits = place = 0
    while place < len(text):
        letter = text[place]
        if letter.isalpha() and drawn.edits(place):
            edits += 1
            kind = int(drawn.how[place] * 3)
            if kind == 2 and text[place + 1 : place + 2].isalpha():
                out += (text[place + 1], letter)
                place += 2
                continue
            out.append("" if kind == 0 else letter * 2)
        else:
            out.append(letter)
        place += 1
    return "".join(out), edits


def _each(text: str, drawn: _Drawn, change: Callable[[int], str | None]) -> Edited:
    """Edit characters one by one; ``change`` returns what stands in place of one, None where nothing can."""
    out, edits = list(text), 0
    for place in range(len(text)):
        if drawn.edits(place) and (other := change(place)) is not None:
            out[place] = other
            edits += 1
    return "".join(out), edits


def _keyboard(text: str, drawn: _Drawn) -> Edited:
    """Hit the key beside."""

    def change(place: int) -> str | None:
        near = _BESIDE.get(text[place])
        return drawn.one_of(place, near) if near else None

    return _each(text, drawn, change)


def _homoglyphs(text: str, drawn: _Drawn) -> Edited:
    """Write letters of another script that look the same."""

    def change(place: int) -> str | None:
        other = text[place].translate(_HOMOGLYPHS)
        return other if other != text[place] else None

    return _each(text, drawn, change)


def _punctuation(text: str, drawn: _Drawn) -> Edited:
    """Leave punctuation out."""
    return _each(text, drawn, lambda place: "" if unicodedata.category(text[place])[0] == "P" else None)


def _accents(text: str, drawn: _Drawn) -> Edited:
    """Leave out what stands above and below Latin and Greek letters; in other scripts marks are letters."""

    def change(place: int) -> str | None:
        whole = unicodedata.normalize("NFD", text[place])
        base = whole[0]
        if unicodedata.category(base) == "Mn":
            return "" if _has_accents(_base_before(text, place)) else None
        return base if len(whole) > 1 and _has_accents(base) else None

    return _each(text, drawn, change)


def _base_before(text: str, place: int) -> str:
    """Return the character that the marks before a place stand on; a space where there is none."""
    while place and unicodedata.category(text[place - 1]) == "Mn":
        place -= 1
    return text[place - 1] if place else " "


def _has_accents(letter: str) -> bool:
    base = unicodedata.normalize("NFD", letter)[0]
    return unicodedata.name(base, "").startswith(("LATIN", "GREEK"))


def _whitespace(text: str, drawn: _Drawn) -> Edited:
    """Lose a space, type two, or one within a word."""

    def change(place: int) -> str | None:
        if text[place].isspace():
            return "" if drawn.how[place] < 0.5 else text[place] * 2
        is_inside = text[place].isalpha() and text[place + 1 : place + 2].isalpha()
        # Words have some five letters to a space.
        return f"{text[place]} " if is_inside and drawn.how[place] < 0.2 else None

    return _each(text, drawn, change)


def _words(text: str, drawn: _Drawn, change: Callable[[str, int], str]) -> Edited:
    """Edit words, which white space parts; the white space stays."""
    out: list[str] = []
    end = edits = 0
    for place, found in enumerate(_WORD.finditer(text)):
        word = found.group()
        other = change(word, place) if drawn.edits(place) else word
        edits += other != word
        out += (text[end : found.start()], other)
        end = found.end()
    return "".join((*out, text[end:])), edits


def _upper(text: str, drawn: _Drawn) -> Edited:
    """Write words in capitals."""
    return _words(text, drawn, lambda word, place: word.upper())


def _lower(text: str, drawn: _Drawn) -> Edited:
    """Write words without capitals."""
    return _words(text, drawn, lambda word, place: word.lower())


def _noise(text: str, drawn: _Drawn) -> Edited:
    """Put in words that say nothing."""
    return _words(text, drawn, lambda word, place: f"{drawn.one_of(place, _FILLERS)} {word}")


def _truncation(text: str, drawn: _Drawn) -> Edited:
    """Lose the end; the first word stays."""
    words = list(_WORD.finditer(text))
    kept = max(1, round(len(words) * (1 - drawn.rate)))
    if kept >= len(words):
        return text, 0
    return text[: words[kept - 1].end()], len(words) - kept


@dataclass(frozen=True)
class Perturbation:
    """One way in which texts are written otherwise."""

    title: str
    """For people to read."""
    edit: Callable[[str, _Drawn], Edited]
    rates: tuple[float, float, float]
    """Of the places, the fraction that is edited at each level."""
    keeps_words: bool
    """Whether every word stays one, so that tags of words stay true."""


PERTURBATIONS = {
    "typos": Perturbation("typos", _typos, (0.02, 0.05, 0.1), keeps_words=True),
    "keyboard": Perturbation("keyboard slips", _keyboard, (0.02, 0.05, 0.1), keeps_words=True),
    "upper": Perturbation("capitals", _upper, (0.1, 0.3, 1.0), keeps_words=True),
    "lower": Perturbation("no capitals", _lower, (0.1, 0.3, 1.0), keeps_words=True),
    "punctuation": Perturbation("missing punctuation", _punctuation, (0.3, 0.6, 1.0), keeps_words=False),
    "accents": Perturbation("missing accents", _accents, (0.3, 0.6, 1.0), keeps_words=True),
    "whitespace": Perturbation("odd spaces", _whitespace, (0.02, 0.05, 0.1), keeps_words=False),
    "truncation": Perturbation("lost ends", _truncation, (0.1, 0.25, 0.5), keeps_words=False),
    "noise": Perturbation("noise words", _noise, (0.05, 0.1, 0.2), keeps_words=False),
    "homoglyphs": Perturbation("look-alike letters", _homoglyphs, (0.02, 0.05, 0.1), keeps_words=True),
}
"""By name."""


def perturb(text: str, name: str, level: str, *, seed: int = 0) -> str:
    """Write a text otherwise.

    Args:
        text: Any, also an empty one.
        name: A key of :data:`PERTURBATIONS`.
        level: One of :data:`LEVELS`.
        seed: Fixes which places are edited.
    """
    return edited(text, name, level, seed=seed)[0]


def edited(text: str, name: str, level: str, *, seed: int = 0) -> Edited:
    """Write a text otherwise as :func:`perturb` does, and say how many edits that took."""
    perturbation = PERTURBATIONS[name]
    rate = perturbation.rates[LEVELS.index(level)]
    key = hashlib.blake2b(f"{seed} {name} {text}".encode("utf-8", "surrogatepass"), digest_size=16)
    rng = np.random.default_rng(int.from_bytes(key.digest()))
    places = len(text)
    return perturbation.edit(text, _Drawn(rng.random(places), rng.random(places), rate))
