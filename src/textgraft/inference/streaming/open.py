"""Streams of a model of a task: which kind follows from its head."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from transformers import PreTrainedTokenizerFast

from textgraft.errors import OptionError
from textgraft.inference.streaming.answers import LabelStreams, TagStreams, check_until
from textgraft.inference.streaming.streams import Streams, check_streams
from textgraft.models.manifest import Manifest
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.tasks.base import Task


def kept_score(manifest: Manifest | None, where: str, until: float | None) -> float:
    """Return the score from which on a model's streams answer early.

    Args:
        manifest: What stands in the model's textgraft.json; None: it was not loaded from a folder.
        where: The model.
        until: A score that was asked for besides.

    Raises:
        OptionError: None was kept, or another one was asked for besides.
    """
    if until is not None:
        raise OptionError(
            "a score of your own contradicts the one that was kept",
            where="until, answer_early",
            fix="Give one of the two.",
        )
    if manifest is None or manifest.early is None:
        raise OptionError(
            "from which score on this model may answer early was not decided",
            where=where,
            fix="Write textgraft early-decisions MODEL dev.csv, with labelled rows new to the model.",
        )
    return manifest.early.least


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
