"""Every task by its name. A new task is one file in this folder and one entry here."""

from __future__ import annotations

import importlib
import inspect
import math
import typing
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from textgraft.errors import ModelError, OptionError, unknown

if TYPE_CHECKING:
    from textgraft.tasks.base import Task

TASKS = {
    "captioning": "textgraft.tasks.generation.captioning:Captioning",
    "classification": "textgraft.tasks.text.classification:SingleLabelClassification",
    "multi-label": "textgraft.tasks.text.multi_label:MultiLabelClassification",
    "multiple-choice": "textgraft.tasks.text.multiple_choice:MultipleChoice",
    "pairs": "textgraft.tasks.text.pairs:PairClassification",
    "question-answering": "textgraft.tasks.spans.question_answering:QuestionAnswering",
    "regression": "textgraft.tasks.text.regression:Regression",
    "similarity": "textgraft.tasks.text.pairs:PairSimilarity",
    "summarization": "textgraft.tasks.generation.summarization:Summarization",
    "text2text": "textgraft.tasks.generation.text2text:TextToText",
    "token-classification": "textgraft.tasks.spans.token_classification:TokenClassification",
    "translation": "textgraft.tasks.generation.translation:Translation",
}
"""Where each task lives, so that this table can be read without loading torch."""


def task_class(name: str) -> type[Task]:
    """Return the class of a task.

    Raises:
        OptionError: No task has this name; the nearest is suggested.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS, where="--task")
    module, _, attribute = TASKS[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


LARGEST_SETTING = 10**6
"""Of any whole number among a task's settings, and of how many labels there are."""


def make_task(name: str, settings: Mapping[str, Any], *, where: str) -> Task:
    """Make a task again from what a file keeps of it; every setting is typed and bounded first.

    Args:
        name: Of the task.
        settings: As :meth:`Task.settings` gave them.
        where: The file that they come from.

    Raises:
        ModelError: There is no such task, or a setting is unknown, missing or cannot be.
    """
    fix = "Copy the whole folder again, or train again."
    try:
        kind = task_class(name)
        parameters = inspect.signature(kind).parameters
        hints = typing.get_type_hints(kind.__init__)
        for key, value in settings.items():
            if key not in parameters:
                raise unknown("setting of the task", key, parameters)
            msgspec.convert(value, hints[key])
            _check_setting(key, value)
        return kind(**settings)
    except OptionError as error:
        raise ModelError(error.what, where=where, fix=fix) from error
    except (TypeError, ValueError, msgspec.ValidationError) as error:
        raise ModelError(f"the task {name!r} cannot be made again: {error}", where=where, fix=fix) from error


def _check_setting(name: str, value: Any) -> None:
    if isinstance(value, int) and not 0 <= value <= LARGEST_SETTING:
        raise ValueError(f"{name} is {value}")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}")
    if isinstance(value, list) and not 0 < len(value) == len(set(map(str, value))) <= LARGEST_SETTING:
        raise ValueError(f"{name} names nothing, or something twice")
