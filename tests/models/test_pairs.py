"""Pairs: the cut that is longest first, the siamese form, and padding that changes nothing."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.tasks.toys import WORDS, roberta_tokenizer
from tests.tiny import save_tiny_bert
from textgraft.errors import OptionError
from textgraft.models.pairs import PairDropout, pair_features, siamese_tokenizer, split_pairs
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.tokenization.encode import pair_token_ids, token_ids
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

SENTENCES = st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory):
    bert = AutoTokenizer.from_pretrained(save_tiny_bert(tmp_path_factory.mktemp("bert")))
    return {"bert": bert, "roberta": roberta_tokenizer(), "words": train_word_tokenizer(WORDS * 2)}


KINDS = pytest.mark.parametrize("kind", ["bert", "roberta", "words"])


@KINDS
@given(pairs=st.lists(st.tuples(SENTENCES, SENTENCES), min_size=1, max_size=6), room=st.integers(2, 14))
@settings(deadline=None, max_examples=60)
def test_pairs_are_cut_as_the_tokenizers_library_cuts_them(tokenizers, kind, pairs, room):
    backend = tokenizers[kind].backend_tokenizer
    limit = room + backend.num_special_tokens_to_add(True)
    found = pair_token_ids(backend, [a for a, _ in pairs], [b for _, b in pairs], limit)
    whole = backend.encode_batch(pairs)
    backend.enable_truncation(limit, strategy="longest_first")
    cut = backend.encode_batch(pairs)
    backend.no_truncation()
    assert found.ids == [encoding.ids for encoding in cut]
    assert found.type_ids == [encoding.type_ids for encoding in cut]
    assert found.lengths == [len(encoding.ids) for encoding in whole]
    kept, total = sum(len(encoding.ids) for encoding in cut), sum(found.lengths)
    assert found.truncated_fraction == pytest.approx(1 - kept / total)


@KINDS
def test_a_length_without_room_for_two_texts_is_refused(tokenizers, kind):
    backend = tokenizers[kind].backend_tokenizer
    least = backend.num_special_tokens_to_add(True) + 2
    assert len(pair_token_ids(backend, ["goal goal"], ["soup soup"], least).ids[0]) == least
    with pytest.raises(OptionError, match=f"Give at least {least}"):
        pair_token_ids(backend, ["goal"], ["soup"], least - 1)


def test_a_pair_of_megabytes_fills_the_limit(tokenizers):
    found = pair_token_ids(tokenizers["bert"].backend_tokenizer, ["goal " * 800_000], ["soup"], 32)
    assert len(found.ids[0]) == 32
    assert 0.99 < found.truncated_fraction < 1


@KINDS
@given(first=SENTENCES, second=SENTENCES)
@settings(deadline=None, max_examples=40)
def test_a_siamese_pair_is_both_texts_in_full(tokenizers, kind, first, second):
    tokenizer = siamese_tokenizer(tokenizers[kind])
    backend = tokenizers[kind].backend_tokenizer
    alone = token_ids(backend, [first, second], 64).ids
    pair = pair_token_ids(tokenizer.backend_tokenizer, [first], [second], 128)
    assert pair.ids == [alone[0] + alone[1]]
    assert pair.type_ids == [[0] * len(alone[0]) + [1] * len(alone[1])]
    assert token_ids(tokenizer.backend_tokenizer, [first], 64).ids == alone[:1]
    pad = tokenizer.pad_token_id
    ids, types = torch.tensor(pair.ids), torch.tensor(pair.type_ids)
    halves, mask = split_pairs(ids, torch.ones_like(ids), types, pad)
    assert [row[kept.bool()].tolist() for row, kept in zip(halves, mask, strict=True)] == alone


def test_a_siamese_tokenizer_survives_saving(tokenizers, tmp_path):
    for kind, tokenizer in tokenizers.items():
        before = siamese_tokenizer(tokenizer)
        before.save_pretrained(tmp_path / kind)
        after = AutoTokenizer.from_pretrained(tmp_path / kind)
        assert dict(after("the goal", "[CLS] soup")) == dict(before("the goal", "[CLS] soup"))
        assert "token_type_ids" in after.model_input_names
        assert "token_type_ids" in before("a")
        assert before.special_tokens_map == tokenizer.special_tokens_map


def test_pair_features_are_those_of_infersent():
    u, v = torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0, 5.0]])
    assert pair_features(u, v).tolist() == [[1, -2, 3, 5, 2, 7, 3, -10]]


def siamese_model(**settings):
    torch.manual_seed(0)
    config = RecurrentConfig(vocab_size=40, embedding_size=8, hidden_size=8, pairs=True, **settings)
    config.num_labels = 3
    return RecurrentForSequenceClassification(config).eval()


def padded_pairs(pairs, width):
    ids, types, mask = (torch.zeros(len(pairs), width, dtype=torch.long) for _ in range(3))
    for row, (first, second) in enumerate(pairs):
        both = first + second
        ids[row, : len(both)] = torch.tensor(both)
        types[row, len(first) : len(both)] = 1
        mask[row, : len(both)] = 1
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}


TOKENS = st.lists(st.integers(3, 39), max_size=9).map(lambda words: [2, *words])


@pytest.mark.parametrize("pooling", ["attention", "last"])
@given(st.lists(st.tuples(TOKENS, TOKENS), min_size=1, max_size=5), st.integers(0, 5))
@settings(deadline=None, max_examples=40)
def test_padding_and_company_change_no_output(pooling, pairs, more):
    model = siamese_model(pooling=pooling, num_layers=2)
    width = max(len(first) + len(second) for first, second in pairs)
    with torch.no_grad():
        together = model(**padded_pairs(pairs, width + more)).logits
        alone = [model(**padded_pairs([pair], len(pair[0]) + len(pair[1]))).logits[0] for pair in pairs]
        torch.testing.assert_close(together, torch.stack(alone), atol=1e-5, rtol=0)
        batch = padded_pairs(pairs, width + more)
        del batch["attention_mask"]  # then told by the ids
        torch.testing.assert_close(model(**batch).logits, together, atol=1e-6, rtol=0)


def test_each_text_is_read_without_the_other():
    model = siamese_model()
    first, second = [2, 5, 6], [2, 7, 8, 9]
    with torch.no_grad():
        outputs = model(**padded_pairs([(first, second)], 7), output_attentions=True)
        pooled = [model.recurrent(torch.tensor([text])).pooler_output for text in (first, second)]
        expected = model.classifier(pair_features(*pooled))
    torch.testing.assert_close(outputs.logits, expected, atol=1e-6, rtol=0)
    assert outputs.attentions[0].shape == (2, 4)


def test_pairs_without_token_types_are_refused():
    with pytest.raises(OptionError, match="token_type_ids are missing"):
        siamese_model()(input_ids=torch.tensor([[2, 5, 2, 6]]))


def test_dropout_zeroes_the_same_features_of_both_texts():
    torch.manual_seed(0)
    dropout = PairDropout(0.5)
    dropped = dropout(torch.ones(2 * 40, 7, 50))
    first, second = dropped.chunk(2)
    assert torch.equal(first, second)
    assert torch.equal(dropped, dropped[:, :1].expand_as(dropped))
    assert set(dropped.unique().tolist()) == {0, 2}
    assert not torch.equal(first[0], first[1])
    assert dropped.mean().item() == pytest.approx(1, abs=0.1)
    vectors = torch.rand(6, 7, 50)
    assert torch.equal(dropout.eval()(vectors), vectors)
