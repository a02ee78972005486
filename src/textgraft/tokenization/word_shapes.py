"""How words are written: tokenizers that lower all letters hide what makes half of a name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

WORD_SHAPES = "word_shapes"
"""Name of the model input: at the first token of each word its shape and those of its neighbours."""
SHAPES = 8
"""Different shapes of a word, no word among them."""
PLACES = 3
"""Words whose shapes stand at a token: the word itself, the one before it and the one behind it."""


def word_shape(word: str) -> int:
    """Return the shape of a word.

    Returns:
        1 of words without a letter that has two cases, and without a digit, as "," or "東京"; 2 with a digit;
        3 in small letters; 4 a single capital, as "I" or "J."; 5 several capitals alone, as "EU"; 6 a capital
        and small letters, as "Ann"; 7 anything else, as "iPhone" or "McDonald". 0 stands for no word.
    """
    cased = [letter for letter in word if letter.lower() != letter.upper()]
    if not cased:
        return 2 if any(letter.isdigit() for letter in word) else 1
    capitals = [letter.isupper() or letter.istitle() for letter in cased]
    if not any(capitals):
        return 3
    if all(capitals):
        return 4 if len(cased) == 1 else 5
    return 6 if capitals[0] and not any(capitals[1:]) else 7


def shapes_in_context(words: Sequence[str]) -> list[int]:
    """Return one number for each word of a text: ``own + 8 · before + 64 · behind``, with 0 at either end."""
    shapes = [0, *map(word_shape, words), 0]
    return [
        own + SHAPES * (before + SHAPES * behind)
        for before, own, behind in zip(shapes, shapes[1:], shapes[2:], strict=False)
    ]


def shape_places(numbers: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return where the shapes of words stand in a table of each place's shapes, [...] to [..., places]."""
    places = np.arange(PLACES)
    return numbers[..., None] // SHAPES**places % SHAPES + SHAPES * places


def hides_case(tokenizer: Tokenizer) -> bool:
    """Return whether a tokenizer makes the same tokens of a word in capitals and in small letters."""
    return tokenizer.encode("Word").ids == tokenizer.encode("word").ids
