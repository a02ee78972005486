"""A shallow head grafted onto a frozen encoder.

Only the head is saved, a few hundred kilobytes; the encoder is named by the hash of its weights, and loading
the graft loads that encoder or refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import can_return_tuple

from textgraft.errors import ModelError, unknown
from textgraft.models.encoders import BUNDLED, POOLINGS, encoder_width, load_encoder, resolve_encoder
from textgraft.models.pooling import PooledEncoder


class GraftConfig(PreTrainedConfig):
    """Describes a graft.

    Args:
        encoder: ``bundled``, a local directory or a Hub id, as for ``resolve_encoder``.
        encoder_sha256: Hash of the weights that the head was trained on; empty accepts any.
        revision: Of a Hub id.
        encoding_size: Dimensions of an encoding; 0 takes them from the encoder.
        pooling: "mean", "cls" or "max".
        normalize: Whether encodings are scaled to length one.
        hidden_sizes: Widths of the hidden layers of the head; none makes it one linear layer.

    Raises:
        OptionError: The pooling is unknown.
    """

    model_type = "graft"

    encoder: str = BUNDLED
    encoder_sha256: str = ""
    revision: str | None = None
    encoding_size: int = 0
    pooling: str = "mean"
    normalize: bool = True
    hidden_sizes: list[int] = field(default_factory=list)

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.pooling not in POOLINGS:
            raise unknown("pooling", self.pooling, POOLINGS)


class GraftForSequenceClassification(PreTrainedModel):
    """A frozen encoder under one linear layer or a small multilayer perceptron.

    The encoder is no submodule: it has no place in ``parameters()`` or ``state_dict()``, stays in evaluation
    mode, and follows the head from device to device. It is loaded when it is first needed.

    Args:
        config: Its description.

    Raises:
        ModelError: The encoder cannot be found, or its weights are not those named in the config.
    """

    config_class = GraftConfig

    def __init__(self, config: GraftConfig) -> None:
        super().__init__(config)
        if not config.encoding_size:
            config.encoding_size = encoder_width(resolve_encoder(config.encoder, config.revision))
        assert config.num_labels is not None, "without id2label Transformers counts two labels"
        sizes = [config.encoding_size, *config.hidden_sizes, config.num_labels]
        self.layers = nn.ModuleList(nn.Linear(inputs, outputs) for inputs, outputs in pairwise(sizes))
        self._pooled: list[PooledEncoder] = []
        self.post_init()

    @classmethod
    def from_layers(
        cls, config: GraftConfig, layers: Sequence[tuple[np.ndarray, np.ndarray]]
    ) -> GraftForSequenceClassification:
        """Build the model around the layers that ``fit_shallow`` returned.

        Args:
            config: Its description; ``encoding_size`` is taken from the layers.
            layers: Weight [outputs, inputs] and bias [outputs] of each layer, the lowest first.
        """
        config.encoding_size = layers[0][0].shape[1]
        model = cls(config)
        for place, (weight, bias) in enumerate(layers):
            tensors = {"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)}
            model.layers[place].load_state_dict(tensors)
        return model.eval()

    @classmethod
    def from_pretrained(  # type: ignore[override]  # hands all arguments on
        cls, path: str | Path, *args: Any, **kwargs: Any
    ) -> GraftForSequenceClassification | tuple[GraftForSequenceClassification, dict[str, Any]]:
        """Load the head, then the encoder it names, as Transformers' ``from_pretrained`` does.

        An encoder that has moved is named anew by the keyword ``encoder="path"``; its hash must still fit.

        Raises:
            ModelError: The encoder cannot be found, or the head was trained on other weights.
        """
        loaded = super().from_pretrained(path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.pooled_encoder  # noqa: B018  a missing or wrong encoder is told now, not at the first text
        return loaded

    @property
    def pooled_encoder(self) -> PooledEncoder:
        """The frozen part, from token ids to one encoding a text."""
        if not self._pooled:
            source = resolve_encoder(self.config.encoder, self.config.revision)
            if self.config.encoder_sha256 not in ("", source.sha256):
                raise ModelError(
                    f"the encoder {source.name!r} has the SHA-256 {source.sha256}, but this model's head was "
                    f"trained on {self.config.encoder_sha256}",
                    where=str(source.path),
                    fix="Name the right one, with from_pretrained(…, encoder=path), or train again.",
                )
            self.config.encoder_sha256 = source.sha256
            encoder, _ = load_encoder(source)
            pooled = PooledEncoder(encoder, self.config.pooling, self.config.normalize)
            pooled.requires_grad_(False)
            # A list hides it from nn.Module's registry of submodules.
            self._pooled = [pooled.to(self.device).eval()]
        return self._pooled[0]

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> GraftForSequenceClassification:
        for pooled in self._pooled:
            pooled._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def head(self, encodings: Tensor) -> Tensor:
        """Classify encodings [batch, size] that are already there; returns logits [batch, num_labels]."""
        *hidden, last = self.layers
        for layer in hidden:
            encodings = torch.relu(layer(encodings))
        return last(encodings)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SequenceClassifierOutput:
        """Classify a batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default all are.
            token_type_ids: Accepted because tokenizers of sentence pairs give it; one text is of one type.
            labels: Label indices [batch]; with them the mean cross-entropy is returned as loss.

        Returns:
            logits [batch, num_labels], and the loss if labels were given.
        """
        if attention_mask is None:
            attention_mask = torch.ones_like(input_ids)
        with torch.no_grad():
            encodings = self.pooled_encoder(input_ids, attention_mask)
        logits = self.head(encodings.to(self.layers[0].weight.dtype))
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)
