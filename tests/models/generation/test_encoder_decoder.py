"""Transformer encoder–decoders: built as described, begun from pre-trained weights, whole after saving."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForSeq2SeqLM,
    DistilBertConfig,
    DistilBertModel,
    MPNetConfig,
    MPNetModel,
    RobertaConfig,
    RobertaModel,
)

from tests.tiny import save_tiny_bert
from tests.tiny_seq2seq import FAMILIES, sources, targets, tiny_transformer
from textgraft.errors import OptionError
from textgraft.models.encoders import load_encoder, resolve_encoder
from textgraft.models.generation.encoder_decoder import bert_to_bert, bert_to_gpt
from textgraft.models.recurrent.teacher_forcing import teacher_forced

TRANSFORMERS = (
    *("transformer", "transformer, two vocabularies"),
    *("bert to bert", "bert to bert, copying", "bert to gpt"),
)


@pytest.fixture
def encoder(tmp_path):
    return resolve_encoder(save_tiny_bert(tmp_path / "bert"))


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_saved_and_loaded_by_the_auto_class_bit_for_bit(family, tmp_path):
    model = FAMILIES[family](tmp_path)
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    batch = {**sources(model), "labels": targets(model)}
    with torch.no_grad():
        assert torch.equal(teacher_forced(model, batch).logits, teacher_forced(loaded, batch).logits)
    assert loaded.config.label_smoothing == 0.1
    assert loaded.generation_config.to_dict() == model.generation_config.to_dict()


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_padding_changes_nothing(family, tmp_path):
    model = FAMILIES[family](tmp_path)
    labels = targets(model)
    batch, wider = ({**sources(model, extra=extra), "labels": labels} for extra in (0, 4))
    true = labels != -100
    with torch.no_grad():
        logits = teacher_forced(model, batch).logits[true]
        torch.testing.assert_close(teacher_forced(model, wider).logits[true], logits, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", TRANSFORMERS)
def test_no_word_sees_what_it_is_to_predict(family, tmp_path):
    model = FAMILIES[family](tmp_path)
    batch = {**sources(model), "labels": targets(model).clamp(min=3)}
    other = {**batch, "labels": batch["labels"].clone()}
    other["labels"][:, 3:] = 9
    with torch.no_grad():
        one, two = (teacher_forced(model, each).logits for each in (batch, other))
    torch.testing.assert_close(one[:, :4], two[:, :4], atol=1e-6, rtol=1e-5)
    assert not torch.allclose(one[:, 4:], two[:, 4:])


def test_both_sides_begin_as_the_encoder_and_learn_apart(encoder):
    model, _ = bert_to_bert(encoder)
    pretrained, _ = load_encoder(encoder)
    for name, weight in pretrained.named_parameters():
        assert torch.equal(model.encoder.get_parameter(name), weight)
        if not name.startswith("pooler"):
            assert torch.equal(model.decoder.bert.get_parameter(name), weight)
    table = model.decoder.get_input_embeddings().weight
    assert model.decoder.get_output_embeddings().weight is table
    assert model.encoder.get_input_embeddings().weight is not table
    assert any("crossattention" in name for name, _ in model.named_parameters())
    assert (model.config.decoder_start_token_id, model.config.eos_token_id) == (2, 3)


def test_a_new_gpt_begins_with_the_encoders_words(encoder):
    model, tokenizer = bert_to_gpt(encoder, num_layers=1, num_heads=2)
    words = model.encoder.get_input_embeddings().weight
    assert torch.equal(model.decoder.get_input_embeddings().weight, words)
    assert model.decoder.lm_head.weight is model.decoder.get_input_embeddings().weight
    assert model.decoder.config.n_layer == 1
    assert model.generation_config.eos_token_id == tokenizer.sep_token_id


def test_an_encoder_that_cannot_decode_is_refused(encoder, tmp_path):
    config = DistilBertConfig(vocab_size=39, dim=16, n_layers=1, n_heads=2, hidden_dim=32)
    DistilBertModel(config).save_pretrained(tmp_path / "distilbert")
    load_encoder(encoder)[1].save_pretrained(tmp_path / "distilbert")
    with pytest.raises(OptionError, match="distilbert"):
        bert_to_bert(resolve_encoder(tmp_path / "distilbert"))


def test_an_mpnet_becomes_a_decoder_all_of_whose_weights_it_has_but_the_bias_by_distance(encoder, tmp_path):
    torch.manual_seed(0)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = MPNetConfig(vocab_size=39, max_position_embeddings=34, pad_token_id=0, **shape)
    mpnet = MPNetModel(config).eval()
    torch.nn.init.zeros_(mpnet.encoder.relative_attention_bias.weight)
    mpnet.save_pretrained(tmp_path / "mpnet")
    load_encoder(encoder)[1].save_pretrained(tmp_path / "mpnet")
    model, _ = bert_to_bert(resolve_encoder(tmp_path / "mpnet"), copies=True)
    own = model.decoder.config.to_dict()
    reader = RobertaModel(RobertaConfig(**{**own, "is_decoder": False, "add_cross_attention": False})).eval()
    reader.load_state_dict(model.decoder.roberta.state_dict(), strict=False)
    batch = {"input_ids": torch.tensor([[2, 7, 9, 3], [2, 8, 3, 0]]), "attention_mask": torch.ones(2, 4)}
    batch["attention_mask"][1, 3] = 0
    with torch.no_grad():
        states, theirs = (each(**batch).last_hidden_state for each in (reader, mpnet))
    true = batch["attention_mask"].bool()
    torch.testing.assert_close(states[true], theirs[true], atol=1e-5, rtol=1e-4)
    assert model.decoder.get_output_embeddings().weight is model.decoder.get_input_embeddings().weight
    model.save_pretrained(tmp_path / "model")
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path / "model")
    told = {**batch, "labels": torch.tensor([[7, 9, 3], [8, 3, -100]])}
    with torch.no_grad():
        assert torch.equal(teacher_forced(model, told).logits, teacher_forced(loaded, told).logits)


def test_a_width_that_heads_cannot_share_is_refused():
    with pytest.raises(OptionError, match="3 attention heads"):
        tiny_transformer(num_heads=3)


def test_smoothing_reaches_models_that_know_none():
    model = tiny_transformer(dropout=0.0)
    batch = {**sources(model), "labels": targets(model)}
    plain, smoothed = teacher_forced(model.eval(), batch).loss, teacher_forced(model.train(), batch).loss
    model.config.label_smoothing = 0.0
    torch.testing.assert_close(teacher_forced(model, batch).loss, plain)
    assert not torch.isclose(plain, smoothed)
