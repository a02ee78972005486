"""Windows of a question and a part of its context, for models of limited length.

A context that does not fit beside its question is cut into windows that overlap, so that an answer at the end
of one stands whole in the next. Every context is tokenized once, however many windows and questions it has:
the windows are put together from its token ids, with the special tokens that the tokenizer itself sets around
the texts of a pair.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unicodedata import category

import numpy as np
from numpy.typing import NDArray

from textgraft.tasks.scoring import Features
from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN, PairFrame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHUNK = 1_000
"""Texts tokenized at once: enough for all cores, while the tokenizer's own records stay small."""
_SPACE = re.compile(r"\s")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class QuestionFeatures(Features, total=False):
    """A window of a question and a part of its context."""

    context: str
    """All of it."""
    context_start: int
    """Place of the first token of the context in ``input_ids``."""
    offsets: NDArray[np.int32]
    """Of the context's tokens in the window, as in :class:`TokenizedText`, [tokens, 2]."""


@dataclass(frozen=True)
class TokenizedText:
    """A text without special tokens."""

    ids: list[int]
    offsets: NDArray[np.int32]
    """First character of each token and the one after its last, [tokens, 2]: without white space around, and
    a letter with all its combining marks."""

    def token_span(self, start: int, end: int) -> tuple[int, int] | None:
        """Return the first and the last token of the characters from ``start`` up to ``end``.

        None where no token stands for any of them, as for characters that the tokenizer drops.
        """
        first = int(np.searchsorted(self.offsets[:, 1], start, side="right"))
        last = int(np.searchsorted(self.offsets[:, 0], end, side="left")) - 1
        return (first, last) if first <= last else None


def tokenize_each(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> dict[str, TokenizedText]:
    """Tokenize every different text once, without special tokens."""
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    different = list(dict.fromkeys(texts))
    return {
        text: TokenizedText(encoding.ids, _visible(text, encoding.offsets))
        for start in range(0, len(different), _CHUNK)
        for text, encoding in zip(
            different[start : start + _CHUNK],
            backend.encode_batch(different[start : start + _CHUNK], add_special_tokens=False),
            strict=True,
        )
    }


def _visible(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.int32]:
    """Return the characters of each token as a reader sees them, [tokens, 2].

    Some tokenizers count the space before a word as part of it, and some drop accents, so that a token ends
    between a letter and its accent.
    """
    starts, ends = np.array(offsets, dtype=np.int64).reshape(len(offsets), 2).T
    places = np.arange(len(text) + 1)
    marks = [place for place in _found(_NOT_ASCII, text) if category(text[place]).startswith("M")]
    if marks:
        is_base = np.ones(len(places), dtype=bool)
        is_base[marks] = False
        starts = np.where(starts < ends, np.maximum.accumulate(places * is_base)[starts], starts)
        ends = np.where(starts < ends, _next(is_base)[ends], ends)
    is_seen = np.ones(len(places), dtype=bool)
    is_seen[_found(_SPACE, text)] = False
    starts = np.minimum(_next(is_seen)[starts], ends)
    behind_seen = np.zeros(len(places), dtype=np.int64)
    behind_seen[1:] = np.maximum.accumulate(places[1:] * is_seen[:-1])
    return np.stack([starts, np.maximum(behind_seen[ends], starts)], axis=1).astype(np.int32)


def _found(pattern: re.Pattern[str], text: str) -> list[int]:
    return [match.start() for match in pattern.finditer(text)]


def _next(is_wanted: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for each place the first wanted one from there on; the last one is wanted."""
    places = np.where(is_wanted, np.arange(len(is_wanted)), len(is_wanted))
    return np.minimum.accumulate(places[::-1])[::-1]


def pair_frame(tokenizer: PreTrainedTokenizerFast, contexts: Mapping[str, TokenizedText]) -> PairFrame:
    """Return the special tokens around a question and its context, read off the first words of one."""
    text, tokens = next(((text, tokens) for text, tokens in contexts.items() if tokens.ids), ("", None))
    end = 0 if tokens is None else int(tokens.offsets[:10, 1].max())
    return PairFrame.of(tokenizer.backend_tokenizer, text[:end])


def question_ids(tokenizer: PreTrainedTokenizerFast, questions: Sequence[str], limit: int) -> list[list[int]]:
    """Tokenize questions without special tokens; longer ones are cut to ``limit`` tokens."""
    # Cut by characters first: a tokenizer works through all of a text before it is cut.
    texts = [question.strip()[: CHARACTERS_PER_TOKEN * limit] for question in questions]
    encodings = tokenizer.backend_tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [encoding.ids[:limit] for encoding in encodings]


def window_starts(tokens: int, room: int, overlap: int) -> range:
    """Return at which token of a context each of its windows starts; an empty context has one window.

    Args:
        tokens: Length of the context.
        room: Tokens of context in a window.
        overlap: Tokens that neighbouring windows share, at most a third of their room.
    """
    overlap = min(overlap, room // 3)
    # The last window is the first that reaches the end.
    return range(0, max(1, tokens - overlap), room - overlap)
