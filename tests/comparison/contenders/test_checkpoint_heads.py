"""Fine-tuning from checkpoints that come with a head: another number of labels, and another problem."""

from __future__ import annotations

import logging

import pytest
import transformers
from transformers import AutoConfig, AutoModelForSequenceClassification

from tests.tiny import save_tiny_bert
from textgraft.comparison.contenders.bert import _tell_new_head, _with_head
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification

HEADS = ("AutoModelForSequenceClassification", "AutoModelForTokenClassification")


def checkpoint(folder, head="AutoModelForSequenceClassification", labels=5, **config):
    save_tiny_bert(folder)
    kind = getattr(transformers, head)
    kind.from_pretrained(folder, num_labels=labels, **config).save_pretrained(folder)
    return resolve_encoder(folder)


def configured(source, task):
    config = AutoConfig.from_pretrained(source.path)
    task.configure(config)
    return config


@pytest.mark.parametrize("head", HEADS)
def test_a_head_for_another_number_of_labels_is_made_anew_and_told(head, tmp_path, caplog):
    source = checkpoint(tmp_path / "trained", head)
    _tell_new_head.cache_clear()
    config = configured(source, SingleLabelClassification(["a", "b", "c"]))
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            model = _with_head(source, getattr(transformers, head), config)
    assert model.classifier.out_features == 3
    assert caplog.text.count("a head for other labels than the 3 of this task") == 1
    kept = AutoModelForSequenceClassification.from_pretrained(source.path).base_model.state_dict()
    found = model.base_model.state_dict()
    assert all(tensor.equal(kept[name]) for name, tensor in found.items())


def test_a_head_that_fits_goes_on(tmp_path, caplog):
    source = checkpoint(tmp_path / "trained", labels=3)
    config = configured(source, SingleLabelClassification(["a", "b", "c"]))
    with caplog.at_level(logging.WARNING):
        model = _with_head(source, AutoModelForSequenceClassification, config)
    trained = AutoModelForSequenceClassification.from_pretrained(source.path)
    assert model.classifier.weight.equal(trained.classifier.weight)
    assert "a head for other labels" not in caplog.text


def test_the_problem_is_that_of_the_task_and_not_of_the_checkpoint(tmp_path):
    source = checkpoint(tmp_path / "trained", problem_type="regression")
    assert configured(source, SingleLabelClassification(["a", "b"])).problem_type is None
    several = configured(source, MultiLabelClassification(["a", "b"]))
    assert several.problem_type == "multi_label_classification"
