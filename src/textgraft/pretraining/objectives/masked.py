"""Masked language modelling: the objective of BERT and that of RoBERTa.

Masked positions are drawn anew whenever a sequence comes up ("dynamic masking"). The head, whose last layer
has as many outputs as there are words and which in a small model costs more than all the rest, runs at them
only.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from textgraft.errors import ModelError
from textgraft.files import content_hash
from textgraft.pretraining.objectives.examples import Examples
from textgraft.pretraining.objectives.masking import Masking
from textgraft.training.batching import bucketed_steps
from textgraft.training.forward import in_batches
from textgraft.training.objective import Objective, Steps
from textgraft.training.settings import TrainingSettings

HEADS = {"bert": "cls.predictions", "roberta": "lm_head", "graft": "prediction"}
"""Where Transformers' model of a type keeps the head that names the word in a masked position."""
EVALUATED = 2048
"""Held-out sequences that are scored, at most: about a quarter of a million tokens at 128 each."""

_NOT_INPUTS = ("positions", "labels", "next_sentence_label")


class MaskedText(Objective):
    """Sequences with masked positions, and where the examples are pairs, whether the second part goes on.

    Args:
        train: Sequences to learn from.
        dev: Held-out ones, likewise; their masked positions are the same at every evaluation.
        masking: How masked positions are chosen.
        short: The sequences to begin with, shorter than the others.
    """

    main_metric = "log_likelihood"
    short_tokens = 0
    """Tokens to learn in short sequences before the others come up."""

    def __init__(
        self, train: Examples, dev: Examples, masking: Masking, short: Examples | None = None
    ) -> None:
        self.train, self.dev, self.masking, self.short = train, dev, masking, short
        parts = [part.lengths for part in (train, short) if part is not None]
        self._lengths = np.concatenate(parts)
        """Of all sequences; a short one's number comes after those of the others."""
        chosen = np.random.default_rng(0).permutation(len(dev))[:EVALUATED]
        self._held_out = np.sort(chosen)

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches by token budget, in groups of one optimizer step.

        Epochs are of short sequences while their tokens last; the last of these ends early.
        """
        if self.short is None or (left := self.short_tokens - epoch * int(self.short.lengths.sum())) <= 0:
            return bucketed_steps(self.train.lengths, epoch, settings)
        first = len(self.train)
        steps = [
            [[first + row for row in rows] for rows in step]
            for step in bucketed_steps(self.short.lengths, epoch, settings)
        ]
        tokens = np.cumsum([sum(map(self.tokens, step)) for step in steps])
        return steps[: int(np.searchsorted(tokens, left)) + 1]

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the tokens of some sequences, padding not counted."""
        return int(self._lengths[rows].sum())

    def held_out_tokens(self) -> int:
        """Return the tokens of the sequences that are scored."""
        return int(self.dev.lengths[self._held_out].sum())

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Make a batch: what the model takes, ``positions`` and ``labels`` of what is masked, [masked]."""
        if rows[0] < len(self.train):
            return self._batch(self.train, rows, generator)
        assert self.short is not None
        return self._batch(self.short, [row - len(self.train) for row in rows], generator)

    def part(
        self, rows: Sequence[int], generator: np.random.Generator, part: int, parts: int
    ) -> dict[str, Tensor]:
        """Make a batch, and keep the rows of one process and what is masked in them."""
        batch = self.batch(rows, generator)
        positions, labels, width = batch.pop("positions"), batch.pop("labels"), batch["input_ids"].shape[1]
        row = positions // width
        own = row % parts == part
        return {
            **{name: tensor[part::parts] for name, tensor in batch.items()},
            "positions": ((row // parts) * width + positions % width)[own],
            "labels": labels[own],
        }

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """Return the mean cross entropy at the masked positions, and that of the next sentence for pairs."""
        words, next_sentences = masked_logits(model, batch)
        # Few and short sequences may have no masked position.
        loss = functional.cross_entropy(words, batch["labels"], reduction="sum") / max(1, len(words))
        if next_sentences is None:
            return (loss,)
        return loss, functional.cross_entropy(next_sentences, batch["next_sentence_label"])

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float, ...]:
        """Return the number of masked positions, and of pairs where there are any."""
        masked = len(batch["labels"])
        if "next_sentence_label" not in batch:
            return (masked,)
        return masked, len(batch["next_sentence_label"])

    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Fill the held-out masked positions: log-likelihood in nats a position, perplexity, accuracy."""
        model.eval()
        generator = np.random.default_rng(0)
        masked = right = pairs = right_pairs = 0
        loss = pair_loss = 0.0

        def forward(places: Sequence[int], batch: dict[str, Tensor]) -> None:
            nonlocal masked, right, pairs, right_pairs, loss, pair_loss
            del places
            words, next_sentences = masked_logits(model, batch)
            labels = batch["labels"]
            loss += float(functional.cross_entropy(words, labels, reduction="sum"))
            right += int((words.argmax(dim=-1) == labels).sum())
            masked += len(labels)
            if next_sentences is not None:
                labels = batch["next_sentence_label"]
                pair_loss += float(functional.cross_entropy(next_sentences, labels, reduction="sum"))
                right_pairs += int((next_sentences.argmax(dim=-1) == labels).sum())
                pairs += len(labels)

        in_batches(
            self.dev.lengths[self._held_out],
            lambda places: self._batch(self.dev, self._held_out[places].tolist(), generator),
            forward,
            max_tokens=settings.max_tokens,
            max_sequences=len(self._held_out),
            precision=precision,
            device=model.device,
        )
        masked, loss = max(1, masked), loss / max(1, masked)
        metrics = {
            "log_likelihood": -loss,
            "perplexity": math.exp(min(loss, 100.0)),  # beyond, a float has nothing to say
            "masked_accuracy": right / masked,
        }
        if pairs:
            metrics["next_sentence_accuracy"] = right_pairs / pairs
            loss += pair_loss / pairs
        return metrics, loss

    def identity(self) -> str:
        """Return a hash of the sequences and of how masked positions are chosen."""
        masking = self.masking
        words = None if masking.continues is None else masking.continues.tolist()
        examples = [part.identity for part in (self.train, self.dev, self.short) if part is not None]
        return content_hash([examples, self.short_tokens, masking.share, masking.mask_id, words])

    def _batch(
        self, examples: Examples, numbers: Sequence[int], generator: np.random.Generator
    ) -> dict[str, Tensor]:
        arrays = examples.batch(numbers, generator)
        masked = self.masking(arrays["input_ids"], generator)
        arrays |= masked._asdict()
        return {name: torch.from_numpy(array) for name, array in arrays.items()}


