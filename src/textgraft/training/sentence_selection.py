"""Learning which sentences of a document its summary is made of, on encodings that are there already."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from textgraft.errors import DataError
from textgraft.models.graft.extraction import padded_documents
from textgraft.training.batching import bucketed_steps, token_budget_batches
from textgraft.training.objective import Objective, Steps
from textgraft.training.settings import TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NOWHERE = -1.0
"""Stands for the target of what is no sentence."""


@dataclass(frozen=True)
class EncodedDocument:
    """A document whose summary is known."""

    encodings: NDArray[np.float32]
    """Of its sentences, [sentences, size]."""
    chosen: Sequence[int]
    """The places of those that the oracle takes."""
    overlaps: Sequence[float]
    """How much each of them alone has in common with the summary, 0 to 1."""


class SentenceSelection(Objective):
    """Which sentences the oracle takes; scored by what the likeliest has in common with the summary.

    Args:
        train: Documents to learn from.
        dev: Documents that decide which weights are best and when to stop.

    Raises:
        DataError: There are no training or no dev documents.
    """

    main_metric = "overlap"

    def __init__(self, train: Sequence[EncodedDocument], dev: Sequence[EncodedDocument]) -> None:
        for name, rows in (("training", train), ("dev", dev)):
            if not rows:
                raise DataError(f"there are no {name} rows", fix="Every split needs at least one row.")
        self.train, self.dev = train, dev
        self.lengths = [len(document.encodings) for document in train]

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches, filled by sentences."""
        return bucketed_steps(self.lengths, epoch, settings)

    def tokens(self, rows: Sequence[int]) -> int:
        """Return the sentences of some documents."""
        return sum(self.lengths[row] for row in rows)

    def held_out_tokens(self) -> int:
        """Return the sentences of the dev documents."""
        return sum(len(document.encodings) for document in self.dev)

    def batch(self, rows: Sequence[int], generator: np.random.Generator) -> dict[str, Tensor]:
        """Put some training documents together; nothing in it is random."""
        del generator
        return _batch([self.train[row] for row in rows])

    def losses(self, model: nn.Module, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the mean cross-entropy of whether a sentence is taken."""
        return (_loss(model(batch["encodings"], batch["is_sentence"]), batch),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return the number of sentences."""
        return (float(batch["is_sentence"].sum()),)

    @torch.inference_mode()
    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Return the mean overlap of each dev document's likeliest sentence, and the mean loss."""
        del precision
        model.eval()
        device = next(model.parameters()).device
        loss = overlap = 0.0
        lengths = [len(document.encodings) for document in self.dev]
        for rows in token_budget_batches(
            lengths, max_tokens=settings.max_tokens, max_sequences=len(self.dev), generator=None
        ):
            documents = [self.dev[row] for row in rows]
            batch = {name: tensor.to(device) for name, tensor in _batch(documents).items()}
            logits = model(batch["encodings"], batch["is_sentence"])
            loss += float(_loss(logits, batch) * batch["is_sentence"].sum())
            likeliest = logits.masked_fill(~batch["is_sentence"], -torch.inf).argmax(dim=1).tolist()
            overlap += sum(own.overlaps[place] for own, place in zip(documents, likeliest, strict=True))
        return {"overlap": overlap / len(self.dev)}, loss / sum(lengths)

    def identity(self) -> str:
        """Return a hash of all documents."""
        digest = hashlib.sha256(b"sentence selection")
        for document in (*self.train, *self.dev):
            digest.update(np.ascontiguousarray(document.encodings).data)
            digest.update(repr(list(document.chosen)).encode())
        return digest.hexdigest()


def _batch(documents: Sequence[EncodedDocument]) -> dict[str, Tensor]:
    encodings, is_sentence = padded_documents([torch.from_numpy(own.encodings) for own in documents])
    targets = torch.where(is_sentence, 0.0, _NOWHERE)
    for row, document in enumerate(documents):
        targets[row, list(document.chosen)] = 1.0
    return {"encodings": encodings, "is_sentence": is_sentence, "targets": targets}


def _loss(logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
    there = batch["is_sentence"]
    return functional.binary_cross_entropy_with_logits(logits[there].float(), batch["targets"][there])
