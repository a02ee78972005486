"""The model card: what a model is, what it was trained on, how good and how fast it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml

from textgraft.comparison.running.usage import usage
from textgraft.markdown import code, plain
from textgraft.models.encoder_card import hub_id, licence
from textgraft.models.windows import Cutting
from textgraft.wording import of_each

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from textgraft.comparison.records.trials import Trial
    from textgraft.models.encoders import EncoderSource
    from textgraft.models.manifest import Manifest
    from textgraft.tasks.base import Task


def model_card(
    manifest: Manifest,
    trial: Trial,
    task: Task,
    model: PreTrainedModel,
    *,
    begun_from: EncoderSource | None = None,
    languages: Sequence[str] = (),
    warning: str | None = None,
) -> str:
    """Draw the card of a trial's model as Markdown.

    Args:
        manifest: What textgraft.json holds of the model.
        trial: How it was trained and what it scored.
        task: Its task.
        model: The model.
        begun_from: Whose weights it has, changed or as they were; None where all began at random.
        languages: ISO 639 codes of the languages of the training texts, as far as they were told.
        warning: What speaks against the encoder that it stands on.
    """
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in manifest.metrics.items())
    return f"""---
{_front_matter(manifest, task, begun_from, languages)}---
# {plain(f"{manifest.contender} for {manifest.data_source}")}

Task: {task.name}, from {", ".join(map(code, manifest.text_columns))}{_outputs(manifest, task)}.
{_training(trial)}
{_origin(begun_from)}
{f"**Warning.** {warning}{chr(10)}{chr(10)}" if warning else ""}| test metric | value |
|---|---|
{rows}

{_signatures(trial)}Measured on the machine that trained it:
one text in {trial.cost.latency_ms_p50:.1f} ms (median),
{trial.cost.throughput_per_second:,.0f} texts a second in batches, {trial.cost.model_mb:.1f} MB.

{_calibration(manifest, task)}{_prompt(manifest)}{_windows(model)}Texts
are cut after {manifest.max_length} tokens. Scores hold for texts like those it was tested on.

{usage(task, model, manifest.prompt)}
"""


def _windows(model: PreTrainedModel) -> str:
    """Say how a model that reads one window by itself is given long texts."""
    cutting = None if getattr(model, "reads_windows", False) else Cutting.of(model.config)
    if cutting is None:
        return ""
    return (
        f"Of texts longer than {cutting.size} tokens textgraft averages the logits of windows of that\n"
        "length; Transformers by itself reads the first window.\n"
    )


def _front_matter(
    manifest: Manifest, task: Task, begun_from: EncoderSource | None, languages: Sequence[str]
) -> str:
    """Write what the Hub reads of a card, as YAML; what is not known is left out."""
    known: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": task.pipeline,
        "tags": ["textgraft", manifest.contender],
        "language": list(languages),
        "license": begun_from and licence(begun_from),
        "base_model": begun_from and hub_id(begun_from),
    }
    return yaml.safe_dump(
        {name: value for name, value in known.items() if value}, sort_keys=False, allow_unicode=True
    )


def _origin(begun_from: EncoderSource | None) -> str:
    """Say whose weights the model has, and under which terms."""
    if begun_from is None:
        return "All its weights began at random. No licence is stated: whoever trained it names one.\n"
    terms = licence(begun_from)
    under = f"whose licence is {code(terms)}" if terms else "whose card states no licence"
    # Where a folder is on the machine that trained concerns nobody else.
    name = hub_id(begun_from) or begun_from.path.name
    return f"It began as the encoder {code(name)}, {under}.\n"


def _prompt(manifest: Manifest) -> str:
    """Say what stands before every text."""
    if not manifest.prompt:
        return ""
    return f"The tokenizer puts the prompt {code(repr(manifest.prompt))} before every text. "


def _outputs(manifest: Manifest, task: Task) -> str:
    if task.writes:
        return f" to {code(str(manifest.label_column))}"
    labels = ", ".join(map(plain, task.labels[:40])) + (", …" if len(task.labels) > 40 else "")
    return f"; {len(task.labels)} outputs\n({labels})"


def _signatures(trial: Trial) -> str:
    """Say how scores of written texts were computed, and how fast they were written."""
    if trial.writing is None:
        return ""
    told = "\n".join(f"- {name}: `{text}`" for name, text in trial.writing.signatures.items())
    return f"{told}\n\nWrites {trial.writing.tokens_per_second:,.0f} tokens a second.\n"


def _training(trial: Trial) -> str:
    """Say what the model was made of."""
    if trial.size == 0:
        return f"Made by textgraft without a labelled row to learn from (settings `{trial.settings}`)."
    each = of_each(trial.size, {trial.size: trial.shots} if trial.shots is not None else {})
    return (
        f"Trained by textgraft on {trial.size:,} labelled rows{each}\n"
        f"(seed {trial.seed}, settings `{trial.settings}`) in {trial.cost.training_seconds:.1f} s."
    )


def _calibration(manifest: Manifest, task: Task) -> str:
    if task.writes:
        return "A score is the mean probability of a written token, not that of being right. "
    if not task.divides_logits:
        return f"Errors to expect were measured as {manifest.temperature:.2f} deviations of the targets. "
    within = "it is part of the weights" if manifest.calibration != 1 else "the model's own scores lack it"
    temperature = manifest.temperature * manifest.calibration
    return (
        f"Probabilities are calibrated by temperature ({temperature:.2f}) on rows held out from training"
        f"{f'; {within}' if temperature != 1 else ''}. "
    )
