"""One of several choices: the pipeline "multiple-choice"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

from textgraft.data.dataset import Dataset
from textgraft.data.read_options import TextColumns
from textgraft.data.readers.choices import split_names
from textgraft.errors import OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import CallOptions, Count, Fraction, Options
from textgraft.tasks.text.multiple_choice import ChoicePrediction, MultipleChoice


class MultipleChoiceOptions(Options):
    """Options of :class:`MultipleChoicePipeline`."""

    top_k: Count | None = 1
    """How many choices, the most probable first; None for all."""
    threshold: Fraction = 0.0
    """Choices of a lower score are left out; where none is left, ``index`` and ``answer`` are None."""


class MultipleChoicePipeline(Pipeline[MultipleChoiceOptions]):
    """Choose how a prompt goes on, or what answers it.

    Example::

        >>> choose = pipeline("multiple-choice", "my-model")
        >>> choose(prompt="She opens the oven", choices=["and takes out the bread.", "and swims."])
        {'score': 0.97, 'index': 0, 'answer': 'and takes out the bread.'}
        >>> choose({"prompt": "She opens the oven", "choices": ["and bakes.", "and swims."]}, top_k=None)
        [{'score': 0.95, 'index': 0, 'answer': 'and bakes.'},
         {'score': 0.05, 'index': 1, 'answer': 'and swims.'}]

    A model with a threshold says of each prompt whether it ``needs_review``; where it does, a single choice
    comes with ``index`` and ``answer`` None.

    Transformers never had this pipeline; its results are formed as those of question answering: a single
    choice comes as a dict, several as a list. Inputs may have different numbers of choices.
    """

    task = "multiple-choice"
    auto_class = "AutoModelForMultipleChoice"
    heads = ("multiple-choice",)
    options_class = MultipleChoiceOptions
    takes = "a dict with a prompt and its choices"
    keys = ("prompt", "choices")

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take ``{"prompt": str, "choices": [str, …]}``, or pairs of both."""
        pairs = [_pair(position, entry) for position, entry in enumerate(inputs)]
        return Dataset.unlabelled(
            {"prompt": [prompt for prompt, _ in pairs], "choices": [choices for _, choices in pairs]}
        )

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read prompts and choices from a table or JSON Lines."""
        dataset = MultipleChoice.read(path, labelled=False, **columns)
        prompt, choices = split_names(list(dataset.columns))
        prompts = [" ".join(parts) for parts in zip(*(dataset.columns[name] for name in prompt), strict=True)]
        lists = [list(row) for row in zip(*(dataset.columns[name] for name in choices), strict=True)]
        return replace(dataset, columns={"prompt": prompts, "choices": lists})

    def __call__(
        self,
        inputs: Any = None,
        *,
        prompt: str | None = None,
        choices: Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Choose.

        Args:
            inputs: ``{"prompt": …, "choices": […]}``, a list of them, or a generator.
            prompt: In place of ``inputs``, with ``choices``.
            choices: Two or more.
            options: As the options class describes them.

        Raises:
            OptionError: The prompt or the choices are missing, or an option is wrong.
        """
        if (inputs is None) != (prompt is not None and choices is not None):
            raise OptionError(
                "a prompt and its choices are needed",
                fix='Call with prompt="…", choices=["…", "…"], or with {"prompt": "…", "choices": […]}.',
            )
        if inputs is None:
            inputs = {"prompt": prompt, "choices": choices}
        return super().__call__(inputs, **options)

    def results(self, dataset: Dataset, options: MultipleChoiceOptions) -> list[Any]:
        """Return the best choice of each row, or a list of the best ones."""
        by_count: dict[int, list[int]] = defaultdict(list)
        for row, choices in enumerate(dataset.columns["choices"]):
            by_count[len(choices)].append(row)
        found: list[Any] = [None] * len(dataset)
        for count, rows in by_count.items():
            task = MultipleChoice(count)
            predictor = self.source.predictor_for(task)
            part = task.rows(list(zip(*dataset.select(rows).columns.values(), strict=True)))
            features, decoded = predictor.outputs(part)
            self.warn_of_cuts(features)
            predictions = task.predictions(features, decoded, predictor.temperature)
            decided = self.source.decided(features, decoded, task)
            for place, (row, prediction) in enumerate(zip(rows, predictions, strict=True)):
                found[row] = _chosen(prediction, options)
                if decided:
                    found[row] = _held(found[row], needs_review=decided[place].needs_review)
        return found


def _chosen(prediction: ChoicePrediction, options: MultipleChoiceOptions) -> Any:
    order = (-prediction.probabilities).argsort(kind="stable")[: options.top_k].tolist()
    scored = [(float(prediction.probabilities[index]), index) for index in order]
    likely = [
        {"score": score, "index": index, "answer": prediction.choices[index]}
        for score, index in scored
        if score >= options.threshold
    ] or [{"score": scored[0][0], "index": None, "answer": None}]
    return likely[0] if len(likely) == 1 else likely


def _held(found: Any, *, needs_review: bool) -> Any:
    """Say whether a person is to answer; a single choice is then left out, several are to choose from."""
    if isinstance(found, list):
        return [{**entry, "needs_review": needs_review} for entry in found]
    hidden = {"index": None, "answer": None} if needs_review else {}
    return {**found, **hidden, "needs_review": needs_review}


def _pair(position: int, entry: Any) -> tuple[str, list[str]]:
    parts = (entry.get("prompt"), entry.get("choices")) if isinstance(entry, Mapping) else entry
    if isinstance(parts, list | tuple) and len(parts) == 2:
        prompt, choices = parts
        is_list = isinstance(choices, list | tuple) and all(isinstance(text, str) for text in choices)
        if isinstance(prompt, str) and is_list and len(choices) >= 2:
            return prompt, list(choices)
    raise OptionError(
        f"input {position} is no prompt with two choices or more: {str(entry)[:60]!r}",
        fix='Give {"prompt": "…", "choices": ["…", "…"]}.',
    )
