from __future__ import annotations

import pytest
from transformers import (
    AutoTokenizer,
    BertTokenizerFast,
    GPT2TokenizerFast,
    PreTrainedTokenizerFast,
    RobertaTokenizerFast,
)

from textgraft.errors import DataError, OptionError
from textgraft.pretraining.architectures import train_tokenizer
from textgraft.pretraining.tokenizers import ordinary_ids

TEXTS = ["The cat sat on the mat.\nThe mat was the cat's, naïve cat!", "A cat, a mat; the cat sat."] * 3


@pytest.mark.parametrize(
    ("architecture", "kind", "specials"),
    [
        ("bert", BertTokenizerFast, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]),
        ("roberta", RobertaTokenizerFast, ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]),
        ("gpt", GPT2TokenizerFast, ["<|endoftext|>"]),
        ("lstm", PreTrainedTokenizerFast, ["[PAD]", "[UNK]", "[CLS]"]),
    ],
)
def test_each_architecture_has_its_own_in_standard_form(tmp_path, architecture, kind, specials):
    tokenizer = train_tokenizer(architecture, TEXTS, vocabulary_size=300, max_length=64)
    assert isinstance(tokenizer, kind)
    assert tokenizer.convert_ids_to_tokens(range(len(specials))) == specials
    assert tokenizer.model_max_length == 64
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert type(loaded) is type(tokenizer)
    for text in TEXTS:
        assert loaded(text)["input_ids"] == tokenizer(text)["input_ids"]
    again = train_tokenizer(architecture, TEXTS, vocabulary_size=300, max_length=64)
    assert again.get_vocab() == tokenizer.get_vocab()
    assert min(ordinary_ids(tokenizer)) == len(specials)


def test_wordpiece_reads_as_berts_does():
    tokenizer = train_tokenizer("bert", TEXTS, vocabulary_size=60)
    encoded = tokenizer("The cats", "a MAT")
    tokens = tokenizer.convert_ids_to_tokens(encoded["input_ids"])
    assert tokens[:3] == ["[CLS]", "the", "cat"]
    assert tokens[-4:] == ["[SEP]", "a", "mat", "[SEP]"]
    assert encoded["token_type_ids"][-4:] == [0, 1, 1, 1]
    cased = train_tokenizer("bert", TEXTS, vocabulary_size=60, lowercase=False)
    assert "T" in cased.get_vocab()
    assert "T" not in tokenizer.get_vocab()


@pytest.mark.parametrize("architecture", ["roberta", "gpt"])
def test_byte_level_bpe_spells_everything(architecture):
    tokenizer = train_tokenizer(architecture, TEXTS, vocabulary_size=280)
    text = " 日本 ☃\n\nnaïve"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in ids


def test_robertas_mask_stands_for_a_word_and_the_space_before_it(tmp_path):
    train_tokenizer("roberta", TEXTS, vocabulary_size=280).save_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    plain, masked = (
        tokenizer.convert_ids_to_tokens(ids) for ids in tokenizer(["a cat sat", "a <mask> sat"])["input_ids"]
    )
    assert masked == [token if token != "Ġcat" else "<mask>" for token in plain]
    assert tokenizer.mask_token == "<mask>"


@pytest.mark.parametrize("architecture", ["gpt", "lstm"])
def test_every_character_may_be_a_token(tmp_path, architecture):
    tokenizer = train_tokenizer(architecture, TEXTS, characters=True)
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    ids = loaded("The\n\n cat", add_special_tokens=False)["input_ids"]
    assert len(ids) == len("The\n\n cat")
    assert loaded.decode(ids) == "The\n\n cat"
    assert loaded.eos_token_id is not None
    assert set("".join(TEXTS)) < set(loaded.get_vocab())


def test_mistakes_are_named():
    with pytest.raises(OptionError, match="unknown architecture 'brt'") as caught:
        train_tokenizer("brt", TEXTS)
    assert "'bert'" in str(caught.value)
    with pytest.raises(OptionError, match="does not read characters"):
        train_tokenizer("bert", TEXTS, characters=True)
    with pytest.raises(OptionError, match="no room"):
        train_tokenizer("gpt", TEXTS, vocabulary_size=200)
    for architecture in ("bert", "lstm", "roberta"):
        with pytest.raises(DataError, match="no word"):
            train_tokenizer(architecture, [""])
