"""Texts to calibrate int8 on where none like those to come are at hand.

They were written for this: sentences, messages, headlines, questions, recipes, code and passages, two thirds
in English, the others in thirty languages. Every fourth is kept back, to see on texts that had no part in it
what calibration did to encodings.
"""

from __future__ import annotations

from pathlib import Path

_KEPT_BACK = 4
"""One in so many."""


def own_texts() -> tuple[list[str], list[str]]:
    """Return the texts to calibrate on, at least a hundred, and those that are kept back."""
    texts = Path(__file__).with_name("calibration.txt").read_text(encoding="utf-8").splitlines()
    kept_back = texts[_KEPT_BACK - 1 :: _KEPT_BACK]
    return [text for place, text in enumerate(texts, start=1) if place % _KEPT_BACK], kept_back
