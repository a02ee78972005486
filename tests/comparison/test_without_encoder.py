"""Without the package of the bundled encoder, what needs none competes all the same."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.comparison.compare import compare
from textgraft.comparison.train import train
from textgraft.errors import MissingExtraError


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setattr("textgraft.models.encoders.BUNDLED_PACKAGE", "no_such_package_here")
    monkeypatch.setattr("textgraft.comparison.contenders.base.EpochSchedule.number", lambda self, size: 2)
    return write_topics(tmp_path / "topics.csv", 120)


def test_the_usual_contenders_compete_without_those_that_need_one(source, tmp_path):
    command = ["compare", str(source), "--sizes", "60", "--seeds", "1", "--tuning", "1"]
    ended = CliRunner().invoke(app, [*command, "-o", str(tmp_path / "run")])
    assert ended.exit_code == 0, ended.output
    said = " ".join(ended.output.split())
    assert "left out, for want of an encoder: static, bert-frozen, bert-finetuned" in said
    assert "pip install 'textgraft[bundled]'" in said
    assert "Use tfidf" in said or "Use lstm" in said
    assert "bert-frozen" not in (tmp_path / "run" / "comparison.json").read_text()


@pytest.mark.parametrize("names", [["bert-frozen"], ["tfidf", "bert-finetuned"]])
def test_named_they_end_in_one_error(source, tmp_path, names):
    with pytest.raises(MissingExtraError, match=r"textgraft\[bundled\]"):
        compare(source, contenders=names, output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_training_one_says_what_to_install(source, tmp_path):
    with pytest.raises(MissingExtraError, match=r"textgraft\[bundled\]"):
        train(source, tmp_path / "model", task="classification")
    assert not (tmp_path / "model").exists()