def masked_logits(model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor | None]:
    """Run a masked language model whose head looks at the masked positions only.

    Args:
        model: A masked language model of Transformers, or its replica among several processes.
        batch: As :meth:`MaskedText.batch` makes it.

    Returns:
        The logits of the words, float32 [masked, vocabulary], and of the next sentence, float32 [rows, 2],
        where the batch is of pairs.

    Raises:
        ModelError: The place of the head is not known.
    """
    outputs = masked_outputs(model, batch)
    if "next_sentence_label" in batch:
        return outputs.prediction_logits.float(), outputs.seq_relationship_logits.float()
    return outputs.logits.float(), None


def masked_outputs(model: nn.Module, batch: Mapping[str, Tensor], **options: bool) -> Any:
    """Run a masked language model as :func:`masked_logits` does; return its outputs as they are.

    Args:
        model: As there.
        batch: As there.
        options: Of the model's forward, as ``output_hidden_states``.
    """
    inputs = {name: tensor for name, tensor in batch.items() if name not in _NOT_INPUTS}
    with _head_at(model, batch["positions"]):
        return model(**inputs, **options)


@contextlib.contextmanager
def _head_at(model: nn.Module, positions: Tensor) -> Iterator[None]:
    """Give a model's head only the hidden states at ``positions`` of the flattened batch.

    A hook on the head, rather than a forward of one's own, leaves the model as Transformers made it, and its
    forward the one that replicas watch.
    """
    whole: Any = getattr(model, "module", model)
    kind: str = whole.config.model_type
    if kind not in HEADS:
        raise ModelError(f"the masked-LM head of {kind!r} is not known", fix=f"Known: {', '.join(HEADS)}.")

    def gather(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor]:
        return (inputs[0].flatten(0, 1)[positions],)

    handle = whole.get_submodule(HEADS[kind]).register_forward_pre_hook(gather)
    try:
        yield
    finally:
        handle.remove()
