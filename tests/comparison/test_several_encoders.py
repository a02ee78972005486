"""Several encoders in one comparison: each contender that needs one competes once on each."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

import textgraft
from tests.tiny import save_tiny_bert, write_topics
from textgraft.cli import app
from textgraft.comparison.records.plan import load_plan
from textgraft.comparison.reporting.figures import styles
from textgraft.errors import OptionError
from textgraft.models.encoders import resolve_encoder
from textgraft.models.manifest import read_manifest

ASKED = {"contenders": "tfidf,bert-frozen", "sizes": "40", "seeds": 1, "tuning": 1}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoders")
    write_topics(folder / "topics.csv", 160)
    for seed, name in enumerate(("first", "second", "elsewhere/second")):
        save_tiny_bert(folder / name, seed=seed)
    return folder


def test_each_has_trials_of_its_own_and_any_of_them_may_win(world, tmp_path):
    encoders = [world / "first", world / "second", world / "elsewhere" / "second"]
    names = ["bert-frozen", "bert-frozen@second", "bert-frozen@second~2"]
    result = textgraft.compare(
        world / "topics.csv",
        encoder=encoders,
        output=tmp_path / "run",
        prefer="bert-frozen@second",
        **ASKED,
    )
    assert [trial.contender for trial in result.trials] == [*names, "tfidf"]
    plan = load_plan(result.folder)
    assert plan.request.encoders == tuple(resolve_encoder(encoder).identity for encoder in encoders)
    assert plan.contenders["bert-frozen@second"].title.endswith(", on second")
    assert result.verdict.pick == "bert-frozen@second"
    assert read_manifest(result.folder / "best").contender == "bert-frozen@second"
    assert result.best.model.config.encoder == str(world / "second")
    assert len(result.best.predict(["a text"])) == 1
    looks = styles(names)
    assert len({colour for colour, _ in looks.values()}) == 1
    assert len({symbol for _, symbol in looks.values()}) == 3


def test_an_encoder_alone_is_the_same_trial_as_beside_others(world, tmp_path):
    both = textgraft.compare(
        world / "topics.csv", encoder=[world / "first", world / "second"], output=tmp_path / "run", **ASKED
    )
    alone = textgraft.compare(
        world / "topics.csv", encoder=world / "first", output=tmp_path / "alone", **ASKED
    )
    ids = {trial.contender: trial.id for trial in both.trials}
    assert {trial.contender: trial.id for trial in alone.trials}.items() <= ids.items()


def test_one_named_twice_is_refused_whatever_its_folder_is_called(world, tmp_path):
    shutil.copytree(world / "first", tmp_path / "copy")
    with pytest.raises(OptionError, match="named twice"):
        textgraft.compare(world / "topics.csv", encoder=[world / "first", tmp_path / "copy"], **ASKED)


def test_nothing_says_whose_revision_it_is(world):
    encoders = [world / "first", world / "second"]
    with pytest.raises(OptionError, match="whose revision"):
        textgraft.compare(world / "topics.csv", encoder=encoders, revision="main", **ASKED)


def test_the_command_line_takes_the_option_again(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--contenders", "bert-frozen", "--sizes", "20", "--seeds", "1", "--tuning", "1", "-o", "run"]
    encoders = ["--encoder", str(world / "first"), "--encoder", str(world / "second")]
    done = CliRunner().invoke(app, ["compare", str(world / "topics.csv"), *options, *encoders])
    assert done.exit_code == 0, done.output
    assert "bert-frozen@second" in done.output
