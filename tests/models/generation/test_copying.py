"""Copying words of the source: the mixture is one, and a word that was never written can be."""

from __future__ import annotations

import pytest
import torch

from tests.tiny import save_tiny_bert
from tests.tiny_seq2seq import FAMILIES, sources, targets
from textgraft.models.encoders import resolve_encoder
from textgraft.models.generation.copying import WRITING, with_copies
from textgraft.models.generation.decoding import DecodingSettings, decode_batch
from textgraft.models.generation.encoder_decoder import bert_to_bert
from textgraft.models.recurrent.teacher_forcing import teacher_forced


def mixture(logits, gate, attended, source_ids):
    """The same in plain words: both distributions whole, and their weighted sum."""
    copied = torch.zeros_like(logits).scatter_add(2, source_ids.unsqueeze(1).expand_as(attended), attended)
    writes = gate.sigmoid()
    return (writes * logits.softmax(dim=-1) + (1 - writes) * copied).log()


def test_it_is_the_weighted_sum_of_both_distributions_and_so_are_its_gradients():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 9, generator=generator, dtype=torch.float64)
    gate = torch.randn(2, 3, 1, generator=generator, dtype=torch.float64)
    attended = torch.randn(2, 3, 5, generator=generator, dtype=torch.float64).softmax(dim=-1)
    source_ids = torch.tensor([[4, 7, 4, 4, 1], [0, 1, 2, 3, 8]])  # one of them three times
    labels = torch.tensor([[4, 5, 7], [8, 6, 0]]).unsqueeze(2)
    gradients = []
    for mix in (with_copies, mixture):
        parts = [part.clone().requires_grad_() for part in (logits, gate, attended)]
        found = mix(*parts, source_ids)
        torch.testing.assert_close(found.exp().sum(dim=-1), torch.ones(2, 3), check_dtype=False)
        found.gather(2, labels).sum().backward()
        gradients.append([found.detach().float(), *(part.grad.float() for part in parts)])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_at_first_it_writes_nearly_as_without_the_gate(tmp_path):
    source = resolve_encoder(save_tiny_bert(tmp_path / "bert"))
    torch.manual_seed(0)
    plain, _ = bert_to_bert(source)
    torch.manual_seed(0)
    copying, _ = bert_to_bert(source, copies=True)
    copying.load_state_dict(plain.state_dict(), strict=False)
    batch = {**sources(plain), "labels": targets(plain)}
    with torch.no_grad():
        without = teacher_forced(plain, batch).logits.softmax(dim=-1)
        mixed = teacher_forced(copying, batch).logits.exp()
    kept = torch.tensor(WRITING).sigmoid()
    unseen = torch.ones(len(mixed), mixed.shape[2], dtype=torch.bool)
    unseen.scatter_(1, batch["input_ids"], value=False)
    unseen = unseen.unsqueeze(1).expand_as(mixed)
    torch.testing.assert_close(mixed[unseen], kept * without[unseen], atol=1e-6, rtol=1e-3)
    assert (mixed[~unseen] >= kept * without[~unseen] - 1e-6).all()


def test_padding_is_never_copied(tmp_path):
    model = FAMILIES["bert to bert, copying"](tmp_path)
    torch.nn.init.constant_(model.gate.bias, -20.0)  # copies alone
    batch = sources(model, extra=3)
    words = torch.full((len(batch["input_ids"]), 1), 2)
    with torch.no_grad():
        found = model(**batch, decoder_input_ids=words).logits.exp()[:, 0]
    for row, ids, mask in zip(found, batch["input_ids"], batch["attention_mask"], strict=True):
        own = ids[mask == 1].unique()
        assert row[own].sum() == pytest.approx(1, abs=1e-4)
        assert row[0] < 1e-4


def test_words_that_no_target_had_are_copied(tmp_path):
    """The target is the word after a mark; in training it is one of few words, later another.

    Without the gate less than three in ten come out right.
    """
    torch.manual_seed(0)
    model, _ = bert_to_bert(
        resolve_encoder(save_tiny_bert(tmp_path / "bert")), copies=True, label_smoothing=0.0
    )
    generator = torch.Generator().manual_seed(0)
    mark, end = 5, 3

    def batch(low: int, high: int) -> dict[str, torch.Tensor]:
        ids = torch.randint(6, 18, (32, 6), generator=generator)
        place = torch.randint(0, 5, (32, 1), generator=generator)
        word = torch.randint(low, high, (32, 1), generator=generator)
        ids = ids.scatter(1, place, mark).scatter(1, place + 1, word)
        frame = [torch.full((32, 1), 2), ids, torch.full((32, 1), 3)]
        labels = torch.cat([word, torch.full((32, 1), end)], dim=1)
        return {
            "input_ids": torch.cat(frame, dim=1),
            "attention_mask": torch.ones(32, 8).long(),
            "labels": labels,
        }

    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        loss = teacher_forced(model, batch(18, 30)).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    unseen = batch(30, 37)
    found = decode_batch(model.eval(), unseen, DecodingSettings(max_new_tokens=3))
    right = (
        sum(one.tokens[:1] == [int(own[0])] for one, own in zip(found, unseen["labels"], strict=True)) / 32
    )
    assert right > 0.6


STEPS = 150
