"""The model card: what a model is, what it was trained on, how good and how fast it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textgraft.tasks.generation.base import GenerationTask

if TYPE_CHECKING:
    from textgraft.comparison.records.trials import Trial
    from textgraft.models.directory import Manifest
    from textgraft.tasks.base import Task

_PIPELINES = {
    "AutoModelForSequenceClassification": "text-classification",
    "AutoModelForTokenClassification": "token-classification",
    "AutoModelForQuestionAnswering": "question-answering",
    "AutoModelForMultipleChoice": "multiple-choice",
}
"""Tags of the Hub by the kind of head."""
_WRITING = {
    "translation": "translation",
    "summarization": "summarization",
    "text2text": "text2text-generation",
    "captioning": "image-to-text",
}
"""The same by task, for models that write."""


def model_card(manifest: Manifest, trial: Trial, task: Task, warning: str | None = None) -> str:
    """Draw the card of a trial's model as Markdown.

    Args:
        manifest: What textgraft.json holds of the model.
        trial: How it was trained and what it scored.
        task: Its task.
        warning: What speaks against the encoder that it stands on.
    """
    rows = "\n".join(f"| {name} | {value:.4f} |" for name, value in manifest.metrics.items())
    writes = isinstance(task, GenerationTask)
    tag = _WRITING[task.name] if writes else _PIPELINES[task.auto_class]
    return f"""---
library_name: transformers
pipeline_tag: {tag}
tags: [textgraft, {manifest.contender}]
---
# {manifest.contender} for {manifest.data_source}

Task: {task.name}, from {", ".join(f"`{name}`" for name in manifest.text_columns)}{_outputs(manifest, task)}.
Trained by textgraft on {trial.size:,} labelled rows
(seed {trial.seed}, settings `{trial.settings}`) in {trial.cost.training_seconds:.1f} s.
{f"{chr(10)}**Warning.** {warning}{chr(10)}" if warning else ""}
| test metric | value |
|---|---|
{rows}

{_signatures(trial)}Measured on the machine that trained it:
one text in {trial.cost.latency_ms_p50:.1f} ms (median),
{trial.cost.throughput_per_second:,.0f} texts a second in batches, {trial.cost.model_mb:.1f} MB.

{_calibration(manifest, writes=writes)}Texts
are cut after {manifest.max_length} tokens. Scores hold for texts like those it was tested on.

    import textgraft
    model = textgraft.load("path/to/this/folder")
    model.predict([…])

Also loads as an ordinary Transformers model after `import textgraft.models.auto`.
"""


def _outputs(manifest: Manifest, task: Task) -> str:
    if isinstance(task, GenerationTask):
        return f" to `{manifest.label_column}`"
    labels = ", ".join(task.labels[:40]) + (", …" if len(task.labels) > 40 else "")
    return f"; {len(task.labels)} outputs\n({labels})"


def _signatures(trial: Trial) -> str:
    """Say how scores of written texts were computed, and how fast they were written."""
    if trial.writing is None:
        return ""
    told = "\n".join(f"- {name}: `{text}`" for name, text in trial.writing.signatures.items())
    return f"{told}\n\nWrites {trial.writing.tokens_per_second:,.0f} tokens a second.\n"


def _calibration(manifest: Manifest, *, writes: bool) -> str:
    if writes:
        return "A score is the mean probability of a written token, not that of being right. "
    return (
        f"Probabilities are calibrated by temperature ({manifest.temperature:.2f}) "
        "on rows held out from training. "
    )
