"""Texts to vectors inside of pipelines that run an encoder as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.inference.pipelines.sources import Source
from textgraft.inference.pipelines.tokens import run_tokens
from textgraft.inference.predictor import MAX_TOKENS
from textgraft.models.pooling import pool
from textgraft.tasks.base import Features
from textgraft.tasks.text.classification import SingleLabelClassification

_TEXTS = SingleLabelClassification(())
"""Tokenizes texts."""


def text_encodings(source: Source, texts: Sequence[str]) -> tuple[NDArray[np.float32], list[Features]]:
    """Encode texts, equal ones once: the mean of the hidden states, scaled to length one.

    Args:
        source: The encoder.
        texts: One or more.

    Returns:
        The vectors, [texts, size], and the tokens of each different text, which tell what was cut.
    """
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    tokens = _TEXTS.features(Dataset.unlabelled({"text": list(places)}), source.tokenizer, source.max_length)
    vectors = torch.stack(run_tokens(source, tokens, _pooled, max_tokens=MAX_TOKENS))
    scaled = torch.nn.functional.normalize(vectors, dim=-1).numpy()
    return scaled[[places[text] for text in texts]], tokens


def _pooled(outputs: Any, row: int, given: Features) -> torch.Tensor:
    length = len(given["input_ids"])
    states = outputs.last_hidden_state[row : row + 1, :length].cpu()
    return pool(states, torch.ones(1, length, dtype=torch.long), "mean")[0]
