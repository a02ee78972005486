"""Static vectors: each token has one vector, whatever stands beside it, and a text has their mean.

The vectors are what a pre-trained encoder makes of each token by itself (Tulkens and van Dongen 2024,
"Model2Vec"), with the frequent tokens weighed down (Arora et al. 2017, "A simple but tough-to-beat baseline
for sentence embeddings"). On the mean stands a shallow network. No encoder is needed to run it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.errors import unknown
from textgraft.models.asked import has_only_logits
from textgraft.models.losses import sequence_loss
from textgraft.models.padding import one_of, true_tokens
from textgraft.models.pairs import pair_features, split_pairs

PRECISIONS = ("float16", "float32")
_VECTORS = "embeddings.weight"
MAX_LENGTH = 10_000
"""Tokens read of a text. A mean needs no limit; this one guards against absurd inputs."""


def frequency_weights(tokens: int, smoothing: float) -> NDArray[np.float32]:
    """Return how much each token of a vocabulary counts in a mean: the frequent ones less.

    The weights are those of smooth inverse frequency, ``smoothing / (smoothing + p)``, with the
    probability p of a token by Zipf's law from its rank: a vocabulary holds the frequent tokens first. The
    frequencies in the training rows were measured in place of Zipf's law and are worse: what is frequent
    there is often what tells the labels, as "how many" does of questions.

    Args:
        tokens: Number of tokens.
        smoothing: The larger, the less the frequent ones are held back.

    Returns:
        [tokens].
    """
    by_rank = 1 / np.arange(2, tokens + 2)
    return (smoothing / (smoothing + by_rank / by_rank.sum())).astype(np.float32)


class StaticConfig(PreTrainedConfig):
    """Describes a shallow network on static vectors.

    Args:
        vocab_size: Tokens with a vector.
        embedding_size: Width of a vector.
        hidden_sizes: Widths of the hidden layers of the network; none makes it one linear layer.
        normalize: Whether the mean of a text's vectors is scaled to length one.
        pairs: Whether a row is two texts, told apart by their token types, that are to be compared.
        stored_precision: "float16" or "float32": how the vectors are written to disk. They compute in the
            model's own precision.
        pad_token_id: Fills texts up; has no part in a mean.
        bos_token_id: Of the tokenizer, as Transformers' trainer notes it; the model needs none.
        eos_token_id: Likewise.

    Raises:
        OptionError: The stored precision is unknown.
    """

    model_type = "static-vectors"

    vocab_size: int = 1
    embedding_size: int = 1
    hidden_sizes: list[int] = field(default_factory=list)
    normalize: bool = True
    pairs: bool = False
    stored_precision: str = "float32"
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.stored_precision not in PRECISIONS:
            raise unknown("stored_precision", self.stored_precision, PRECISIONS)


class StaticForSequenceClassification(PreTrainedModel):
    """One row of outputs a text, or pair of texts, from the mean of its tokens' vectors.

    Args:
        config: Its description; :meth:`fill` and :meth:`set_layers` fill the tensors.
    """

    config_class = StaticConfig

    def __init__(self, config: StaticConfig) -> None:
        super().__init__(config)
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        # Zeros, which fill() overwrites: to draw ten million random numbers takes longer than to train.
        vectors = torch.zeros(config.vocab_size, config.embedding_size)
        self.embeddings = nn.Embedding(config.vocab_size, config.embedding_size, _weight=vectors)
        inputs = config.embedding_size * (4 if config.pairs else 1)
        sizes = [inputs, *config.hidden_sizes, config.num_labels]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.post_init()

    def fill(self, vectors: NDArray[np.float32]) -> None:
        """Take the vectors of all tokens, [vocab_size, embedding_size], rounded to how they are stored."""
        stored = torch.from_numpy(vectors).to(getattr(torch, self.config.stored_precision))
        self.embeddings.load_state_dict({"weight": stored.float()})

    def set_layers(self, layers: Sequence[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
        """Take the layers of ``fit_shallow``: weight [outputs, inputs] and bias [outputs] of each."""
        self.config.hidden_sizes = [len(bias) for _, bias in layers[:-1]]
        self.layers = nn.ModuleList(nn.Linear(weight.shape[1], len(bias)) for weight, bias in layers)
        for layer, (weight, bias) in zip(self.layers, layers, strict=True):
            layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})

    def get_input_embeddings(self) -> nn.Module:
        """Return the tokens' vectors."""
        return self.embeddings

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Exchange the tokens' vectors."""
        self.embeddings = value  # type: ignore[assignment]  # as Transformers hands it over

    def stored_state(self, state: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Return tensors by name as they are written to disk: the model's, or those of a state of it."""
        stored = dict(self.state_dict() if state is None else state)
        if self.dtype is torch.float32:
            # What was moved to another precision is written in that one.
            stored[_VECTORS] = stored[_VECTORS].to(getattr(torch, self.config.stored_precision))
        return stored

    def save_pretrained(  # type: ignore[override]  # what else there is goes by name
        self,
        save_directory: Any,
        is_main_process: bool = True,
        state_dict: dict[str, Tensor] | None = None,
        **kwargs: Any,
    ) -> None:
        """Save as Transformers does, the vectors in the precision that the configuration states."""
        super().save_pretrained(save_directory, is_main_process, self.stored_state(state_dict), **kwargs)

    def features(
        self, inputs: Tensor, attention_mask: Tensor | None, token_type_ids: Tensor | None = None
    ) -> Tensor:
        """Return what the network reads of each row: the mean vector of a text, or what compares two of them.

        Args:
            inputs: Token ids [batch, time], or vectors [batch, time, size].
            attention_mask: As in :meth:`forward`.
            token_type_ids: Likewise.

        Returns:
            [batch, size], of pairs [batch, 4 * size].

        Raises:
            OptionError: token_type_ids of pairs are missing.
        """
        pad = self.config.pad_token_id
        if not self.config.pairs:
            return self._means(inputs, true_tokens(attention_mask, inputs, pad))
        texts, mask = split_pairs(inputs, attention_mask, token_type_ids, pad or 0)
        return pair_features(*self._means(texts, mask.bool()).chunk(2))

    def _means(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Return the mean vector of each text: [texts, time, …] to [texts, size]."""
        weights = mask.to(self.dtype)
        if inputs.dim() > 2:
            sums = (inputs * weights.unsqueeze(-1)).sum(dim=1)
        else:
            sums = nn.functional.embedding_bag(
                inputs, self.embeddings.weight, mode="sum", per_sample_weights=weights
            )
        if self.config.normalize:
            return nn.functional.normalize(sums, dim=-1)
        return sums / weights.sum(dim=1, keepdim=True).clamp(min=1)

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
        """Classify a batch, or give each of its rows numbers.

        Args:
            input_ids: [batch, time]; of pairs both texts, one after the other.
            attention_mask: 1 at true tokens, [batch, time]; without it every pad_token_id is padding.
            token_type_ids: Of pairs: 0 at the first text's tokens and 1 at the second's, [batch, time].
            labels: As in :func:`sequence_loss`.
            inputs_embeds: In place of ids, [batch, time, size].
            output_attentions: Refused if true: there are none.
            output_hidden_states: Likewise.

        Returns:
            logits [batch, num_labels], and the mean loss if labels were given.

        Raises:
            OptionError: There is no batch, token_type_ids of pairs are missing, or something is asked for
                that there is not.
        """
        has_only_logits(self, output_attentions=output_attentions, output_hidden_states=output_hidden_states)
        features = self.features(one_of(input_ids, inputs_embeds), attention_mask, token_type_ids)
        *hidden, last = self.layers
        for layer in hidden:
            features = torch.relu(layer(features))
        logits = last(features)
        loss = None if labels is None else sequence_loss(logits, labels, self.config.problem_type)
        return SequenceClassifierOutput(loss=loss, logits=logits)
