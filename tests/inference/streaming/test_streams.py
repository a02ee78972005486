"""Streams answer what the model answers of the whole text, however the text comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from scipy.special import log_softmax, softmax

from tests.export.tiny_models import TEXTS, _enlarged, recurrent, tfidf
from textgraft.errors import ModelError, OptionError, OutputError
from textgraft.inference.pipelines.factory import pipeline
from textgraft.inference.predictor import load
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.tokenization.word_tokenizer import train_word_tokenizer

LONG = [" ".join((TEXTS * 3)[:many]) for many in (1, 3, 14)]
"""Of 5 to some 250 tokens."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("streams")


@pytest.fixture(scope="module")
def classifier(folder) -> Any:
    predictor = load(recurrent(folder / "classifier", bidirectional=False), engine="torch")
    predictor.max_length = 10_000  # so that all of a text counts
    return predictor


@pytest.fixture(scope="module")
def tagger(folder) -> Any:
    path = recurrent(folder / "tagger", "token-classification", bidirectional=False, characters="lstm")
    predictor = load(path, engine="torch")
    predictor.max_length = 10_000
    return predictor


@pytest.fixture(scope="module")
def writer(folder) -> Any:
    tokenizer = train_word_tokenizer(TEXTS, min_frequency=1)
    config = RecurrentConfig(vocab_size=len(tokenizer), embedding_size=6, hidden_size=5, bidirectional=False)
    _enlarged(RecurrentForCausalLM(config)).save_pretrained(folder / "lm")
    tokenizer.save_pretrained(folder / "lm")
    return pipeline("text-generation", str(folder / "lm"))


def cut(text: str, size: int) -> list[str]:
    return [text[begin : begin + size] for begin in range(0, len(text), size)]


def whole(predictor: Any, text: Any) -> Any:
    """What the torch model says of a whole text, without an engine and its precision."""
    windows = predictor.windows(predictor.task.rows([text]))
    assert len(windows) == 1
    with torch.inference_mode():
        outputs = predictor.model(**predictor.task.collate(windows, 0))
    (answer,) = predictor.predictions(windows, predictor.task.decode(outputs, windows))
    return answer


def probabilities(predictor: Any, texts: list[str]) -> np.ndarray:
    return np.stack([whole(predictor, text).probabilities for text in texts])


@pytest.mark.parametrize("text", LONG, ids=len)
@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_classifier_answers_as_of_the_whole_text(classifier, text, size):
    stream = classifier.stream()
    for piece in cut(text, size):
        stream.feed(piece)
    answer = stream.end()
    assert np.abs(answer.probabilities - probabilities(classifier, [text])[0]).max() < 1e-5
    assert stream.read == len(classifier.windows(classifier.task.rows([text]))[0]["input_ids"]) - 1


def test_at_every_word_it_says_what_it_would_say_of_the_text_so_far(classifier):
    words = LONG[1].split()
    stream = classifier.stream()
    ids = classifier.windows(classifier.task.rows([" ".join(words)]))[0]["input_ids"][1:]
    by_ids = classifier.stream()
    assert np.abs(stream.feed("").probabilities - probabilities(classifier, [""])[0]).max() < 1e-5
    for count in range(1, len(words) + 1):
        answer = stream.feed(words[count - 1] + " ")
        expected = probabilities(classifier, [" ".join(words[:count])])[0]
        assert np.abs(answer.probabilities - expected).max() < 1e-5
    assert [by_ids.feed([token]) for token in ids][-1].to_dict() == stream.end().to_dict()


def test_streams_of_different_lengths_share_a_batch(classifier):
    streams = classifier.streams(3)
    pieces = [cut(text, size) for text, size in zip(LONG, (1, 40, 300), strict=True)]
    for step in range(max(map(len, pieces))):
        streams.feed([own[step] if step < len(own) else None for own in pieces])
    answers = streams.end()
    expected = probabilities(classifier, LONG)
    assert np.abs(np.stack([answer.probabilities for answer in answers]) - expected).max() < 1e-5
    streams.reset(1)
    again = streams.feed([None, LONG[0] + " ", None])
    assert np.abs(again[1].probabilities - expected[0]).max() < 1e-5
    assert streams.read[1] < streams.read[2]
    assert again[2].to_dict() == answers[2].to_dict()


@pytest.mark.parametrize("size", [1, 6, 5000])
def test_a_tagger_tags_as_in_the_whole_text(tagger, size):
    text = LONG[2]
    stream = tagger.stream()
    words = [word for piece in cut(text, size) for word in stream.feed(piece)] + stream.end()
    expected = whole(tagger, text)
    assert [(word.start, word.end) for word in words] == list(expected.words)
    assert [word.tag for word in words] == expected.answer
    assert np.abs(np.array([word.score for word in words]) - expected.word_scores).max() < 1e-5
    given = tagger.stream()
    parts = [text[start:end] for start, end in expected.words]
    listed = [word for at in range(0, len(parts), 5) for word in given.feed(parts[at : at + 5])]
    alone = whole(tagger, parts)
    assert [word.tag for word in listed] == alone.answer
    assert tuple((word.start, word.end) for word in listed) == alone.words


