"""One trial: fit a contender on some rows with some seed, look at the test rows once, write it all down."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from textgraft._version import __version__
from textgraft.comparison.contenders.base import Contender, Fitted, Job, RecipeSettings
from textgraft.comparison.records.generation_stats import observe_writing
from textgraft.comparison.records.trials import Cost, Trial, trial_id
from textgraft.comparison.running.card import model_card
from textgraft.comparison.running.measuring import MEGABYTE, latency_ms, model_bytes, peak_memory
from textgraft.data.dataset import Dataset
from textgraft.files import content_hash
from textgraft.inference.predictor import Predictor
from textgraft.models.directory import Golden, Manifest, library_versions, read_manifest, save_model_directory
from textgraft.models.encoder_languages import encoder_warning

GOLDEN_ROWS = 4


@dataclass(frozen=True)
class Attempt:
    """One setting fitted and scored on the dev rows."""

    settings: RecipeSettings
    fitted: Fitted
    predictor: Predictor
    dev_metrics: dict[str, float]
    rank: tuple[float, float]
    """Larger is better: the dev score, then the dev loss where scores are equal."""
    temperature: float
    """Fitted on the dev rows."""
    seconds: float
    calibration: float = 1.0
    """What of it is in the model's weights."""


@dataclass(frozen=True)
class TrialSpec:
    """What all trials of a comparison share."""

    contender: Contender
    job: Job
    """Its train and dev rows are those of the trial."""
    test: Dataset
    size: int
    settings: tuple[RecipeSettings, ...]
    """The settings to try; one that was chosen before, or the head of the contender's grid."""
    data_hash: str

    @property
    def id(self) -> str:
        """The identity of the trial, known before it runs."""
        encoder = self.job.encoder.sha256 if self.contender.needs_encoder and self.job.encoder else None
        language_model = self.job.language_model if self.contender.needs_language_model else None
        depends = {
            "tried": [settings.given() for settings in self.settings],
            "encoder": encoder,
            "max_length": self.job.max_length,
            "freeze_layers": self.job.freeze_layers if encoder else 0,
            "rows": content_hash([self.job.train.hash, self.job.dev.hash]),
            "version": __version__,
        }
        if language_model is not None:
            depends["language_model"] = language_model.identity
        return trial_id(self.data_hash, self.contender.name, self.size, self.job.seed, depends)


def _attempt(spec: TrialSpec, settings: RecipeSettings) -> Attempt:
    job = spec.job
    torch.manual_seed(job.seed)
    start = time.perf_counter()
    fitted = spec.contender.fit(job, settings)
    seconds = time.perf_counter() - start + fitted.cached_seconds
    task, gold = job.task, job.task.targets(job.dev)
    predictor = Predictor(fitted.model, fitted.tokenizer, task, fitted.max_length)
    features, decoded = predictor.outputs(job.dev)
    answers = [prediction.answer for prediction in task.predictions(features, decoded)]
    metrics = task.metrics(gold, answers)
    return Attempt(
        settings=settings,
        fitted=fitted,
        predictor=predictor,
        dev_metrics=metrics,
        rank=(metrics[task.main_metric], -task.loss(gold, features, decoded)),
        temperature=task.temperature(gold, features, decoded),
        seconds=seconds,
    )


