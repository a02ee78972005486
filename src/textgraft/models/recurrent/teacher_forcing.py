"""Training on targets: the decoder reads the true words before each word that it is to predict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from textgraft.errors import OptionError
from textgraft.models.recurrent.language_model import NOT_PREDICTED

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def shift_right(labels: Tensor, *, start_token_id: int, pad_token_id: int) -> Tensor:
    """Return what a decoder reads while it predicts ``labels``: a start token, then all labels but the last.

    Args:
        labels: Right-padded with :data:`NOT_PREDICTED`, [batch, time].
        start_token_id: Stands before every target.
        pad_token_id: Stands for padding.
    """
    start = torch.full_like(labels[:, :1], start_token_id)
    before = labels[:, :-1]
    return torch.cat([start, before.masked_fill(before == NOT_PREDICTED, pad_token_id)], dim=1)


def read_words(model: PreTrainedModel, decoder_input_ids: Tensor | None, labels: Tensor | None) -> Tensor:
    """Return what a decoder reads: the words given, else the labels moved by one.

    Raises:
        OptionError: There are neither.
    """
    if decoder_input_ids is not None:
        return decoder_input_ids
    if labels is None:
        raise OptionError(
            "a batch holds neither decoder_input_ids nor labels",
            fix="Give the words so far, at first decoder_start_token_id alone; or call generate().",
        )
    config = model.config
    return shift_right(labels, start_token_id=config.decoder_start_token_id, pad_token_id=config.pad_token_id)


def target_loss(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the mean cross-entropy of the predicted words, in nats.

    Args:
        logits: [batch, time, vocabulary].
        labels: The true words; :data:`NOT_PREDICTED` where none is asked for, [batch, time].
        smoothing: Fraction of the probability that is spread over all words of the vocabulary
            (Szegedy et al. 2016, section 7; 0.1 in Vaswani et al. 2017).
    """
    return nn.functional.cross_entropy(
        logits.flatten(0, 1).float(),
        labels.flatten(),
        ignore_index=NOT_PREDICTED,
        label_smoothing=smoothing,
    )


def teacher_forced(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Any:
    """Let any encoder–decoder predict targets, each word from the true ones before it.

    In training the loss is smoothed by ``label_smoothing`` of the model's configuration, if that has one:
    most of Transformers' models know no smoothing. In evaluation mode it never is, so that its exponential is
    the perplexity.

    Args:
        model: The model, or a wrapper that replicates it over processes.
        batch: What the encoder reads, and ``labels``, right-padded with :data:`NOT_PREDICTED`.

    Returns:
        The model's outputs, with ``loss``, the mean a predicted word.
    """
    config = getattr(model, "module", model).config
    sources = {name: tensor for name, tensor in batch.items() if name != "labels"}
    read = shift_right(
        batch["labels"],
        start_token_id=config.decoder_start_token_id,
        pad_token_id=config.pad_token_id,
    )
    outputs = model(**sources, decoder_input_ids=read, use_cache=False)
    smoothing = getattr(config, "label_smoothing", 0.0) if model.training else 0.0
    outputs.loss = target_loss(outputs.logits, batch["labels"], smoothing)
    return outputs
