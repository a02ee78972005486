"""One model trained by hand: its config, its checkpoints, its folder, and its scores on other rows."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

import textgraft
from tests.tiny import save_tiny_bert, write_topics
from textgraft.cli import app, main
from textgraft.comparison.settings import TrainConfig
from textgraft.comparison.train import full_config, run_training, train
from textgraft.errors import OptionError, OutputError
from textgraft.inference.evaluate import evaluate

QUICK = {"settings": {"epochs": 3, "learning_rate": 5e-3}, "task": "classification"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("train")
    return write_topics(folder / "topics.csv", 240), save_tiny_bert(folder / "tiny-bert")


@pytest.mark.parametrize("contender", ["lstm", "bert-finetuned", "bert-adapter", "tfidf"])
def test_a_model_is_trained_saved_and_scored(world, tmp_path, contender):
    source, encoder = world
    config = dict(QUICK) if contender != "tfidf" else {"task": "classification"}
    trained = train(source, tmp_path / "model", contender=contender, encoder=str(encoder), seed=1, **config)
    assert not (tmp_path / "model.training").exists()
    assert trained.predictor.predict(["goal and team"])[0].label in {"food", "space", "sport"}
    has_openvino = importlib.util.find_spec("openvino") is not None
    on_openvino = has_openvino and contender.startswith("bert") and not torch.cuda.is_available()
    # What was timed and judged is what answers now.
    assert trained.trial.engine == trained.predictor.engine
    # Without bf16 a model may round to int8, held against its golden outputs, where CTranslate2 is installed.
    expected = {"openvino", "ctranslate2"} if on_openvino else {"torch"}
    assert trained.predictor.runner.engine in expected
    other = evaluate(tmp_path / "model", write_topics(tmp_path / "other.csv", 60, seed=5))
    assert (other.rows, other.skipped) == (60, 0)
    score = other.metrics["macro_f1"]
    assert score.low <= score.value <= score.high
    if contender in ("lstm", "tfidf"):
        assert score.value > 0.8


def test_the_printed_config_trains_the_same(world, tmp_path):
    source, encoder = world
    config = TrainConfig(contender="lstm", encoder=str(encoder), **QUICK)
    written = full_config(config)
    values = yaml.safe_load(written)
    assert values["settings"]["epochs"] == 3
    assert values["settings"]["weight_decay"] == 0.01
    assert values["settings"]["embedding_size"] == 128
    (tmp_path / "config.yaml").write_text(written)
    command = ["train", str(source), "-o", str(tmp_path / "a"), "--config", str(tmp_path / "config.yaml")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    same = train(source, tmp_path / "b", **config.model_dump())
    held = json.loads((tmp_path / "a" / "textgraft.json").read_text())
    assert held["files"]["model.safetensors"] == same.predictor.manifest.weights_sha256


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"settings": {"learning_rte": 1.0}}, "learning_rate"),
        ({"settings": {"lora_rank": 4}, "contender": "lstm"}, "lora_rank"),
        ({"seed": "many"}, "seed"),
        ({"contender": "lstm-crf"}, "cannot do the task"),
        ({"settings": {"epochs": 0}}, "epochs"),
    ],
)
def test_what_cannot_be_meant_is_refused(world, tmp_path, config, message):
    with pytest.raises(OptionError, match=message):
        train(world[0], tmp_path / "model", encoder=str(world[1]), **{"task": "classification", **config})
    assert not (tmp_path / "model").exists()


def test_a_misspelt_key_of_a_config_is_refused():
    with pytest.raises(OptionError, match="contender"):
        TrainConfig.model_validate({"contenter": "lstm"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--adapter", "lora", "--freeze-layers", "all"], "different models"),
        (["--adapter", "lore"], "lora"),
        (["--freeze-layers", "most"], "frozen"),
        (["--set", "epochs"], "--set"),
        (["--config", "missing.yaml"], "missing.yaml"),
    ],
)
def test_bad_options_end_in_one_message(world, tmp_path, options, message, monkeypatch, capsys):
    command = ["textgraft", "train", str(world[0]), "-o", str(tmp_path / "m"), *options]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said


def test_killed_it_goes_on_with_resume_alone(world, tmp_path):
    source, _ = world
    output = tmp_path / "model"
    command = [sys.executable, "-m", "textgraft", "train", str(source), "-o", str(output)]
    command += ["--task", "classification", "-c", "lstm", "--set", "checkpoint_seconds=0.05"]
    command += ["--set", "epochs=400", "--set", "patience=null"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    checkpoints = tmp_path / "model.training"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("*/checkpoint-*/manifest.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    config = {"contender": "lstm", "task": "classification"}
    settings = {"checkpoint_seconds": 0.05, "epochs": 400, "patience": None}
    with pytest.raises(OptionError, match="unfinished"):
        train(source, output, settings=settings, **config)
    with pytest.raises(OptionError, match="other rows or choices"):
        train(source, output, resume=True, settings={**settings, "epochs": 2}, **config)
    steps: list[int] = []

    class EnoughError(Exception):
        pass

    def stop(progress) -> None:
        steps.append(progress.step)
        raise EnoughError

    with pytest.raises(EnoughError):
        run_training(source, output, TrainConfig(settings=settings, **config), resume=True, on_step=stop)
    assert steps[0] > 1
    # What was left behind is not in the way of a corrected command.
    trained = train(source, output, settings={"epochs": 1}, **config)
    with pytest.raises(OutputError, match="--overwrite"):
        train(source, output, settings={"epochs": 2}, **config)
    again = train(source, output, settings={"epochs": 2}, overwrite=True, **config)
    assert again.predictor.manifest.training["trial"] == again.trial.id != trained.trial.id


def test_an_encoder_that_does_not_read_the_texts_is_noted_and_stands_in_the_card(world, tmp_path):
    good = ["Das Essen war gut und der Abend schön", "Wir kommen gerne wieder hierher", "Alle waren nett"]
    bad = ["Das Zimmer war leider sehr schmutzig", "Niemand hat uns geholfen", "Nie wieder in dieses Haus"]
    rows = [(f"{text} {number}", label) for number in range(15)
            for texts, label in ((good, "gut"), (bad, "schlecht")) for text in texts]  # fmt: skip
    source = tmp_path / "urteile.csv"
    source.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    notes: list[str] = []
    trained = train(
        source, tmp_path / "model", contender="bert-frozen", encoder=str(world[1]),
        task="classification", reporter=notes.append,
    )  # fmt: skip
    warning = next(note for note in notes if note.startswith("The texts are German"))
    assert "tells nothing about BERT in German" in warning
    assert warning in (trained.folder / "README.md").read_text()
    fits = train(
        world[0], tmp_path / "other", contender="bert-frozen", encoder=str(world[1]), task="classification"
    )
    assert "Warning" not in (fits.folder / "README.md").read_text()


def test_train_is_found_at_the_top():
    assert textgraft.train is train
    assert textgraft.evaluate is evaluate
