"""From tokens to entities, by the rules of Transformers 4.

A token is a dict as the pipeline returns it: entity, score, index, word, start, end. What a strategy does:

- "none": tokens stay as they are;
- "simple": neighbours of one type are put together, B- begins anew;
- "first", "max", "average": before that, all tokens of a word take the label of its first token, of its
  surest one, or of their mean probabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Token = dict[str, Any]
Join = Callable[[Sequence[Token]], str]
"""Makes one string of the words of some tokens."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A token, and what the model says of it."""

    index: int
    """Its place among all tokens of the text, special ones included."""
    word: str
    start: int
    end: int
    """Its characters, the end excluded."""
    is_subword: bool
    """Whether it continues the word of the token before."""
    probabilities: NDArray[np.float32]
    """Of all labels, [labels]."""

    def token(self, labels: Sequence[str]) -> Token:
        """Return it with its most probable label."""
        best = int(self.probabilities.argmax())
        return {
            "entity": labels[best],
            "score": float(self.probabilities[best]),
            "index": self.index,
            "word": self.word,
            "start": self.start,
            "end": self.end,
        }


def label_pieces(pieces: Sequence[Piece], labels: Sequence[str], strategy: str, join: Join) -> list[Token]:
    """Label tokens, or for the strategies that look at words, words.

    Args:
        pieces: The tokens of a text.
        labels: Names of the labels, in the order of the probabilities.
        strategy: "none", "simple", "first", "average" or "max".
        join: Makes a word of its tokens.
    """
    if strategy in ("none", "simple"):
        return [piece.token(labels) for piece in pieces]
    words: list[list[Piece]] = []
    for piece in pieces:
        if piece.is_subword and words:
            words[-1].append(piece)
        else:
            words.append([piece])
    return [_word(word, labels, strategy, join) for word in words]


def _word(pieces: Sequence[Piece], labels: Sequence[str], strategy: str, join: Join) -> Token:
    probabilities = pieces[0].probabilities
    if strategy == "max":
        probabilities = max((piece.probabilities for piece in pieces), key=np.max)
    elif strategy == "average":
        probabilities = np.mean([piece.probabilities for piece in pieces], axis=0)
    best = int(probabilities.argmax())
    return {
        "entity": labels[best],
        "score": float(probabilities[best]),
        "word": join([{"word": piece.word} for piece in pieces]),
        "start": pieces[0].start,
        "end": pieces[-1].end,
    }


def group(tokens: Sequence[Token], join: Join) -> list[Token]:
    """Put neighbours of one type together: entity_group, score (the mean), word, start, end.

    Args:
        tokens: Labelled tokens or words; those outside of entities make groups, too.
        join: Makes one string of the words of a group.
    """
    groups: list[list[Token]] = []
    kinds: list[str] = []
    for token in tokens:
        begins, kind = _split(token["entity"])
        if groups and kind == kinds[-1] and not begins:
            groups[-1].append(token)
        else:
            groups.append([token])
            kinds.append(kind)
    return [
        {
            # The first label loses what stands before its first hyphen, be it B, I or part of the name.
            "entity_group": members[0]["entity"].split("-", 1)[-1],
            "score": float(np.mean([token["score"] for token in members])),
            "word": join(members),
            "start": members[0]["start"],
            "end": members[-1]["end"],
        }
        for members in groups
    ]


def _split(label: str) -> tuple[bool, str]:
    """Return whether a label begins an entity, and its type."""
    return label.startswith("B-"), label[2:] if label.startswith(("B-", "I-")) else label
