"""Recurrent language models: what comes next, told by what a state remembers of all that came before.

    P(w_1 … w_n) = Π_t P(w_t | h_{t-1}),   h_t = cell(w_t, h_{t-1})

The state is carried from call to call, so that a text of any length is read piece by piece and generation
never reads its prefix twice (Mikolov et al. 2010, "Recurrent neural network based language model"). Words are
predicted by the vectors they are read with (Press and Wolf 2017, "Using the output embedding to improve
language models").

With ``bidirectional`` there are two language models that share the vectors and the softmax and nothing else:
one reads to the right, the other to the left, and neither sees what it is to predict. Their states, layer by
layer, are contextual word vectors (Peters et al. 2018, ELMo).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from transformers import Cache, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast
from transformers.utils import can_return_tuple

from textgraft.errors import OptionError, unknown
from textgraft.models.asked import asked
from textgraft.models.padding import one_of
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel, RecurrentPreTrainedModel
from textgraft.models.recurrent.fused import run_fused

DIRECTIONS = {"rightward": ("rightward",), "leftward": ("leftward",), "both": ("rightward", "leftward")}
"""What may be run of a pair of language models; of a single one it is "rightward"."""
NOT_PREDICTED = -100
"""Label of a position whose word counts nothing, as in torch and Transformers."""


class RecurrentState(Cache):
    """All that a recurrent language model remembers of what it has read.

    Transformers' ``generate`` takes it for its cache: it is handed from step to step as ``past_key_values``,
    and beam search reorders it. Unlike a cache of keys and values it never grows.

    Args:
        tensors: The hidden states and, of an LSTM, the cell states, each [layers, batch, hidden_size].
        length: Tokens read so far.
    """

    def __init__(self, tensors: Sequence[Tensor], length: int) -> None:
        super().__init__(layers=[])
        self.tensors = tuple(tensors)
        self.length = length

    def to(self, device: torch.device) -> RecurrentState:
        """Return the state on a device."""
        return RecurrentState([tensor.to(device) for tensor in self.tensors], self.length)

    def detach(self) -> RecurrentState:
        """Return the state without what led to it: gradients end here."""
        return RecurrentState([tensor.detach() for tensor in self.tensors], self.length)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return the tokens read so far."""
        del layer_idx
        return self.length

    def get_max_length(self, layer_idx: int | None = None) -> int:
        """Return -1: there is no limit."""
        del layer_idx
        return -1

    @property
    def is_croppable(self) -> bool:
        """Whether tokens can be taken back: no, what a state has read it has read."""
        return False

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Let row i of the batch be what row ``beam_idx[i]`` was."""
        self.tensors = tuple(tensor.index_select(1, beam_idx.to(tensor.device)) for tensor in self.tensors)


class RecurrentForCausalLM(RecurrentPreTrainedModel, GenerationMixin):
    """Predict every token from those before it.

    Args:
        config: Its description. ``pooling`` has no part in it.

    Raises:
        OptionError: Both directions are wanted, but not independent ones.
    """

    _tied_weights_keys = {"lm_head.weight": "recurrent.embedding.weight"}  # noqa: RUF012  as Transformers has it
    _is_stateful = True

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        if config.bidirectional and not config.independent_directions:
            raise OptionError(
                "a language model whose layers read both directions would see what it is to predict",
                where="RecurrentConfig",
                fix="Set bidirectional=False, or independent_directions=True for a pair of language models.",
            )
        self.recurrent = RecurrentModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(config.dropout)
        self.projection = (
            nn.Identity()
            if config.hidden_size == config.embedding_size
            else nn.Linear(config.hidden_size, config.embedding_size)
        )
        self.lm_head = nn.Linear(config.embedding_size, config.vocab_size)
        self.post_init()

    def get_output_embeddings(self) -> nn.Module:
        """Return the layer that scores words."""
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Exchange the layer that scores words."""
        self.lm_head = new_embeddings

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        past_key_values: Cache | None = None,
        starts: Tensor | None = None,
        labels: Tensor | None = None,
        shift_labels: Tensor | None = None,
        direction: str = "rightward",
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> CausalLMOutputWithPast:
        """Read on from a state.

        Args:
            input_ids: In the order of reading, so for ``direction="leftward"`` from the end of the text to
                its beginning, [batch, time].
            attention_mask: 1 at true tokens, [batch, time], or longer by what was read before. Padding may
                stand on the left as well: the state begins anew with the first true token after it.
            past_key_values: A :class:`RecurrentState` to go on from; with none, or an empty cache of another
                kind, the state is zero.
            starts: True where a document begins, before which the state is set to zero, [batch, time].
            labels: ``input_ids`` again, or :data:`NOT_PREDICTED` where a token does not count,
                [batch, time]; each is predicted at the position before it. With them the mean loss is
                returned.
            shift_labels: The same, but already moved: what each position is to predict, [batch, time]. So the
                last position, too, has something to predict.
            direction: "rightward", or of a pair also "leftward" and "both". With "both" the first half of the
                rows is read rightward and the second leftward.
            use_cache: Whether to go on from ``past_key_values`` and to return the new state. By default both
                are done.
            logits_to_keep: How many positions at the end the logits are wanted of, 0 for all; or which.
            inputs_embeds: Word vectors in place of ids, [batch, time, embedding_size].
            output_attentions: There are none to return.
            output_hidden_states: Whether to return the word vectors and the states of every layer.

        Returns:
            logits [batch, time, vocab_size]; past_key_values, the state after the last position; loss.

        Raises:
            OptionError: The direction is unknown, or not one that this model reads.
        """
        able = tuple(DIRECTIONS) if self.config.bidirectional else ("rightward",)
        if direction not in able:
            raise unknown("direction", direction, able)
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        inputs = one_of(input_ids, inputs_embeds)
        past = past_key_values if isinstance(past_key_values, RecurrentState) else None
        if use_cache is False:
            past = None
        after_padding = None if attention_mask is None else _after_padding(attention_mask, inputs.shape[1])
        if after_padding is not None:
            starts = after_padding if starts is None else starts | after_padding
        words = self.recurrent.embedding(inputs) if inputs_embeds is None else inputs_embeds
        states = self.recurrent.embedding_dropout(words)
        every, last = [states], []
        for depth, layer in enumerate(self.recurrent.layers):
            state = None if past is None else tuple(tensor[depth : depth + 1] for tensor in past.tensors)
            cells = [getattr(layer, name) for name in DIRECTIONS[direction]]
            states, state = _read(cells, self.dropout(states) if depth else states, state, starts)
            every.append(states)
            last.append(state)
        if isinstance(logits_to_keep, Tensor):
            states = states[:, logits_to_keep]
        elif logits_to_keep:
            states = states[:, -logits_to_keep:]
        logits = self.lm_head(self.projection(self.dropout(states)))
        if shift_labels is None and labels is not None:
            shift_labels = nn.functional.pad(labels[:, 1:], (0, 1), value=NOT_PREDICTED)
        loss = None
        if shift_labels is not None:
            loss = nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), shift_labels.flatten(), ignore_index=NOT_PREDICTED
            )
        length = inputs.shape[1] + (0 if past is None else past.length)
        return CausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=None
            if use_cache is False
            else RecurrentState([torch.cat(parts) for parts in zip(*last, strict=True)], length),
            hidden_states=tuple(every) if wanted["output_hidden_states"] else None,
        )


