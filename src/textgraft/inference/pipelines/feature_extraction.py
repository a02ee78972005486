"""Hidden states of an encoder: the pipeline "feature-extraction"."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Unpack

import torch

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import Options
from textgraft.inference.pipelines.tokens import run_tokens
from textgraft.inference.predictor import MAX_TOKENS
from textgraft.tasks.base import Features
from textgraft.tasks.text.classification import SingleLabelClassification


class FeatureExtractionOptions(Options):
    """Options of :class:`FeatureExtractionPipeline`."""

    return_tensors: bool = False
    """Whether to return float32 tensors [1, tokens, size] in place of lists, which are slow to make."""


class FeatureExtractionPipeline(Pipeline[FeatureExtractionOptions]):
    """Give the last hidden state of every token, special ones included.

    Example::

        >>> features = pipeline("feature-extraction")("This is a simple test.")
        >>> len(features), len(features[0]), len(features[0][0])
        (1, 8, 384)

    For one vector a text, :func:`textgraft.encode` is faster.
    """

    task = "feature-extraction"
    auto_class = "AutoModel"
    options_class = FeatureExtractionOptions
    _texts = SingleLabelClassification(())
    """Reads and tokenizes texts."""

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take texts."""
        return self._texts.rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read texts from a table or a .txt file."""
        return self._texts.read(path, labelled=False, **columns)

    def results(self, dataset: Dataset, options: FeatureExtractionOptions) -> list[Any]:
        """Return the hidden states of each text, [1][tokens][size]."""
        inputs = self._texts.features(dataset, self.source.tokenizer, self.source.max_length)
        self.warn_of_cuts(inputs)
        states = run_tokens(self.source, inputs, _states, max_tokens=MAX_TOKENS)
        return states if options.return_tensors else [tensor.tolist() for tensor in states]


def _states(outputs: Any, row: int, given: Features) -> torch.Tensor:
    length = len(given["input_ids"])
    # A copy, as a view would keep the whole batch in memory.
    return outputs.last_hidden_state[row : row + 1, :length].float().cpu().clone()
