"""What a masked language model reads before it is masked: sequences of text, drawn by number."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Arrays = dict[str, NDArray[Any]]
"""A batch: ``input_ids`` and ``attention_mask`` [rows, time], and what else the model takes."""


@dataclass(frozen=True)
class Frame:
    """The special tokens around text."""

    first: int
    """Before it, as [CLS]."""
    separator: int
    """Behind each part of it, as [SEP]."""
    padding: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> Frame:
        """Take a tokenizer's.

        Raises:
            OptionError: It lacks one of them.
        """
        ids = (tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id)
        if None in ids:
            raise OptionError(
                "the tokenizer lacks a token for the beginning, the end or the padding of a sequence",
                fix="Give one of a BERT or RoBERTa.",
            )
        return cls(*ids)


class Examples(ABC):
    """Sequences of text that are made when they are asked for."""

    lengths: NDArray[np.int64]
    """Of each, special tokens included; a sequence that depends on chance may have some tokens less."""
    identity: str
    """Hash of all that they depend on."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.lengths)

    @abstractmethod
    def batch(self, numbers: Sequence[int], generator: np.random.Generator) -> Arrays:
        """Make a right-padded batch of the sequences with these numbers.

        Args:
            numbers: From 0 on.
            generator: Determines what chance decides.
        """


def padded(rows: Sequence[NDArray[Any]], value: int) -> NDArray[np.int64]:
    """Pad rows on the right with ``value``, [rows, longest]."""
    array = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for place, row in zip(array, rows, strict=True):
        place[: len(row)] = row
    return array


def attention_mask(rows: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return 1 where a padded row has a token, [rows, longest]."""
    lengths = np.array([len(row) for row in rows])
    return (np.arange(lengths.max()) < lengths[:, None]).astype(np.int64)
