from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, matthews_corrcoef
from transformers import BertConfig

from tests.conftest import shared_data
from tests.tasks.toys import FAMILIES, dataset, tokenizer_of
from textgraft.errors import DataError, OptionError
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.tasks.text.pairs import PairClassification, PairSimilarity

TASK = PairClassification(["0", "1"])
ROWS = dataset({"sentence1": ["goal team", "soup"], "sentence2": ["moon", "the oven was old"]}, ["1", "0"])


@pytest.mark.parametrize("family", FAMILIES)
def test_pairs_are_tokenized_as_the_tokenizer_does(family):
    tokenizer = tokenizer_of(family)
    features = TASK.features(ROWS, tokenizer, 64)
    expected = tokenizer.backend_tokenizer.encode_batch(list(zip(*ROWS.columns.values(), strict=True)))
    assert [feature["input_ids"] for feature in features] == [encoding.ids for encoding in expected]
    assert [feature["labels"] for feature in features] == [1, 0]
    # RoBERTa has one token type and must not be told of two; the others need them.
    assert ("token_type_ids" in features[0]) == (family != "roberta")
    if family != "roberta":
        assert [feature["token_type_ids"] for feature in features] == [pair.type_ids for pair in expected]
        batch = TASK.collate(features, tokenizer.pad_token_id)
        assert batch["token_type_ids"].shape == batch["input_ids"].shape


def test_long_pairs_are_cut_and_it_is_told():
    tokenizer = tokenizer_of("bert")
    rows = dataset({"a": ["goal " * 30, "soup"], "b": ["moon", "oven"]}, None)
    features = TASK.features(rows, tokenizer, 10)
    assert [len(feature["input_ids"]) for feature in features] == [10, 5]
    assert TASK.truncated_fraction(rows, tokenizer, 10) == pytest.approx(1 - 15 / (34 + 5))
    assert TASK.truncated_fraction(rows, tokenizer, 64) == 0


def test_models_that_can_read_the_texts_apart():
    for task in (TASK, PairSimilarity(0.0, 1.0)):
        config = RecurrentConfig()
        task.configure(config)
        assert config.pairs
        assert config.num_labels == len(task.labels)
        encoder = BertConfig()
        task.configure(encoder)
        assert not hasattr(encoder, "pairs")
    assert config.problem_type == "regression"


def test_rows_to_predict():
    rows = TASK.rows([("a", "b"), ["c", "d"]])
    assert list(rows.columns.values()) == [["a", "c"], ["b", "d"]]
    for wrong in (["ab"], [("a",)], [("a", "b", "c")], [("a", 1)], [{"a": 1, "b": 2}]):
        with pytest.raises(OptionError, match="input 0 is no pair of strings"):
            TASK.rows(wrong)
    with pytest.raises(OptionError, match="one string"):
        TASK.rows("ab")


def test_rows_with_another_number_of_texts_are_refused():
    with pytest.raises(DataError, match="a pair needs two text columns, not 'a', 'b', 'c'"):
        TASK.features(dataset({"a": ["x"], "b": ["y"], "c": ["z"]}, None), tokenizer_of("bert"), 32)


@pytest.mark.parametrize(
    ("labels", "positive"),
    [
        (["0", "1"], "1"),
        (["entailment", "not_entailment"], "entailment"),
        (["Duplicate", "unique"], "Duplicate"),
        (["contradiction", "entailment", "neutral"], "entailment"),
        (["agree", "zap"], "zap"),
    ],
)
def test_which_label_is_positive(labels, positive):
    task = PairClassification(labels)
    assert task.positive == positive
    assert PairClassification(**task.settings()).positive == positive
    assert PairClassification(labels, positive=labels[0]).positive == labels[0]


def test_a_positive_label_must_exist():
    with pytest.raises(OptionError, match=r"unknown label 'yess'(?s:.*)Did you mean 'yes'"):
        PairClassification(["no", "yes"], positive="yess")


def test_metrics_are_those_of_glue():
    generator = np.random.default_rng(0)
    gold, answers = generator.integers(0, 2, (2, 200)).tolist()
    found = PairClassification(["b", "paraphrase"]).metrics(gold, answers)
    assert set(found) == set(TASK.metric_names)
    assert found["f1"] == pytest.approx(f1_score(gold, answers))
    assert found["matthews"] == pytest.approx(matthews_corrcoef(gold, answers))
    assert found[TASK.main_metric] == pytest.approx(f1_score(gold, answers, average="macro"))


def test_glue_sets_are_read():
    mrpc = PairClassification.read(shared_data("mrpc") / "train.csv")
    assert (len(mrpc), len(mrpc.rejected)) == (4076, 0)
    assert PairClassification.fitted_to(mrpc).positive == "1"
    rte = PairClassification.read(shared_data("rte") / "test_unlabelled.csv", labelled=False)
    assert len(rte) == 3000
    stsb = PairSimilarity.read(shared_data("stsb") / "test.csv")
    assert (len(stsb), min(stsb.labels), max(stsb.labels)) == (1379, 0, 5)
