"""One trial: fit a contender on some rows with some seed, look at the test rows once, write it all down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from textgraft._version import __version__
from textgraft.comparison.contenders.base import Contender, Fit, Job, RecipeSettings
from textgraft.comparison.records.generation_stats import observe_writing
from textgraft.comparison.records.trials import AskedCost, Configuration, Cost, Trial, TrialIdentity
from textgraft.comparison.running.card import model_card
from textgraft.comparison.running.measuring import MEGABYTE, measure_serving
from textgraft.comparison.running.prompt_card import prompt_card
from textgraft.comparison.running.reading import readings
from textgraft.data.check import COUNTED_TEXTS
from textgraft.data.dataset import Dataset
from textgraft.data.languages import dataset_languages
from textgraft.evaluation.conformal import Nonconformity
from textgraft.evaluation.promises import Threshold
from textgraft.inference.known import measure_known
from textgraft.inference.predictor import Predictor
from textgraft.inference.prompting.prompted import PromptedPredictor
from textgraft.inference.row_predictor import Asked, RowPredictor
from textgraft.inference.runner import TORCH
from textgraft.inference.thresholds import with_threshold
from textgraft.models.directory import library_versions
from textgraft.models.encoder_languages import encoder_warning
from textgraft.models.fingerprint import Fingerprint
from textgraft.models.manifest import Golden, Manifest
from textgraft.tasks.text.classification import LabelPrediction
from textgraft.tokenization.prompts import prompt_of
from textgraft.training.training_time import training_clock

GOLDEN_ROWS = 4
CHECKPOINTING = ("checkpoint_seconds", "keep", "concurrency", "shard_weights")
"""Settings that no result depends on."""
OVERTIME = 1.5
"""How far configurations may go over a trial's budget before the rest of them is left out: a fit's length is
estimated from the one before."""


@dataclass(frozen=True)
class Attempt:
    """One configuration fitted and scored on the dev rows."""

    settings: RecipeSettings
    fitted: Fit
    predictor: RowPredictor
    dev_metrics: dict[str, float]
    rank: tuple[float, float]
    """Larger is better: the dev score, then the dev loss where scores are equal."""
    temperature: float
    """Fitted on the dev rows."""
    seconds: float
    calibration: float = 1.0
    """What of it is in the model's weights."""
    nonconformity: Nonconformity | None = None
    """Of the dev rows; None where the model gives no probabilities of labels."""
    doubt: Nonconformity | None = None
    """Of their likeliest labels, likewise."""


@dataclass(frozen=True)
class TrialSpec:
    """What a trial is to run."""

    contender: Contender
    job: Job
    """Its train and dev rows are those of the trial."""
    test: Dataset
    configurations: tuple[RecipeSettings, ...]
    """To choose from on the dev rows: one that was chosen before, or the head of the contender's grid."""
    data_hash: str
    """Of the comparison that it is a part of."""
    shots: int | None = None
    """How many of the training rows each label has, where that is what they were drawn by."""
    times_briefly: bool = False
    """Whether a few rows tell what answering costs, as of a size that contenders are not judged at."""

    @property
    def id(self) -> str:
        """The id of the trial if the clock does not cut it, known before it runs."""
        return self.identity().id

    def identity(self, limit_seconds: float | None = None) -> TrialIdentity:
        """Return all that the result depends on.

        Args:
            limit_seconds: The wall-clock time that the trial was given, if that cut it short.
        """
        job, contender = self.job, self.contender
        encoder = job.encoder if contender.needs_encoder else None
        language_model = job.language_model if contender.needs_language_model else None
        return TrialIdentity(
            task=job.task.name,
            task_settings=job.task.settings(),
            train=job.train.hash,
            dev=job.dev.hash,
            test=self.test.hash,
            contender=contender.name,
            size=len(job.train),
            seed=job.seed,
            configurations=[
                {name: value for name, value in settings.given().items() if name not in CHECKPOINTING}
                for settings in self.configurations
            ],
            encoder=encoder.identity if encoder else None,
            language_model=language_model.identity if language_model else None,
            max_length=job.max_length,
            version=__version__,
            limit_seconds=limit_seconds,
        )


