from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit
from transformers.modeling_outputs import SequenceClassifierOutput

from tests.tasks.toys import bert_tokenizer, dataset
from textgraft.errors import DataError
from textgraft.models.losses import sequence_loss
from textgraft.tasks.text.multi_label import MultiLabelClassification

TASK = MultiLabelClassification(["food", "space", "sport"])
ROWS = dataset({"text": ["goal soup", "the", "moon"]}, [("sport", "food"), (), ("space",)])


def test_targets_and_windows():
    assert TASK.targets(ROWS) == [[0, 2], [], [1]]
    features = TASK.features(ROWS, bert_tokenizer(), 16)
    assert [feature["labels"] for feature in features] == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert [feature["gold"] for feature in features] == [[0, 2], [], [1]]
    batch = TASK.collate(features, 0)
    assert batch["labels"].dtype == torch.float32
    assert batch["labels"].shape == (3, 3)


def test_labels_are_those_of_the_training_rows():
    task = MultiLabelClassification.fitted_to(ROWS)
    assert task.labels == ("food", "space", "sport")
    assert MultiLabelClassification(**task.settings()).labels == task.labels
    with pytest.raises(DataError, match="none of the 1 training rows has a label"):
        MultiLabelClassification.fitted_to(dataset({"text": ["a"]}, [()]))


def test_an_unknown_label_is_named_with_its_line():
    with pytest.raises(DataError, match=r"toy\.csv, line 2: label 'spce'(?s:.*)Did you mean 'space'"):
        TASK.targets(dataset({"text": ["a", "b"]}, [("food",), ("food", "spce")]))
    with pytest.raises(DataError, match="no labels"):
        TASK.targets(TASK.rows(["a"]))


def test_predictions_give_what_is_probable():
    logits = np.array([[2.0, -1.0, 0.0], [-3.0, -3.0, -3.0]], dtype=np.float32)
    outputs = SequenceClassifierOutput(logits=torch.from_numpy(logits))
    features = TASK.features(TASK.rows(["a", "b"]), bert_tokenizer(), 16)
    first, second = TASK.predictions(features, TASK.decode(outputs, features))
    assert (first.answer, second.answer) == ([0, 2], [])
    assert first.score == pytest.approx(expit(2.0) * expit(1.0) * 0.5)
    assert first.to_dict()["labels"] == ["food", "sport"]
    assert first.to_dict()["scores"]["space"] == pytest.approx(expit(-1.0), abs=1e-6)
    assert second.numbers() == pytest.approx([expit(-3.0)] * 3)
    assert (TASK.show(first.answer), TASK.show(second.answer)) == ("food, sport", "no label")
    cooler = TASK.predictions(features, TASK.decode(outputs, features), temperature=4.0)
    assert [prediction.answer for prediction in cooler] == [[0, 2], []]
    assert cooler[1].score < second.score
    assert TASK.predictions([], []) == []


def test_the_temperature_finds_the_noise_of_the_logits():
    generator = np.random.default_rng(0)
    logits = generator.normal(0, 2, (3000, 3)).astype(np.float32)
    given = generator.random(logits.shape) < expit(logits)
    gold = [np.flatnonzero(row).tolist() for row in given]
    assert TASK.temperature(gold, [], list(3 * logits)) == pytest.approx(3, rel=0.1)
    assert TASK.temperature([], [], []) == 1
    loss = sequence_loss(
        torch.from_numpy(logits), torch.from_numpy(given), "multi_label_classification"
    ).item()
    assert TASK.loss(gold, [], list(logits)) == pytest.approx(loss, rel=1e-4)


def test_metrics_take_empty_sets():
    found = TASK.metrics([[0, 2], [], [1]], [[0], [], []])
    assert found["subset_accuracy"] == pytest.approx(1 / 3)
    assert found["micro_f1"] == pytest.approx(2 / 4)
    assert found["macro_f1"] == pytest.approx(1 / 3)
    assert set(found) == set(TASK.metric_names)
    assert TASK.metrics([[], []], [[], []]) == {"micro_f1": 0, "macro_f1": 0, "subset_accuracy": 1}
    assert TASK.is_right([0, 2], [0, 2])
    assert not TASK.is_right([0, 2], [0])
