"""A text that grows: which part of it is tokenized already as it will be, whatever comes next.

What ends a word is known with the next character only: "don" may be the beginning of "don't", "1" that of
"1,000.50". So the text is cut in front of white space, and between a letter or digit and punctuation that is
part of no word; what lies behind the last such place is held back. No word of ours crosses one, so the tokens
of the parts are those of the whole.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from tokenizers.models import WordLevel

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LONGEST_HELD = 4096
"""Characters that are held back at most: a longer word, which no language has, is read in parts."""
_WITHIN_WORDS = "'’.,"
"""Punctuation that may stand within a word or a number."""


def finished(text: str) -> int:
    """Return how many characters of a text are tokenized already as they will be when it goes on."""
    for place in range(len(text) - 1, 0, -1):
        if _is_border(text[place - 1], text[place]):
            return place
    return max(0, len(text) - LONGEST_HELD)


def _is_border(before: str, behind: str) -> bool:
    if behind.isspace():
        return not before.isspace()
    if not before.isalnum() or behind in _WITHIN_WORDS:
        return False
    category = unicodedata.category(behind)
    return category[0] == "P" and category != "Pc"


def cuts_words(tokenizer: Tokenizer) -> bool:
    """Return whether tokens are words and punctuation, or characters: a text can be cut between them."""
    if not isinstance(tokenizer.model, WordLevel) or tokenizer.pre_tokenizer is None:
        return False
    found = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("ab(cd ef")]
    return found == ["ab", "(", "cd", "ef"] or cuts_characters(tokenizer)


def cuts_characters(tokenizer: Tokenizer) -> bool:
    """Return whether every character is a token by itself, so that a text can be cut anywhere."""
    if tokenizer.normalizer is not None or tokenizer.pre_tokenizer is None:
        return False
    sample = "ab \u0301."
    return [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str(sample)] == list(sample)
