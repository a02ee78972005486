"""What answering costs: figures that agree with one another."""

from __future__ import annotations

import time
from typing import Any, cast

from textgraft.comparison.running.measuring import measure_serving
from textgraft.data.dataset import Dataset
from textgraft.inference.row_predictor import RowPredictor


class _PreparesShapes:
    """Answers at once, but for the first batch of every size."""

    def __init__(self) -> None:
        self._seen = set[int]()

    def asked(self, rows: Dataset) -> None:
        del rows

    def predict_rows(self, rows: Dataset) -> list[Any]:
        if len(rows) not in self._seen:
            time.sleep(0.2)
        self._seen.add(len(rows))
        return [0] * len(rows)


def test_what_an_engine_prepares_once_is_no_part_of_the_texts_a_second() -> None:
    rows = Dataset.unlabelled({"text": ["a text"] * 8})
    serving, predictions = measure_serving(cast("RowPredictor", _PreparesShapes()), rows)
    assert len(predictions) == 8
    assert serving.seconds < 0.1
    assert serving.throughput_per_second > 80
