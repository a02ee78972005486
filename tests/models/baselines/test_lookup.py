"""Baselines that look a text up: the beginning of the source, or the caption of the nearest vector."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM

import textgraft.models.auto  # noqa: F401
from textgraft.models.baselines.lead import LeadForSeq2SeqLM
from textgraft.models.baselines.nearest_caption import NearestCaptionForSeq2SeqLM
from textgraft.models.generation.decoding import DecodingSettings, decode_batch
from textgraft.tasks.base import padded_inputs
from textgraft.tokenization.subword_tokenizer import train_subword_tokenizer

TEXTS = ["Two dogs, one cat.\nThey run away!", "Hi", "", "a b c d e"]
TOKENIZER = train_subword_tokenizer(TEXTS * 3)


def written(model, **settings) -> list[str]:
    features = [{"input_ids": ids} for ids in TOKENIZER(TEXTS)["input_ids"]]
    found = decode_batch(model.eval(), padded_inputs(features, 0), DecodingSettings(40, **settings))
    return [TOKENIZER.decode(target.tokens).strip() for target in found]


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (0, TEXTS),
        (1, ["Two", "Hi", "", "a"]),
        (4, ["Two dogs, one cat.", "Hi", "", "a b c d"]),
        (6, ["Two dogs, one cat.\nThey run", "Hi", "", "a b c d e"]),
    ],
)
def test_the_lead_is_so_many_words(words, expected, beams):
    assert written(LeadForSeq2SeqLM.reading(TOKENIZER, words), num_beams=beams) == expected


def test_a_text_that_is_known_is_as_probable_as_its_words_one_after_the_other():
    model = LeadForSeq2SeqLM.reading(TOKENIZER, 4).eval()
    model.certainty.data.fill_(6.0)  # no longer all but certain
    batch = padded_inputs([{"input_ids": ids} for ids in TOKENIZER(TEXTS)["input_ids"]], 0)
    for most in (40, 3):
        for row, target in enumerate(decode_batch(model, batch, DecodingSettings(most))):
            words = [*target.tokens, *([2] * (target.length - len(target.tokens)))]
            alone = {name: tensor[row : row + 1] for name, tensor in batch.items()}
            logits = model(**alone, decoder_input_ids=torch.tensor([[1, *words[:-1]]])).logits[0]
            likely = logits.log_softmax(dim=-1)[range(len(words)), words]
            assert target.log_probability == pytest.approx(likely.sum().item(), abs=1e-4)
            assert logits.argmax(dim=-1).tolist() == words
            assert target.length <= most


def test_baselines_come_back_from_disk_and_generate(tmp_path):
    model = LeadForSeq2SeqLM.reading(TOKENIZER, 2).eval()
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    assert written(loaded) == written(model)
    batch = TOKENIZER(TEXTS, padding=True, return_tensors="pt")
    ids = loaded.generate(**batch, max_new_tokens=40, num_beams=2)
    assert [text.strip() for text in TOKENIZER.batch_decode(ids, skip_special_tokens=True)] == written(model)


def test_the_nearest_vector_lends_its_caption(tmp_path):
    vectors = torch.tensor([[0.0, 0.0], [1.0, 100.0], [0.0, 200.0]])
    captions = [[5, 2], [6, 7, 8, 2], [9, 2]]
    model = NearestCaptionForSeq2SeqLM.of(vectors, captions, vocab_size=12)
    model.save_pretrained(tmp_path)
    loaded = AutoModelForSeq2SeqLM.from_pretrained(tmp_path).eval()
    # The second dimension varies a hundred times as much, and counts no more for it.
    asked = torch.tensor([[0.9, 60.0], [0.1, 190.0], [-3.0, -50.0]])
    found = decode_batch(loaded, {"vectors": asked}, DecodingSettings(9))
    assert [target.tokens for target in found] == [[6, 7, 8], [9], [5]]
    assert [target.length for target in found] == [4, 2, 2]
    loss = loaded(vectors=asked[:1], labels=torch.tensor([[6, 7, 8, 2]])).loss
    assert loss < 1e-3
