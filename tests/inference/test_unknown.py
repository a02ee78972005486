"""Texts that fit no label are told by score and by distance to the training texts, as far as there is one."""

from __future__ import annotations

import json

import msgspec
import numpy as np
import pytest

import textgraft
from tests.tiny import save_tiny_bert, topic_rows
from textgraft.comparison.running.progress import SilentReporter
from textgraft.errors import ModelError
from textgraft.evaluation.unknown import Strangeness
from textgraft.integrity import write_record
from textgraft.models.known import KNOWN, KnownTexts, load_known
from textgraft.models.manifest import MANIFEST, read_manifest

LEVEL = 0.8


def _write(path, rows):
    path.write_text("".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows))
    return path


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unknown")
    encoder = save_tiny_bert(folder / "encoder")
    files = {name: _write(folder / f"{name}.jsonl", topic_rows(n, n)) for name, n in PARTS.items()}
    textgraft.train(
        files["train"],
        folder / "frozen",
        contender="bert-frozen",
        encoder=encoder,
        settings={"c": 10.0},
        dev=files["dev"],
        test=files["test"],
    )
    return folder


PARTS = {"train": 150, "dev": 120, "test": 121}


def _texts(folder, name):
    return [json.loads(line)["text"] for line in (folder / f"{name}.jsonl").read_text().splitlines()]


def test_it_is_what_score_and_nearest_encoding_say(world):
    """Computed once more from the encoder itself, which under one layer is what the output layer reads."""
    model = textgraft.load(world / "frozen")
    encoded = {
        name: textgraft.encode(_texts(world, name), str(world / "encoder"), precision="fp32")
        for name in PARTS
    }
    probabilities = {
        name: np.stack([one.probabilities for one in model.predict(_texts(world, name))]) for name in PARTS
    }
    nearest = {name: (encoded[name] @ encoded["train"].T).max(axis=1) for name in ("dev", "test")}
    oracle = Strangeness.of(probabilities["dev"], nearest["dev"])
    assert oracle is not None
    strange = oracle.values(probabilities["test"], nearest["test"])
    edge = oracle.measured.quantile(LEVEL)
    model.tell_unknown(LEVEL)
    told = np.array([one.is_unknown for one in model.predict(_texts(world, "test"))])
    sure = np.abs(strange - edge) > 0.01
    assert sure.mean() > 0.8
    np.testing.assert_array_equal(told[sure], (strange > edge)[sure])
    assert 0.05 < told.mean() < 0.4
    by_score = 1 - probabilities["test"].max(axis=1) > read_manifest(world / "frozen").doubt.quantile(LEVEL)
    assert (told != by_score).any()


def test_an_answer_is_the_same_with_what_is_remembered_and_without(world, tmp_path):
    manifest = read_manifest(world / "frozen")
    known = load_known(world / "frozen")
    assert known is not None
    assert known.encodings.shape == (PARTS["train"], 32)
    assert KNOWN in manifest.files
    model = textgraft.load(world / "frozen")
    again = textgraft.load(world / "frozen")
    again.known, again._tap = None, None
    texts = _texts(world, "test")[:20]
    np.testing.assert_allclose(
        [one.score for one in model.predict(texts)], [one.score for one in again.predict(texts)], atol=1e-6
    )


def test_encodings_of_another_model_are_refused(world):
    model = textgraft.load(world / "frozen")
    model.known = KnownTexts.of(np.ones((3, 5), np.float32))
    model.tell_unknown(LEVEL)
    with pytest.raises(ModelError, match="not of this model"):
        model.predict(["a goal"])


def test_a_comparison_hands_over_what_unknown_texts_are_told_by(world, tmp_path):
    """Also of a model that was not made of encodings; of words alone there are none."""
    for contenders, is_kept in (("static", True), ("tfidf", False)):
        run = textgraft.compare(
            world / "train.jsonl",
            contenders=contenders,
            encoder=world / "encoder",
            dev=world / "dev.jsonl",
            test=world / "test.jsonl",
            sizes=[60],
            seeds=1,
            tuning=1,
            output=tmp_path / contenders,
            reporter=SilentReporter(),
        )
        assert (run.folder / "best" / KNOWN).is_file() == is_kept
        manifest = read_manifest(run.folder / "best")
        assert (manifest.strangeness is not None) == is_kept
        model = run.best
        model.tell_unknown(LEVEL)
        told = np.mean([one.is_unknown for one in model.predict(_texts(world, "test"))])
        assert 0.05 < told < 0.4
        if is_kept:  # a model of before has none, and goes by the score
            (run.folder / "best" / KNOWN).unlink()
            files = {name: value for name, value in manifest.files.items() if name != KNOWN}
            older = msgspec.structs.replace(manifest, strangeness=None, files=files)
            write_record(run.folder / "best" / MANIFEST, older)
            model = run.best
            model.tell_unknown(LEVEL)
            assert any(one.is_unknown for one in model.predict(_texts(world, "test")))
