"""A language model behind an endpoint: asked with no example, or with a few. Texts leave the machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import Field

from textgraft.comparison.contenders.base import LABELS, Contender, Count, Fit, Job, RecipeSettings

if TYPE_CHECKING:
    from textgraft.inference.prompting.prompt import Prompt
    from textgraft.inference.prompting.prompted import PromptedPredictor
    from textgraft.tasks.base import Task


class LlmSettings(RecipeSettings):
    """Whom to ask, and what beside the labels' names."""

    endpoint: str = ""
    """URL of the chat completions."""
    model: str = ""
    """As the endpoint calls it."""
    descriptions: dict[str, str] = Field(default_factory=dict)
    """What labels mean."""
    max_tokens: Count = 1024
    """Of an answer; models that think first need some."""
    concurrency: Count = 4
    """Questions under way at a time; no result depends on it."""


@dataclass(frozen=True)
class FittedPrompt(Fit):
    """A prompt: nothing is trained."""

    prompt: Prompt

    def predictor(self, task: Task) -> PromptedPredictor:
        """Ask the endpoint, which the user has named."""
        from textgraft.inference.prompting.prompted import PromptedPredictor

        return PromptedPredictor(self.prompt, task)


def _llm(job: Job, settings: LlmSettings) -> FittedPrompt:
    """Write the prompt; the training rows are its examples."""
    from textgraft.inference.prompting.prompt import (
        CHARACTERS_A_TOKEN,
        LARGEST_CHARACTERS,
        MOST_EXAMPLES,
        Example,
        Prompt,
    )

    assert len(job.train) <= MOST_EXAMPLES, "the entry fixes how many rows it is shown"
    examples = [
        Example(text, label) for text, label in zip(job.train.texts, job.train.labels or (), strict=True)
    ]
    characters = CHARACTERS_A_TOKEN * job.max_length if job.max_length else LARGEST_CHARACTERS
    prompt = Prompt(
        endpoint=settings.endpoint,
        model=settings.model,
        labels=list(job.task.labels),
        descriptions=settings.descriptions,
        examples=examples,
        characters=characters,
        max_tokens=settings.max_tokens,
        concurrency=settings.concurrency,
    )
    return FittedPrompt(prompt, epochs=0.0, stopped_by="nothing to train", calibrates=False)


CONTENDERS = (
    Contender(
        name="llm",
        title="language model behind an endpoint",
        recipe=_llm,
        grid=(LlmSettings(),),
        tasks=LABELS,
        colour="#000000",
        marker="hash-open",
        fixed_sizes=(0, 8),
        takes_descriptions=True,
        is_remote=True,
    ),
)
