"""A masked language model taught by a larger one (Sanh et al. 2019, "DistilBERT")."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional
from transformers import PreTrainedModel

from textgraft.files import content_hash
from textgraft.pretraining.objectives.examples import Examples
from textgraft.pretraining.objectives.masked import MaskedText, masked_outputs
from textgraft.pretraining.objectives.masking import Masking

SOFT_WEIGHT, MASKED_WEIGHT, COSINE_WEIGHT = 5.0, 2.0, 1.0
"""What the teacher's words, the true words and the directions of the hidden states count, as published."""
TEMPERATURE = 2.0
"""Divides both models' logits before they are compared, as published."""


class DistilledText(MaskedText):
    """Masked sequences, in which a student says what the teacher says, and what truly stood there.

    The loss is the sum of three, with the published weights: the cross entropy of the student's words to the
    teacher's, both softened by the temperature and the square of it put back on the gradient (Hinton et al.
    2015); that of the true words; and one minus the cosine between the last hidden states of both. Words are
    compared at the masked positions, which the published program has as an option and which spares most of
    the cost of two heads; hidden states at every token. Held-out sequences are scored by the student alone.

    Args:
        train: Sequences to learn from.
        dev: Held-out ones.
        masking: How masked positions are chosen.
        teacher: A masked language model of the student's width and vocabulary.
        teacher_identity: Hash of it.
    """

    def __init__(
        self,
        train: Examples,
        dev: Examples,
        masking: Masking,
        teacher: PreTrainedModel,
        teacher_identity: str,
    ) -> None:
        super().__init__(train, dev, masking)
        self.teacher = teacher.eval()
        self.teacher_identity = teacher_identity

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the weighted losses at masked positions, and that of the hidden states at every token."""
        with torch.no_grad():
            teacher = self.teacher.to(batch["input_ids"].device)
            taught = masked_outputs(teacher, batch, output_hidden_states=True)
        said = masked_outputs(model, batch, output_hidden_states=True)
        words, soft = said.logits.float(), taught.logits.float()
        count = max(1, len(words))
        softened = functional.kl_div(
            (words / TEMPERATURE).log_softmax(dim=-1),
            (soft / TEMPERATURE).log_softmax(dim=-1),
            reduction="sum",
            log_target=True,
        )
        masked = functional.cross_entropy(words, batch["labels"], reduction="sum")
        is_token = batch["attention_mask"].bool()
        cosines = functional.cosine_similarity(
            said.hidden_states[-1][is_token].float(), taught.hidden_states[-1][is_token].float(), dim=-1
        )
        return (
            (SOFT_WEIGHT * TEMPERATURE**2 * softened + MASKED_WEIGHT * masked) / count,
            COSINE_WEIGHT * (1 - cosines.mean()),
        )

    def counts(self, batch: Mapping[str, Tensor]) -> tuple[float, float]:
        """Return the number of masked positions and of tokens."""
        return len(batch["labels"]), float(batch["attention_mask"].sum())

    def identity(self) -> str:
        """Return a hash of the sequences, the masked positions and the teacher."""
        return content_hash([super().identity(), self.teacher_identity])
