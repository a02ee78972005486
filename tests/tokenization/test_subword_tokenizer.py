from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from tests.tasks.toys import bert_tokenizer
from textgraft.errors import OptionError
from textgraft.tokenization.subword_tokenizer import (
    SourceTokenizer,
    start_and_end,
    target_ids,
    target_tokenizer,
    train_subword_tokenizer,
    train_vocabularies,
)

GERMAN = ["ein kleiner Hund läuft über die Wiese .", "ein Hund schläft auf der Wiese ."] * 3
ENGLISH = ["a small dog runs across the meadow .", "a dog sleeps on the meadow ."] * 3
TOKENIZER = train_subword_tokenizer([*GERMAN, *ENGLISH])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_can_be_read_again(text):
    import unicodedata

    ids = TOKENIZER(text)["input_ids"]
    assert (
        TOKENIZER.decode(ids, skip_special_tokens=True).strip() == unicodedata.normalize("NFC", text).strip()
    )


def test_words_that_repeat_are_one_token_wherever_they_stand():
    (first,) = target_ids(TOKENIZER, ["dog dog"], 9).ids
    assert first[0] == first[1]
    assert first[2] == TOKENIZER.eos_token_id


def test_special_tokens_in_a_text_are_text():
    (ids,) = target_ids(TOKENIZER, ["<s> </s> <pad>"], 99).ids
    assert ids.count(TOKENIZER.eos_token_id) == 1
    assert TOKENIZER.bos_token_id not in ids
    assert TOKENIZER.decode(ids[:-1]).strip() == "<s> </s> <pad>"


def test_long_targets_are_cut_before_their_end():
    found = target_ids(TOKENIZER, [ENGLISH[0]], 4)
    assert len(found.ids[0]) == 4
    assert found.ids[0][-1] == TOKENIZER.eos_token_id
    assert found.lengths[0] > 4


def test_the_same_texts_give_the_same_vocabulary():
    again = train_subword_tokenizer([*GERMAN, *ENGLISH])
    assert again.get_vocab() == TOKENIZER.get_vocab()
    assert len(train_subword_tokenizer(GERMAN, vocabulary_size=270)) == 270


def test_berts_targets_end_in_its_separator():
    tokenizer = bert_tokenizer()
    start, end = start_and_end(tokenizer)
    assert (start, end) == (tokenizer.cls_token_id, tokenizer.sep_token_id)
    (ids,) = target_ids(tokenizer, ["goal team"], 9).ids
    assert ids == [*tokenizer.convert_tokens_to_ids(["goal", "team"]), end]


def test_two_vocabularies_come_back_from_disk(tmp_path):
    tokenizer = train_vocabularies(GERMAN, ENGLISH, vocabulary="separate")
    tokenizer.save_pretrained(tmp_path)
    import textgraft.models.auto  # noqa: F401

    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert isinstance(loaded, SourceTokenizer)
    for before, after, text in ((tokenizer, loaded, "läuft"), (tokenizer.target, loaded.target, "sleeps")):
        assert before.get_vocab() == after.get_vocab()
        assert before(text)["input_ids"] == after(text)["input_ids"]
    assert tokenizer.get_vocab() != tokenizer.target.get_vocab()
    assert target_tokenizer(loaded) is loaded.target


def test_one_vocabulary_serves_both_sides(tmp_path):
    tokenizer = train_vocabularies(GERMAN, ENGLISH)
    assert target_tokenizer(tokenizer) is tokenizer
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("läuft <s>")["input_ids"] == tokenizer("läuft <s>")["input_ids"]
    with pytest.raises(OptionError, match="shared"):
        train_vocabularies(GERMAN, ENGLISH, vocabulary="share")
