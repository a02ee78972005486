"""Every task by its name. A new task is one file in this folder and one entry here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from textgraft.errors import unknown

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
