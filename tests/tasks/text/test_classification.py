from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score
from transformers import AutoTokenizer
from transformers.modeling_outputs import SequenceClassifierOutput

from tests.tiny import save_tiny_bert, topic_rows
from textgraft.data.dataset import Dataset
from textgraft.errors import DataError
from textgraft.tasks.text.classification import SingleLabelClassification

TASK = SingleLabelClassification(["food", "space", "sport"])


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return AutoTokenizer.from_pretrained(save_tiny_bert(tmp_path_factory.mktemp("bert")))


def dataset(rows, *, lines=None):
    return Dataset(
        columns={"text": [text for text, _ in rows]},
        labels=[label for _, label in rows],
        ids=[str(row) for row in range(len(rows))],
        lines=lines or list(range(2, len(rows) + 2)),
        source="rows.csv",
        numbering="line",
    )


def test_features_hold_special_tokens_and_targets(tokenizer):
    rows = [("The rocket, the moon", "space"), ("soup", "food")]
    features = TASK.features(dataset(rows), tokenizer, 64)
    words = tokenizer.convert_ids_to_tokens(features[0]["input_ids"])
    assert words == ["[CLS]", "the", "rocket", "[UNK]", "the", "moon", "[SEP]"]
    assert [feature["labels"] for feature in features] == [1, 0]


def test_long_texts_are_cut_and_keep_their_closing_token(tokenizer):
    feature = TASK.features(dataset([("goal " * 100, "sport")]), tokenizer, 10)[0]
    assert len(feature["input_ids"]) == 10
    assert feature["input_ids"][-1] == tokenizer.sep_token_id


def test_a_text_of_ten_megabytes_fills_the_limit(tokenizer):
    feature = TASK.features(dataset([("galaxy comet " * 800_000, "space")]), tokenizer, 64)[0]
    assert len(feature["input_ids"]) == 64


def test_rows_to_predict_have_no_targets(tokenizer):
    rows = dataset([("soup", "food")])
    unlabelled = Dataset(rows.columns, None, rows.ids, rows.lines, rows.source)
    features = TASK.features(unlabelled, tokenizer, 64)
    assert features == [{"input_ids": features[0]["input_ids"], "row": 0, "lost": 0}]
    assert "labels" not in TASK.collate(features, 0)
    with pytest.raises(DataError, match="no labels"):
        TASK.targets(unlabelled)


def test_an_unknown_label_is_named_with_its_line():
    rows = [("goal", "sport"), ("soup", "foood")]
    with pytest.raises(DataError, match=r"rows\.csv, line 17: label 'foood'[^$]*Did you mean 'food'"):
        TASK.targets(dataset(rows, lines=[2, 17]))


def test_a_label_is_found_as_other_kinds_of_files_write_its_value():
    rows = [("goal", "true"), ("soup", "False"), ("ball", "1.0"), ("cup", "02"), ("pot", "2")]
    task = SingleLabelClassification(["1", "2", "False", "True"])
    assert task.targets(dataset(rows)) == [3, 2, 0, 1, 1]
    with pytest.raises(DataError, match=r"label '2\.0' does not occur"):
        SingleLabelClassification(["02", "2"]).targets(dataset([("cup", "2.0")]))  # either may be meant


@given(st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=12), min_size=1, max_size=9))
def test_batches_are_padded_on_the_right(rows):
    batch = TASK.collate([{"input_ids": row, "labels": 1} for row in rows], pad_token_id=77)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (len(rows), max(map(len, rows)))
    for row, ids, mask in zip(
        rows, batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True
    ):
        assert ids == row + [77] * (len(ids) - len(row))
        assert mask == [1] * len(row) + [0] * (len(ids) - len(row))
    assert batch["labels"].tolist() == [1] * len(rows)
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


def test_outputs_become_predictions():
    logits = torch.tensor([[0.0, 2.0, 1.0], [3.0, 3.0, -50.0]])
    features = [{"input_ids": [1], "row": row} for row in range(2)]
    decoded = TASK.decode(SequenceClassifierOutput(logits=logits), features)
    first, second = TASK.predictions(features, decoded)
    assert (first.label, first.answer) == ("space", 1)
    assert first.to_dict()["scores"].keys() == {"food", "space", "sport"}
    assert first.numbers() == pytest.approx(first.probabilities.tolist())
    softer = TASK.predictions(features, decoded, temperature=2.0)[0]
    assert (softer.label, softer.score < first.score) == ("space", True)
    assert first.score == pytest.approx(np.exp(2) / (1 + np.exp(2) + np.e))
    assert first.probabilities.sum() == pytest.approx(1)
    assert (second.label, second.score) == ("food", pytest.approx(0.5))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_metrics_are_those_of_scikit_learn(pairs):
    gold, guesses = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = TASK.metrics(gold, guesses)
    assert found.keys() == set(TASK.metric_names)
    assert found["accuracy"] == pytest.approx(np.mean(np.array(gold) == np.array(guesses)))
    assert found["macro_f1"] == pytest.approx(f1_score(gold, guesses, average="macro", zero_division=0))
    assert found["weighted_f1"] == pytest.approx(f1_score(gold, guesses, average="weighted", zero_division=0))
    assert TASK.main_metric in found


def test_many_rows_keep_their_order(tokenizer, monkeypatch):
    monkeypatch.setattr("textgraft.tasks.text.texts.CHUNK", 7)
    rows = topic_rows(30)
    features = TASK.features(dataset(rows), tokenizer, 64)
    monkeypatch.undo()
    assert features == TASK.features(dataset(rows), tokenizer, 64)
    assert [TASK.labels[feature["labels"]] for feature in features] == [label for _, label in rows]
