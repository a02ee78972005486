"""The review, as a person at a terminal goes through it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.errors import ConflictError, OptionError

PREDICTIONS = "text,label,score,score:bad,score:good\nfine,good,0.9,0.1,0.9\nso so,bad,0.55,0.55,0.45\n"


def _run(*arguments):
    result = CliRunner().invoke(app, ["review", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.fixture
def store(tmp_path):
    (tmp_path / "p.csv").write_text(PREDICTIONS)
    path = tmp_path / "reviews.db"
    assert "1 new item, " in _run("import", path, tmp_path / "p.csv", "--below", "0.7")
    return path


def test_from_predictions_to_training_rows(tmp_path, store):
    (found,) = json.loads(_run("next", store, "--by", "ann", "--json"))
    assert (found["item"]["columns"], found["item"]["prediction"]) == ({"text": "so so"}, "bad")
    assert "nothing is left" in _run("next", store, "--by", "bob")
    assert "by ann" in _run("decide", store, found["id"][:8], "--by", "ann", "--answer", "good")
    with pytest.raises(ConflictError):
        _run("decide", store, found["id"], "--by", "bob", "--accept")
    assert "0 of 1" in _run("stats", store)
    assert json.loads(_run("stats", store, "--json"))["items"]["decided"] == 1
    _run("export", store, tmp_path / "new.csv")
    assert (tmp_path / "new.csv").read_text().splitlines()[1].startswith("so so,good,ann,")
    _run("export", store, tmp_path / "open.jsonl", "--format", "prodigy", "--state", "decided")
    assert json.loads((tmp_path / "open.jsonl").read_text())["accept"] == ["good"]


def test_an_item_that_is_skipped_is_for_somebody_else(store):
    (found,) = json.loads(_run("next", store, "--by", "ann", "--json"))
    _run("decide", store, found["id"], "--by", "ann", "--skip")
    assert "nothing is left" in _run("next", store, "--by", "ann")
    assert "so so" in _run("next", store, "--by", "bob")


def test_a_decision_is_said_in_one_way(store):
    (found,) = json.loads(_run("next", store, "--by", "ann", "--json"))
    for said in ((), ("--accept", "--unusable")):
        with pytest.raises(OptionError, match="--accept"):
            _run("decide", store, found["id"], "--by", "ann", *said)
    with pytest.raises(OptionError, match="--hold"):
        _run("next", store, "--by", "ann", "--hold", "soon")
    with pytest.raises(OptionError, match="no item"):
        _run("decide", store, "ffff", "--by", "ann", "--accept")
