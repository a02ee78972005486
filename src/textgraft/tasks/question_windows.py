"""Windows of a question and a part of its context, for models of limited length.

A context that does not fit beside its question is cut into windows that overlap, so that an answer at the end
of one stands whole in the next. Every context is tokenized once, however many windows and questions it has:
the windows are put together from its token ids, with the special tokens that the tokenizer itself sets around
the texts of a pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgraft.models.tokenizing import CHARACTERS_PER_TOKEN, PairFrame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHUNK = 1_000
"""Texts tokenized at once: enough for all cores, while the tokenizer's own records stay small."""


@dataclass(frozen=True)
class TokenizedText:
    """A text without special tokens."""

    ids: list[int]
    offsets: NDArray[np.int32]
    """First character of each token and the one after its last, [tokens, 2]."""

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
        text: TokenizedText(
            encoding.ids, np.array(encoding.offsets, dtype=np.int32).reshape(len(encoding.ids), 2)
        )
        for start in range(0, len(different), _CHUNK)
        for text, encoding in zip(
            different[start : start + _CHUNK],
            backend.encode_batch(different[start : start + _CHUNK], add_special_tokens=False),
            strict=True,
        )
    }


def pair_frame(tokenizer: PreTrainedTokenizerFast, contexts: Mapping[str, TokenizedText]) -> PairFrame:
    """Return the special tokens around a question and its context, read off the first words of one."""
    text, tokens = next(((text, tokens) for text, tokens in contexts.items() if tokens.ids), ("", None))
    end = 0 if tokens is None else int(tokens.offsets[:10, 1].max())
    return PairFrame.of(tokenizer.backend_tokenizer, text[:end])


def question_ids(tokenizer: PreTrainedTokenizerFast, questions: Sequence[str], limit: int) -> list[list[int]]:
    """Tokenize questions without special tokens; longer ones are cut to ``limit`` tokens."""
    # Cut by characters first: a tokenizer works through all of a text before it is cut.
    texts = [question.strip()[: CHARACTERS_PER_TOKEN * limit] for question in questions]
    tokenized = tokenize_each(tokenizer, texts)
    return [tokenized[text].ids[:limit] for text in texts]


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
