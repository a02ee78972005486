"""Reading on: what a network that reads to the right alone knows of a text that goes on without an end.

Of all that it has read such a network needs its last state and what its pooling has added up. Both have the
same size after a word as after a million, and whoever reads on from them gets what the network gives of the
whole text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from textgraft.models.recurrent.encoder import RecurrentForSequenceClassification
from textgraft.models.recurrent.fused import run_fused
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.models.recurrent.running_pooling import RUNNING, Kept
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification

READERS = (RecurrentForSequenceClassification, RecurrentForTokenClassification, RecurrentForCausalLM)
"""Networks that may be read on with."""
HOW_TO_TRAIN = (
    "Train one that reads to the right alone: textgraft train ROWS -o MODEL --contender lstm "
    "--set bidirectional=false (or gru, rnn), or textgraft pretrain --arch lstm."
)


def why_not_onward(model: Any) -> str | None:
    """Return why a model cannot read a text token by token; None where it can."""
    if type(model) not in READERS:
        return f"a {type(model).__name__} is not run token by token"
    config = model.config
    if config.bidirectional and not isinstance(model, RecurrentForCausalLM):
        return "it also reads from the end of a text, which is not there yet"
    if config.pairs or config.crf:
        return "pairs and random fields are looked at as a whole"
    return None


@dataclass(frozen=True)
class Carried:
    """All that a network knows of some texts, a row for each; it does not grow with what was read."""

    states: tuple[Tensor, ...]
    """The hidden states and, of an LSTM, the cell states, [layers, texts, hidden_size] each."""
    kept: Kept
    """What the pooling has added up."""
    read: Tensor
    """Tokens read of each text, int64 [texts]."""

    @property
    def last(self) -> Tensor:
        """The last state of the uppermost layer, [texts, hidden_size]."""
        return self.states[0][-1]

    def rows(self, rows: Tensor) -> Carried:
        """Return what is known of some of the texts, in an order."""
        return Carried(
            tuple(state.index_select(1, rows) for state in self.states),
            {name: value.index_select(0, rows) for name, value in self.kept.items()},
            self.read.index_select(0, rows),
        )

    def with_rows(self, rows: Tensor, other: Carried) -> Carried:
        """Return the same, with what ``other`` knows in place of some rows."""
        return Carried(
            tuple(
                state.index_copy(1, rows, new) for state, new in zip(self.states, other.states, strict=True)
            ),
            {name: value.index_copy(0, rows, other.kept[name]) for name, value in self.kept.items()},
            self.read.index_copy(0, rows, other.read),
        )


class OnwardReader:
    """Reads on, any number of texts side by side.

    Args:
        model: A network of which :func:`why_not_onward` has nothing to say; it is put into evaluation mode.
    """

    def __init__(self, model: Any) -> None:
        self.model = model.eval()
        self.config = model.config
        pooling = model.recurrent.pooling
        self.pooling = (
            None if pooling is None else RUNNING[self.config.pooling](pooling, self.config.hidden_size)
        )

    def start(self, texts: int) -> Carried:
        """Return what is known of texts of which nothing was read."""
        shape = (self.config.num_layers, texts, self.config.hidden_size)
        count = 2 if self.config.cell == "lstm" else 1
        kept = {} if self.pooling is None else self.pooling.start(texts)
        return Carried(
            tuple(torch.zeros(shape) for _ in range(count)), kept, torch.zeros(texts, dtype=torch.int64)
        )

    @torch.inference_mode()
    def read(
        self, carried: Carried, ids: Tensor, lengths: Sequence[int], character_ids: Tensor | None = None
    ) -> tuple[Tensor, Carried]:
        """Read on.

        Args:
            carried: What is known of the texts.
            ids: Their next tokens, right-padded, int64 [texts, time].
            lengths: How many there are of each; 0 for a text that does not go on.
            character_ids: For taggers that read characters, [texts, time, characters]; None where no word
                begins at any of the tokens.

        Returns:
            The states of the uppermost layer [texts, time, hidden_size], 0 at padding; and what is known now.
        """
        words = self.model.recurrent.embedding(ids)
        if self.config.reads_characters:
            given = ids.new_zeros(*ids.shape, 1) if character_ids is None else character_ids
            words = torch.cat([words, self.model.recurrent.characters(given)], dim=-1)
        ends = sorted({length for length in lengths if length})
        if len(ends) == 1 and ends[0] == ids.shape[1] and 0 not in lengths:
            return self._run(carried, words)
        states = words.new_zeros(*ids.shape, self.config.hidden_size)
        begin = 0
        for end in ends:
            # Those that end sooner stay as they are.
            rows = torch.tensor([row for row, length in enumerate(lengths) if length >= end])
            found, now = self._run(carried.rows(rows), words[rows, begin:end])
            states[rows, begin:end] = found
            carried = carried.with_rows(rows, now)
            begin = end
        return states, carried

    def _run(self, carried: Carried, words: Tensor) -> tuple[Tensor, Carried]:
        """Read words [texts, time, word_size], all of them true ones."""
        states, after = words, []
        for depth, layer in enumerate(self.model.recurrent.layers):
            before = tuple(state[depth : depth + 1] for state in carried.states)
            states, left = run_fused(layer.rightward, states, before if len(before) > 1 else before[0])
            after.append(left if isinstance(left, tuple) else (left,))
        kept = carried.kept if self.pooling is None else self.pooling.add(carried.kept, states)
        now = tuple(torch.cat(parts) for parts in zip(*after, strict=True))
        return states, Carried(now, kept, carried.read + words.shape[1])

    @torch.inference_mode()
    def pooled(self, carried: Carried) -> Tensor:
        """Return what a classifier's head reads of texts that have begun, [texts, pooled_size]."""
        assert self.pooling is not None, "only a classifier pools"
        return self.pooling.pooled(carried.kept, carried.last)

    @torch.inference_mode()
    def label_logits(self, pooled: Tensor) -> Tensor:
        """Return the logits of a classifier for pooled texts, [texts, labels]."""
        logits: Tensor = self.model.classifier(pooled)
        return logits

    @torch.inference_mode()
    def token_logits(self, states: Tensor) -> Tensor:
        """Return what a tagger or a language model says at states [..., hidden_size], [..., outputs]."""
        if isinstance(self.model, RecurrentForCausalLM):
            states = self.model.projection(states)
            return self.model.lm_head(states)
        logits: Tensor = self.model.classifier(states)
        return logits.float()
