"""Windows of a question and a part of its context, for models of limited length.

A context that does not fit beside its question is cut into windows that overlap, so that an answer at the end
of one stands whole in the next. Every context is tokenized once, however many windows and questions it has:
the windows are put together from its token ids, with the special tokens that the tokenizer's own template
for pairs sets around them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from tokenizers.models import WordLevel

from textgraft.errors import OptionError
from textgraft.models.tokenizing import CHARACTERS_PER_TOKEN

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LONGEST_OVERLAP = 128
"""Tokens of context that two neighbouring windows share at most."""
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


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens around the two texts of a pair, as [CLS] question [SEP] context [SEP]."""

    before: list[int]
    between: list[int]
    after: list[int]
    types: tuple[int, int, int, int, int] | None
    """Token type of the five parts in order; None for models that know no types."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> PairTemplate:
        """Read the template off a pair that the tokenizer has encoded."""
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        encoding = backend.encode("a", "a")
        texts = encoding.sequence_ids
        first, second = texts.index(0), texts.index(1)
        between = next(place for place in range(first, len(texts)) if texts[place] != 0)
        after = next((place for place in range(second, len(texts)) if texts[place] != 1), len(texts))
        ids, types = encoding.ids, [*encoding.type_ids, 0]
        # Recurrent models split a pair by its types, although their tokenizer's name list leaves types out.
        has_types = "token_type_ids" in tokenizer.model_input_names or isinstance(backend.model, WordLevel)
        return cls(
            before=ids[:first],
            between=ids[between:second],
            after=ids[after:],
            types=(types[0], types[first], types[second - 1], types[second], types[after])
            if has_types
            else None,
        )

    @property
    def size(self) -> int:
        """Special tokens of a pair."""
        return len(self.before) + len(self.between) + len(self.after)

    def joined(self, question: list[int], context: list[int]) -> list[int]:
        """Return the token ids of a pair."""
        return [*self.before, *question, *self.between, *context, *self.after]

    def joined_types(self, question: int, context: int) -> list[int]:
        """Return the token types of a pair of these lengths."""
        assert self.types is not None, "the model knows no token types"
        lengths = (len(self.before), question, len(self.between), context, len(self.after))
        return [kind for kind, length in zip(self.types, lengths, strict=True) for _ in range(length)]


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


def question_ids(
    tokenizer: PreTrainedTokenizerFast, questions: Sequence[str], max_length: int
) -> list[list[int]]:
    """Tokenize questions; one that would take more than half of a window is cut to that half."""
    limit = max(1, (max_length - PairTemplate.of(tokenizer).size) // 2)
    # Cut by characters first: a tokenizer works through all of a text before it is cut.
    texts = [question.strip()[: CHARACTERS_PER_TOKEN * limit] for question in questions]
    tokenized = tokenize_each(tokenizer, texts)
    return [tokenized[text].ids[:limit] for text in texts]


def window_starts(tokens: int, room: int) -> range:
    """Return at which token of a context each of its windows starts; an empty context has one.

    Neighbouring windows share a third of their room, at most :data:`LONGEST_OVERLAP` tokens.

    Args:
        tokens: Length of the context.
        room: Tokens of context in a window.

    Raises:
        OptionError: There is no room.
    """
    if room < 1:
        raise OptionError(
            "max_length leaves no room for a context beside its question", fix="Give a larger --max-length."
        )
    step = room - min(LONGEST_OVERLAP, room // 3)
    # The last window is the first that reaches the end.
    return range(0, max(1, tokens - (room - step)), step)
