"""Rows whose texts are written otherwise, while their targets stay true."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from textgraft.data.dataset import Dataset
from textgraft.data.perturbations import PERTURBATIONS, perturb
from textgraft.data.words import Words

WORDS = "words"
"""The column that says where the words of a tagged text stand."""


def perturbed_rows(
    rows: Dataset, name: str, level: str, *, columns: Sequence[str] | None = None, seed: int = 0
) -> Dataset | None:
    """Perturb the texts of rows.

    A text of which nothing would be left stays as it is. Of tagged texts each word is perturbed by itself,
    and its tag stays; what would make one word of two, or two of one, cannot be applied to them.

    Args:
        rows: Any.
        name: A key of :data:`~textgraft.data.perturbations.PERTURBATIONS`.
        level: One of :data:`~textgraft.data.perturbations.LEVELS`.
        columns: Those that may be perturbed; all text columns if None.
        seed: Fixes the edits.

    Returns:
        The rows in their order; None where the perturbation does not apply.
    """
    if WORDS in rows.columns:
        return _tagged(rows, name, level, seed) if PERTURBATIONS[name].keeps_words else None
    texts = [
        column
        for column, values in rows.columns.items()
        if values and isinstance(values[0], str) and (columns is None or column in columns)
    ]
    if not texts:
        return None
    changed = {
        column: [_unless_empty(text, name, level, seed) for text in rows.columns[column]] for column in texts
    }
    return replace(rows, columns={**rows.columns, **changed})


def _unless_empty(text: str, name: str, level: str, seed: int) -> str:
    other = perturb(text, name, level, seed=seed)
    return other if other.strip() else text


def _tagged(rows: Dataset, name: str, level: str, seed: int) -> Dataset:
    texts, places = [], []
    for text, words in zip(rows.columns["text"], rows.columns[WORDS], strict=True):
        other, moved = _word_by_word(text, words, name, level, seed)
        texts.append(other)
        places.append(moved)
    return replace(rows, columns={**rows.columns, "text": texts, WORDS: places})


def _word_by_word(text: str, words: Words, name: str, level: str, seed: int) -> tuple[str, Words]:
    """Perturb the words of a text, and say where they stand then; what is between them stays."""
    out: list[str] = []
    moved = []
    end = length = 0
    for number, (start, stop) in enumerate(words):
        between = text[end:start]
        # Equal words of a text are not all perturbed alike.
        word = perturb(text[start:stop], name, level, seed=seed * 1_000_003 + number)
        if not word or any(map(str.isspace, word)):
            word = text[start:stop]
        out += (between, word)
        length += len(between)
        moved.append((length, length + len(word)))
        length += len(word)
        end = stop
    return "".join((*out, text[end:])), tuple(moved)
