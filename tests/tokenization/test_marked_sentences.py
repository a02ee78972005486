"""Documents read sentence by sentence: nothing is lost, nothing is too long, no mark is faked."""

from __future__ import annotations

import pytest

from tests.tiny import save_tiny_bert
from textgraft.models.encoders import load_tokenizer, resolve_encoder
from textgraft.tokenization.marked_sentences import marked_documents, split_at

CLS, SEP = 2, 3


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return load_tokenizer(resolve_encoder(save_tiny_bert(tmp_path_factory.mktemp("bert"))))


def test_every_sentence_has_a_beginning_and_an_end(tokenizer):
    (document,) = marked_documents(tokenizer, ["We saw the goal. The team had soup."], 64, 64)
    assert document.sentences == ["We saw the goal.", "The team had soup."]
    assert [(ids[0], ids[-1]) for ids in document.ids] == [(CLS, SEP)] * 2
    flat = [token for ids in document.ids for token in ids]
    assert split_at(flat, CLS) == document.ids
    assert document.lost == 0


def test_a_long_sentence_is_cut_and_a_long_document_ends(tokenizer):
    long = " ".join(["goal"] * 20)
    (whole,) = marked_documents(tokenizer, [f"{long}. We saw soup."], 64, 8)
    assert max(map(len, whole.ids)) <= 8
    assert " ".join(whole.sentences).split() == f"{long}. We saw soup.".split()
    (cut,) = marked_documents(tokenizer, [f"{long}. We saw soup."], 17, 8)
    assert cut.sentences == whole.sentences[: len(cut.sentences)]
    assert sum(map(len, cut.ids)) <= 17
    assert cut.lost == sum(map(len, whole.ids)) - sum(map(len, cut.ids)) > 0


def test_the_first_sentence_is_always_read(tokenizer):
    documents = marked_documents(tokenizer, ["", "We saw the goal."], 3, 64)
    assert [document.sentences for document in documents] == [[""], ["We saw the goal."]]
    assert documents[0].ids == [[CLS, SEP]]


def test_a_text_cannot_fake_a_mark(tokenizer):
    (document,) = marked_documents(tokenizer, ["We saw [CLS] the [SEP] goal."], 64, 64)
    assert len(split_at(document.ids[0], CLS)) == 1
    assert document.ids[0].count(SEP) == 1
