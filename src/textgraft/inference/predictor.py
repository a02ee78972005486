"""From rows to calibrated predictions, with any model of any task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import given_inputs, given_texts, is_table, table_columns
from textgraft.errors import ModelError
from textgraft.models.baselines.lookup import LookupBaseline
from textgraft.models.directory import load_model_directory
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest
from textgraft.models.temperature import fold_temperature
from textgraft.models.vetting import read_json
from textgraft.tasks.base import Task
from textgraft.tasks.registry import make_task
from textgraft.tasks.scoring import Scoring
from textgraft.training.evaluate import run_model
from textgraft.training.precision import resolve_precision

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MAX_TOKENS = 2048
"""Padded tokens in one batch: large enough to fill the matrix kernels, small enough for any laptop."""
MAX_SEQUENCES = 256
GOLDEN_TOLERANCE = 0.02
"""How far a probability may drift between the machine that saved a model and the one that loads it: bf16
against fp32 moves probabilities by less than this, a wrong tokenizer or weight by far more."""


class Predictor:
    """A trained model that takes raw rows.

    Args:
        model: Any model of the task; put into evaluation mode.
        tokenizer: The tokenizer it was trained with.
        task: How rows become tensors, and outputs predictions.
        max_length: Tokens that the model reads at once.
        temperature: Divides the logits before they become probabilities; 1 for a model that is calibrated by
            itself.
        manifest: Where the model came from, when it was loaded from a model directory.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        task: Task,
        max_length: int,
        temperature: float = 1.0,
        manifest: Manifest | None = None,
    ) -> None:
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.task = task
        self.max_length = max_length
        self.temperature = temperature
        self.manifest = manifest
        self.precision = resolve_precision("auto", model.device)

    def calibrate(self, temperature: float, sample: Dataset) -> float:
        """Make the model's own logits calibrated, so that whoever runs it gets the same scores.

        Where the temperature divides no logits, or the head has none that a layer's weights scale, the
        predictor keeps the temperature.

        Args:
            temperature: As the task fitted it on held-out rows.
            sample: A few rows, on which both ways must agree.

        Returns:
            The temperature that is now in the weights; 1 if none is.
        """
        self.temperature = temperature
        if not self.task.divides_logits or temperature == 1:
            return 1.0
        wanted = self._numbers(sample)
        undo = fold_temperature(self.model, temperature)
        if undo is None:
            return 1.0
        self.temperature = 1.0
        if _drift(self._numbers(sample), wanted) <= GOLDEN_TOLERANCE:
            return temperature
        undo()
        self.temperature = temperature
        return 1.0

    def _numbers(self, rows: Dataset) -> list[list[float]]:
        return [prediction.numbers() for prediction in self.predict_rows(rows)]

    def outputs(
        self,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        """Run the model over rows.

        Args:
            dataset: Any rows of the task, labelled or not; long windows are run first, in batches of like
                length.
            on_progress: Called with the number of windows that each finished batch held.
            choose: Returns the windows to run of all that there are, at least one a row, in order.

        Returns:
            The windows of the rows, and what the task keeps of the outputs for each.
        """
        unlabelled = replace(dataset, labels=None)  # a target unknown to the task is no matter here
        return self._run(self.task, unlabelled, on_progress, choose)

    def _run(
        self,
        scoring: Scoring,
        dataset: Dataset,
        on_progress: Callable[[int], None] | None = None,
        choose: Callable[[list[Any]], list[Any]] | None = None,
    ) -> tuple[list[Any], list[Any]]:
        features = self.task.features(dataset, self.tokenizer, self.max_length)
        if choose is not None:
            features = choose(features)
        decoded = run_model(
            self.model,
            scoring,
            features,
            pad_token_id=self.tokenizer.pad_token_id,
            max_tokens=MAX_TOKENS,
            max_sequences=MAX_SEQUENCES,
            precision=self.precision,
            on_batch=(lambda rows, *_: on_progress(len(rows))) if on_progress else None,
        )
        return features, decoded

    def forced(self, dataset: Dataset) -> tuple[Scoring, list[Any]] | None:
        """Predict the targets of rows, each token from the true ones before it.

        Args:
            dataset: Rows with targets.

        Returns:
            What scores that, by token_accuracy and perplexity, and its answers for the rows; None where
            answers are not written, or by a baseline that knows no probabilities.
        """
        scoring = self.task.while_training()
        if scoring is self.task or isinstance(self.model, LookupBaseline):
            return None
        features, decoded = self._run(scoring, dataset)
        return scoring, [prediction.answer for prediction in scoring.predictions(features, decoded)]

    def predict_rows(self, dataset: Dataset, on_progress: Callable[[int], None] | None = None) -> list[Any]:
        """Return one prediction a row of a data set; the targets, if there are any, are not looked at."""
        features, decoded = self.outputs(dataset, on_progress)
        return self.task.predictions(features, decoded, self.temperature)

    def predict(self, inputs: Any, *, text: str | Sequence[str] | None = None) -> list[Any]:
        """Return one prediction for each input.

        Args:
            inputs: A list, a generator, an array or a series: of strings for classification; what other tasks
                take says their ``rows`` method. Or a table, as a DataFrame.
            text: The columns of a table to read; those that the model was trained on if left out.

        Raises:
            OptionError: An input is not of the form that the task takes, or a column is not there.
        """
        names = [text] if isinstance(text, str) else list(text or ())
        if not names and self.manifest and self.manifest.label_column and is_table(inputs):
            names = self.manifest.text_columns
        if len(names) > 1 and is_table(inputs):
            columns = table_columns(inputs, names)
            return self.predict_rows(
                Dataset.unlabelled({name: given_texts(values) for name, values in columns.items()})
            )
        return self.predict_rows(self.task.rows(given_inputs(inputs, names)))


def load(path: str | Path) -> Predictor:
    """Load a model directory and check that it still says what it said when it was saved.

    Args:
        path: A folder that textgraft wrote, as ``runs/<name>/best``.

    Raises:
        ModelError: A file is missing or damaged, or the golden outputs are not reproduced.
    """
    path = Path(path)
    manifest = read_manifest(path)
    task = make_task(manifest.task, manifest.task_settings, where=str(path / MANIFEST))
    _check_labels(task, path)
    model, tokenizer, manifest = load_model_directory(path, task.auto_class)
    predictor = Predictor(model, tokenizer, task, manifest.max_length, manifest.temperature, manifest)
    if manifest.golden:
        _check_golden(predictor, manifest, path)
    return predictor


def _check_labels(task: Task, path: Path) -> None:
    """Refuse a task whose labels are not those of the head, before the model is loaded."""
    from transformers import PreTrainedConfig

    usual, config = PreTrainedConfig(), PreTrainedConfig()
    task.configure(config)
    if config.id2label == usual.id2label:
        return  # the outputs are no labels
    held = read_json(path / "config.json").get("id2label") or _by_place(usual.id2label)
    if held != _by_place(config.id2label):
        raise ModelError(
            f"the task has {len(task.labels):,} labels, and they are not those of the model's head",
            where=str(path),
            fix="textgraft.json and config.json do not belong together: copy the whole folder again.",
        )


def _by_place(labels: Mapping[Any, str] | None) -> dict[str, str]:
    return {str(place): label for place, label in (labels or {}).items()}


def _check_golden(predictor: Predictor, manifest: Manifest, path: Path) -> None:
    names = manifest.golden[0].columns
    rows = Dataset.unlabelled({name: [golden.columns[name] for golden in manifest.golden] for name in names})
    drift = _drift(predictor._numbers(rows), [golden.numbers for golden in manifest.golden])
    if not drift <= GOLDEN_TOLERANCE:
        raise ModelError(
            f"the model no longer gives its golden outputs: a probability is off by {drift:.3f}",
            where=str(path),
            fix=f"It was saved with {manifest.versions}: install those versions or train again.",
        )


def _drift(found: Sequence[Sequence[float]], expected: Sequence[Sequence[float]]) -> float:
    """Return the largest difference between the numbers of predictions; infinite if they differ in form."""
    if [len(numbers) for numbers in found] != [len(numbers) for numbers in expected]:
        return np.inf
    return float(np.abs(np.concatenate(found) - np.concatenate(expected)).max(initial=0))
