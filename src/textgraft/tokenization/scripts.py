"""Scripts that are written without spaces between words: a character of them is a token of its own.

They are the Han and kana scripts and those of the line breaking class SA (Unicode Standard Annex 14), as
Thai, Lao, Khmer and Burmese, whose words only a dictionary could tell. A model that counts tokens sees words
as runs of characters (character n-grams); one that reads them in order builds words itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19DF), (0x1A20, 0x1AAF), (0xAA80, 0xAADF), (0x11700, 0x1174F),  # Tai Le to Ahom
    (0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F),  # Hiragana, Katakana
    (0x2E80, 0x2FDF), (0x3005, 0x3007), (0x3021, 0x3029), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0x20000, 0x323AF),  # Han
    (0xA000, 0xA4CF),  # Yi
)  # fmt: skip
UNSPACED = "".join(f"{chr(first)}-{chr(last)}" for first, last in _RANGES)
"""The characters of these scripts, as they stand between the brackets of a regular expression."""
UNSPACED_TOKEN = rf"[{UNSPACED}]\p{{M}}*(?:(?<=[\u17d2\u1039])[{UNSPACED}]\p{{M}}*)*"
"""One character with the marks on it and, in Khmer and Burmese, the letters stacked below it (Oniguruma)."""

_IS_UNSPACED = re.compile(f"[{UNSPACED}]")
_IS_SPACED = re.compile(rf"[^\W\d_{UNSPACED}]")
_SAMPLE = 1000


def count_unspaced(text: str) -> int:
    """Return how many characters of a text belong to scripts without spaces."""
    return len(_IS_UNSPACED.findall(text))


def is_unspaced(texts: Sequence[str]) -> bool:
    """Tell whether most letters of texts, looked at evenly spaced, belong to scripts without spaces."""
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    unspaced = sum(len(_IS_UNSPACED.findall(text)) for text in sample)
    return unspaced > sum(len(_IS_SPACED.findall(text)) for text in sample)
