"""Batches that an engine is tried on before it is used."""

from __future__ import annotations

from typing import Any

import numpy as np

from textgraft.inference.engines.base import Batch

_LENGTHS = ((9, 5, 2), (1,), (40, 23))
"""Tokens of the texts in each batch."""


def random_batches(config: Any, *, has_types: bool) -> list[Batch]:
    """Make batches of tokens at random, the same for every encoder of such a vocabulary.

    Args:
        config: Of the encoder; its vocab_size, and max_position_embeddings and pad_token_id if it has them.
        has_types: Whether it reads token types.
    """
    generator = np.random.default_rng(0)
    longest = max(1, min(40, (getattr(config, "max_position_embeddings", None) or 80) // 2))
    batches: list[Batch] = []
    for given in _LENGTHS:
        lengths = np.minimum(given, longest)
        mask = np.arange(lengths.max()) < lengths[:, None]
        padding = getattr(config, "pad_token_id", None) or 0
        ids = generator.integers(0, config.vocab_size, mask.shape)
        # Where a text's token is that of padding, RoBERTa counts no place, and no text holds it.
        ids[ids == padding] = (padding + 1) % config.vocab_size
        batch = {
            "input_ids": np.where(mask, ids, padding),
            "attention_mask": mask.astype(np.int64),
        }
        if has_types:
            second = np.arange(lengths.max()) >= lengths[:, None] // 2
            batch["token_type_ids"] = (second & mask).astype(np.int64)
        batches.append(batch)
    return batches
