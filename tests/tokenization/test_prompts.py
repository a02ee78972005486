"""A prompt in the tokenizer: the ids of a text that begins with it, and everything else as before."""

from __future__ import annotations

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer

from tests.tiny import save_tiny_bert
from textgraft.errors import OptionError
from textgraft.models.encoders import load_encoder_tokenizer, prompted, resolve_encoder
from textgraft.tokenization.encode import PairFrame, TextFrame, token_ids
from textgraft.tokenization.prompts import prompt_of, with_prompt

CORPUS = ["query: the end of 42 days, why? über 'quoted' #tag 你好 hello world passages"] * 4
TEXTS = ["hello world", "Why?", "42 days", "über 你好", "q"]


def word_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    )
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer


def sentence_piece() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>")
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    return tokenizer


def byte_level(*, roberta: bool) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<s>", "</s>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = (
        processors.RobertaProcessing(("</s>", 1), ("<s>", 0), add_prefix_space=False)
        if roberta
        else processors.ByteLevel(trim_offsets=True)
    )
    return tokenizer


@pytest.mark.parametrize(
    "make",
    [word_piece, sentence_piece, lambda: byte_level(roberta=True), lambda: byte_level(roberta=False)],
    ids=["WordPiece", "Unigram", "RoBERTa", "GPT"],
)
def test_ids_are_those_of_a_text_that_begins_with_the_prompt(make):
    tokenizer = make()
    for prompt in ("query: ", "Passages of the world: "):
        made = with_prompt(tokenizer, prompt)
        for text in TEXTS:
            assert made.encode(text).ids == tokenizer.encode(prompt + text).ids
            covered = {place for a, b in made.encode(text).offsets for place in range(a, b)}
            assert covered >= {place for place, character in enumerate(text) if character != " "}
            assert max(covered) < len(text), "offsets are those of the text"
        assert (prompt_of(made), prompt_of(tokenizer)) == (prompt, "")
        pair, before = made.encode("hello", "world"), tokenizer.encode(f"{prompt}hello", "world")
        assert pair.ids[: before.sequence_ids.index(1)] == before.ids[: before.sequence_ids.index(1)]
        assert pair.type_ids[-1] == before.type_ids[-1]
    assert with_prompt(tokenizer, "") is tokenizer


def test_special_tokens_in_a_text_do_not_begin_another_one():
    tokenizer = word_piece()
    tokenizer.add_special_tokens(["[SEP]"])
    made = with_prompt(tokenizer, "query: ")
    assert made.encode("hello [SEP] world").ids == tokenizer.encode("query: hello [SEP] world").ids


def test_cut_texts_keep_the_prompt_and_it_counts():
    tokenizer = word_piece()
    made = with_prompt(tokenizer, "query: ")
    found = token_ids(made, ["hello world " * 9, ""], 7)
    assert found.ids[0] == [*tokenizer.encode("query: hello world").ids[:-1], found.ids[0][5], 3]
    assert len(found.ids[0]) == 7
    assert found.ids[1] == tokenizer.encode("query: ").ids
    frame = TextFrame.of(made, "hello")
    assert (frame.before, frame.after) == (tokenizer.encode("query: ").ids[:-1], [3])
    assert PairFrame.of(made, "hello").ids[0] == frame.before


@pytest.mark.parametrize(
    ("prompt", "message"), [("  ", "has no token"), ("query", "joins with the words that follow it")]
)
def test_prompts_that_cannot_be_kept_apart_are_refused(prompt, message):
    with pytest.raises(OptionError, match=message):
        with_prompt(word_piece(), prompt)


def test_it_lasts_through_transformers(tmp_path):
    source = resolve_encoder(save_tiny_bert(tmp_path / "bert"), prompt="the old ")
    tokenizer = load_encoder_tokenizer(source)
    plain = load_encoder_tokenizer(source.unprompted)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    expected = plain("the old goal and team")["input_ids"]
    assert again("goal and team")["input_ids"] == tokenizer("goal and team")["input_ids"] == expected
    assert again.model_max_length == plain.model_max_length
    assert again("goal and team", truncation=True, max_length=5)["input_ids"] == [*expected[:4], expected[-1]]
    assert prompted(plain, "") is plain
