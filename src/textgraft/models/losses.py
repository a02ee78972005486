"""The loss of a head with one row of outputs a text, chosen by what Transformers calls the problem type."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
"""As Transformers has it in its configs."""


def sequence_loss(logits: Tensor, labels: Tensor, problem_type: ProblemType | None) -> Tensor:
    """Return the mean loss over the rows of a batch, a scalar in fp32.

    Args:
        logits: Outputs of the head, [batch, outputs].
        labels: What they should be: label indices [batch]; for "multi_label_classification" ones and zeros
            [batch, outputs]; for "regression" numbers [batch] under a head with one output.
        problem_type: As in a Transformers config. None: told as Transformers does, a single output is that of
            a number, whole numbers are indices, and others say how far each label is given.

    Returns:
        The cross-entropy of one label among all; the binary cross-entropy, averaged over the labels, of any
        number of labels; or the squared error of a number.
    """
    logits = logits.float()
    if problem_type is None and logits.shape[-1] == 1:
        problem_type = "regression"
    if problem_type is None and labels.is_floating_point():
        problem_type = "multi_label_classification"
    if problem_type == "regression":
        return functional.mse_loss(logits.squeeze(-1), labels.float())
    if problem_type == "multi_label_classification":
        return functional.binary_cross_entropy_with_logits(logits, labels.float())
    return functional.cross_entropy(logits, labels)
