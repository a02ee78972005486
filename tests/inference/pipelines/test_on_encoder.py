"""The pipelines "sentence-similarity" and "summarization" on an encoder as it is: nothing is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transformers import BartConfig, BartModel

import textgraft
from tests.tiny import save_tiny_bert
from textgraft.errors import OptionError
from textgraft.inference.central_sentences import Centrality
from textgraft.inference.pipelines.extractive_summarization import ExtractiveSummarizationPipeline
from textgraft.inference.pipelines.sources import is_encoder
from textgraft.models.shipped import FOLDER

MAIL = "Hi all,\n\nThe team scored a goal. The oven makes bread. Goal and team! The moon.\n\nBye"


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_bert(tmp_path_factory.mktemp("encoder") / "bert")


@pytest.fixture(scope="module")
def compare(encoder):
    return textgraft.pipeline("sentence-similarity", encoder, engine="torch")


def test_similarities_are_cosines_in_the_order_of_the_sentences(compare, encoder):
    sentences = ["the oven makes bread", "the team scored", "goal"]
    vectors = textgraft.encode(["the team scored", *sentences], encoder, engine="torch")
    found = compare(source_sentence="the team scored", sentences=sentences)
    assert found == pytest.approx((vectors[1:] @ vectors[0]).tolist(), abs=0.02)
    assert found[1] == pytest.approx(1, abs=1e-5)
    assert all(isinstance(cosine, float) for cosine in found)
    as_dict = {"source_sentence": "the team scored", "sentences": sentences}
    assert compare(as_dict) == found
    assert compare([as_dict, ("goal", "goal")]) == [pytest.approx(found), pytest.approx([1.0])]
    assert next(compare(pair for pair in [("goal", ["goal", "team"])]))[0] == pytest.approx(1)


def test_pairs_of_a_file_are_compared(compare, tmp_path):
    (tmp_path / "pairs.csv").write_text("a,b\ngoal,goal\nteam,bread\n")
    found = compare.file(tmp_path / "pairs.csv", text=("a", "b"))
    assert (len(found), found.ids) == (2, ["2", "3"])
    (same,), (other,) = found
    assert same == pytest.approx(1, abs=1e-5)
    assert other < 0.999


@pytest.mark.parametrize(
    "given", [{"source_sentence": "a", "sentences": []}, {"source_sentence": "a"}, ("a", [1]), "goal", 3]
)
def test_what_is_no_comparison_is_refused(compare, given):
    with pytest.raises(OptionError, match="no sentence with others"):
        compare([given])


def test_what_is_missing_or_unknown_is_told(compare):
    with pytest.raises(OptionError, match="a sentence and those to compare it with"):
        compare(source_sentence="a")
    with pytest.raises(OptionError, match="top_k"):
        compare([("a", "b")], top_k=2)


def test_no_summary_says_a_sentence_twice_or_is_a_row_of_dashes_or_goes_on_for_ever(encoder):
    summarize = textgraft.pipeline("summarization", encoder)
    dashes = f"Hi there all.\n\n{'-' * 400}\n\nThe end is near."
    texts = ["The team scored. The moon shone. " * 50, dashes, "--- !", "word " * 600]
    found = [result["summary_text"] for result in summarize(texts, num_sentences=3)]
    assert found[:3] == ["The team scored. The moon shone.", "Hi there all. The end is near.", "--- !"]
    assert 0 < len(found[3].split()) <= 150


def test_a_summary_is_made_of_sentences_of_the_document_in_their_order(encoder):
    summarize = textgraft.pipeline("summarization", encoder)
    assert isinstance(summarize, ExtractiveSummarizationPipeline)
    (found,) = summarize(MAIL, num_sentences=2)
    sentences = ["The team scored a goal.", "The oven makes bread.", "Goal and team!"]
    places = [MAIL.index(text) for text in sentences if text in found["summary_text"]]
    assert len(places) == 2
    assert places == sorted(places)
    assert found["summary_text"] == " ".join(text for text in sentences if text in found["summary_text"])
    several = summarize([MAIL, "", "Goal and team!"], num_sentences=2)
    assert several == [found, {"summary_text": ""}, {"summary_text": "Goal and team!"}]
    assert summarize([]) == []
    whole = summarize(MAIL, num_sentences=9)[0]["summary_text"]
    assert whole == " ".join(sentences)  # a greeting is no sentence to take
    assert len(summarize(MAIL, num_sentences=9, max_length=12)[0]["summary_text"]) < len(whole)
    assert summarize(MAIL, max_length=1)[0]["summary_text"] in sentences


def test_options_are_those_of_choosing_and_not_of_writing(encoder):
    with pytest.raises(OptionError, match="Did you mean 'num_sentences'"):
        textgraft.pipeline("summarization", encoder, num_sentence=1)
    with pytest.raises(OptionError, match="num_beams"):
        textgraft.pipeline("summarization", encoder)(MAIL, num_beams=4)


def test_what_encodes_is_told_from_what_writes(encoder, topic_model):
    tiny = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "vocab_size": 9}
    both = BartModel(BartConfig(**tiny, encoder_attention_heads=1, decoder_attention_heads=1))
    assert is_encoder(encoder, None)
    assert is_encoder("bundled", None)
    assert not is_encoder(topic_model, None)
    assert not is_encoder((both, None), None)


def unit(*angles: float) -> np.ndarray:
    return np.array([[np.cos(angle), np.sin(angle)] for angle in angles], np.float32)


def test_the_central_come_first_and_what_repeats_them_last():
    texts = ["a b c", "d e f", "g h i", "j k l"]
    vectors = unit(1.2, 0.05, 0.0, -0.6)
    assert Centrality(earliness=0, repetition=0).ranked(texts, vectors)[:2] == [1, 2]
    assert Centrality(earliness=0, repetition=2).ranked(texts, vectors)[1] == 0
    assert Centrality(earliness=1, repetition=0).ranked(texts, vectors) == [0, 1, 2, 3]


def test_a_greeting_is_taken_where_there_is_nothing_else():
    assert Centrality().ranked(["Hi", "a b c", "Bye"], unit(0, 0, 0)) == [1]
    assert sorted(Centrality().ranked(["Hi", "Bye"], unit(0, 1))) == [0, 1]


@pytest.mark.parametrize("name", ["sentence-similarity", "summarization"])
def test_each_has_a_card(name):
    card = (FOLDER / name / "README.md").read_text(encoding="utf-8")
    assert f"pipeline_tag: {name}" in card
    assert "Good for:" in card
    assert "Not good for:" in card