def test_a_language_model_tells_how_probable_a_text_was(writer):
    text = LONG[2]
    stream = writer.stream()
    heard = [stream.feed(piece) for piece in cut(text, 11)] + [stream.end()]
    ids = writer.source.tokenizer(text, return_tensors="pt", truncation=False)["input_ids"]
    with torch.inference_mode():
        logits = writer.source.model(input_ids=ids).logits[0].double().numpy()
    told = log_softmax(logits, axis=1)[np.arange(ids.shape[1] - 1), ids[0, 1:]].sum()
    assert sum(each.tokens for each in heard) == stream.read == ids.shape[1] - 1
    assert abs(sum(each.log_probability for each in heard) - told) < 1e-5 * stream.read
    assert np.abs(heard[-1].probabilities - softmax(logits[-1])).max() < 1e-5
    assert heard[-1].likeliest(1)[0][1] == heard[-1].probabilities.max()


def test_a_state_goes_on_to_the_last_bit(classifier, tagger, writer, tmp_path):
    for name, model in (("classifier", classifier), ("tagger", tagger), ("writer", writer)):
        path = tmp_path / f"{name}.safetensors"
        streams = model.streams(2)
        streams.feed([LONG[1][:50], LONG[2][:333]])
        streams.save(path)
        other = model.streams(2)
        other.restore(path)
        for _ in range(2):
            found, expected = (one.feed([LONG[2][333:400], "der"]) for one in (other, streams))
            assert [str(each) for each in found] == [str(each) for each in expected]
        for own, theirs in zip(other._arrays().values(), streams._arrays().values(), strict=True):
            assert own.tobytes() == theirs.tobytes()
        with pytest.raises(OutputError, match="exists already"):
            streams.save(path)
        with pytest.raises(ModelError, match="the state of 2 streams"):
            model.stream().restore(path)


def test_a_state_of_another_model_or_a_damaged_one_is_refused(classifier, tagger, folder, tmp_path):
    path = tmp_path / "s.safetensors"
    stream = classifier.stream()
    stream.feed("the new team")
    stream.save(path)
    with pytest.raises(ModelError, match="of another model"):
        tagger.stream().restore(path)
    arrays = load_file(path)
    metadata = {
        "kind": "textgraft stream", "format": "1", "model": stream.streams._identity(), "held": '["team"]'
    }  # fmt: skip
    changed = tmp_path / "t.safetensors"
    for change, more, message in (
        ({"read": arrays["read"] - 99}, {}, "a count or a tag"),
        ({"tag": arrays["tag"] + 3}, {}, "a count or a tag"),
        ({"state.0": arrays["state.0"] * np.nan}, {}, "no number"),
        ({"state.0": arrays["state.0"][:, :, :2]}, {}, "not those of this model"),
        ({"state.0": arrays["state.0"].astype(np.float64)}, {}, "state.0 is float64"),
        ({"more": arrays["read"]}, {}, "not those of this model"),
        ({}, {"held": "[3]"}, "hold back"),
        ({}, {"format": "9"}, "its format is '9'"),
        ({}, {"kind": "?"}, "no state of a stream"),
    ):
        save_file({**arrays, **change}, changed, metadata={**metadata, **more})
        with pytest.raises(ModelError, match=message):
            stream.restore(changed)
    changed.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ModelError, match="damaged"):
        stream.restore(changed)
    changed.write_bytes(b"0" * 10**6)
    with pytest.raises(ModelError, match="bytes, over"):
        stream.restore(changed)
    with pytest.raises(OptionError, match=r"\.safetensors"):
        stream.save(tmp_path / "s.pt")
    save_file(arrays, changed, metadata=metadata)
    stream.restore(changed)


def test_a_sure_answer_is_final_whatever_the_pieces_were(classifier):
    text = LONG[2]
    ids = classifier.windows(classifier.task.rows([text]))[0]["input_ids"][1:]
    free = classifier.stream()
    scores = [free.feed([token]).score for token in ids[:60]]
    until = sorted(scores)[50]
    first = next(at for at, score in enumerate(scores) if score >= until)
    assert 0 < first < 59
    for size in (1, 9, 5000):
        streams = classifier.streams(2, until=until)
        for piece in cut(text, size):
            answers = streams.feed([piece, None])
        assert streams.decided == [True, False]
        assert streams.read == [first + 1, 0]
        assert abs(answers[0].score - scores[first]) < 1e-6


def test_what_cannot_be_is_said(classifier, tagger, folder):
    for call, message in (
        (lambda: load(recurrent(folder / "both"), engine="torch").stream(), "--set bidirectional=false"),
        (lambda: load(tfidf(folder / "tfidf")).stream(), "is not run token by token"),
        (lambda: classifier.streams(0), "no number of streams"),
        (lambda: classifier.streams(2).feed(["a"]), "one entry for each"),
        (lambda: classifier.stream().feed([10**6]), "no token id"),
        (lambda: classifier.stream().feed(["a"]), "no token id"),
        (lambda: tagger.stream().feed([3]), "is no word"),
        (lambda: classifier.stream().feed(3), "neither a text nor"),
        (lambda: classifier.stream(until=2), "no probability"),
        (lambda: tagger.stream(until=0.9), "not final from a score on"),
    ):
        with pytest.raises(OptionError, match=message):
            call()
