"""A recurrent decoder: from one vector, and perhaps the states of a source, to words.

Three ways to look at a source:

* "none": all that the decoder knows stands in its first state, made from one vector of fixed width
  (Sutskever et al. 2014, Cho et al. 2014);
* "bahdanau", additive attention (Bahdanau et al. 2015): the state before a word asks for the context, and the
  context is read together with the word;
* "luong", multiplicative attention (Luong et al. 2015): the state after a word asks for the context, and both
  make the attentional vector that predicts the next word. With input feeding that vector is also read
  together with the next word.

Without attention, and with multiplicative attention without input feeding, no step waits for an attention:
the true words of a whole target run through the fused kernel at once, and all of them attend together. This
is several times faster in training. The other two are computed step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from textgraft.models.recurrent.cross_attention import AdditiveAttention, Memory, MultiplicativeAttention
from textgraft.models.recurrent.encoder import CELLS
from textgraft.models.recurrent.fused import run_fused
from textgraft.models.recurrent.language_model import RecurrentState

ATTENTIONS = {"bahdanau": AdditiveAttention, "luong": MultiplicativeAttention}
INJECTIONS = ("state", "token")
"""How a vector enters the decoder: as its first state, or read like a word before the first word."""

_State = tuple[Tensor, ...]
"""Of one layer: the hidden state and, of an LSTM, the cell state, [batch, hidden_size] each."""
_STEPS: dict[str, Callable[..., Tensor | tuple[Tensor, Tensor]]] = {
    "rnn": torch.rnn_tanh_cell,
    "lstm": torch.lstm_cell,
    "gru": torch.gru_cell,
}


class DecoderState(RecurrentState):
    """All that a decoder carries from word to word, as ``past_key_values``.

    Args:
        tensors: The hidden states and, of an LSTM, the cell states, each [layers, batch, hidden_size].
        length: Words read so far.
        fed: The last attentional vector, [batch, embedding_size], if it is fed back.
        memory: The sources, if the decoder attends to them; a row for as many rows of the batch as are beams
            of one source.
    """

    def __init__(
        self, tensors: Sequence[Tensor], length: int, fed: Tensor | None, memory: Memory | None
    ) -> None:
        super().__init__(tensors, length)
        self.fed, self.memory = fed, memory

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let row i be what row ``beam_idx[i]`` was, a beam of the same source: the memory stays."""
        super().reorder_cache(beam_idx)
        self.fed = None if self.fed is None else self.fed.index_select(0, beam_idx)

    def keep(self, rows: Tensor, sources: Tensor) -> None:
        """Go on with some rows of the batch and with their sources, in the order given."""
        self.reorder_cache(rows)
        self.memory = None if self.memory is None else self.memory.rows(sources)


@dataclass(frozen=True)
class SourceAttention:
    """How a decoder looks at a source while it writes."""

    kind: str
    """"bahdanau" or "luong"."""
    memory_size: int
    """Width of the source states that are attended to."""
    input_feeding: bool = False
    """Whether Luong's attention feeds its vector back."""

    @property
    def reads_context(self) -> bool:
        """Whether the context is read together with the word, as Bahdanau's is."""
        return self.kind == "bahdanau"

    @property
    def feeds_back(self) -> bool:
        """Whether the attentional vector is read together with the next word."""
        return self.input_feeding and self.kind == "luong"


