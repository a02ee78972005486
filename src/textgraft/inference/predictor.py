"""From rows to calibrated predictions, with any model of any task."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.files import as_path
from textgraft.inference.cascading.cascaded import CascadePredictor, Part
from textgraft.inference.cascading.steps import is_cascade, load_steps, own_files, part_folder
from textgraft.inference.encode import MAX_TOKENS as ENGINE_TOKENS
from textgraft.inference.engines.open import check_engine, first_choice
from textgraft.inference.prompting.prompt import FILE as PROMPT
from textgraft.inference.prompting.prompt import load_prompt
from textgraft.inference.prompting.prompted import PromptedPredictor
from textgraft.inference.row_predictor import RowPredictor
from textgraft.inference.runner import CTRANSLATE2, TORCH, Runner
from textgraft.inference.streaming.open import kept_score, task_streams
from textgraft.inference.streaming.streams import Streams
from textgraft.inference.tap import Tap, Tapped
from textgraft.integrity import check_files
from textgraft.models.baselines.lookup import WritesLookedUp
from textgraft.models.checkpoint import CLASSIFIER, is_classifier, load_checkpoint, task_of_config
from textgraft.models.directory import load_model_directory, save_model_directory
from textgraft.models.encoders import (
    HUB_ID,
    EncoderSource,
    encoder_max_length,
    load_encoder,
    resolve_encoder,
)
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.graft.base import Graft
from textgraft.models.known import load_known
from textgraft.models.manifest import MANIFEST, Manifest, read_manifest
from textgraft.models.shipped import model_folder
from textgraft.models.temperature import fold_temperature, output_layer
from textgraft.models.vetting import read_json
from textgraft.settings import text_or_none
from textgraft.tasks.base import Task
from textgraft.tasks.registry import make_task
from textgraft.tasks.scoring import Scoring
from textgraft.training.evaluate import run_model

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

logger = logging.getLogger(__name__)

MAX_TOKENS = 2048
"""Padded tokens in a batch that torch runs: enough to fill the matrix kernels, few enough for any laptop."""
MAX_SEQUENCES = 256
GOLDEN_TOLERANCE = 0.02
"""How far a probability may drift between the machine that saved a model and the one that loads it: bf16
against fp32 moves probabilities by less than this, a wrong tokenizer or weight by far more."""


class Predictor(RowPredictor):
    """A trained model that takes raw rows.

    Args:
        model: Any model of the task; its runner puts it into evaluation mode.
        tokenizer: The tokenizer it was trained with.
        task: How rows become tensors, and outputs predictions.
        max_length: Tokens that the model reads at once.
        temperature: Divides the logits before they become probabilities; 1 for a model that is calibrated by
            itself.
        manifest: Where the model came from, when it was loaded from a model directory.
        runner: What runs the model; None makes one with the engine that suits it best.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerFast,
        task: Task,
        max_length: int,
        temperature: float = 1.0,
        manifest: Manifest | None = None,
        runner: Runner | None = None,
    ) -> None:
        super().__init__(task, max_length, temperature, manifest)
        self.model = model
        self.tokenizer = tokenizer
        self.runner = runner or Runner(model)
        self._tap: Tap | None = None

    @property
    def engine(self) -> str:
        """Which engine runs the model, in which precision, and why not another one, if so."""
        return self.runner.note

    def choose_engine(self, engine: str, *, keep: bool = True) -> None:
        """Let another engine run the model."""
        self.runner = Runner(self.model, engine, keep=keep)

    @contextlib.contextmanager
    def as_loaded(self, sample: Dataset) -> Iterator[None]:
        """Answer meanwhile in int8, where :func:`load` takes that here and the answers stay near enough."""
        exact = self.runner
        # Else "auto" takes the same engine with and without leave to round.
        if first_choice("auto") != CTRANSLATE2 or exact.wanted != "auto":
            yield
            return
        try:
            # By torch: an exact engine takes half a second to open, and may not be needed.
            self.choose_engine(TORCH)
            wanted = self._numbers(sample)
            self.runner = Runner(self.model, keep=False, int8=True)
            if _drift(self._numbers(sample), wanted) > GOLDEN_TOLERANCE:
                self.runner = exact
            yield
        finally:
            self.runner = exact

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
        windows = self.windows(dataset)
        if choose is not None:
            windows = choose(windows)
        return windows, self.run(windows, on_progress)

    def windows(self, dataset: Dataset) -> list[Any]:
        """Cut rows, labelled or not, into windows that the model reads: the first half of :meth:`outputs`."""
        unlabelled = replace(dataset, labels=None)  # a target unknown to the task is no matter here
        return self.task.features(unlabelled, self.tokenizer, self.max_length)

    def run(self, windows: list[Any], on_progress: Callable[[int], None] | None = None) -> list[Any]:
        """Run the model over windows, and return what the task keeps of the outputs for each.

        Args:
            windows: Of any rows; several rows, or parts of them, may be put together.
            on_progress: As for :meth:`outputs`.
        """
        scoring: Any = self.task if self._tap is None else Tapped(self.task, self._tap)
        return self._run(scoring, windows, on_progress)

    def keep_encodings(self) -> bool:
        """Have :meth:`run` keep what the output layer reads of each row, from now on.

        Returns:
            Whether the model has such a layer.
        """
        if self._tap is None and (layer := output_layer(self.model)) is not None:
            self._tap = Tap(layer)
        return self._tap is not None

    def taken(self) -> NDArray[np.float32]:
        """Return what the output layer read when it was last called in this thread, [rows, size]."""
        assert self._tap is not None, "encodings are kept"
        return self._tap.take()

    def _run(
        self,
        scoring: Scoring,
        features: list[Any],
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Any]:
        opened = self.runner.open()
        return run_model(
            opened.module,
            scoring,
            features,
            pad_token_id=self.tokenizer.pad_token_id,
            max_tokens=MAX_TOKENS if opened.engine == TORCH else ENGINE_TOKENS,
            max_sequences=MAX_SEQUENCES,
            precision=opened.autocast,
            on_batch=(lambda rows, *_: on_progress(len(rows))) if on_progress else None,
            at_once=opened.at_once,
        )

    def streams(self, count: int, *, until: float | None = None, answer_early: bool = False) -> Streams[Any]:
        """Open several texts that go on, read side by side in torch: see :meth:`stream`."""
        return task_streams(
            self.model,
            self.tokenizer,
            count,
            task=self.task,
            temperature=self.temperature,
            max_length=self.max_length,
            decide=self.decide,
            until=kept_score(self.manifest, str(self.folder), until) if answer_early else until,
        )

    def forced(self, dataset: Dataset) -> tuple[Scoring, list[Any]] | None:
        """Predict the targets of rows, each token from the true ones before it.

        Args:
            dataset: Rows with targets.

        Returns:
            What scores that, by token_accuracy and perplexity, and its answers for the rows; None where
            answers are not written, or by a baseline that knows no probabilities.
        """
        scoring = self.task.while_training()
        if scoring is self.task or isinstance(self.model, WritesLookedUp):
            return None
        features = self.task.features(dataset, self.tokenizer, self.max_length)
        decoded = self._run(scoring, features)
        return scoring, [prediction.answer for prediction in scoring.predictions(features, decoded)]

    def size(self) -> int:
        """Count parameters, buffers and the tokenizer.

        A graft counts its encoder too: without it the head answers nothing. A model that is written in
        another precision than it computes in has a method ``stored_state``.
        """
        text = len(self.tokenizer.backend_tokenizer.to_str().encode())
        stored_state: Callable[[], dict[str, Tensor]] | None = getattr(self.model, "stored_state", None)
        if stored_state is not None:
            return sum(tensor.numel() * tensor.element_size() for tensor in stored_state().values()) + text
        if isinstance(self.model, Graft) and not self.model.config.lora_rank:
            return _bytes(self.model) + _encoder_bytes(self.model.source) + text
        parts = [self.model]
        encoder = getattr(self.model, "encoder", None)
        if encoder is not None:
            parts.append(encoder)
        return _bytes(*parts) + text

    def truncated_fraction(self, dataset: Dataset) -> float:
        """Count tokens."""
        return self.task.truncated_fraction(dataset, self.tokenizer, self.max_length)

    def save(self, path: Path, manifest: Manifest, card: str, fingerprint: Fingerprint | None = None) -> None:
        """Write what Transformers reads, textgraft.json, and what is remembered of the rows."""
        save_model_directory(path, self.model, self.tokenizer, manifest, card, fingerprint, self.known)


