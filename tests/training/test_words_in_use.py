"""A matrix of the words in use is trained to what the whole one would be, and the other words stay."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import save_tiny_bert
from tests.training.helpers import TASK, VOCABULARY, make_model, make_rows
from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.encoder_decoder import bert_to_bert
from textgraft.tasks.generation.text2text import TextToText
from textgraft.training import words_in_use
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows
from textgraft.training.words_in_use import only_words_in_use

ROWS = make_rows(24)
FEWER = [row | {"input_ids": [min(token, 22) for token in row["input_ids"][:-1]] + [3]} for row in ROWS]
"""Rows in which tokens 23 to 39 do not occur."""
USED = sorted({0} | {token for row in FEWER for token in row["input_ids"]})
UNUSED = [token for token in range(VOCABULARY) if token not in USED]


def objective():
    return TaskRows(TASK, FEWER[:20], FEWER[20:], pad_token_id=0)


def trained(family, **more):
    model = make_model(family, seed=1)
    settings = TrainingSettings(epochs=3, patience=None, learning_rate=1e-2, batch_size=8, **more)
    result = fit(model, objective(), settings)
    return model, result


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "distilbert", "mpnet"])
def test_the_same_model_comes_out_as_of_training_the_whole_matrix(family, monkeypatch):
    before = make_model(family, seed=1).get_input_embeddings().weight.detach().clone()
    ours, result = trained(family, weight_decay=0.0)
    monkeypatch.setattr(words_in_use, "MOST_IN_USE", 0.0)
    whole, expected = trained(family, weight_decay=0.0)
    assert result.dev_metrics == pytest.approx(expected.dev_metrics)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], tensor, atol=1e-4, rtol=1e-3)
    words = ours.get_input_embeddings()
    assert words.num_embeddings == VOCABULARY
    assert torch.equal(words.weight[UNUSED], before[UNUSED])
    assert not torch.allclose(words.weight[[10, 11, 12]], before[[10, 11, 12]], atol=1e-3)
    ours(input_ids=torch.tensor([UNUSED]))


def test_of_an_encoder_decoder_the_sources_words_are_those_in_use(tmp_path):
    model, _ = bert_to_bert(resolve_encoder(save_tiny_bert(tmp_path / "bert")))
    rows = [{"input_ids": [2, 7, 8, 3], "labels": [9, 3], "row": 0, "gold": [""]}]
    given = TaskRows(TextToText(), rows, rows, pad_token_id=0)
    words, before = model.encoder.get_input_embeddings(), model.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    with only_words_in_use(model, given):
        assert len(words.weight) == 4
        model.decoder.get_input_embeddings()(torch.tensor([9]))
    fit(model, given, TrainingSettings(epochs=2, patience=None, learning_rate=1e-2))
    name = "encoder.embeddings.word_embeddings.weight"
    moved = (model.state_dict()[name] != before[name]).any(dim=1)
    assert moved.nonzero().flatten().tolist() == [2, 3, 7, 8]


def test_words_that_do_not_occur_are_not_decayed():
    before = make_model("bert", seed=1).get_input_embeddings().weight.detach().clone()
    model, _ = trained("bert", weight_decay=0.5)
    assert torch.equal(model.get_input_embeddings().weight[UNUSED], before[UNUSED])


def test_what_is_trained_meanwhile_is_small_takes_the_same_ids_and_keeps_its_padding():
    model = make_model("bert", seed=1).eval()
    words, ids = model.get_input_embeddings(), torch.tensor([FEWER[0]["input_ids"]])
    whole, expected = words.weight, model(input_ids=ids).logits
    with only_words_in_use(model, objective()):
        assert words.weight.shape == (len(USED), 16)
        assert torch.equal(model(input_ids=ids).logits, expected)
        words(torch.tensor([0, 10])).sum().backward()
        gradient = words.weight.grad.abs().sum(dim=1)
        assert gradient[USED.index(0)] == 0, "padding is not trained"
        assert gradient[USED.index(10)] > 0
        with pytest.raises(IndexError):
            words(torch.tensor([UNUSED[0]]))
    assert words.weight is whole
    assert torch.equal(model(input_ids=ids).logits, expected)


def test_an_error_leaves_the_whole_matrix_in_place():
    model = make_model("bert", seed=1)
    words = model.get_input_embeddings()
    with pytest.raises(RuntimeError, match="stopped"), only_words_in_use(model, objective()):
        raise RuntimeError("stopped")
    assert words.weight.shape == (VOCABULARY, 16)
    words(torch.tensor([UNUSED]))


def test_frozen_tied_and_unknown_words_stay_as_they_are():
    frozen = make_model("bert")
    frozen.get_input_embeddings().weight.requires_grad_(False)
    tied = make_model("bert", auto_class="AutoModelForMaskedLM")
    unknown = objective()
    unknown.ids_in_use = lambda: None
    for model, given in ((frozen, objective()), (tied, objective()), (make_model("bert"), unknown)):
        with only_words_in_use(model, given):
            assert model.get_input_embeddings().weight.shape == (VOCABULARY, 16)
