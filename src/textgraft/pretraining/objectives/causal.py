"""Causal language modelling, GPT's objective, on sequences that are full."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from textgraft.errors import DataError
from textgraft.files import content_hash
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.training.batching import bucketed_steps
from textgraft.training.objective import Objective, Steps
from textgraft.training.placement import placed
from textgraft.training.precision import autocast
from textgraft.training.settings import TrainingSettings


class CausalText(Objective):
    """Sequences cut out of all documents, put one after the other; each of their tokens is predicted.

    An epoch has as many sequences as fill the text once. Each begins anywhere within its part of the text,
    so that no two epochs cut it alike.

    Args:
        train: Documents to learn from, each with a token behind it (``tokenize_corpus(…, end_id=…)``).
        dev: Documents held out, likewise.
        length: Tokens of a sequence.

    Raises:
        DataError: The documents to learn from do not fill a sequence.
    """

    main_metric = "log_likelihood"

    def __init__(self, train: Tokens, dev: Tokens, *, length: int) -> None:
        if len(train.ids) <= length:
            raise DataError(
                f"{len(train.ids)} tokens do not fill a sequence of {length} and the token behind it",
                fix="Give more text, or a smaller length.",
            )
        self.train, self.dev, self.length = train, dev, length

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches in random order, in groups of one optimizer step."""
        sequences = (len(self.train.ids) - 1) // self.length
        return bucketed_steps(np.full(sequences, self.length), epoch, settings)

    def tokens(self, rows: Sequence[int]) -> int:
        """Return how many tokens are predicted."""
        return len(rows) * self.length

    def held_out_tokens(self) -> int:
        """Return how many held-out tokens are predicted: all but the first."""
        return len(self.dev.ids) - 1

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Cut sequences out of the text: ``input_ids``, and as ``labels`` what follows, [rows, time]."""
        starts = np.asarray(rows) * self.length + generator.integers(self.length, size=len(rows))
        starts = np.minimum(starts, len(self.train.ids) - self.length - 1)
        return _shifted(self.train.ids[starts[:, None] + np.arange(self.length + 1)])

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean cross entropy of the next token."""
        return (functional.cross_entropy(*_logits(model, batch)),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return how many tokens are predicted."""
        return (batch["labels"].numel(),)

    @torch.inference_mode()
    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Predict every held-out token but the first: log-likelihood in nats a token, perplexity, accuracy.

        The text is cut into sequences side by side, so that a token near the beginning of one is predicted
        from little.
        """
        model.eval()
        total, right = 0.0, 0
        for ids in self._held_out(max(1, settings.max_tokens // self.length)):
            batch = placed(_shifted(ids), model.device)
            with autocast(precision, model.device):
                logits, labels = _logits(model, batch)
            total += float(functional.cross_entropy(logits, labels, reduction="sum"))
            right += int((logits.argmax(dim=-1) == labels).sum())
        count = self.held_out_tokens()
        loss = total / count
        return {
            "log_likelihood": -loss,
            "perplexity": math.exp(min(loss, 100.0)),  # beyond, a float has nothing to say
            "accuracy": right / count,
        }, loss

    def identity(self) -> str:
        """Return a hash of the documents and of how they are cut."""
        return content_hash(["causal", self.train.identity, self.dev.identity, self.length])

    def _held_out(self, rows: int) -> Iterator[NDArray[Any]]:
        """Yield the held-out sequences and the token behind each, at most ``rows`` at once."""
        ids, length = self.dev.ids, self.length
        full = (len(ids) - 1) // length
        for first in range(0, full, rows):
            starts = np.arange(first, min(first + rows, full)) * length
            yield ids[starts[:, None] + np.arange(length + 1)]
        if full * length < len(ids) - 1:
            yield ids[None, full * length :]


def _shifted(ids: NDArray[Any]) -> dict[str, Tensor]:
    tensor = torch.from_numpy(np.asarray(ids, dtype=np.int64))
    return {"input_ids": tensor[:, :-1], "labels": tensor[:, 1:]}


def _logits(model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return the logits at each place, float32 [tokens, vocabulary], and what follows it, [tokens]."""
    logits = model(input_ids=batch["input_ids"], use_cache=False).logits
    return logits.float().flatten(0, 1), batch["labels"].flatten()
