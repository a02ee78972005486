"""Every task says itself how people call its metrics."""

from __future__ import annotations

import pytest

from textgraft.tasks.registry import TASKS, task_class

GENERATED = ["chrF", "exact match", "BLEU"]
SPANS = ["F1", "precision", "recall", "accuracy"]
NUMBERS = ["Spearman's ρ", "Pearson's r", "R²", "negative rmse"]
TITLES = {
    "captioning": GENERATED,
    "classification": ["accuracy", "macro F1", "weighted F1"],
    "multi-label": ["micro F1", "macro F1", "subset accuracy"],
    "multiple-choice": ["accuracy"],
    "pairs": ["accuracy", "macro F1", "F1", "Matthews' φ"],
    "question-answering": ["F1", "exact match"],
    "regression": NUMBERS,
    "similarity": NUMBERS,
    "summarization": ["ROUGE-L", "ROUGE-1", "ROUGE-2", "exact match"],
    "text2text": GENERATED,
    "token-classification": SPANS,
    "translation": ["BLEU", "chrF", "exact match"],
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_titles_its_metrics(name: str) -> None:
    task = task_class(name)
    assert [task.title(metric) for metric in task.metric_names] == TITLES[name]
