"""Captioners: a vector enters as the first state or as the first token, and decides what is written."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

from tests.tiny_seq2seq import captioner, sources, targets
from textgraft.errors import OptionError
from textgraft.models.generation.decoding import DecodingSettings, decode_batch
from textgraft.models.recurrent.captioner import CaptionerConfig, CaptionerForSeq2SeqLM

VARIANTS = [(injection, cell) for injection in ("state", "token") for cell in ("rnn", "lstm", "gru")]


@pytest.mark.parametrize(("injection", "cell"), VARIANTS)
def test_word_by_word_as_all_at_once(injection, cell):
    model = captioner(injection=injection, cell=cell, num_layers=2)
    batch, labels = sources(model), targets(model)
    read = model.prepare_decoder_input_ids_from_labels(labels)
    with torch.no_grad():
        whole = model(**batch, labels=labels).logits
        state, steps = None, []
        for words in read.split(1, dim=1):
            outputs = model(**batch, decoder_input_ids=words, past_key_values=state)
            state = outputs.past_key_values
            steps.append(outputs.logits)
    torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=1e-5, rtol=1e-4)
    model.zero_grad()
    model(**batch, labels=labels).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().sum() > 0, name


def test_a_token_is_read_as_a_word_would_be():
    """A vector whose bridge gives the vector of some word starts the decoder as that word would."""
    model = captioner(injection="token", cell="gru")
    with torch.no_grad():
        model.decoder.bridge.weight.zero_()
        model.decoder.bridge.bias.copy_(model.decoder_embedding.weight[7])
        state = model.decoder.start(torch.zeros(1, 5))
        zero = model.decoder.start(torch.zeros(1, 5))
        zero.tensors = (torch.zeros_like(zero.tensors[0]),)
        _, _, after = model.decoder(model.decoder_embedding.weight[7].view(1, 1, -1), zero)
    torch.testing.assert_close(state.tensors[0], after.tensors[0])
    assert state.length == 0, "it is no word of the caption"


def test_vectors_are_standardised_by_the_training_rows(tmp_path):
    model = captioner()
    vectors = torch.randn(50, 5) * torch.tensor([1.0, 10.0, 0.1, 3.0, 0.0]) + torch.arange(5.0)
    model.encoder.fit(vectors)
    standard = model.encoder(vectors).pooler_output
    torch.testing.assert_close(standard.mean(0), torch.zeros(5), atol=1e-5, rtol=0)
    expected = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    torch.testing.assert_close(standard.std(0, correction=0), expected)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    assert type(loaded) is CaptionerForSeq2SeqLM
    labels = targets(model)
    with torch.no_grad():
        assert torch.equal(
            loaded(vectors[:8], labels=labels).logits, model(vectors[:8], labels=labels).logits
        )


@pytest.mark.parametrize("injection", ["state", "token"])
def test_learns_what_the_vectors_say(injection):
    """The vector's sign names the first word, its size how many words follow."""
    torch.manual_seed(0)
    model = CaptionerForSeq2SeqLM(
        CaptionerConfig(
            vector_size=2,
            vocab_size=10,
            embedding_size=12,
            hidden_size=24,
            injection=injection,
            dropout=0.0,
            embedding_dropout=0.0,
        )
    )
    signs, sizes = torch.randint(0, 2, (256,)), torch.randint(1, 4, (256,))
    vectors = torch.stack([2.0 * signs - 1, sizes.float()], dim=1) + 0.05 * torch.randn(256, 2)
    words = [[3 + sign] + [6] * size for sign, size in zip(signs.tolist(), sizes.tolist(), strict=True)]
    labels = torch.tensor([[*row, 2] + [-100] * (4 - len(row)) for row in words])
    model.encoder.fit(vectors)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(80):
        model(vectors, labels=labels).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    found = decode_batch(model.eval(), {"vectors": vectors}, DecodingSettings(6))
    assert sum(target.tokens == row for target, row in zip(found, words, strict=True)) > 250


@pytest.mark.parametrize(
    ("option", "wrong", "meant"), [("cell", "ltsm", "lstm"), ("injection", "tokens", "token")]
)
def test_a_misspelt_option_names_the_nearest(option, wrong, meant):
    with pytest.raises(OptionError, match=f"Did you mean '{meant}'"):
        CaptionerConfig(**{option: wrong})
