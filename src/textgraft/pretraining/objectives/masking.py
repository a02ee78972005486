"""Which tokens a masked language model must guess (Devlin et al. 2019, section 3.1, task 1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError
from textgraft.pretraining.tokenizers import ordinary_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MASKED, RANDOM = 0.8, 0.1
"""Of the chosen tokens these shares become the mask token and a random one; the rest stays as it is."""


class Masked(NamedTuple):
    """A batch with masked positions."""

    input_ids: NDArray[np.int64]
    """[rows, time]; what the model reads."""
    positions: NDArray[np.int64]
    """Of the chosen tokens, counted along the flattened batch, ascending, [chosen]."""
    labels: NDArray[np.int64]
    """What stood there, [chosen]."""


@dataclass(frozen=True)
class Masking:
    """BERT's rule for the masked positions of a sequence.

    15% of the tokens are chosen; of those 80% become [MASK], 10% a random token, and 10% stay as they are.
    Special tokens are never chosen, nor put in place of others. A sequence of n tokens has 0.15 n chosen,
    rounded up or down at random so that the mean is exact.

    With whole words, all tokens of a word are chosen together. The share of tokens is the same.
    """

    mask_id: int
    ordinary: NDArray[np.int64]
    """Ids of the tokens that are not special, ascending."""
    continues: NDArray[np.bool_] | None = None
    """For each id, whether it goes on with the word before it; None where every token is chosen alone."""
    share: float = 0.15
    _is_ordinary: NDArray[np.bool_] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        size = max(self.mask_id, int(self.ordinary[-1])) + 1
        object.__setattr__(self, "_is_ordinary", np.isin(np.arange(size), self.ordinary))

    @classmethod
    def of(
        cls, tokenizer: PreTrainedTokenizerFast, *, whole_words: bool = False, share: float = 0.15
    ) -> Masking:
        """Make the rule for a tokenizer.

        Raises:
            OptionError: It has no mask token.
        """
        if tokenizer.mask_token_id is None:
            raise OptionError("the tokenizer has no mask token", fix="Give one of a masked language model.")
        return cls(
            tokenizer.mask_token_id,
            np.array(ordinary_ids(tokenizer)),
            _continuations(tokenizer) if whole_words else None,
            share,
        )

    def __call__(self, ids: NDArray[np.integer[Any]], generator: np.random.Generator) -> Masked:
        """Choose tokens of a batch and change them.

        Args:
            ids: [rows, time], special tokens and padding included.
            generator: Determines the choice.
        """
        rows, columns = np.nonzero(self._is_ordinary[ids])
        positions = rows * ids.shape[1] + columns
        flat = ids.astype(np.int64).ravel()
        chosen = positions[self._chosen(rows, positions, flat, generator)]
        labels = flat[chosen]
        lot = generator.random(len(chosen))
        randoms = self.ordinary[generator.integers(len(self.ordinary), size=len(chosen))]
        flat[chosen] = np.where(lot < MASKED, self.mask_id, np.where(lot < MASKED + RANDOM, randoms, labels))
        return Masked(flat.reshape(ids.shape), chosen, labels)

    def _chosen(
        self,
        rows: NDArray[np.int64],
        positions: NDArray[np.int64],
        flat: NDArray[np.int64],
        generator: np.random.Generator,
    ) -> NDArray[np.bool_]:
        """Decide for each candidate whether it is chosen, [candidates]."""
        # The words in random order, row by row, are chosen until the share of the row's tokens is reached;
        # the word that reaches beyond it, with the probability that makes the mean exact.
        begins = np.ones(len(positions), dtype=bool)
        if self.continues is not None:
            is_apart = (np.diff(positions) > 1) | (np.diff(rows) > 0)
            begins[1:] = ~self.continues[flat[positions[1:]]] | is_apart
        firsts = np.flatnonzero(begins)
        sizes = np.diff(firsts, append=len(positions))
        row_of = rows[firsts]
        order = np.lexsort((generator.random(len(firsts)), row_of))
        ends = np.cumsum(sizes[order])
        in_row = np.bincount(rows)
        before = ends - sizes[order] - (np.cumsum(in_row) - in_row)[row_of]
        lots = generator.random(len(in_row))[row_of]
        chosen = np.empty(len(firsts), dtype=bool)
        chosen[order] = before + lots * sizes[order] < self.share * in_row[row_of]
        return np.repeat(chosen, sizes)


def _continuations(tokenizer: PreTrainedTokenizerFast) -> NDArray[np.bool_]:
    """Return for each id whether it goes on with a word, [vocabulary]."""
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    if any(token.startswith("##") for token in tokens):  # WordPiece
        return np.array([token.startswith("##") for token in tokens])
    return np.array([_goes_on(token[0]) for token in tokens])


def _goes_on(character: str) -> bool:
    """Tell whether a byte-level token that begins with this character goes on with a word.

    A word behind a space begins with the space, written as U+0120, and signs are no part of a word. Bytes
    beyond ASCII, written from U+00A1 and from U+0122 on, stand within words.
    """
    code = ord(character)
    return character.isalnum() if code < 128 else code < 0x100 or code > 0x121