def run_trial(spec: TrialSpec, on_setting: Callable[[int], None] | None = None) -> tuple[Trial, Attempt]:
    """Fit, choose the setting on the dev rows, then predict the test rows once.

    Args:
        spec: The trial.
        on_setting: Called with the position of each setting as it begins.

    Returns:
        The result and the attempt that was chosen, its model trained.
    """
    job, budget = spec.job, spec.job.max_seconds
    chosen: Attempt | None = None
    tried: list[dict[str, Any]] = []
    with peak_memory() as memory:
        for position, settings in enumerate(spec.settings):
            if on_setting:
                on_setting(position)
            share = budget / len(spec.settings) if budget else None
            attempt = _attempt(replace(spec, job=replace(job, max_seconds=share)), settings)
            tried.append(
                {
                    "settings": settings.given(),
                    "dev_score": attempt.dev_metrics[job.task.main_metric],
                    "seconds": attempt.seconds,
                }
            )
            if chosen is None or attempt.rank > chosen.rank:
                chosen = attempt
    assert chosen is not None, "every contender has at least one setting"
    folded = chosen.predictor.calibrate(
        chosen.temperature, job.dev.select(range(min(GOLDEN_ROWS, len(job.dev))))
    )
    chosen = replace(chosen, calibration=folded)
    p50, p95 = latency_ms(chosen.predictor.predict_rows, spec.test)
    start = time.perf_counter()
    predictions = chosen.predictor.predict_rows(spec.test)
    seconds = time.perf_counter() - start
    answers = [prediction.answer for prediction in predictions]
    fitted = chosen.fitted
    trial = Trial(
        id=spec.id,
        contender=spec.contender.name,
        size=spec.size,
        seed=job.seed,
        settings=chosen.settings.given(),
        tried=tried,
        data_hash=spec.data_hash,
        predicted=answers,
        confidence=[round(prediction.score, 4) for prediction in predictions],
        metric=job.task.main_metric,
        metrics=job.task.metrics(job.task.targets(spec.test), answers),
        dev_metrics=chosen.dev_metrics,
        cost=Cost(
            training_seconds=chosen.seconds,
            tuning_seconds=sum(entry["seconds"] for entry in tried) - chosen.seconds,
            latency_ms_p50=p50,
            latency_ms_p95=p95,
            throughput_per_second=len(spec.test) / seconds,
            model_mb=model_bytes(fitted.model, fitted.tokenizer) / MEGABYTE,
            peak_memory_mb=memory.rise / MEGABYTE,
        ),
        truncated_share=job.task.truncated_share(job.train, fitted.tokenizer, fitted.max_length),
        epochs=fitted.epochs,
        stopped_by=fitted.stopped_by,
        history=fitted.history,
        versions=library_versions(),
        writing=observe_writing(chosen.predictor, spec.test, predictions, seconds),
    )
    gc.collect()
    return trial, chosen


def save_if_best(path: Path, spec: TrialSpec, trial: Trial, attempt: Attempt) -> None:
    """Write the trained model as ``path``, unless a seed with a higher dev score already stands there."""
    if path.is_dir():
        held = read_manifest(path)
        is_of_this = (held.data_hash, held.training["rows"]) == (spec.data_hash, trial.size)
        if is_of_this and held.dev_score >= trial.dev_score:
            return
    save_model(path, spec, trial, attempt)


def save_model(path: Path, spec: TrialSpec, trial: Trial, attempt: Attempt) -> None:
    """Write the model directory of a trial: the model, its card, its calibration and its golden outputs."""
    task = spec.job.task
    rows = spec.test.select(range(min(GOLDEN_ROWS, len(spec.test))))
    predictions = attempt.predictor.predict_rows(rows)
    manifest = Manifest(
        task=task.name,
        task_settings=task.settings(),
        contender=trial.contender,
        text_columns=list(spec.test.columns),
        label_column=spec.job.train.label_column,
        max_length=attempt.fitted.max_length,
        temperature=attempt.predictor.temperature,
        calibration=attempt.calibration,
        data_source=Path(spec.job.train.source).name,
        data_hash=spec.data_hash,
        training={
            "rows": trial.size,
            "seed": trial.seed,
            "settings": trial.settings,
            "seconds": trial.cost.training_seconds,
        },
        metrics=trial.metrics,
        dev_score=trial.dev_score,
        golden=[
            Golden(
                {name: values[at] for name, values in rows.columns.items()},
                [round(value, 6) for value in prediction.numbers()],
            )
            for at, prediction in enumerate(predictions)
        ],
    )
    encoder = spec.job.encoder if spec.contender.needs_encoder else None
    warning = encoder_warning(encoder, spec.job.train) if encoder else None
    card = model_card(manifest, trial, task, warning)
    save_model_directory(path, attempt.fitted.model, attempt.fitted.tokenizer, manifest, card)
