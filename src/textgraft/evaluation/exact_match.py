"""How often a generated text is word for word one of its references."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def is_exact(references: Sequence[str], answer: str) -> bool:
    """Return whether an answer equals a reference; white space counts as one space, and not at the ends."""
    given = " ".join(answer.split())
    return any(given == " ".join(text.split()) for text in references)


def weighted_exact_match(
    references: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the share of exact answers under each weighting of ``weights`` [rows, resamples]."""
    right = np.array([is_exact(texts, answer) for texts, answer in zip(references, answers, strict=True)])
    return (right.astype(np.float64) @ weights) / np.maximum(weights.sum(axis=0, dtype=np.float64), 1)