_State = tuple[Tensor, ...]
"""Of one layer: the hidden state and, of an LSTM, the cell state, [1, batch, hidden_size] each."""


def _read(
    cells: Sequence[nn.Module], inputs: Tensor, state: _State | None, starts: Tensor | None
) -> tuple[Tensor, _State]:
    """Run one layer.

    Args:
        cells: Fused layers of torch; each reads its share of the rows.
        inputs: [batch, time, input_size].
        state: Before the first position; None for zero.
        starts: True where the state is set to zero first, [batch, time].

    Returns:
        States [batch, time, hidden_size], and the state after the last position.
    """
    if len(cells) == 1:
        return _read_rows(cells[0], inputs, state, starts)
    read = []
    for number, cell in enumerate(cells):
        rows = slice(number * len(inputs) // len(cells), (number + 1) * len(inputs) // len(cells))
        own = None if state is None else tuple(tensor[:, rows].contiguous() for tensor in state)
        read.append(_read_rows(cell, inputs[rows], own, None if starts is None else starts[rows]))
    states, left = zip(*read, strict=True)
    return torch.cat(states), tuple(torch.cat(parts, dim=1) for parts in zip(*left, strict=True))


def _read_rows(
    cell: nn.Module, inputs: Tensor, state: _State | None, starts: Tensor | None
) -> tuple[Tensor, _State]:
    """Run one cell; arguments and result are as in :func:`_read`."""
    # A fused layer runs through without a stop: it is called anew where a state is set to zero.
    columns = [] if starts is None else starts.any(dim=0).nonzero().flatten().tolist()
    pieces = []
    for begin, end in pairwise([0, *(column for column in columns if column), inputs.shape[1]]):
        if starts is not None and begin in columns and state is not None:
            keeps = ~starts[None, :, begin, None]
            state = tuple(tensor * keeps for tensor in state)
        # torch takes and gives the pair of an LSTM, the single tensor of the others.
        given = state[0] if state is not None and len(state) == 1 else state
        states, left = run_fused(cell, inputs[:, begin:end], given)
        state = left if isinstance(left, tuple) else (left,)
        pieces.append(states)
    assert state is not None, "a batch has at least one position"
    return (pieces[0] if len(pieces) == 1 else torch.cat(pieces, dim=1)), state


def _after_padding(attention_mask: Tensor, time: int) -> Tensor | None:
    """Return where true tokens follow padding, [batch, time]; None where nowhere."""
    mask = attention_mask[:, -time - 1 :].bool()
    if mask.all():
        return None
    found = mask[:, 1:] & ~mask[:, :-1]
    return nn.functional.pad(found, (time - found.shape[1], 0))
