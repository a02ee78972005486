"""The commands on pairs of files, vectors and what is wrong with them."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.errors import TextgraftError

GERMAN = ["eins", "zwei", "drei", "vier", "fünf"]
ENGLISH = ["one", "two", "three", "four", "five"]
SMALL = ["hidden_size=32", "embedding_size=32", "epochs=2", "num_beams=1", "batch_size=16"]


def run(*arguments, **options):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], **options)
    assert result.exception is None or isinstance(result.exception, TextgraftError), result.exception
    if isinstance(result.exception, TextgraftError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    pairs = [(a, b, n) for n in range(4) for a in range(5) for b in range(5)]
    lines = {
        "de": [f"{GERMAN[a]} {GERMAN[b]} {n}" for a, b, n in pairs],
        "en": [f"{ENGLISH[a]} {ENGLISH[b]} {n}" for a, b, n in pairs],
    }
    lines["en"][3] = ""
    for side, texts in lines.items():
        (folder / f"train.{side}").write_text("\n".join(texts) + "\n")
    return folder


@pytest.fixture(scope="module")
def model(files):
    options = [part for setting in SMALL for part in ("--set", setting)]
    source = f"{files / 'train.de'},{files / 'train.en'}"
    run("train", source, "-o", files / "model", "-c", "lstm-attention", *options)
    return files / "model"


def test_the_check_reads_both_files(files):
    output = run("check", f"{files / 'train.de'},{files / 'train.en'}", "-o", files / "check.json").output
    assert "two files of lines" in output
    found = json.loads((files / "check.json").read_text())
    assert found["rows"] == 99
    assert found["rejected"]["kinds"] == {"empty target": 1}


def test_a_model_knows_its_languages_and_writes_a_file_of_lines(model, files):
    manifest = json.loads((model / "textgraft.json").read_text())
    assert manifest["task_settings"] == {"source": "de", "target": "en"}
    assert "pipeline_tag: translation" in (model / "README.md").read_text()
    assert "tok:13a" in (model / "README.md").read_text()
    (files / "new.de").write_text("eins zwei\n\nvier\n" + "eins " * 600 + "\n")
    output = run("predict", model, files / "new.de", "-o", files / "new.jsonl").output
    assert "3 rows" in output
    assert "beyond the 512" in output
    rows = [json.loads(line) for line in (files / "new.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["1", "3", "4"]
    assert [row["source_tokens_lost"] > 0 for row in rows] == [False, False, True]
    (rejected,) = (files / "new.jsonl.rejected.jsonl").read_text().splitlines()
    assert json.loads(rejected)["reason"].startswith("empty source")


def test_standard_input_is_answered_line_by_line(model):
    output = run("predict", model, "-", input="eins zwei\nvier\n").stdout
    assert [set(json.loads(line)) for line in output.splitlines()] == [
        {"id", "text", "score", "source_tokens_lost"}
    ] * 2
    assert run("predict", model, "-", "-o", "-", input="eins zwei\nvier\n").stdout == output


def test_scores_come_with_signatures(model, files):
    output = run("evaluate", model, f"{files / 'train.de'},{files / 'train.en'}").output
    for told in ("bleu", "chrf", "perplexity", "99 rows", "1 row could not be used", "tok:13a"):
        assert told in output


def test_sides_of_unequal_length_are_refused(files):
    (files / "short.en").write_text("one\n")
    train = ["train", "-c", "transformer", "-o", files / "none"]
    for command in (["check"], train, ["compare", "-o", files / "none"]):
        source = f"{files / 'train.de'},{files / 'short.en'}"
        with pytest.raises(TextgraftError, match=r"train\.de has 100 and short\.en has 1"):
            run(command[0], source, *command[1:])


def test_vectors_without_texts_are_refused(tmp_path):
    np.save(tmp_path / "v.npy", np.eye(3))
    with pytest.raises(TextgraftError, match="these vectors have no texts"):
        run("compare", tmp_path / "v.npy")


def test_contenders_that_do_not_write_are_refused(files):
    with pytest.raises(TextgraftError, match="cannot do the task translation"):
        run("compare", f"{files / 'train.de'},{files / 'train.en'}", "-c", "tfidf")


def test_misspelt_settings_are_refused(files):
    source = f"{files / 'train.de'},{files / 'train.en'}"
    with pytest.raises(TextgraftError, match="num_beams"):
        run("train", source, "-o", files / "none", "-c", "transformer", "--set", "num_beam=2")
    with pytest.raises(TextgraftError, match="shared"):
        run("train", source, "-o", files / "none", "-c", "transformer", "--set", "vocabulary=share")
