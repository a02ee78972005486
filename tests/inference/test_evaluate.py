"""An evaluation with its report: what is found, what is said of rows seen before, and the page."""

import csv
import json
import re

import numpy as np
import plotly.graph_objects as go
import pytest
from typer.testing import CliRunner

from tests.comparison.reporting.test_report import EVIL, Page, figures
from tests.tiny import topic_rows
from textgraft.cli import app
from textgraft.comparison.train import train
from textgraft.errors import ModelError, OptionError, OutputError
from textgraft.inference.evaluate import evaluate
from textgraft.inference.evaluating.record import load_evaluation
from textgraft.inference.evaluating.sentences import findings

SEEN = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, and labelled rows: some were trained on, and those of one channel are labelled by chance."""
    folder = tmp_path_factory.mktemp("evaluate")
    rows, rng = topic_rows(700, 3), np.random.default_rng(0)
    with (folder / "train.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows[:300]])
    with (folder / "test.csv").open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label", "channel", "age"])
        for text, label in rows[300 - SEEN :]:
            channel = str(rng.choice(["web", "mail", EVIL[:50]]))
            wrong = channel == "mail" and rng.random() < 0.5
            given = str(rng.choice(["sport", "food", "space"])) if wrong else label
            writer.writerow([text, given, channel, rng.integers(18, 80)])
    train(folder / "train.csv", folder / "model", contender="tfidf", test=folder / "test.csv")
    return folder


@pytest.fixture(scope="module")
def found(folder):
    return evaluate(folder / "model", folder / "test.csv", report=folder / "report")


def test_the_slice_that_is_worse_is_found_and_no_other(found):
    worst = found.details.worst
    assert (worst.dimension, worst.name) == ("channel", "mail")
    assert [one.name for one in found.details.slices if one.is_worse] == ["mail"]
    dimensions = {one.dimension for one in found.details.slices}
    assert dimensions >= {"channel", "age", "words in the text", "training rows of the label"}
    assert any("worst slice: channel, mail" in line for line in findings(found))


def test_rows_that_the_model_has_seen_are_counted(found):
    seen = found.seen
    # A tenth of the file are dev rows.
    assert SEEN <= seen.train + seen.dev <= SEEN + 5
    assert 0 < seen.dev < seen.train
    told = findings(found)[0]
    assert (
        f"{seen.train} of 430 rows were in the model's training rows, and {seen.dev} in the dev rows" in told
    )
    assert "their score is not a test. On the other rows macro F1 is" in told


def test_the_temperature_is_undone(folder, found):
    """What the scores were before is what an uncalibrated model of the same weights would have given."""
    from textgraft.inference.predictor import load

    predictor = load(folder / "model")
    rows = predictor.task.read(folder / "test.csv", text=["text"], label="label")
    calibration = found.details.calibration
    assert calibration.temperature == predictor.manifest.calibration * predictor.temperature != 1
    decoded = predictor.outputs(rows)[1]
    logits = predictor.task.logits(decoded) * predictor.manifest.calibration
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = (shares / shares.sum(axis=1, keepdims=True)).max(axis=1)
    mean = np.mean([one.confidence for one in calibration.before.bins])
    assert mean == pytest.approx(confidence.mean(), abs=1e-3)
    assert calibration.before.error != calibration.after.error


def test_the_record_is_read_as_it_was_written(folder, found):
    assert load_evaluation(folder / "report" / "report.json") == found
    damaged = folder / "damaged.json"
    damaged.write_text((folder / "report" / "report.json").read_text().replace('"rows": 430', '"rows": 431'))
    with pytest.raises(ModelError, match="other content"):
        load_evaluation(damaged)


def test_the_page_shows_all_of_it_as_text(folder, found):
    html = (folder / "report" / "report.html").read_text()
    page = Page(html)
    assert page.tags.count("script") == 3
    assert "img" not in page.tags
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    drawn = figures(html)
    assert set(drawn) == {"reliability", "risk", "confusion", "slices"}
    for name, figure in drawn.items():
        go.Figure(figure)
        assert f'id="plot-{name}"' in html
    for text in ("Most confident errors", "Most confused", "precision", "calibration error before"):
        assert text in page.visible


def test_the_command_is_brief_and_writes_both_files(folder, tmp_path):
    command = [
        "evaluate",
        str(folder / "model"),
        str(folder / "test.csv"),
        "--report",
        str(tmp_path / "a.html"),
    ]
    ended = CliRunner().invoke(app, [*command, "--slices", "age"])
    assert ended.exit_code == 0, ended.output
    assert "None of" in ended.output
    assert len(ended.output.splitlines()) < 30
    record = json.loads((tmp_path / "a.json").read_text())
    assert record["format"] == 1
    assert {one["dimension"] for one in record["details"]["slices"]} >= {"age"}
    assert "channel" not in {one["dimension"] for one in record["details"]["slices"]}
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, OutputError)
    assert re.search(r"--overwrite", str(again.exception))


def test_a_column_that_is_not_there_is_told_before_anything_is_predicted(folder, tmp_path):
    with pytest.raises(OptionError, match="channel"):
        evaluate(folder / "model", folder / "test.csv", report=tmp_path, slices=["chanel"])
    ended = CliRunner().invoke(app, ["evaluate", str(folder / "model"), "x.csv", "--slices", "age"])
    assert isinstance(ended.exception, OptionError)
    assert "--report" in str(ended.exception)


def test_the_threshold_of_the_model_is_looked_at_on_these_rows(folder, tmp_path):
    import shutil

    from textgraft.evaluation.promises import Target
    from textgraft.inference.predictor import load
    from textgraft.inference.thresholds import set_threshold

    model = tmp_path / "model"
    shutil.copytree(folder / "model", model)
    rows = load(model).task.read(folder / "test.csv")  # all of them, those of its training with them
    promised = set_threshold(model, rows, Target(precision=0.7))
    found = evaluate(model, folder / "test.csv", report=tmp_path / "report").details.threshold
    assert found.promised == promised
    # Decided on these very rows, it lets through what it said.
    assert (found.given, found.answers) == (promised.answered, 430)
    assert found.precision.value == pytest.approx(promised.right / promised.answered)
    assert found.coverage.low < found.coverage.value < found.coverage.high or found.coverage.value == 1
    page = Page((tmp_path / "report" / "report.html").read_text()).visible
    assert "The model's threshold of" in page
    assert "threshold of the model" in page
    assert load(model).threshold == promised
    nothing = set_threshold(model, rows, Target(precision=0.9999))
    assert nothing.least is None
    again = evaluate(model, folder / "test.csv", report=tmp_path / "again")
    assert again.details.threshold.given == 0
    assert any("gives no answer" in line for line in findings(again))
