"""The recurrent tagger: exact under padding, whole after saving, its field between words alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer

import textgraft.models.auto  # noqa: F401
from textgraft.errors import OptionError
from textgraft.models.recurrent.characters import LONGEST_WORD, character_ids
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.tagger import RecurrentForTokenClassification
from textgraft.tokenization.word_tokenizer import train_word_tokenizer
from textgraft.tokenization.words import NO_LABEL

TAGS = ["O", "B-A", "I-A", "B-B", "I-B"]
VARIANTS = list(itertools.product((False, True), ("none", "cnn", "lstm")))
ROWS = (
    ([2, 5, 6, 7, 8], [0, 1, 1, 0, 1], ["", "Ann", "x", "", "Straße"], [-100, 1, 2, -100, 0]),
    ([2, 9], [0, 1], ["", "東"], [-100, 3]),
    ([2], [0], [""], [-100]),
)


def build(crf=True, characters="none", **changes) -> RecurrentForTokenClassification:
    torch.manual_seed(0)
    small = {"vocab_size": 50, "embedding_size": 12, "hidden_size": 16, "character_size": 9}
    names = {"id2label": dict(enumerate(TAGS)), "label2id": {tag: index for index, tag in enumerate(TAGS)}}
    config = RecurrentConfig(crf=crf, characters=characters, **{**small, **names, **changes})
    return AutoModelForTokenClassification.from_config(config).eval()


def batch(rows=ROWS, extra=0):
    time = max(len(row[0]) for row in rows) + extra
    longest = 1 + extra + max(len(character_ids(word)) for row in rows for word in row[2])

    def padded(values, filling):
        return torch.tensor([list(value) + [filling] * (time - len(value)) for value in values])

    letters = torch.zeros(len(rows), time, longest, dtype=torch.long)
    for row, (_, _, words, _) in enumerate(rows):
        for place, word in enumerate(words):
            letters[row, place, : len(character_ids(word))] = torch.tensor(
                character_ids(word), dtype=torch.long
            )
    return {
        "input_ids": padded((row[0] for row in rows), 0),
        "attention_mask": padded(([1] * len(row[0]) for row in rows), 0),
        "word_mask": padded((row[1] for row in rows), 0),
        "character_ids": letters,
        "labels": padded((row[3] for row in rows), NO_LABEL),
    }


@pytest.mark.parametrize(("crf", "characters"), VARIANTS)
@pytest.mark.parametrize("extra", [0, 5])
def test_padding_changes_no_output(crf, characters, extra):
    model = build(crf, characters)
    with torch.no_grad():
        together = model(**batch(extra=extra))
        losses = 0
        for position, row in enumerate(ROWS[:2]):
            alone = model(**batch([row]))
            words = torch.tensor(row[1]).bool()
            length = len(row[0])
            torch.testing.assert_close(
                alone.logits[0][words], together.logits[position, :length][words], atol=1e-5, rtol=1e-5
            )
            if crf:
                assert torch.equal(alone.tags[0], together.tags[position, :length])
                assert (together.tags[position, length:] == NO_LABEL).all()
            losses += alone.loss * words.sum()
    torch.testing.assert_close(together.loss, losses / 4)


@pytest.mark.parametrize(("crf", "characters"), VARIANTS)
def test_every_weight_gets_a_gradient(crf, characters):
    model = build(crf, characters)
    model(**batch()).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
    assert model.recurrent.embedding.weight.grad[0].abs().sum() == 0, "padding is never trained"


def test_with_a_field_logits_are_log_probabilities_and_tags_the_best_sequence():
    model = build()
    with torch.no_grad():
        outputs = model(**batch())
        emissions = model.train()(**batch()).logits
    words = batch()["word_mask"].bool()
    torch.testing.assert_close(outputs.logits[words].exp().sum(1), torch.ones(4))
    assert torch.equal(outputs.tags.ne(NO_LABEL), words)
    assert outputs.tags[0, 1] not in (2, 4), "a text begins with no I-"
    assert emissions.shape == outputs.logits.shape
    assert build(crf=False)(**batch()).tags is None


def test_what_lies_between_words_is_no_neighbour():
    """A field over the words 5, 6 and 8 of the first row, with and without the token 7 between them."""
    model = build()
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.randn(5))
        model.crf.transitions.normal_()
        inputs = batch(ROWS[:1])
        dense = {name: torch.cat([value[:, :3], value[:, 4:]], dim=1) for name, value in inputs.items()}
        gapped, dense = model(**inputs), model(**dense)
    torch.testing.assert_close(gapped.loss, dense.loss)
    assert gapped.tags[0, [1, 2, 4]].tolist() == dense.tags[0, 1:].tolist()


def test_without_a_word_mask_all_but_the_first_token_are_words():
    model = build()
    inputs = batch(ROWS[:2])
    inputs.pop("labels")
    inputs["word_mask"] = torch.tensor([[0, 1, 1, 1, 1], [0, 1, 0, 0, 0]])
    with torch.no_grad():
        expected = model(**inputs)
        found = model(inputs["input_ids"])
    torch.testing.assert_close(found.logits, expected.logits)
    assert torch.equal(found.tags, expected.tags)


def test_a_word_without_a_label_is_refused():
    inputs = batch()
    inputs.pop("word_mask")
    with pytest.raises(OptionError, match="needs a label for every word"):
        build()(**inputs)


def test_a_word_is_its_bytes_and_long_ones_are_cut():
    assert character_ids("Aß") == [66, 196, 160]
    assert len(character_ids("x" * 99)) == LONGEST_WORD
    assert all(0 < number < 257 for number in character_ids("\x00ÿ😀"))


@pytest.mark.parametrize("characters", ["cnn", "lstm"])
def test_characters_tell_words_apart(characters):
    model = build(False, characters)
    one = batch([([2, 5], [0, 1], ["", "Ann"], [-100, 1])])
    other = batch([([2, 5], [0, 1], ["", "ann"], [-100, 1])])
    with torch.no_grad():
        assert not torch.allclose(model(**one).logits[0, 1], model(**other).logits[0, 1])
        vectors = model.recurrent.characters(batch()["character_ids"])
    is_word = batch()["character_ids"].any(-1)
    assert (vectors[~is_word] == 0).all()
    assert (vectors[is_word] != 0).any(-1).all()
    with pytest.raises(OptionError, match="no character_ids"):
        model(one["input_ids"])


def test_a_misspelt_character_encoder_names_the_nearest():
    with pytest.raises(OptionError, match="Did you mean 'cnn'"):
        RecurrentConfig(characters="cn")


@pytest.mark.parametrize(("crf", "characters"), VARIANTS)
def test_saved_and_loaded_bit_for_bit(crf, characters, tmp_path):
    model = build(crf, characters)
    if crf:
        torch.nn.init.normal_(model.crf.transitions)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    assert type(loaded) is RecurrentForTokenClassification
    for (name, ours), (_, theirs) in zip(
        model.state_dict().items(), loaded.state_dict().items(), strict=True
    ):
        assert torch.equal(ours, theirs), name
    with torch.no_grad():
        assert torch.equal(model(**batch()).logits, loaded(**batch()).logits)


def test_more_than_ten_tags_keep_their_order_in_the_field(tmp_path):
    tags = ["O", *(f"{prefix}-{kind}" for kind in "ABCDEF" for prefix in "BI")]
    model = build(id2label=dict(enumerate(tags)), label2id={tag: index for index, tag in enumerate(tags)})
    model.save_pretrained(tmp_path)
    loaded = AutoModelForTokenClassification.from_pretrained(tmp_path)
    fresh = RecurrentForTokenClassification(loaded.config)
    assert torch.equal(fresh.crf.allowed, model.crf.allowed)


def test_bf16_is_close_to_fp32_and_trains():
    model = build(True, "cnn")
    exact = model(**batch()).logits
    with torch.autocast("cpu", torch.bfloat16):
        outputs = model(**batch())
    outputs.loss.backward()
    words = batch()["word_mask"].bool()
    assert (outputs.logits - exact)[words].abs().max() < 0.05
    assert outputs.loss.dtype == torch.float32


def test_the_tokenizer_of_whole_words_keeps_its_wishes(tmp_path):
    tokenizer = train_word_tokenizer(["U.S. don't 1,5"] * 2, whole_words=True)
    assert tokenizer.tokenize("u.s. don't") == ["u.s.", "don't"]
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded.model_input_names == ["input_ids", "attention_mask", "word_mask", "character_ids"]
    assert loaded("u.s. U.S.")["input_ids"] == tokenizer("u.s. U.S.")["input_ids"]
