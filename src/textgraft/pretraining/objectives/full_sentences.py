"""RoBERTa's examples: sequences filled with whole sentences, across documents (Liu et al. 2019, section 4.2).

"Full-sentences" there: sentences are put one after the other while they have room; where a document ends, a
separator stands and the next one begins. There is no next-sentence prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError
from textgraft.files import content_hash
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.examples import Arrays, Examples, Frame, attention_mask, padded

_SPECIAL_TOKENS = 2


class FullSentences(Examples):
    """Sequences of whole sentences; one that is longer than a sequence is cut.

    Args:
        tokens: Documents whose pieces are sentences.
        frame: The special tokens.
        length: Tokens of a sequence at most, special tokens included.

    Raises:
        OptionError: ``length`` has no room for text.
    """

    def __init__(self, tokens: Tokens, frame: Frame, *, length: int) -> None:
        self.tokens, self.frame = tokens, frame
        if length <= _SPECIAL_TOKENS:
            raise OptionError(f"{length} tokens have no room for text", where="length", fix="Give 128.")
        # Where in the ids a document begins that is not the first.
        self.borders = tokens.piece_starts[tokens.document_starts[1:-1]]
        self.spans = _spans(tokens, self.borders, length - _SPECIAL_TOKENS)
        inside = np.searchsorted(self.borders, self.spans[:, 1]) - np.searchsorted(
            self.borders, self.spans[:, 0], side="right"
        )
        self.lengths = self.spans[:, 1] - self.spans[:, 0] + inside + _SPECIAL_TOKENS
        self.identity = content_hash(["full sentences", tokens.identity, length])

    def batch(self, numbers: Sequence[int], generator: np.random.Generator) -> Arrays:
        """Return the sequences; nothing of them is left to chance."""
        del generator
        rows = [self.sequence(number) for number in numbers]
        return {"input_ids": padded(rows, self.frame.padding), "attention_mask": attention_mask(rows)}

    def sequence(self, number: int) -> NDArray[np.int64]:
        """Return the ids of a sequence, special tokens included."""
        start, end = self.spans[number].tolist()
        ids = self.tokens.ids[start:end].astype(np.int64)
        first, last = np.searchsorted(self.borders, [start + 1, end])
        ids = np.insert(ids, self.borders[first:last] - start, self.frame.separator)
        return np.concatenate([[self.frame.first], ids, [self.frame.separator]])


def _spans(tokens: Tokens, borders: NDArray[Any], room: int) -> NDArray[np.int64]:
    """Cut the ids into stretches of whole sentences, [sequences, 2]."""
    starts = tokens.piece_starts
    # Counted with the separators between documents, a piece ends here.
    ends = starts[1:] + np.searchsorted(borders, starts[1:])
    spans: list[tuple[int, int]] = []
    at, last = 0, int(starts[-1])
    while at < last:
        begin = at + int(np.searchsorted(borders, at, side="right"))
        whole = int(starts[np.searchsorted(ends, begin + room, side="right")])
        end = whole if whole > at else at + room  # a sentence longer than a sequence is cut
        spans.append((at, end))
        at = end
    return np.array(spans, dtype=np.int64).reshape(-1, 2)
