"""Texts as words: where each begins and ends, in characters of the text as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tokenizers import Regex
from tokenizers.pre_tokenizers import Split

from textgraft.data.dataset import Dataset
from textgraft.tokenization.scripts import UNSPACED, UNSPACED_TOKEN

_LETTERS = rf"[\w&&[^{UNSPACED}]]+"
WORD = "|".join(
    (
        r"\d+(?:[.,]\d+)+",  # 1,000.50
        UNSPACED_TOKEN,  # scripts without spaces: a character is a word
        # Letters, digits and the marks that combine with them; Persian and Indic words may hold joiners.
        rf"{_LETTERS}(?:[\u200c\u200d]{_LETTERS})*",
        # Punctuation, symbols and emoji, with all that makes one picture of several characters. What is
        # neither seen nor white space, as a zero-width space, stands between words.
        r"(?=[^\w\s\p{Cc}\p{Cf}])\X",
    )
)
"""What a word is (Oniguruma)."""
_CUTTER = Split(Regex(WORD), behavior="removed", invert=True)

Words = tuple[tuple[int, int], ...]
"""Start and end of each word of a text, in characters (code points)."""


def cut_words(text: str) -> Words:
    """Cut a text into words at white space and punctuation; ``text[start:end]`` is a word, exactly."""
    return tuple(offsets for _, offsets in _CUTTER.pre_tokenize_str(text))


def joined(words: Sequence[str]) -> tuple[str, Words]:
    """Join words that are cut already by spaces; returns the text and where each word stands in it."""
    offsets, end = [], -1
    for word in words:
        start = end + 1
        end = start + len(word)
        offsets.append((start, end))
    return " ".join(words), tuple(offsets)


def spaced(dataset: Dataset) -> Iterator[str]:
    """Yield each row's words with one space between: what a vocabulary of whole words is learned from."""
    for text, words in zip(dataset.columns["text"], dataset.columns["words"], strict=True):
        yield " ".join(text[start:end] for start, end in words)
