"""A part of a vocabulary writes the same texts, in tokens that it has."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from textgraft.tokenization.reduced import reduced

TEXTS = [
    "low lower lowest",
    "new newer newest",
    "wide wider widest",
    "the lowest and the widest of the new",
] * 3
KINDS = {
    "bpe": (models.BPE(unk_token="[UNK]"), trainers.BpeTrainer),
    "wordpiece": (models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer),
    "words": (models.WordLevel(unk_token="[UNK]"), trainers.WordLevelTrainer),
    "unigram": (models.Unigram(), trainers.UnigramTrainer),
}


def trained(kind: str) -> Tokenizer:
    model, trainer = KINDS[kind]
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    options = {"unk_token": "[UNK]"} if kind == "unigram" else {}
    tokenizer.train_from_iterator(
        TEXTS, trainer(vocab_size=60, special_tokens=["[PAD]", "[UNK]"], show_progress=False, **options)
    )
    return tokenizer


@pytest.mark.parametrize("kind", KINDS)
def test_all_of_a_vocabulary_writes_as_before(kind):
    tokenizer = trained(kind)
    same, ids = reduced(tokenizer, range(tokenizer.get_vocab_size()))
    assert ids == list(range(tokenizer.get_vocab_size()))
    for text in TEXTS:
        assert same.encode(text).tokens == tokenizer.encode(text).tokens


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_is_written_in_shorter_tokens(kind):
    tokenizer = trained(kind)
    longest = max(tokenizer.encode("lowest").tokens, key=len)
    kept = [place for token, place in tokenizer.get_vocab().items() if token != longest]
    smaller, ids = reduced(tokenizer, kept)
    assert longest not in smaller.get_vocab()
    assert smaller.get_vocab_size() == tokenizer.get_vocab_size() - 1
    assert [tokenizer.id_to_token(place) for place in ids] == [
        smaller.id_to_token(place) for place in range(len(ids))
    ]
    written = smaller.encode("lowest").tokens
    if kind == "words":
        assert written == ["[UNK]"]
    else:
        assert len(written) > len(tokenizer.encode("lowest").tokens)
        assert "".join(token.removeprefix("##") for token in written) == "lowest"


def test_special_tokens_stay_and_stand_around_no_text():
    smaller, _ = reduced(trained("wordpiece"), [])
    assert set(smaller.get_vocab()) == {"[PAD]", "[UNK]"}
    pair = smaller.encode("low", "wide")
    assert (pair.tokens, pair.type_ids) == (["[UNK]", "[UNK]"], [0, 1])
