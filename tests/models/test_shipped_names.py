"""Whatever takes a model takes the names of those that come with the package."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import topic_rows, write_topics
from textgraft.cli import app
from textgraft.errors import ModelError, OptionError
from textgraft.inspection.subject import open_subject
from textgraft.models.shipped import folder_of, model_folder, own_folder, refuse_misspelt
from textgraft.serving.loading import Named


@pytest.fixture
def shipped(tmp_path: Path, topic_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package comes with a model "topics", and with a language model; rows lie where the process is."""
    folder = tmp_path / "package"
    shutil.copytree(topic_model, folder / "topics")
    (folder / "prose").mkdir()
    (folder / "prose" / "config.json").write_text("{}")
    monkeypatch.setattr("textgraft.models.shipped.FOLDER", folder)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    write_topics(here / "rows.csv", 200, seed=2)
    return folder


def test_a_folder_comes_before_a_name(shipped: Path) -> None:
    assert model_folder("topics") == folder_of("topics") == shipped / "topics"
    assert folder_of("prose") == Path("prose")  # is of no task
    assert model_folder("prose", of_task=False) == shipped / "prose"
    assert model_folder("runs/topics") == Path("runs/topics")  # what opens it says that there is none
    assert model_folder("owner/name") == Path("owner/name")
    Path("topics").mkdir()
    assert model_folder("topics") == folder_of("topics") == Path("topics")


def test_what_is_no_name_says_which_there_are(shipped: Path) -> None:
    with pytest.raises(ModelError, match="Did you mean 'topics'"):
        model_folder("topic")
    with pytest.raises(ModelError, match="or one of topics"):
        model_folder("qqq")
    with pytest.raises(ModelError, match="for a pipeline alone"):
        model_folder("prose")
    with pytest.raises(OptionError, match="Give a string"):
        model_folder(3)  # type: ignore[arg-type]


def test_what_takes_encoders_too_suggests_a_name_as_well(shipped: Path) -> None:
    for refused in (
        lambda: textgraft.pipeline("text-classification", "topisc"),
        lambda: textgraft.pipeline("fill-mask", "prosa"),
        lambda: open_subject("topisc"),
        lambda: Named.of("topisc").place,
        lambda: textgraft.GraftedEncoder.add(object.__new__(textgraft.GraftedEncoder), "mood", "topisc"),
    ):
        with pytest.raises(ModelError, match=r"Did you mean '(topics|prose)'"):
            refused()
    for name in ("bundled", "owner/topisc", "topics", "qqq"):
        refuse_misspelt(name)


def test_a_model_of_a_pipeline_alone_is_found_by_its_name() -> None:
    fill = textgraft.pipeline("fill-mask", "fill-mask")
    assert type(fill.source.model).__name__ == "GraftForMaskedLM"


def test_no_command_changes_what_comes_with_the_package(shipped: Path) -> None:
    before = {path: path.read_bytes() for path in shipped.rglob("*") if path.is_file()}
    for path in ("topics", str(shipped / "topics")):
        with pytest.raises(OptionError, match="is not changed"):
            own_folder(path)
    for command in (
        ["threshold", "topics", "rows.csv", "--precision", "0.8"],
        ["threshold", "topics", "--remove"],
    ):
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, OptionError), result.output
        assert "cp -r" in str(result.exception)
    assert {path: path.read_bytes() for path in shipped.rglob("*") if path.is_file()} == before


COMMANDS: dict[str, list[str]] = {
    "predict": ["predict", "topics", "rows.csv", "-o", "answers.csv"],
    "predict in shards": ["predict", "topics", "rows.csv", "-o", "shards.csv", "--shard-rows", "150"],
    "evaluate": ["evaluate", "topics", "rows.csv"],
    "inspect tokens": ["inspect", "tokens", "topics", "soup with cheese", "--method", "occlusion"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_take_the_name(name: str, shipped: Path) -> None:
    result = CliRunner().invoke(app, [*COMMANDS[name], "--json"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert json.loads(result.stdout)


def test_its_columns_are_told_as_those_of_any_rows(shipped: Path, topic_model: Path) -> None:
    """The names of the columns that it was trained on are nobody else's; those of one's own model are."""
    rows = [{"review": text, "mood": label, "n": n} for n, (text, label) in enumerate(topic_rows(40, seed=4))]
    Path("other.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for options in ([], ["--shard-rows", "30", "--overwrite"]):
        done = CliRunner().invoke(app, ["predict", "topics", "other.jsonl", "-o", "found.jsonl", *options])
        assert done.exit_code == 0, (done.output, done.exception)
        found = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
        assert sum(row["label"] == row["mood"] for row in found) > 35
    assert [answer["label"] for answer in textgraft.predict("topics", rows)] == [
        row["label"] for row in found
    ]
    assert textgraft.evaluate("topics", rows).rows == 40
    assert textgraft.evaluate(textgraft.load("topics"), rows, text="review", label="mood").rows == 40
    with pytest.raises(OptionError, match="unknown column 'text'"):
        textgraft.predict(topic_model, rows)


@pytest.mark.parametrize(
    "command",
    [
        *COMMANDS.values(),
        ["label-next", "topics", "rows.csv"],
        ["monitor", "rows.csv", "rows.csv", "--model", "topics"],
        ["threshold", "topics", "rows.csv", "--precision", "0.8"],
        ["early-decisions", "topics", "rows.csv"],
        ["export", "topics", "-o", "exported"],
        ["stream", "topics"],
        ["cascade", "topics", "topics", "rows.csv", "-o", "chain"],
    ],
)
def test_commands_suggest_the_nearest_name(command: list[str], shipped: Path) -> None:
    result = CliRunner().invoke(app, [part.replace("topics", "topisc") for part in command])
    assert isinstance(result.exception, ModelError), result.output
    assert "Did you mean 'topics'" in str(result.exception)


def test_python_takes_the_name(shipped: Path) -> None:
    texts = ["the rocket and the moon", "soup with cheese"]
    labels = [answer["label"] for answer in textgraft.predict("topics", texts)]
    assert labels == ["space", "food"]
    assert [answer.label for answer in textgraft.load("topics").predict(texts)] == labels
    assert textgraft.evaluate("topics", texts, labels).metrics["accuracy"].value == 1
    one: Any = textgraft.pipeline("text-classification", "topics")(texts[0])
    assert one[0]["label"] == "space"
    for refused in (lambda: textgraft.predict("topic", texts), lambda: textgraft.load("topic")):
        with pytest.raises(ModelError, match="Did you mean 'topics'"):
            refused()


def test_parts_of_a_chain_and_exports_are_named_so_too(shipped: Path) -> None:
    from textgraft.export.export import export
    from textgraft.inference.cascading.making import given_parts
    from textgraft.inference.streaming.lines import open_stream

    shutil.copytree(shipped / "topics", shipped / "small")
    assert [part.path for part in given_parts(["small", "topics"])] == [shipped / "small", shipped / "topics"]
    with pytest.raises(OptionError, match="as it comes"):
        open_stream(Path("topics"))  # a TF-IDF model reads no text as it comes: it was opened
    pytest.importorskip("onnxruntime")
    assert export("topics", "exported").folder.is_dir()
