"""From raw text to calibrated predictions, with any model directory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from textgraft.errors import ModelError, OptionError
from textgraft.models.directory import Manifest, load_model_directory
from textgraft.models.tokenizing import token_ids
from textgraft.tasks.classification import Prediction, SingleLabelClassification
from textgraft.training.batching import token_budget_batches
from textgraft.training.precision import autocast, resolve_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAX_TOKENS = 2048
"""Padded tokens in one batch: large enough to fill the matrix kernels, small enough for any laptop."""
GOLDEN_TOLERANCE = 0.02
"""How far a probability may drift between the machine that saved a model and the one that loads it: bf16
against fp32 moves probabilities by less than this, a wrong tokenizer or weight by far more."""


class Predictor:
    """A classifier that takes raw text.

    Args:
        model: Any sequence classification model; put into evaluation mode.
        tokenizer: The tokenizer it was trained with.
        labels: Label of each output, in order.
        max_length: Tokens a text is cut to.
        temperature: Divides the logits before the softmax.
        manifest: Where the model came from, when it was loaded from a model directory.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        labels: Sequence[str],
        max_length: int,
        temperature: float = 1.0,
        manifest: Manifest | None = None,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.labels = list(labels)
        self.max_length = max_length
        self.temperature = temperature
        self.manifest = manifest
        self._task = SingleLabelClassification(self.labels)
        self._precision = resolve_precision("auto", model.device)

    def logits(self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None) -> np.ndarray:
        """Return the model's raw outputs.

        Args:
            texts: Any number of strings; the longest are run first, in batches of like length.
            on_progress: Called with the number of texts that each finished batch held.

        Returns:
            float32 array of shape [texts, labels], in the order of ``texts``.

        Raises:
            OptionError: An entry is not a string.
        """
        if isinstance(texts, str):
            raise OptionError("texts is one string", fix="Give a list of strings: predict([text]).")
        for position, text in enumerate(texts):
            if not isinstance(text, str):
                raise OptionError(f"text {position} is {type(text).__name__}, not a string")
        ids = token_ids(self.tokenizer.backend_tokenizer, texts, self.max_length).ids
        outputs = np.zeros((len(texts), len(self.labels)), dtype=np.float32)
        batches = token_budget_batches(
            [len(row) for row in ids], max_tokens=MAX_TOKENS, max_sequences=256, generator=None
        )
        pad = self.tokenizer.pad_token_id
        with torch.inference_mode(), autocast(self._precision, self.model.device):
            for rows in batches:
                batch = self._task.collate([{"input_ids": ids[row]} for row in rows], pad)
                inputs = {name: tensor.to(self.model.device) for name, tensor in batch.items()}
                outputs[rows] = self.model(**inputs).logits.float().cpu().numpy()
                if on_progress:
                    on_progress(len(rows))
        return outputs

    def probabilities(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Return calibrated probabilities: float32 array of shape [texts, labels]; rows sum to one."""
        return softmax(self.logits(texts, on_progress) / self.temperature)

    def predict(
        self, texts: Sequence[str], on_progress: Callable[[int], None] | None = None
    ) -> list[Prediction]:
        """Return one prediction a text: label, its index, its score and all probabilities."""
        scores = self.probabilities(texts, on_progress)
        best = scores.argmax(axis=1)
        return [
            Prediction(label=self.labels[index], index=int(index), score=float(row[index]), probabilities=row)
            for index, row in zip(best, scores, strict=True)
        ]


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax over the last axis, computed without overflow."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def load(path: str | Path) -> Predictor:
    """Load a model directory and check that it still says what it said when it was saved.

    Args:
        path: A folder that textgraft wrote, as ``runs/<name>/best``.

    Raises:
        ModelError: A file is missing or damaged, or the golden outputs are not reproduced.
    """
    path = Path(path)
    model, tokenizer, manifest = load_model_directory(path)
    predictor = Predictor(
        model, tokenizer, manifest.labels, manifest.max_length, manifest.temperature, manifest
    )
    if manifest.golden:
        expected = np.array([golden.probabilities for golden in manifest.golden])
        found = predictor.probabilities([golden.text for golden in manifest.golden])
        drift = float(np.abs(found - expected).max())
        if not drift <= GOLDEN_TOLERANCE:
            raise ModelError(
                f"the model no longer gives its golden outputs: a probability is off by {drift:.3f}",
                where=str(path),
                fix=f"It was saved with {manifest.versions}: install those versions or train again.",
            )
    return predictor
