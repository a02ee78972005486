"""Contrastive fine-tuning: texts of one label are drawn together, those of others pushed apart.

Few labelled rows make many pairs: eight of each of six labels, 168 of one label and 960 of two (Tunstall et
al. 2022, "Efficient few-shot learning without prompts", SetFit). A batch is made of pairs of one label, so
that every row meets its like; each text in it is encoded once, and all pairs of the batch are compared at
once, by the supervised contrastive loss (Khosla et al. 2020, "Supervised contrastive learning"). So an epoch
costs as much as one of fine-tuning, where pairs encoded two by two cost as much as there are pairs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from textgraft.files import content_hash
from textgraft.tasks.base import Features, Task
from textgraft.training.batching import bucketed_steps
from textgraft.training.forward import in_batches
from textgraft.training.objective import Steps
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

if TYPE_CHECKING:
    from textgraft.models.graft.encodings import EncodingOutput

TEMPERATURE = 0.1
"""That cosines are divided by, as Khosla et al. chose it."""
_FAR = -1e9
"""Similarity of what is not to be compared."""


def likeness(labels: Tensor, others: Tensor) -> Tensor:
    """Return how far the labels of texts agree, 0 to 1, [texts, others].

    Args:
        labels: Label indices [texts]; or which labels each has, ones and zeros [texts, labels].
        others: Likewise, of the texts that they are held against.

    Returns:
        1 for the same label and 0 for another one; of sets, the labels that both have over those that either
        has (Jaccard 1901).
    """
    if labels.ndim == 1:
        return (labels[:, None] == others[None, :]).float()
    both = labels.float() @ others.float().T
    either = labels.sum(dim=1)[:, None] + others.sum(dim=1)[None, :] - both
    return both / either.clamp(min=1.0)


def contrastive_loss(similarities: Tensor, alike: Tensor) -> Tensor:
    """Return the mean over texts of how improbable those are that are like it, a scalar; 0 if none is.

    Args:
        similarities: Of texts to others, divided by the temperature, [texts, others].
        alike: How far the labels of both agree, [texts, others].
    """
    total = alike.sum(dim=1)
    has_like = total > 0
    losses = -(alike * functional.log_softmax(similarities, dim=1)).sum(dim=1)
    return torch.where(has_like, losses / total.clamp(min=1e-9), 0.0).sum() / has_like.sum().clamp(min=1)


class LabelPairs(TaskRows):
    """Rows of a task with labels, in batches of pairs that share one; trains a model that encodes texts.

    Args:
        task: Classification, of one label a text or any number.
        train: Rows to learn from.
        dev: Rows that decide which weights are best: those by which their like among the training rows are
            most probable.
        pad_token_id: Id that fills batches up.
        temperature: That cosines are divided by.

    Raises:
        DataError: There are no training or no dev rows.
    """

    divisible = False

    def __init__(
        self,
        task: Task,
        train: Sequence[Features],
        dev: Sequence[Features],
        *,
        pad_token_id: int,
        temperature: float = TEMPERATURE,
    ) -> None:
        super().__init__(task, train, dev, pad_token_id=pad_token_id)
        self.temperature = temperature
        self.main_metric = "log_likelihood"
        self._labels, self._dev_labels = (
            torch.tensor([feature["labels"] for feature in rows]) for rows in (train, dev)
        )

    def of_task(self, task: Task) -> Self:
        """Return the same rows, made into batches by another task."""
        return type(self)(
            task, self.train, self.dev, pad_token_id=self.pad_token_id, temperature=self.temperature
        )

    def steps(self, epoch: int, settings: TrainingSettings) -> Steps:
        """Return the epoch's batches by token budget, of whole pairs; every row is in one at least."""
        generator = np.random.default_rng([settings.seed, epoch, 2])
        pairs = [*self._pairs(generator)]
        lengths = [max(sum(self.sides[row]) for row in pair) for pair in pairs]
        in_pairs = settings.but(
            batch_size=max(1, settings.batch_size // 2), max_tokens=max(1, settings.max_tokens // 2)
        )
        return [
            [list(dict.fromkeys(row for pair in batch for row in pairs[pair])) for batch in group]
            for group in bucketed_steps(lengths, epoch, in_pairs)
        ]

    def _pairs(self, generator: np.random.Generator) -> Iterator[tuple[int, ...]]:
        """Yield pairs of rows that share a label; a row without its like comes alone."""
        by_label: defaultdict[int, list[int]] = defaultdict(list)
        for row in generator.permutation(len(self.train)).tolist():
            if self._labels.ndim == 1:
                by_label[int(self._labels[row])].append(row)
            else:
                own = self._labels[row].nonzero().flatten().tolist()
                by_label[int(generator.choice(own)) if own else -1].append(row)
        for label, rows in by_label.items():
            if label < 0:
                yield from ((row,) for row in rows)
                continue
            if len(rows) % 2 and len(rows) > 1:
                rows.append(rows[int(generator.integers(len(rows) - 1))])
            yield from (tuple(rows[at : at + 2]) for at in range(0, len(rows), 2))

    def held_out_tokens(self) -> int:
        """Return the tokens of all rows: dev rows are held against the training rows."""
        return super().held_out_tokens() + sum(map(sum, self.sides))

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor]:
        """Return the contrastive loss of all pairs of a batch."""
        encodings = self._encoded(model, batch)
        alike = likeness(batch["labels"], batch["labels"]).fill_diagonal_(0.0)
        similarities = self._similarities(encodings, encodings)
        itself = torch.eye(len(encodings), dtype=torch.bool, device=encodings.device)
        return (contrastive_loss(similarities.masked_fill(itself, _FAR), alike),)

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float]:
        """Return the number of rows that have their like in the batch."""
        alike = likeness(batch["labels"], batch["labels"]).fill_diagonal_(0.0)
        return (float((alike.sum(dim=1) > 0).sum()),)

    def _encoded(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> Tensor:
        """Return encodings of length one, in fp32."""
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        outputs = cast("EncodingOutput", model(**inputs))
        return functional.normalize(outputs.encodings.float(), dim=-1)

    def _similarities(self, encodings: Tensor, others: Tensor) -> Tensor:
        """Return cosines over the temperature: bf16 would tell near ones apart no more."""
        with torch.autocast(encodings.device.type, enabled=False):
            return encodings @ others.T / self.temperature

    def encodings(
        self, model: PreTrainedModel, rows: Sequence[Features], settings: TrainingSettings, precision: str
    ) -> Tensor:
        """Encode rows, [rows, size], of length one each.

        Args:
            model: Returns encodings; it is left in evaluation mode.
            rows: Of the task.
            settings: The size of batches.
            precision: "fp32" or "bf16".
        """
        model.eval()
        found: list[Any] = [None] * len(rows)

        def keep(members: Sequence[int], batch: dict[str, Tensor]) -> None:
            for member, encoding in zip(members, self._encoded(model, batch).cpu(), strict=True):
                found[member] = encoding

        in_batches(
            [self.scoring.sides(feature) for feature in rows],
            lambda members: self.scoring.collate([rows[member] for member in members], self.pad_token_id),
            keep,
            max_tokens=settings.max_tokens,
            max_sequences=len(rows),
            precision=precision,
            device=model.device,
        )
        return torch.stack(found)

    def evaluate(
        self, model: PreTrainedModel, settings: TrainingSettings, precision: str
    ) -> tuple[dict[str, float], float]:
        """Hold the dev rows against the training rows: how probable are those that are like them?"""
        train, dev = (self.encodings(model, rows, settings, precision) for rows in (self.train, self.dev))
        alike = likeness(self._dev_labels, self._labels)
        loss = contrastive_loss(self._similarities(dev, train), alike).item()
        return {"log_likelihood": -loss}, loss

    def identity(self) -> str:
        """Return a hash of the task, of all rows, and of what is made of them."""
        return content_hash([super().identity(), "pairs of one label", self.temperature])
