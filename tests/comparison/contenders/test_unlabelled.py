"""A model of the labels' names alone: no row, no target and no dev row has a part in it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import transformers
from scipy.special import softmax
from typer.testing import CliRunner

import textgraft
from tests.tiny import TOPICS, save_tiny_bert, write_topics
from textgraft.cli import app
from textgraft.comparison.contenders.base import Job
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.comparison.preparing import choose, read
from textgraft.comparison.settings import TrainConfig
from textgraft.data.dataset import Dataset
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, OptionError
from textgraft.inference.nearest_label import SCALE, TEMPLATE
from textgraft.models.encoders import resolve_encoder
from textgraft.tasks.text.classification import SingleLabelClassification

TEXTS = ["the goal of the team", "soup and a dinner", "we saw the moon"]
DESCRIPTIONS = {"sport": TEXTS[0], "food": TEXTS[1], "space": TEXTS[2]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("unlabelled")
    return write_topics(folder / "topics.csv", 120), save_tiny_bert(folder / "tiny-bert")


def describe(folder: Path, *rows: tuple[str, str]) -> Path:
    path = folder / "labels.jsonl"
    path.write_text("".join(json.dumps({"label": a, "description": b}) + "\n" for a, b in rows))
    return path


def test_a_model_directory_is_made_of_names(world, tmp_path):
    source, encoder = world
    notes: list[str] = []
    trained = textgraft.train(
        source, tmp_path / "model", contender="zero-shot", encoder=encoder, reporter=notes.append
    )
    assert (trained.trial.size, trained.trial.epochs) == (0, 0.0)
    assert any("learns from 0 of the training rows" in note for note in notes)
    manifest = trained.predictor.manifest
    assert manifest.temperature == 1.0
    assert manifest.calibration != 1.0, "fitted on the dev rows"
    card = (tmp_path / "model" / "README.md").read_text()
    assert "without a labelled row" in card
    assert "language:\n- en\n" in card, "that of the test rows, as none was trained on"
    # Its scores are those of Transformers alone, and follow from the encodings as they are.
    found = trained.predictor.predict(TEXTS)
    sentences = [TEMPLATE.format(label) for label in sorted(TOPICS)]
    encodings = textgraft.encode(TEXTS + sentences, encoder, engine="torch", precision="fp32")
    logits = SCALE * encodings[: len(TEXTS)] @ encodings[len(TEXTS) :].T / manifest.calibration
    for prediction, expected in zip(found, softmax(logits, axis=1), strict=True):
        np.testing.assert_allclose(prediction.probabilities, expected, atol=0.02)
    pipe = transformers.pipeline("text-classification", model=str(tmp_path / "model"))
    for given, prediction in zip(pipe(TEXTS, top_k=None), found, strict=True):
        of = {entry["label"]: entry["score"] for entry in given}
        assert of == pytest.approx(prediction.scores(), abs=0.02)


def test_no_row_has_a_part_in_it(world):
    entry = contenders_for("classification")["zero-shot"]
    assert entry.fixed_sizes == (0,)
    rows = read_dataset(world[0])
    turned = replace(rows, labels=rows.labels[::-1])
    task, encoder = SingleLabelClassification(sorted(TOPICS)), resolve_encoder(world[1])
    weights = [
        entry.fit(Job(train, dev, task, seed, encoder), entry.grid[0]).model.layers[0].weight
        for train, dev, seed in ((rows.select([]), rows, 0), (turned, turned, 1))
    ]
    assert weights[0].equal(weights[1])


def test_descriptions_take_the_place_of_names(world, tmp_path):
    source, encoder = world
    path = describe(tmp_path, ("food", "bread and soup"), ("space", "TEAM"))
    settings = TrainConfig(task="classification", encoder=encoder, describe=path)
    entry = contenders_for("classification")["zero-shot"]
    entrants = choose(source, settings, lambda task: [entry], print)
    assert entrants.contenders[0].grid[0].descriptions == {"food": "bread and soup", "space": "TEAM"}
    (told,) = entrants.contenders
    rows = read_dataset(source).select([])
    job = read(source, entrants, settings, print).job(told, rows, rows, 0)
    weight = entry.fit(job, told.grid[0]).model.layers[0].weight
    sentences = ["bread and soup", "TEAM", TEMPLATE.format("sport")]
    expected = SCALE * textgraft.encode(sentences, encoder, engine="torch", precision="fp32")
    np.testing.assert_allclose(weight.detach().numpy(), expected, atol=0.1)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([("foods", "what is eaten")], OptionError, "Did you mean 'food'"),
        ([("food", "a"), ("food", "b")], DataError, "described twice"),
        ([("food", "what is eaten"), ("space", "")], DataError, "line 2"),
    ],
)
def test_descriptions_that_cannot_be_meant(world, tmp_path, rows, error, message):
    with pytest.raises(error, match=message):
        textgraft.train(
            world[0],
            tmp_path / "model",
            contender="zero-shot",
            encoder=world[1],
            describe=describe(tmp_path, *rows),
        )


def test_nobody_is_there_to_be_told(world, tmp_path):
    path = describe(tmp_path, ("food", "what is eaten"))
    command = ["train", str(world[0]), "-o", str(tmp_path / "m"), "-c", "tfidf", "--describe", str(path)]
    ended = CliRunner().invoke(app, command)
    assert isinstance(ended.exception, OptionError)
    assert "none of tfidf can be told what labels mean" in str(ended.exception)


@pytest.mark.parametrize(("names", "competes"), [(("sport", "food"), True), (("0", "1"), False)])
def test_it_competes_unnamed_where_labels_are_words(world, tmp_path, names, competes):
    source = tmp_path / "rows.csv"
    source.write_text("text,label\n" + "".join(f"a text {n},{names[n % 2]}\n" for n in range(40)))
    entry = contenders_for("classification")
    wanted = [entry["tfidf"], entry["zero-shot"]]

    def entrants(settings: TrainConfig, usual: bool) -> tuple[str, ...]:
        chosen = choose(source, settings, lambda task: wanted, notes.append, are_usual=usual)
        return read(source, chosen, settings, notes.append).entrants.names

    notes: list[str] = []
    settings = TrainConfig(task="classification", encoder=world[1])
    assert ("zero-shot" in entrants(settings, usual=True)) is competes
    assert any("not called by words: zero-shot" in note for note in notes) is not competes
    assert "zero-shot" in entrants(settings, usual=False), "who names it gets it"
    path = describe(tmp_path, *zip(names, ("bread and soup", "a team"), strict=True))
    assert "zero-shot" in entrants(settings.model_copy(update={"describe": path}), usual=True)


@pytest.mark.parametrize("usual", [True, False])
def test_labels_that_look_like_codes_are_told(world, tmp_path, usual):
    source = tmp_path / "rows.csv"
    source.write_text("text,label\n" + "".join(f"a text {n},{('ABBR', 'HUM')[n % 2]}\n" for n in range(40)))
    wanted = [contenders_for("classification")[name] for name in ("tfidf", "zero-shot")]

    def told(settings: TrainConfig, contenders) -> list[str]:
        notes: list[str] = []
        chosen = choose(source, settings, lambda task: contenders, notes.append, are_usual=usual)
        assert read(source, chosen, settings, notes.append).entrants.names == tuple(
            c.name for c in contenders
        )
        return [note for note in notes if "look like codes" in note]

    settings = TrainConfig(task="classification", encoder=world[1])
    (note,) = told(settings, wanted)
    assert "zero-shot knows labels by their names alone, and 2 of them look like codes (ABBR, HUM)" in note
    assert told(settings, wanted[:1]) == [], "nobody goes by names"
    path = describe(tmp_path, ("ABBR", "what letters stand for"), ("HUM", "a person or a group"))
    assert told(settings.model_copy(update={"describe": path}), wanted) == []


@pytest.mark.parametrize("template", ["About it.", "{} and {}", "{label}", "{"])
def test_a_template_has_one_place(world, tmp_path, template):
    with pytest.raises(OptionError, match="no place for a label"):
        textgraft.train(
            world[0], tmp_path / "m", contender="zero-shot", encoder=world[1], settings={"template": template}
        )


def test_test_rows_are_encoded_once_for_all_and_answered_as_the_model_does(world):
    rows = read_dataset(world[0])
    task, encoder = SingleLabelClassification(sorted(TOPICS)), resolve_encoder(world[1])
    entry, job = contenders_for("classification")["zero-shot"], Job(rows, rows, task, 0, encoder)
    frozen = contenders_for("classification")["bert-frozen"]
    frozen.fit(job, frozen.grid[0])
    before = job.shared.spent
    fitted = entry.fit(job, entry.grid[0].but(descriptions=DESCRIPTIONS))
    named = job.shared.spent
    assert named > before, "its labels' names were not encoded yet"
    _, answers = fitted.outputs(rows)
    assert job.shared.spent == named
    alone = fitted.predictor(task).predict_rows(rows)
    assert [prediction.answer for prediction in alone] == [int(np.argmax(one)) for one in answers]


def test_it_reads_long_texts_to_their_end(world):
    rows = read_dataset(world[0])
    task, encoder = SingleLabelClassification(sorted(TOPICS)), resolve_encoder(world[1])
    entry = contenders_for("classification")["zero-shot"]
    settings = entry.grid[0].but(descriptions=DESCRIPTIONS)
    fitted = entry.fit(Job(rows.select([]), rows, task, 0, encoder), settings)
    start, end = "the goal of the team " * 16, "soup and a dinner " * 24
    assert len(start.split()) > fitted.model.config.window
    texts = Dataset.unlabelled({"text": [start, start + end]})
    short, whole = (prediction.numbers() for prediction in fitted.predictor(task).predict_rows(texts))
    assert not np.array_equal(short, whole)
    assert fitted.predictor(task).truncated_fraction(texts) == 0
