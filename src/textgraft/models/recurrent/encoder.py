"""Recurrent networks as a Transformers architecture: embed, encode, attend, predict.

Word vectors are read by an RNN, LSTM or GRU (the equations stand in :mod:`textgraft.models.recurrent.cells`),
in both directions if wanted; the states are pooled to one vector by attention or by taking the last state,
and a linear layer predicts the label.

Padding changes no output. Batches are padded on the right, or brought into that order: the rightward
direction meets padding only after the text. The leftward direction is a second layer of the same kind that
reads the text reversed within its true length, so that it, too, meets padding only after the text. Both run
on the fused kernel, which ``pack_padded_sequence`` would give up on CPUs.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.errors import OptionError, unknown
from textgraft.models.asked import asked
from textgraft.models.losses import sequence_loss
from textgraft.models.padding import ascending, inverse, one_of, ordered, true_tokens
from textgraft.models.pairs import PairDropout, pair_features, pair_head, split_pairs
from textgraft.models.recurrent.attention import AttentionPooling
from textgraft.models.recurrent.characters import CHARACTER_ENCODERS
from textgraft.models.recurrent.fused import run_fused
from textgraft.models.recurrent.reversal import reorder, reversal_index

CELLS: dict[str, type[nn.RNN | nn.LSTM | nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
POOLINGS = ("attention", "last", "concat")


class RecurrentConfig(PreTrainedConfig):
    """Describes a recurrent network.

    Args:
        vocab_size: Entries of the embedding matrix.
        cell: "rnn", "lstm" or "gru".
        embedding_size: Width of a word vector.
        hidden_size: Width of one direction's state.
        num_layers: Recurrent layers, each reading the states of the one below.
        bidirectional: Whether a second direction reads each text from its end; states are then twice as wide.
        independent_directions: Whether every layer of a direction reads the states of that direction alone,
            as in a pair of language models, neither of which may see what it is to predict.
        pooling: "attention" (learned weights over all states), "last" (the state after the last token, and
            after the first token for the backward direction) or "concat" (these, and beside them the maximum
            and the mean over all states: Howard and Ruder 2018, ULMFiT).
        dropout: Fraction of the states between layers and of the pooled vector set to zero in training.
        embedding_dropout: The same for the word vectors.
        characters: "none", "cnn" or "lstm": how the characters of each word make a vector beside its own; see
            :mod:`textgraft.models.recurrent.characters`.
        character_embedding_size: Width of a character's vector.
        character_size: Width of the vector that the characters of a word make.
        crf: Whether tags are predicted jointly, by a conditional random field; for token classification.
        marginal_temperature: What the field's log probabilities are divided by, to be calibrated.
        pad_token_id: Its word vector is zero and stays so.
        bos_token_id: Begins a text, if there is such a token.
        eos_token_id: Ends a text, likewise; a language model that writes stops there.
        pairs: Whether inputs are pairs of texts, told apart by token_type_ids, read apart and then compared.
        tie_word_embeddings: Whether a language model predicts words by the vectors that it reads them with.

    Raises:
        OptionError: The cell, the pooling or the character encoder is unknown.
    """

    model_type = "recurrent"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}
    keys_to_ignore_at_inference: ClassVar[list[str]] = ["past_key_values"]

    vocab_size: int = 30_000
    cell: str = "lstm"
    embedding_size: int = 128
    hidden_size: int = 128
    num_layers: int = 1
    bidirectional: bool = True
    independent_directions: bool = False
    pooling: str = "attention"
    dropout: float = 0.4
    embedding_dropout: float = 0.3
    characters: str = "none"
    character_embedding_size: int = 30
    character_size: int = 50
    crf: bool = False
    marginal_temperature: float = 1.0
    pad_token_id: int = 0
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pairs: bool = False
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: object) -> None:
        super().__post_init__(**kwargs)
        if self.cell not in CELLS:
            raise unknown("cell", self.cell, CELLS)
        if self.pooling not in POOLINGS:
            raise unknown("pooling", self.pooling, POOLINGS)
        if self.characters not in ("none", *CHARACTER_ENCODERS):
            raise unknown("character encoder", self.characters, ("none", *CHARACTER_ENCODERS))

    @property
    def reads_characters(self) -> bool:
        """Whether batches must hold character_ids."""
        return self.characters != "none"

    @property
    def word_size(self) -> int:
        """Width of what stands for a word: its vector, and beside it that of its characters."""
        return self.embedding_size + (self.character_size if self.reads_characters else 0)

    @property
    def state_size(self) -> int:
        """Width of a state: both directions side by side."""
        return self.hidden_size * (2 if self.bidirectional else 1)

    @property
    def pooled_size(self) -> int:
        """Width of the vector of a text."""
        return self.state_size * (3 if self.pooling == "concat" else 1)


class RecurrentLayer(nn.Module):
    """One recurrent layer over right-padded batches, in one direction or both.

    Args:
        config: Cell, width and directions.
        input_size: Width of what the layer reads.
        apart: Whether the inputs are two halves, one for each direction.
    """

    def __init__(self, config: RecurrentConfig, input_size: int, apart: bool = False) -> None:
        super().__init__()
        self.apart = apart
        if apart:
            input_size //= 2
        cell = CELLS[config.cell]
        self.rightward = cell(input_size, config.hidden_size, batch_first=True)
        self.leftward = (
            cell(input_size, config.hidden_size, batch_first=True) if config.bidirectional else None
        )

    def forward(self, inputs: Tensor, reversal: Tensor) -> Tensor:
        """Read a batch.

        Args:
            inputs: [batch, time, input_size].
            reversal: From :func:`reversal_index`.

        Returns:
            States [batch, time, state_size]; those at padding mean nothing.
        """
        to_right, to_left = inputs.chunk(2, dim=-1) if self.apart else (inputs, inputs)
        rightward, _ = run_fused(self.rightward, to_right)
        if self.leftward is None:
            return rightward
        leftward, _ = run_fused(self.leftward, reorder(to_left, reversal))
        return torch.cat([rightward, reorder(leftward, reversal)], dim=-1)


class LastPooling(nn.Module):
    """What each direction knew when it had read the whole text.

    Args:
        hidden_size: Width of one direction's state.
    """

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        """Pool states [batch, time, state_size] under a mask [batch, time] to [batch, state_size]."""
        rows = torch.arange(len(states), device=states.device)
        last = states[rows, mask.sum(dim=1) - 1, : self.hidden_size]
        first = states[:, 0, self.hidden_size :]
        return torch.cat([last, first], dim=-1), None


class ConcatPooling(LastPooling):
    """The last states, the maximum and the mean of all, side by side (Howard and Ruder 2018, section 3.3).

    What tells a text's label may stand anywhere in it, long before its end.
    """

    def forward(self, states: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        """Pool states [batch, time, state_size] under a mask [batch, time] to [batch, 3 * state_size]."""
        last, _ = super().forward(states, mask)
        true = mask.unsqueeze(-1)
        greatest = states.masked_fill(~true, torch.finfo(states.dtype).min).amax(dim=1)
        mean = (states * true).sum(dim=1) / true.sum(dim=1)
        return torch.cat([last, greatest, mean], dim=-1), None


def _pooling(config: RecurrentConfig) -> nn.Module:
    if config.pooling == "attention":
        return AttentionPooling(config.state_size, config.hidden_size)
    return (LastPooling if config.pooling == "last" else ConcatPooling)(config.hidden_size)


def _is_new(parameter: Tensor) -> bool:
    """Return whether a parameter is to be initialised: it was not among weights that were loaded."""
    return not getattr(parameter, "_is_hf_initialized", False)


class RecurrentPreTrainedModel(PreTrainedModel):
    """Initialisation shared by all recurrent models."""

    config_class: type[PreTrainedConfig] = RecurrentConfig
    base_model_prefix = "recurrent"

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Embedding):
            if _is_new(module.weight):
                init.normal_(module.weight, std=0.1)
                if module.padding_idx is not None:
                    module.weight[module.padding_idx].zero_()
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.RNNBase):
            for name, parameter in module.named_parameters():
                if not _is_new(parameter):
                    continue
                gates = parameter.split(module.hidden_size)
                for gate in gates:
                    if name.startswith("weight_ih"):
                        nn.init.xavier_uniform_(gate)
                    elif name.startswith("weight_hh"):
                        # Neither shrinks nor stretches what is remembered (Saxe et al. 2014).
                        nn.init.orthogonal_(gate)
                    else:
                        nn.init.zeros_(gate)
                if name.startswith("bias_ih") and isinstance(module, nn.LSTM):
                    # Remember until it is learned to forget (Jozefowicz et al. 2015).
                    nn.init.ones_(gates[1])


class RecurrentModel(RecurrentPreTrainedModel):
    """Embed, encode and attend: the network without a head.

    Args:
        config: Its description.
        add_pooling_layer: Whether states are pooled to one vector a text; heads that read every state, as for
            tokens and spans, need none.
    """

    def __init__(self, config: RecurrentConfig, add_pooling_layer: bool = True) -> None:
        super().__init__(config)
        self.embedding: nn.Module = nn.Embedding(
            config.vocab_size, config.embedding_size, config.pad_token_id
        )
        self.characters = (
            CHARACTER_ENCODERS[config.characters](config.character_embedding_size, config.character_size)
            if config.reads_characters
            else None
        )
        dropout = PairDropout if config.pairs else nn.Dropout
        self.embedding_dropout = dropout(config.embedding_dropout)
        apart = config.bidirectional and config.independent_directions
        self.layers = nn.ModuleList([RecurrentLayer(config, config.word_size)])
        self.layers.extend(
            RecurrentLayer(config, config.state_size, apart=apart) for _ in range(config.num_layers - 1)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.pooling: nn.Module | None = None
        if add_pooling_layer:
            self.pooling = _pooling(config)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        """Return the embedding matrix."""
        return self.embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Exchange the embedding matrix."""
        self.embedding = value

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        character_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutputWithPooling:
        """Read a batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens and 0 at padding, [batch, time]; without it every pad_token_id is
                padding.
            character_ids: Of the word that begins at each token, right-padded with 0,
                [batch, time, characters]; for models that read characters.
            inputs_embeds: Word vectors in place of ids, [batch, time, embedding_size].
            output_attentions: Whether to return the weights of attention pooling, [batch, time]. What is left
                out, the configuration says.
            output_hidden_states: Whether to return the word vectors and the states of every layer.

        Returns:
            last_hidden_state [batch, time, state_size], meaningless at padding, and pooler_output
            [batch, pooled_size], which is None without a pooling layer.

        Raises:
            OptionError: The model reads characters and got none, or there are both ids and vectors, or none.
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        inputs = one_of(input_ids, inputs_embeds)
        mask = true_tokens(attention_mask, inputs, self.config.pad_token_id)
        words = self.embedding(inputs) if inputs_embeds is None else inputs_embeds
        if self.characters is not None:
            if character_ids is None:
                raise OptionError(
                    "this model reads characters, and the batch holds no character_ids",
                    fix="Use the tokenizer that was saved with it, and the task's own batches.",
                )
            words = torch.cat([words, self.characters(character_ids)], dim=-1)
        order = ascending(~mask)
        # A row without any token is read as one padding token: every text has a state.
        lengths = mask.sum(dim=1).clamp(min=1)
        reversal = reversal_index(lengths, words.shape[1])
        states = self.embedding_dropout(ordered(words, order))
        every = [states]
        for depth, layer in enumerate(self.layers):
            states = layer(self.dropout(states) if depth else states, reversal)
            every.append(states)
        pooled = weights = None
        if self.pooling is not None:
            true = torch.arange(words.shape[1], device=lengths.device) < lengths.unsqueeze(1)
            pooled, weights = self.pooling(states, true)
        back = inverse(order)
        return BaseModelOutputWithPooling(
            last_hidden_state=ordered(states, back),
            pooler_output=pooled,
            hidden_states=tuple(ordered(layer, back) for layer in every)
            if wanted["output_hidden_states"]
            else None,
            attentions=(ordered(weights, back),)
            if wanted["output_attentions"] and weights is not None
            else None,
        )


class RecurrentForSequenceClassification(RecurrentPreTrainedModel):
    """Embed, encode, attend, predict.

    Of a pair of texts both are read by the same network, and the head compares their vectors.

    Args:
        config: Its description; num_labels or id2label says how many outputs there are, and problem_type
            which loss they have.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__(config)
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        self.recurrent = RecurrentModel(config)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier: nn.Module = nn.Linear(config.pooled_size, config.num_labels)
        if config.pairs:
            self.classifier = pair_head(
                config.pooled_size, config.hidden_size, config.num_labels, config.dropout
            )
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: As in :meth:`RecurrentModel.forward`.
            attention_mask: As there.
            token_type_ids: 0 and 1 at the tokens of the two texts of a pair, [batch, time]; not looked at
                where inputs are single texts.
            labels: As in :func:`sequence_loss`.
            inputs_embeds: As there.
            output_attentions: As there.
            output_hidden_states: As there.

        Returns:
            logits [batch, num_labels], and the mean loss if labels were given. States and attentions of pairs
            are those of all first texts, then of all second texts.

        Raises:
            OptionError: The model reads pairs and token_type_ids are missing.
        """
        wanted = asked(
            self.config, output_attentions=output_attentions, output_hidden_states=output_hidden_states
        )
        inputs = one_of(input_ids, inputs_embeds)
        if self.config.pairs:
            inputs, attention_mask = split_pairs(
                inputs, attention_mask, token_type_ids, self.config.pad_token_id
            )
        outputs = self.recurrent(
            **{"input_ids" if inputs_embeds is None else "inputs_embeds": inputs},
            attention_mask=attention_mask,
            **wanted,
            return_dict=True,
        )
        pooled = outputs.pooler_output
        if self.config.pairs:
            pooled = pair_features(*pooled.chunk(2))
        logits = self.classifier(self.dropout(pooled))
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(
            loss=loss, logits=logits, hidden_states=outputs.hidden_states, attentions=outputs.attentions
        )
