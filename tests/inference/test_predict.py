"""A model directory loads, answers, and refuses to answer when it is not what was saved."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

import textgraft
from tests.data.test_inputs import Frame
from textgraft.errors import ModelError, OptionError
from textgraft.inference import predictor as predictor_module
from textgraft.inference.predictor import Predictor
from textgraft.inference.runner import Runner
from textgraft.integrity import write_record

TEXTS = ["we saw the rocket and the moon", "soup with cheese", "", "the team had a match"]


def test_predictions_come_in_the_order_of_the_texts(topic_model: Path) -> None:
    model = textgraft.load(topic_model)
    predictions = model.predict(TEXTS)
    assert [p.label for p in predictions][:2] == ["space", "food"]
    assert predictions[3].label == "sport"
    for position, text in enumerate(TEXTS):
        alone = model.predict([text])[0]
        assert alone.label == predictions[position].label
        np.testing.assert_allclose(alone.probabilities, predictions[position].probabilities, atol=1e-5)
        assert alone.score == pytest.approx(max(alone.probabilities))
        assert sum(alone.probabilities) == pytest.approx(1.0, abs=1e-5)


def test_temperature_softens_probabilities_and_changes_no_label(topic_model: Path) -> None:
    model = textgraft.load(topic_model)
    calibrated = model.predict(TEXTS[:2])
    model.temperature = 1.0
    raw = model.predict(TEXTS[:2])
    assert [p.label for p in raw] == [p.label for p in calibrated]
    assert all(a.score > b.score for a, b in zip(raw, calibrated, strict=True))


def test_no_texts_no_predictions(topic_model: Path) -> None:
    assert textgraft.load(topic_model).predict([]) == []


def test_what_a_notebook_holds_is_predicted_as_the_list_is(topic_model: Path) -> None:
    model = textgraft.load(topic_model)
    expected = [prediction.label for prediction in model.predict(TEXTS)]
    for given in ((text for text in TEXTS), np.array(TEXTS), dict.fromkeys(TEXTS).keys()):
        assert [prediction.label for prediction in model.predict(given)] == expected
    # The columns that the model was trained on are known.
    table = Frame(number=[1, 2, 3, 4], text=TEXTS)
    assert [prediction.label for prediction in model.predict(table)] == expected
    other = Frame(number=[1, 2, 3, 4], review=TEXTS)
    assert [prediction.label for prediction in model.predict(other, text="review")] == expected
    with pytest.raises(OptionError, match="unknown column 'text'"):
        model.predict(other)


@pytest.mark.parametrize("texts", ["one string", ["a", None], [3]])
def test_what_is_no_list_of_strings_is_refused(topic_model: Path, texts: list[str]) -> None:
    with pytest.raises(OptionError):
        textgraft.load(topic_model).predict(texts)


def test_it_is_an_ordinary_transformers_model(topic_model: Path) -> None:
    import textgraft.models.auto  # noqa: F401

    model = AutoModelForSequenceClassification.from_pretrained(topic_model)
    assert model.config.id2label == {0: "food", 1: "space", 2: "sport"}
    answer = pipeline(
        "text-classification", model=model, tokenizer=AutoTokenizer.from_pretrained(topic_model)
    )
    assert answer("soup with cheese")[0]["label"] == "food"


def test_exchanged_weights_are_noticed(topic_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    data = bytearray((copy / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (copy / "model.safetensors").write_bytes(data)
    with pytest.raises(ModelError, match=r"model\.safetensors: .*other content"):
        textgraft.load(copy)


def test_other_golden_outputs_are_noticed(topic_model: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    manifest = json.loads((copy / "textgraft.json").read_text())
    first, *rest = manifest["golden"][0]["numbers"]
    manifest["golden"][0]["numbers"] = [*rest, first]
    write_record(copy / "textgraft.json", manifest)
    with pytest.raises(ModelError, match="golden outputs"):
        textgraft.load(copy)


class MadeUpRunner(Runner):
    """One that finds engines for any model, and int8 where it is allowed."""

    def __init__(self, model: Any, engine: str = "auto", *, keep: bool = True, int8: bool = False) -> None:
        super().__init__(model, "torch")
        self.wanted = engine
        self.picked = "torch" if engine == "torch" else "ctranslate2" if int8 else "openvino"

    engine = property(lambda self: self.picked)  # type: ignore[assignment]
    precision = property(lambda self: "int8" if self.picked == "ctranslate2" else "fp32")  # type: ignore[assignment]


def have_engines(monkeypatch: pytest.MonkeyPatch, right: set[str]) -> None:
    """Pretend that there are all engines here, of which some compute what they should."""

    def numbers(self: Predictor, rows: Any) -> list[list[float]]:
        found = usual(self, rows)
        return found if self.runner.engine in right else [[1 - number for number in row] for row in found]

    usual = Predictor._numbers
    monkeypatch.setattr(predictor_module, "Runner", MadeUpRunner)
    monkeypatch.setattr(predictor_module, "first_choice", lambda engine: "ctranslate2")
    monkeypatch.setattr(Predictor, "_numbers", numbers)


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ({"ctranslate2", "openvino", "torch"}, "ctranslate2"),
        ({"openvino", "torch"}, "openvino"),
        ({"torch"}, "torch"),
    ],
)
def test_an_engine_that_does_not_give_the_golden_outputs_makes_room_for_the_next(
    topic_model: Path, monkeypatch: pytest.MonkeyPatch, right: set[str], expected: str
) -> None:
    have_engines(monkeypatch, right)
    loaded = textgraft.load(topic_model)
    assert isinstance(loaded, Predictor)
    assert loaded.runner.engine == expected


@pytest.mark.parametrize(
    ("right", "expected"),
    [({"ctranslate2", "openvino", "torch"}, "ctranslate2"), ({"openvino", "torch"}, "openvino")],
)
def test_what_is_measured_before_it_is_saved_answers_as_it_will_once_it_is_loaded(
    topic_model: Path, monkeypatch: pytest.MonkeyPatch, right: set[str], expected: str
) -> None:
    trained = textgraft.load(topic_model)
    assert isinstance(trained, Predictor)
    have_engines(monkeypatch, right)
    trained.runner = MadeUpRunner(trained.model)
    with trained.as_loaded(trained.task.rows(TEXTS)):
        assert trained.runner.engine == expected
    assert trained.runner.engine == "openvino"  # golden outputs are not rounded


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_missing_file_is_named(topic_model: Path, tmp_path: Path, name: str) -> None:
    copy = shutil.copytree(topic_model, tmp_path / "copy")
    (copy / name).unlink()
    with pytest.raises(ModelError):
        textgraft.load(copy)


def test_the_folder_above_is_understood(topic_model: Path) -> None:
    with pytest.raises(ModelError, match=r"Did you mean .*best"):
        textgraft.load(topic_model.parent)
