"""Recurrent encoder–decoders: exact under padding, whole after saving, usable as any Transformers model."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from tests.tiny_seq2seq import recurrent, sources, targets
from textgraft.errors import OptionError
from textgraft.models.recurrent.cells import LSTMState, Weights, lstm_step
from textgraft.models.recurrent.seq2seq import RecurrentForSeq2SeqLM, RecurrentSeq2SeqConfig

FORMS = {
    "none": {"attention": "none"},
    "bahdanau": {"attention": "bahdanau"},
    "luong": {"attention": "luong"},
    "luong, fed": {"attention": "luong", "input_feeding": True},
}
VARIANTS = list(itertools.product(("rnn", "lstm", "gru"), FORMS, (1, 2), (False, True)))


def build(variant, **changes) -> RecurrentForSeq2SeqLM:
    cell, form, layers, both = variant
    return recurrent(cell=cell, num_layers=layers, bidirectional=both, **FORMS[form], **changes)


MODELS = {variant: build(variant) for variant in VARIANTS}
names = pytest.mark.parametrize("variant", VARIANTS, ids=lambda parts: "-".join(map(str, parts)))


@names
def test_padding_changes_nothing(variant):
    model = MODELS[variant]
    batch, labels = sources(model), targets(model)
    with torch.no_grad():
        logits = model(**sources(model, extra=5), labels=labels).logits
        for row, length in enumerate((labels != -100).sum(1).tolist()):
            true = int(batch["attention_mask"][row].sum())
            alone = model(batch["input_ids"][row : row + 1, :true], labels=labels[row : row + 1, :length])
            torch.testing.assert_close(logits[row : row + 1, :length], alone.logits, atol=1e-5, rtol=1e-4)


@names
def test_word_by_word_as_all_at_once(variant):
    """The step that decoding takes computes what the fused kernel does in training."""
    model = MODELS[variant]
    batch, labels = sources(model), targets(model)
    read = model.prepare_decoder_input_ids_from_labels(labels)
    with torch.no_grad():
        whole = model(**batch, labels=labels).logits
        encoded = model.get_encoder()(**batch)
        state, steps = None, []
        for words in (read[:, :1], read[:, 1:2], read[:, 2:5], read[:, 5:]):
            outputs = model(encoder_outputs=encoded, decoder_input_ids=words, past_key_values=state)
            state = outputs.past_key_values
            steps.append(outputs.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-4)
    assert state.get_seq_length() == read.shape[1]


@names
def test_every_weight_gets_a_gradient(variant):
    model = MODELS[variant]
    model.zero_grad()
    model(**sources(model), labels=targets(model)).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("form", FORMS)
def test_bf16_is_close_to_fp32_and_trains(form):
    model = MODELS["lstm", form, 2, True]
    batch, labels = sources(model), targets(model)
    exact = model(**batch, labels=labels).logits
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**batch, labels=labels)
    outputs.loss.backward()
    assert (outputs.logits.float() - exact).abs().max() < 0.05
    assert outputs.loss.dtype == torch.float32
    assert all(torch.isfinite(parameter.grad).all() for parameter in model.parameters())


def test_attention_sums_to_one_over_true_tokens_and_the_fixed_vector_has_none():
    labels = targets(MODELS["lstm", "luong", 1, True])
    for (cell, form, *_), model in MODELS.items():
        batch = sources(model, extra=2)
        weights = model(**batch, labels=labels, output_attentions=True).cross_attentions
        if form == "none":
            assert weights is None, cell
            assert model.decoder.attention is None
            continue
        (weights,) = weights
        assert weights.shape == (8, 1, labels.shape[1], batch["input_ids"].shape[1])
        torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
        assert torch.all(weights.masked_select(batch["attention_mask"][:, None, None] == 0) == 0)
        assert model(**batch, labels=labels).cross_attentions is None


def test_the_fixed_vector_is_all_that_the_decoder_knows():
    """Sources whose last states are set equal give equal targets; with attention they differ."""
    for form in ("none", "luong"):
        model = MODELS["lstm", form, 1, True]
        encoded = model.get_encoder()(**sources(model, rows=2))
        encoded.pooler_output = encoded.pooler_output[:1].expand(2, -1)
        labels = targets(model, rows=1).expand(2, -1)
        logits = model(encoder_outputs=encoded, labels=labels).logits
        assert torch.equal(logits[0], logits[1]) == (form == "none")


def test_the_weights_are_those_of_the_papers():
    """Bahdanau's and Luong's scores, written out for one source and one word."""
    for form in ("bahdanau", "luong"):
        model = MODELS["lstm", form, 1, True]
        ids = torch.tensor([[5, 6, 7, 8]])
        read = torch.tensor([[1]])
        outputs = model(ids, decoder_input_ids=read, output_attentions=True)
        encoded = model.get_encoder()(ids)
        states, decoder = encoded.last_hidden_state[0], model.decoder
        hidden, cell = decoder.bridge(encoded.pooler_output).chunk(2, dim=-1)
        before = LSTMState(torch.tanh(hidden), cell)
        attention, word = decoder.attention, model.decoder_embedding(read[:, 0])
        if form == "bahdanau":
            sums = before.h @ attention.query.weight.T + attention.key(states)
            scores = torch.tanh(sums) @ attention.score.weight[0]
            context = scores.softmax(0) @ states
            after = lstm_step(torch.cat([word[0], context])[None], before, Weights.of(decoder.layers[0]))
            seen = torch.cat([after.h[0], context, word[0]])
        else:
            after = lstm_step(word, before, Weights.of(decoder.layers[0]))
            scores = (attention.key(states) @ after.h.T)[:, 0]
            seen = torch.cat([scores.softmax(0) @ states, after.h[0]])
        torch.testing.assert_close(outputs.cross_attentions[0][0, 0, 0], scores.softmax(0))
        logits = model.lm_head(torch.tanh(decoder.readout(seen)))
        torch.testing.assert_close(outputs.logits[0, 0], logits, atol=1e-5, rtol=1e-4)


def test_without_a_mask_padding_is_told_by_its_id():
    for model in MODELS.values():
        batch, labels = sources(model), targets(model)
        with torch.no_grad():
            told = model(**batch, labels=labels).logits
            assert torch.equal(model(batch["input_ids"], labels=labels).logits, told)
    ids = model.generate(batch["input_ids"], max_new_tokens=5, num_beams=2)
    assert torch.equal(ids, model.generate(**batch, max_new_tokens=5, num_beams=2))


def test_a_source_without_tokens_has_finite_outputs():
    model = MODELS["gru", "luong", 1, True]
    labels = torch.tensor([[3, 4], [5, 6]])
    outputs = model(torch.zeros(2, 3, dtype=torch.long), torch.tensor([[0, 0, 0], [1, 0, 0]]), labels=labels)
    assert torch.isfinite(outputs.logits).all()


def test_generate_samples_and_uses_no_cache_if_told():
    model = MODELS["lstm", "luong", 2, True]
    batch = sources(model)
    for options in ({}, {"num_beams": 3}):
        cached = model.generate(**batch, max_new_tokens=6, **options)
        assert torch.equal(cached, model.generate(**batch, max_new_tokens=6, use_cache=False, **options))
    torch.manual_seed(0)
    samples = model.generate(**batch, max_new_tokens=6, do_sample=True, num_return_sequences=3)
    assert samples.shape[0] == 24
    assert not torch.equal(samples[0::3], samples[1::3])


def test_smoothing_is_for_training_alone():
    model = recurrent(label_smoothing=0.2, dropout=0.0, embedding_dropout=0.0)
    batch, labels = sources(model), targets(model)
    outputs = model(**batch, labels=labels)
    told = labels != -100
    likely = outputs.logits.log_softmax(-1)
    right = likely.gather(2, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)[told].mean()
    torch.testing.assert_close(outputs.loss, -right)
    smoothed = -(0.8 * right + 0.2 * likely[told].mean())
    torch.testing.assert_close(model.train()(**batch, labels=labels).loss, smoothed)


@pytest.mark.parametrize("changes", [{}, {"decoder_vocab_size": 25}, {"tie_word_embeddings": False}], ids=str)
@pytest.mark.parametrize("form", FORMS)
def test_saved_and_loaded_by_the_auto_class_bit_for_bit(form, changes, tmp_path):
    model = recurrent(**FORMS[form], **changes)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert type(loaded) is RecurrentForSeq2SeqLM
    batch, labels = sources(model), targets(model)
    with torch.no_grad():
        assert torch.equal(model(**batch, labels=labels).logits, loaded(**batch, labels=labels).logits)
    assert loaded.generation_config.eos_token_id == 2


def test_which_embedding_matrices_are_one():
    shared, apart = recurrent(), recurrent(decoder_vocab_size=25)
    assert shared.lm_head.weight is shared.decoder_embedding.weight is shared.encoder.embedding.weight
    assert apart.lm_head.weight is apart.decoder_embedding.weight
    assert apart.encoder.embedding.weight.shape[0] == 30
    assert apart.lm_head.out_features == 25
    free = recurrent(tie_word_embeddings=False)
    assert (
        len({id(free.lm_head.weight), id(free.decoder_embedding.weight), id(free.encoder.embedding.weight)})
        == 3
    )


@pytest.mark.parametrize(
    ("option", "wrong", "meant"), [("cell", "ltsm", "lstm"), ("attention", "loung", "luong")]
)
def test_a_misspelt_option_names_the_nearest(option, wrong, meant):
    with pytest.raises(OptionError, match=f"Did you mean '{meant}'"):
        RecurrentSeq2SeqConfig(**{option: wrong})
