"""Which tasks can keep a target for the answers that no person looks at, and which answers reach it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textgraft.errors import OptionError
from textgraft.evaluation.promises import Target, Threshold
from textgraft.tasks.base import Task
from textgraft.tasks.registry import TASKS, task_class


def check_holds_back(task: type[Task], target: Target) -> None:
    """Refuse a target for a task that cannot keep it.

    Raises:
        OptionError: The task is such a one.
    """
    where = "--precision" if target.precision is not None else "--error-cost, --review-cost"
    if not task.answer_fields:
        able = [name for name in TASKS if task_class(name).answer_fields]
        raise OptionError(
            f"answers of {task.name} cannot be held back: no score says how likely a whole one is right",
            where=where,
            fix=f"A threshold can be had for {', '.join(able)}.",
        )
    if target.precision is None and len(task.answer_fields) == 1 and task.answer_fields[0] == "labels":
        raise OptionError(
            "a text may have many labels, and no cost of a text follows from that of a wrong label",
            where=where,
            fix="Give --precision: the share of right ones among the labels given.",
        )


def decided(task: Task[Any], predictions: Sequence[Any], threshold: Threshold | None) -> list[Any]:
    """Hold back the predictions of a task that do not reach a threshold; without one, return them."""
    if threshold is None:
        return list(predictions)
    return [task.decide(prediction, threshold.least) for prediction in predictions]