class RecurrentDecoder(nn.Module):
    """Layers, attention and readout; words come in as vectors and go out as vectors that predict words.

    Args:
        cell: "rnn", "lstm" or "gru".
        embedding_size: Width of a word vector, and of what predicts a word.
        hidden_size: Width of a state.
        num_layers: Recurrent layers.
        dropout: Fraction of the states between layers and of the readout set to zero in training.
        vector_size: Width of the vector that the decoder starts from.
        injection: How it enters; see :data:`INJECTIONS`.
        attention: How it looks at a source; None: it does not.
    """

    def __init__(
        self,
        *,
        cell: str,
        embedding_size: int,
        hidden_size: int,
        num_layers: int,
        dropout: float,
        vector_size: int,
        injection: str = "state",
        attention: SourceAttention | None = None,
    ) -> None:
        super().__init__()
        self.cell, self.hidden_size, self.embedding_size = cell, hidden_size, embedding_size
        self.injection = injection
        self.attention = (
            None if attention is None else ATTENTIONS[attention.kind](hidden_size, attention.memory_size)
        )
        memory_size = 0 if attention is None else attention.memory_size
        self.input_feeding = attention is not None and attention.feeds_back
        self.reads_context = attention is not None and attention.reads_context
        beside_word = memory_size if self.reads_context else embedding_size if self.input_feeding else 0
        widths = [embedding_size + beside_word] + [hidden_size] * (num_layers - 1)
        self.layers = nn.ModuleList(CELLS[cell](width, hidden_size, batch_first=True) for width in widths)
        self.parts = 2 if cell == "lstm" else 1
        self.bridge = nn.Linear(
            vector_size, embedding_size if injection == "token" else num_layers * self.parts * hidden_size
        )
        self.readout = nn.Linear(
            hidden_size + memory_size + (embedding_size if self.reads_context else 0), embedding_size
        )
        self.dropout = nn.Dropout(dropout)

    def start(self, vector: Tensor, source: tuple[Tensor, Tensor] | None = None) -> DecoderState:
        """Return the state before the first word.

        Args:
            vector: [batch, vector_size].
            source: States [batch, time, memory_size] and mask [batch, time], if the decoder attends.
        """
        bridged = self.bridge(vector)
        shape = (len(self.layers), len(vector), self.hidden_size)
        if self.injection == "token":
            zero = [bridged.new_zeros(shape)] * self.parts
            _, tensors = self._fused(bridged.unsqueeze(1), zero)
        else:
            # A hidden state lies between -1 and 1; a cell state may lie beyond.
            hidden, *cell = bridged.view(shape[1], self.parts, shape[0], shape[2]).permute(1, 2, 0, 3)
            tensors = [torch.tanh(hidden), *cell]
        return DecoderState(
            tensors,
            0,
            bridged.new_zeros(len(vector), self.embedding_size) if self.input_feeding else None,
            None if self.attention is None or source is None else self.attention.remember(*source),
        )

    def forward(self, words: Tensor, state: DecoderState) -> tuple[Tensor, Tensor | None, DecoderState]:
        """Read on.

        Args:
            words: Vectors of the words that come next, [batch, time, embedding_size].
            state: From :meth:`start` or an earlier call.

        Returns:
            What predicts the word after each, [batch, time, embedding_size]; the attention weights
            [batch, time, source time], if the decoder attends; the new state.
        """
        fed = state.fed
        weights: Tensor | None
        if self.reads_context:
            readouts, weights, tensors = self._ask_and_read(words, state)
        elif fed is not None:
            readouts, weights, tensors = self._read_fed(words, fed, state)
            fed = readouts[:, -1]
        elif words.shape[1] == 1:
            # Starting the fused kernel costs more than one step of it.
            hidden, states = self._step(words.squeeze(1), _by_layer(state.tensors))
            readouts, weights = self._look(hidden.unsqueeze(1), state.memory)
            tensors = _by_part(states)
        else:
            hidden, tensors = self._fused(words, state.tensors)
            readouts, weights = self._look(hidden, state.memory)
        after = DecoderState(tensors, state.length + words.shape[1], fed, state.memory)
        return self.dropout(readouts), weights, after

    def _fused(self, inputs: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run every layer over all time steps at once.

        Args:
            inputs: [batch, time, input_size].
            tensors: As in :class:`DecoderState`.

        Returns:
            States of the last layer, [batch, time, hidden_size]; ``tensors`` after the last step.
        """
        last = []
        for depth, layer in enumerate(self.layers):
            given = [tensor[depth : depth + 1] for tensor in tensors]
            # torch takes and gives the pair of an LSTM, the single tensor of the others.
            inputs, left = run_fused(layer, self.dropout(inputs) if depth else inputs, _packed(given))
            last.append(left if isinstance(left, tuple) else (left,))
        return inputs, [torch.cat(parts) for parts in zip(*last, strict=True)]

    def _step(self, inputs: Tensor, states: Sequence[_State]) -> tuple[Tensor, list[_State]]:
        """Run every layer for one step on [batch, input_size]: [batch, hidden_size], and their states."""
        last: list[_State] = []
        for depth, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            new = _STEPS[self.cell](
                self.dropout(inputs) if depth else inputs,
                _packed(state),
                layer.weight_ih_l0,
                layer.weight_hh_l0,
                layer.bias_ih_l0,
                layer.bias_hh_l0,
            )
            last.append(new if isinstance(new, tuple) else (new,))
            inputs = last[-1][0]
        return inputs, last

    def _look(self, hidden: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        """Make of states [batch, time, hidden_size] what predicts words, with a look at the source."""
        if self.attention is None or memory is None:
            return torch.tanh(self.readout(hidden)), None
        return self._attentional(hidden, memory)

    def _attentional(self, hidden: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Return Luong's attentional vectors, tanh(W [context; state]), and the weights."""
        assert self.attention is not None, "there is attention where there is a memory"
        contexts, weights = self.attention(hidden, memory)
        return torch.tanh(self.readout(torch.cat([contexts, hidden], dim=-1))), weights

    def _read_fed(
        self, words: Tensor, fed: Tensor, state: DecoderState
    ) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Read each word together with the attentional vector before it (Luong et al. 2015, section 3.3)."""
        assert state.memory is not None, "a decoder that attends has a source"
        states = _by_layer(state.tensors)
        vectors, every_weight = [], []
        for word in words.unbind(1):
            hidden, states = self._step(torch.cat([word, fed], dim=-1), states)
            attentional, weights = self._attentional(hidden.unsqueeze(1), state.memory)
            fed = attentional.squeeze(1)
            vectors.append(fed)
            every_weight.append(weights)
        return torch.stack(vectors, dim=1), torch.cat(every_weight, dim=1), _by_part(states)

    def _ask_and_read(self, words: Tensor, state: DecoderState) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Ask for a context with each state, and read it together with the next word (Bahdanau et al. 2015).

        What predicts a word is tanh(W [state; context; word]), in place of the paper's maxout layer.
        """
        assert self.attention is not None, "contexts come from attention"
        assert state.memory is not None, "a decoder that attends has a source"
        states = _by_layer(state.tensors)
        hidden = states[-1][0]
        seen, every_weight = [], []
        for word in words.unbind(1):
            contexts, weights = self.attention(hidden.unsqueeze(1), state.memory)
            context = contexts.squeeze(1)
            hidden, states = self._step(torch.cat([word, context], dim=-1), states)
            seen.append(torch.cat([hidden, context, word], dim=-1))
            every_weight.append(weights)
        readouts = torch.tanh(self.readout(torch.stack(seen, dim=1)))
        return readouts, torch.cat(every_weight, dim=1), _by_part(states)


def _by_layer(tensors: Sequence[Tensor]) -> list[_State]:
    """Take the parts of a state [layers, batch, hidden_size] apart into those of each layer."""
    return list(zip(*tensors, strict=True))


def _by_part(states: Sequence[_State]) -> list[Tensor]:
    """Put the states of all layers together again."""
    return [torch.stack(parts) for parts in zip(*states, strict=True)]


def _packed(state: Sequence[Tensor]) -> Tensor | tuple[Tensor, ...]:
    """Return a layer's state as torch takes it: the pair of an LSTM, the single tensor of the others."""
    return tuple(state) if len(state) > 1 else state[0]
