"""Streams of a model of a task: which kind follows from its head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast

from textgraft.inference.streaming.answers import LabelStreams, TagStreams, check_until
from textgraft.inference.streaming.streams import Streams, check_streams
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.tasks.base import Task


def task_streams(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    count: int,
    *,
    task: Task[Any],
    temperature: float,
    max_length: int,
    decide: Callable[[Sequence[Any]], list[Any]],
    until: float | None,
) -> Streams[Any]:
    """Open streams of a classifier or a tagger.

    Args:
        model: The network.
        tokenizer: Its own.
        count: How many texts.
        task: Its task.
        temperature: Divides its logits.
        max_length: Tokens that it reads of a text at once.
        decide: Makes answers of a classifier's predictions.
        until: From which score on an answer is final; None: none is.

    Raises:
        OptionError: The model cannot read so, or ``until`` is no score or not for its task.
    """
    check_streams(model)
    if isinstance(model, RecurrentForTokenClassification):
        check_until(until, task)
        return TagStreams(
            model, tokenizer, count, labels=task.labels, temperature=temperature, max_length=max_length
        )
    return LabelStreams(
        model, tokenizer, count, task=task, temperature=temperature, decide=decide, until=until
    )