def fit_once(contender: Contender, job: Job, settings: RecipeSettings) -> Attempt:
    """Fit a contender in one configuration, score it on the dev rows, and fit the temperature on them."""
    torch.manual_seed(job.seed)
    start = training_clock()
    fitted = contender.fit(job, settings)
    seconds = training_clock() - start + fitted.cached_seconds
    task, gold = job.task, job.task.targets(job.dev)
    predictor = fitted.predictor(task)
    # One model of several is taken: what only the dev rows see is not worth a graph of its own.
    predictor.choose_engine(TORCH)
    features, decoded = (fitted.outputs or predictor.outputs)(job.dev)
    predictions = predictor.predictions(features, decoded)
    metrics = task.metrics(gold, [prediction.answer for prediction in predictions])
    temperature = task.temperature(gold, features, decoded) if fitted.calibrates else 1.0
    nonconformity = doubt = None
    if predictions and isinstance(predictions[0], LabelPrediction):
        calibrated = task.predictions(features, decoded, temperature)
        probabilities = [one.probabilities for one in calibrated]
        nonconformity = Nonconformity.of(probabilities, gold)
        doubt = Nonconformity.of(probabilities, [one.answer for one in calibrated])
    return Attempt(
        settings=settings,
        fitted=fitted,
        predictor=predictor,
        dev_metrics=metrics,
        rank=(metrics[task.main_metric], -task.loss(gold, features, decoded) if fitted.calibrates else 0.0),
        temperature=temperature,
        seconds=seconds,
        nonconformity=nonconformity,
        doubt=doubt,
    )


def share_trial(spec: TrialSpec) -> None:
    """Do the part of another process than the first one in a trial of one configuration: train with it."""
    (settings,) = spec.configurations
    if spec.contender.epochs is not None:
        torch.manual_seed(spec.job.seed)
        spec.contender.fit(spec.job, settings)


def run_trial(
    spec: TrialSpec, on_configuration: Callable[[int], None] | None = None
) -> tuple[Trial, Attempt]:
    """Fit, choose the configuration on the dev rows, then predict the test rows once.

    Where the time runs out, further configurations are not fitted; the trial then counts as cut.

    Args:
        spec: The trial.
        on_configuration: Called with the position of each configuration as it begins.

    Returns:
        The result and the attempt that was chosen, its model trained.
    """
    job, budget = spec.job, spec.job.max_seconds
    chosen: Attempt | None = None
    fitted: list[Configuration] = []
    cut = False
    for position, settings in enumerate(spec.configurations):
        if budget is not None and _runs_over(fitted, budget):
            cut = True
            break
        if on_configuration:
            on_configuration(position)
        part = None if budget is None else budget / len(spec.configurations)
        attempt = fit_once(spec.contender, replace(job, max_seconds=part), settings)
        cut |= attempt.fitted.cut
        dev_score = attempt.dev_metrics[job.task.main_metric]
        fitted.append(Configuration(settings=settings.given(), dev_score=dev_score, seconds=attempt.seconds))
        if chosen is None or attempt.rank > chosen.rank:
            chosen = attempt
    assert chosen is not None, "every contender has at least one configuration"
    sample = job.dev.select(range(min(GOLDEN_ROWS, len(job.dev))))
    folded = chosen.predictor.calibrate(chosen.temperature, sample)
    chosen = replace(chosen, calibration=folded)
    # From here on as whoever uses the model has it; the graph of one that may be thrown away is not kept.
    chosen.predictor.choose_engine("auto", keep=False)
    with chosen.predictor.as_loaded(_golden_rows(spec.test)):
        serving, predictions = measure_serving(
            chosen.predictor, spec.test, chosen.fitted.outputs, briefly=spec.times_briefly
        )
        engine = chosen.predictor.engine
        if chosen.fitted.is_head_alone and isinstance(chosen.predictor, Predictor):
            job.shared.held[f"{job.needed_encoder().identity} {engine}"] = chosen.predictor.runner.open()
    answers = [prediction.answer for prediction in predictions]
    model = chosen.fitted
    limit = budget if cut else None
    trial = Trial(
        id=spec.identity(limit).id,
        limit_seconds=limit,
        contender=spec.contender.name,
        size=len(job.train),
        seed=job.seed,
        settings=chosen.settings.given(),
        configurations=fitted,
        data_hash=spec.data_hash,
        shots=spec.shots,
        predicted=answers,
        confidence=[round(prediction.score, 4) for prediction in predictions],
        metric=job.task.main_metric,
        metrics=job.task.metrics(job.task.targets(spec.test), answers),
        dev_metrics=chosen.dev_metrics,
        cost=Cost(
            training_seconds=chosen.seconds,
            tuning_seconds=sum(entry.seconds for entry in fitted) - chosen.seconds,
            latency_ms_p50=serving.latency_ms_p50,
            latency_ms_p95=serving.latency_ms_p95,
            throughput_per_second=serving.throughput_per_second,
            model_mb=chosen.predictor.size() / MEGABYTE,
            asked=_asked_cost(serving.asked),
        ),
        truncated_fraction=chosen.predictor.truncated_fraction(_counted(job.train)),
        epochs=model.epochs,
        stopped_by=model.stopped_by,
        history=model.history,
        versions=library_versions(),
        engine=engine,
        writing=observe_writing(chosen.predictor, spec.test, predictions, serving.seconds),
        reading=next(iter(readings(job, chosen.settings)), None),
    )
    return trial, chosen


