from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests.tasks.toys import bert_tokenizer, dataset
from textgraft.errors import DataError
from textgraft.models.losses import sequence_loss
from textgraft.tasks.text.regression import Regression

ROWS = dataset({"text": ["goal", "soup", "moon"]}, [10.0, 20.0, 60.0])
TASK = Regression.fitted_to(ROWS)


def test_targets_are_standardised_inside_the_task():
    assert (TASK.mean, TASK.deviation) == (30, pytest.approx(np.std([10, 20, 60])))
    assert Regression(**TASK.settings()).settings() == TASK.settings()
    features = TASK.features(ROWS, bert_tokenizer(), 16)
    inner = [feature["labels"] for feature in features]
    assert (np.mean(inner), np.std(inner)) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert [feature["gold"] for feature in features] == [10, 20, 60]
    assert TASK.collate(features, 0)["labels"].dtype == torch.float32
    answers = TASK.predictions(features, [np.float32([value]) for value in inner])
    assert [prediction.answer for prediction in answers] == pytest.approx([10, 20, 60])
    assert answers[0].numbers() == pytest.approx([inner[0]])


def test_the_temperature_is_the_error_to_expect():
    gold = [10.0, 20.0, 60.0]
    decoded = [np.float32([TASK.loss_target(value)]) for value in (10 + 6, 20 - 6, 60 + 6)]
    temperature = TASK.temperature(gold, [], decoded)
    assert temperature == pytest.approx(6 / TASK.deviation, rel=1e-5)
    prediction = TASK.predictions([], decoded, temperature)[0]
    assert prediction.to_dict()["error"] == pytest.approx(6, rel=1e-5)
    assert prediction.to_dict()["value"] == pytest.approx(16, rel=1e-5)
    # Half a deviation is this many errors: the score is the mass of the normal distribution within them.
    reach = TASK.deviation / 2 / 6
    assert prediction.score == pytest.approx(math.erf(reach / math.sqrt(2)), rel=1e-5)
    assert TASK.loss(gold, [], decoded) == pytest.approx((6 / TASK.deviation) ** 2, rel=1e-5)
    assert TASK.temperature([], [], []) == 1
    inner = torch.tensor(list(map(TASK.loss_target, gold)))
    loss = sequence_loss(torch.from_numpy(np.stack(decoded)), inner, "regression").item()
    assert TASK.loss(gold, [], decoded) == pytest.approx(loss, rel=1e-5)


def test_half_a_deviation_is_right():
    assert TASK.is_right(10.0, 10 + 0.49 * TASK.deviation)
    assert not TASK.is_right(10.0, 10 + 0.51 * TASK.deviation)
    assert TASK.show(3.14159) == "3.142"


@pytest.mark.parametrize(
    ("numbers", "what"),
    [
        ([5.0, 5.0, 5.0], "all 3 training rows have the same number"),
        ([0.1] * 3, "all 3 training rows have the same number"),
        ([], "all 0 training rows have the same number"),
        ([1e308, -1e308, 1e308], r"the numbers, up to 1e\+308, are too large"),
        ([1e-320, 0.0, 2e-320], "too close to tell apart"),
    ],
)
def test_numbers_that_teach_nothing_are_refused(numbers, what):
    with pytest.raises(DataError, match=what):
        Regression.fitted_to(dataset({"text": ["a"] * len(numbers)}, numbers))


def test_rows_to_predict_need_no_numbers():
    rows = TASK.rows(["a", "b"])
    features = TASK.features(rows, bert_tokenizer(), 16)
    assert "labels" not in TASK.collate(features, 0)
    with pytest.raises(DataError, match="no labels"):
        TASK.targets(rows)


def test_metrics():
    found = TASK.metrics([1.0, 2.0, 4.0], [1.0, 3.0, 9.0])
    assert set(found) == set(TASK.metric_names)
    assert found["spearman"] == pytest.approx(1)
    assert found["negative_rmse"] == pytest.approx(-math.sqrt(26 / 3))
    assert TASK.metrics([1.0, 2.0, 4.0], [2.0, 2.0, 2.0])["spearman"] == 0