def _bytes(*parts: nn.Module) -> int:
    """Count the bytes of parameters and buffers, of what several parts share once."""
    # An adapter is met twice: in the graft and inside of its encoder.
    tensors = {id(tensor): tensor for part in parts for tensor in (*part.parameters(), *part.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


@functools.lru_cache(maxsize=8)
def _encoder_bytes(source: EncoderSource) -> int:
    """Count those of a frozen encoder: it is loaded for that, once for all models on it."""
    return _bytes(load_encoder(source)[0])


def load(path: str | Path, *, engine: str = "auto", revision: str | None = None) -> RowPredictor:
    """Load a model directory and check that it still says what it said when it was saved.

    Text classifiers that others saved with Transformers are loaded too: what they answer follows from the
    labels and the ``problem_type`` of their config.json, and nothing is known of how they were trained.

    Args:
        path: A folder that textgraft wrote, as ``runs/<name>/best``; the name of a model of a task that comes
            with textgraft, as "sentiment"; a folder that ``save_pretrained`` of a Transformers text
            classifier wrote; or a Hub id of either, as ``owner/name``.
        engine: "auto", "torch", "openvino" or "ctranslate2". "auto" takes the fastest that reproduces the
            golden outputs.
        revision: Of a Hub id.

    Returns:
        A :class:`Predictor`; of a folder that holds a prompt in place of weights, what asks its endpoint; of
        one that holds a chain of models, what asks these in turn.

    Raises:
        ModelError: There is no such model, a file is missing or damaged, or the golden outputs are not
            reproduced.
        OptionError: There is no such engine.
        MissingExtraError: The engine is asked for and not installed.
    """
    name = str(as_path(path, "model"))
    text_or_none(revision, "revision")
    check_engine(engine)
    path = model_folder(path)
    # Where the folder that it would stand in is there, a path is meant and no Hub id.
    is_hub_id = HUB_ID.fullmatch(name) is not None and not path.parent.is_dir()
    # What lies beside a lost manifest tells that there was one: without it the answers would be others.
    is_foreign = not any(path.glob("textgraft.*"))
    if is_hub_id or (is_foreign and is_classifier(path)):
        source = resolve_encoder(name, revision)
        if not (source.path / MANIFEST).is_file():
            return _load_checkpoint(source, engine)
        path = source.path
    manifest = read_manifest(path)
    task = make_task(manifest.task, manifest.task_settings, where=str(path / MANIFEST))
    if (path / PROMPT).is_file():
        return _load_prompt(path, task, manifest)
    if is_cascade(manifest):
        return _load_cascade(path, task, manifest, engine)
    _check_labels(task, path)
    model, tokenizer, manifest = load_model_directory(path, task.auto_class)
    runner = Runner(model, engine, int8=bool(manifest.golden))
    predictor = Predictor(model, tokenizer, task, manifest.max_length, manifest.temperature, manifest, runner)
    predictor.folder = path
    predictor.known = load_known(path)
    if predictor.known is not None:
        predictor.keep_encodings()
    if manifest.golden:
        _check_golden(predictor, manifest, path)
    return predictor


def _load_checkpoint(source: EncoderSource, engine: str) -> Predictor:
    """Load a text classifier that others saved: without golden outputs, which tell engines apart."""
    model, tokenizer = load_checkpoint(source, CLASSIFIER)
    name, settings = task_of_config(model.config, str(source.path))
    task = make_task(name, settings, where=str(source.path / "config.json"))
    predictor = Predictor(model, tokenizer, task, encoder_max_length(source), runner=Runner(model, engine))
    predictor.folder = source.path
    return predictor


def _load_prompt(path: Path, task: Task, manifest: Manifest) -> PromptedPredictor:
    check_files(path, manifest.files, fix="Copy the whole folder again.")
    prompt = load_prompt(path)
    if list(task.labels) != prompt.labels:
        raise ModelError(
            "the prompt asks for other labels than the task has",
            where=str(path),
            fix=f"{MANIFEST} and {PROMPT} do not belong together: copy the whole folder again.",
        )
    predictor = PromptedPredictor(prompt, task, manifest, where=path)
    predictor.folder = path
    return predictor


def _load_cascade(path: Path, task: Task, manifest: Manifest, engine: str) -> CascadePredictor:
    copy = "Copy the whole folder again, or make the cascade again."
    check_files(path, own_files(manifest), fix=copy)
    parts = []
    for place, step in enumerate(load_steps(path, manifest).parts):
        folder = part_folder(path, place)
        if is_cascade(read_manifest(folder)):
            raise ModelError("a part of a cascade is one itself", where=str(folder), fix=copy)
        predictor = load(folder, engine=engine)
        if not isinstance(predictor, Predictor) or list(predictor.task.labels) != list(task.labels):
            raise ModelError("this part has other labels than the cascade", where=str(folder), fix=copy)
        parts.append(Part(step.name, predictor, step.least))
    chain = CascadePredictor(parts, manifest)
    chain.folder = path
    return chain


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
    expected = [golden.numbers for golden in manifest.golden]
    drift = _drift(predictor._numbers(rows), expected)
    while not drift <= GOLDEN_TOLERANCE and predictor.runner.wanted == "auto":
        runner = predictor.runner
        if runner.engine == TORCH:
            break
        logger.warning(
            "%s in %s would move the model's answers by up to %.3f: a slower engine gives them",
            runner.engine,
            runner.precision,
            drift,
        )
        predictor.choose_engine("auto" if runner.precision == "int8" else TORCH)
        drift = _drift(predictor._numbers(rows), expected)
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
