"""A task declares whether its answers are written; nothing asks for its class."""

import pytest

from textgraft.tasks.generation.base import GenerationTask
from textgraft.tasks.registry import TASKS, task_class


@pytest.mark.parametrize("name", TASKS)
def test_tasks_whose_answers_are_written_say_so(name):
    assert task_class(name).writes == issubclass(task_class(name), GenerationTask)
