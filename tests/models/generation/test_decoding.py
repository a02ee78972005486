"""Our decoding finds what Transformers' generate() finds, whatever leaves the batch on the way."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import NoRepeatNGramLogitsProcessor

from tests.tiny_seq2seq import FAMILIES, recurrent, resolute, sources
from textgraft.models.generation import decoding
from textgraft.models.generation.decoding import DecodingSettings, decode_batch
from textgraft.models.recurrent.teacher_forcing import shift_right

LONGEST = 12
SEARCHES = [
    DecodingSettings(LONGEST, *values)
    for values in [
        *itertools.product((1,), (1.0,), (0, 2)),
        *itertools.product((4,), (0.0, 1.0, 2.0), (0, 2), (False, True)),
    ]
]


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tmp_path_factory):
    return resolute(FAMILIES[request.param](tmp_path_factory.mktemp("model")))


def by_generate(model, batch, settings, **options):
    return model.generate(
        **batch,
        max_new_tokens=settings.max_new_tokens,
        num_beams=settings.num_beams,
        length_penalty=settings.length_penalty,
        no_repeat_ngram_size=settings.no_repeat_ngram_size,
        early_stopping=settings.early_stopping,
        **options,
    )


def trimmed(model, row):
    """Return a generated row without start, end and padding."""
    end = model.generation_config.eos_token_id
    words = row.tolist()[1:]
    return words[: words.index(end)] if end in words else words


def rescored(model, batch, row, tokens, length):
    """Return the log-probability of a target by one forward over all of it."""
    end = model.generation_config.eos_token_id
    labels = torch.tensor([[*tokens, end][:length]])
    source = {name: tensor[row : row + 1] for name, tensor in batch.items()}
    read = shift_right(labels, start_token_id=model.generation_config.decoder_start_token_id, pad_token_id=0)
    with torch.no_grad():
        logits = model(**source, decoder_input_ids=read, use_cache=False).logits
    return logits.log_softmax(-1).gather(2, labels.unsqueeze(-1)).sum().item()


def test_the_same_words_as_generate(model):
    batch = sources(model)
    for settings in SEARCHES:
        theirs = [trimmed(model, row) for row in by_generate(model, batch, settings)]
        ours = decode_batch(model, batch, settings)
        for row, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            if our.tokens != their:
                # Two targets can be equally good to the last bit of a sum.
                length = min(len(their) + 1, LONGEST)
                assert rescored(model, batch, row, their, length) == pytest.approx(
                    our.log_probability, abs=1e-5
                ), settings


def test_a_score_is_the_probability_of_the_target(model):
    """Had a beam gone on with the state of another one, its sum would be of other words."""
    batch = sources(model)
    for settings in (SEARCHES[0], SEARCHES[4], SEARCHES[-1]):
        for row, target in enumerate(decode_batch(model, batch, settings)):
            score = rescored(model, batch, row, target.tokens, target.length)
            assert target.log_probability == pytest.approx(score, abs=1e-3)
            assert target.length - len(target.tokens) in (0, 1)


def assert_same(found, expected):
    assert [target.tokens for target in found] == [target.tokens for target in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.log_probability == pytest.approx(other.log_probability, abs=1e-4)


def test_neither_neighbours_nor_padding_nor_order_change_a_target(model):
    batch, wider = sources(model), sources(model, extra=4)
    for settings in (SEARCHES[0], SEARCHES[6]):
        together = decode_batch(model, batch, settings)
        assert_same(decode_batch(model, wider, settings), together)
        backwards = {name: part.flip(0) for name, part in batch.items()}
        assert_same(decode_batch(model, backwards, settings)[::-1], together)
        for row in range(3):
            alone = {name: part[row : row + 1] for name, part in batch.items()}
            assert_same(decode_batch(model, alone, settings), together[row : row + 1])


def test_finished_sources_leave_the_batch(monkeypatch):
    model = resolute(recurrent(attention="none"))
    batch = sources(model, rows=40)
    sizes = []
    logits = decoding._Decoder.logits
    monkeypatch.setattr(
        decoding._Decoder, "logits", lambda self, words: sizes.append(len(words)) or logits(self, words)
    )
    lengths = sorted(target.length for target in decode_batch(model, batch, DecodingSettings(LONGEST)))
    assert lengths[0] < LONGEST / 2, "the model must end some targets early"
    going = [sum(length > step for length in lengths) for step in range(lengths[-1])]
    assert len(sizes) == len(going)
    for size, unfinished in zip(sizes, going, strict=True):
        assert unfinished <= size <= max(1, unfinished) / decoding._CROWDED + 1


def test_a_limit_of_one_word_and_a_source_without_any():
    model = recurrent()
    batch = sources(model)
    batch["attention_mask"][2] = 0
    for beams in (1, 3):
        found = decode_batch(model, batch, DecodingSettings(1, beams))
        assert [target.length for target in found] == [1] * len(found)
        assert all(abs(target.log_probability) < 100 for target in found)


def test_labels_are_not_looked_at():
    model = recurrent()
    batch = sources(model)
    labelled = {**batch, "labels": torch.zeros(len(batch["input_ids"]), 3, dtype=torch.long)}
    assert decode_batch(model, labelled, SEARCHES[0]) == decode_batch(model, batch, SEARCHES[0])


@given(
    st.lists(st.lists(st.integers(0, 3), min_size=7, max_size=7), min_size=1, max_size=4), st.integers(1, 5)
)
def test_repeats_are_forbidden_as_in_transformers(rows, size):
    words = torch.tensor(rows)
    scores = torch.zeros(len(rows), 4)
    expected = NoRepeatNGramLogitsProcessor(size)(words, scores)
    assert torch.equal(decoding._without_repeats(scores, words, size), expected)
