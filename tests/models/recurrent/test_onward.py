"""A network that reads on from its state knows what it knows of the whole text."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from textgraft.models.recurrent.choice import RecurrentForMultipleChoice
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.models.recurrent.onward import OnwardReader, why_not_onward
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification

LENGTHS = [1, 40, 7, 23]
IDS = torch.randint(1, 30, (len(LENGTHS), 40), generator=torch.Generator().manual_seed(0))
MASK = torch.arange(40) < torch.tensor(LENGTHS).unsqueeze(1)


def enlarged(kind: Any, **shape: Any) -> Any:
    torch.manual_seed(5)
    config = RecurrentConfig(
        vocab_size=30, embedding_size=6, hidden_size=6, num_labels=3, **{"bidirectional": False, **shape}
    )
    model = kind(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.6)
    return model


def read_in(reader: OnwardReader, sizes: list[int], **more: Any) -> tuple[torch.Tensor, Any]:
    """Read the texts in pieces of some sizes, again and again; returns the states of all tokens."""
    carried, found, begin = reader.start(len(LENGTHS)), [], 0
    several = itertools.cycle(sizes)
    while begin < 40:
        size = next(several)
        lengths = [min(max(0, length - begin), size) for length in LENGTHS]
        given = {name: value[:, begin : begin + size] for name, value in more.items()}
        states, carried = reader.read(carried, IDS[:, begin : begin + size], lengths, **given)
        found.append(states)
        begin += size
    return torch.cat(found, dim=1), carried


@pytest.mark.parametrize("sizes", [[1], [40], [3, 1, 9]], ids=str)
@pytest.mark.parametrize(
    ("cell", "pooling", "layers"),
    [("lstm", "attention", 2), ("gru", "concat", 1), ("rnn", "last", 2), ("lstm", "concat", 1)],
)
def test_a_classifier_in_pieces_and_in_a_batch(cell, pooling, layers, sizes):
    model = enlarged(RecurrentForSequenceClassification, cell=cell, pooling=pooling, num_layers=layers)
    reader = OnwardReader(model)
    _, carried = read_in(reader, sizes)
    with torch.inference_mode():
        expected = model(input_ids=IDS, attention_mask=MASK.long()).logits
    found = reader.label_logits(reader.pooled(carried))
    assert carried.read.tolist() == LENGTHS
    assert torch.allclose(found, expected, atol=1e-5, rtol=0)
    assert not torch.allclose(expected[0], expected[1], atol=1e-2), "texts differ"


@pytest.mark.parametrize("sizes", [[1], [40], [3, 1, 9]], ids=str)
def test_a_tagger_with_characters_and_a_language_model(sizes):
    characters = torch.randint(1, 257, (len(LENGTHS), 40, 4), generator=torch.Generator().manual_seed(1))
    tagger = enlarged(RecurrentForTokenClassification, characters="cnn", cell="gru")
    states, _ = read_in(OnwardReader(tagger), sizes, character_ids=characters)
    with torch.inference_mode():
        expected = tagger(input_ids=IDS, attention_mask=MASK.long(), character_ids=characters).logits
    found = OnwardReader(tagger).token_logits(states)
    assert torch.allclose(found[MASK], expected[MASK], atol=1e-5, rtol=0)
    pair = enlarged(RecurrentForCausalLM, num_layers=2, bidirectional=True, independent_directions=True)
    states, _ = read_in(OnwardReader(pair), sizes)
    with torch.inference_mode():
        expected = pair(input_ids=IDS).logits
    assert torch.allclose(OnwardReader(pair).token_logits(states)[MASK], expected[MASK], atol=1e-5, rtol=0)


def test_ten_thousand_tokens_at_once_and_one_by_one():
    model = enlarged(RecurrentForSequenceClassification, pooling="attention")
    ids = torch.randint(1, 30, (1, 10_000), generator=torch.Generator().manual_seed(2))
    reader = OnwardReader(model)
    carried = reader.start(1)
    for begin in range(0, 10_000, 625):
        _, carried = reader.read(carried, ids[:, begin : begin + 625], [len(ids[0, begin : begin + 625])])
    with torch.inference_mode():
        expected = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(reader.label_logits(reader.pooled(carried)), expected, atol=1e-5, rtol=0)
    size = sum(state.numel() for state in (*carried.states, *carried.kept.values()))
    assert size == sum(state.numel() for state in (*reader.start(1).states, *reader.start(1).kept.values()))


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        (RecurrentForSequenceClassification, {"bidirectional": True}, "from the end of a text"),
        (RecurrentForSequenceClassification, {"pairs": True}, "looked at as a whole"),
        (RecurrentForTokenClassification, {"bidirectional": True}, "from the end of a text"),
        (RecurrentForMultipleChoice, {}, "a RecurrentForMultipleChoice is not run"),
    ],
)
def test_what_needs_the_whole_text_says_so(kind, shape, message):
    assert message in why_not_onward(enlarged(kind, **shape))