def _asked_cost(asked: Asked | None) -> AskedCost | None:
    if asked is None:
        return None
    return AskedCost(
        input_tokens=asked.input_tokens, output_tokens=asked.output_tokens, unanswered=asked.unanswered
    )


def share_trained(spec: TrialSpec, attempt: Attempt) -> float:
    """Return what share of its training an attempt had before the clock ended it, 0 to 1."""
    fitted, schedule = attempt.fitted, spec.contender.epochs
    if not fitted.cut:
        return 1.0
    if schedule is None:
        return 0.0
    planned = attempt.settings.given().get("epochs") or schedule.number(len(spec.job.train))
    return min(1.0, fitted.epochs / planned)


def _golden_rows(test: Dataset) -> Dataset:
    """Return the rows whose outputs a model is saved with."""
    return test.select(range(min(GOLDEN_ROWS, len(test))))


def _counted(train: Dataset) -> Dataset:
    """Return the rows whose tokens are counted: of many, some at even distances."""
    return train.select(range(0, len(train), max(1, -(-len(train) // COUNTED_TEXTS))))


def _runs_over(fitted: Sequence[Configuration], budget: float) -> bool:
    """Return whether one more configuration, as slow as those before it, would take more than the budget.

    Only fits that the clock cannot end come to this: the others keep to their part of the budget.
    """
    spent = [entry.seconds for entry in fitted]
    return bool(spent) and sum(spent) + sum(spent) / len(spent) > OVERTIME * budget


def save_model(
    path: Path,
    spec: TrialSpec,
    trial: Trial,
    attempt: Attempt,
    threshold: Threshold | None = None,
    *,
    remembers: bool = False,
) -> None:
    """Write the model directory of a trial: the model, its card, its calibration and its golden outputs.

    Args:
        path: The folder to write.
        spec: What was run.
        trial: The result.
        attempt: The model.
        threshold: From which score on it answers; None: it gives all answers.
        remembers: Whether training and dev rows are encoded once more, for what unknown texts are told by;
            where their encodings are there already, they are used in any case.
    """
    task = spec.job.task
    rows = _golden_rows(spec.test)
    label = spec.job.train.label_column
    predictions = attempt.predictor.predict_rows(rows)
    outputs = attempt.fitted.outputs if attempt.fitted.is_head_alone else None
    strangeness = None
    if remembers or outputs is not None:
        found = measure_known(attempt.predictor, spec.job.train, spec.job.dev, outputs)
        attempt.predictor.known, strangeness = found or (None, None)
    manifest = Manifest(
        task=task.name,
        task_settings=task.settings(),
        contender=trial.contender,
        text_columns=list(spec.test.columns),
        label_column=list(label) if isinstance(label, tuple) else label,
        max_length=attempt.predictor.max_length,
        temperature=attempt.predictor.temperature,
        prompt=(
            prompt_of(attempt.predictor.tokenizer.backend_tokenizer)
            if isinstance(attempt.predictor, Predictor)
            else ""
        ),
        calibration=attempt.calibration,
        data_source=Path(spec.job.train.source).name,
        data_hash=spec.data_hash,
        training={
            "trial": trial.id,
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
        threshold=threshold,
        nonconformity=attempt.nonconformity,
        doubt=attempt.doubt,
        strangeness=strangeness,
    )
    encoder = spec.job.encoder if spec.contender.needs_encoder else None
    read = spec.job.train if len(spec.job.train) else spec.test  # whose language is told
    warning = encoder_warning(encoder, read) if encoder else None
    fingerprint = Fingerprint.of(spec.job.train, spec.job.dev)
    if isinstance(attempt.predictor, PromptedPredictor):
        card = prompt_card(manifest, trial, attempt.predictor.prompt)
        attempt.predictor.save(path, manifest, with_threshold(card, threshold), fingerprint)
        return
    assert isinstance(attempt.predictor, Predictor), "it is the one or the other"
    card = model_card(
        manifest,
        trial,
        task,
        attempt.predictor.model,
        begun_from=attempt.fitted.begun_from,
        languages=dataset_languages(read).main,
        warning=warning,
    )
    attempt.predictor.save(path, manifest, with_threshold(card, threshold), fingerprint)
