"""What can be named is listed from the registries, without loading torch."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.comparison import catalogue
from textgraft.comparison.catalogue import KINDS, choices
from textgraft.comparison.contenders.registry import CONTENDERS, choose_contenders, trained_contender
from textgraft.errors import OptionError
from textgraft.inference.pipelines.factory import PIPELINES, PURPOSES
from textgraft.tasks.registry import TASKS


def test_everything_is_listed():
    assert {choice.name for choice in choices("contenders")} == {entry.name for entry in CONTENDERS}
    assert [choice.name for choice in choices("tasks")] == list(TASKS)
    assert [choice.name for choice in choices("pipelines")] == list(PIPELINES) == list(PURPOSES)
    assert [choice.name for choice in choices("encoders") if choice.default] == ["bundled"]
    assert all(choice.what for kind in KINDS for choice in choices(kind))


@pytest.mark.parametrize("task", ["classification", "translation", "token-classification"])
def test_defaults_are_those_that_compete(task):
    found = choices("contenders", task)
    competing = [choice.name for choice in found if "compare" in (choice.default or "")]
    assert competing == [entry.name for entry in choose_contenders(None, task)]
    trained = [choice.name for choice in found if "train" in (choice.default or "").split(", ")]
    if trained:
        assert trained == [trained_contender(None, task).name]
    assert all(choice.extra == "bundled" for choice in found if choice.name.startswith("bert-f"))


def test_what_is_not_installed_is_said(monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        catalogue.importlib.util, "find_spec", lambda name: None if name == "sacrebleu" else real(name)
    )
    wide = CliRunner(env={"COLUMNS": "200"})
    shown = wide.invoke(app, ["list", "tasks", "--task", "translation"]).output
    assert "extra generation (not installed)" in " ".join(shown.split())
    rows = json.loads(CliRunner().invoke(app, ["list", "tasks", "--json"]).output)
    assert {row["name"] for row in rows if not row["is_installed"]} == {
        "captioning", "summarization", "text2text", "translation",
    }  # fmt: skip


def test_unknown_kinds_and_tasks_are_one_error():
    with pytest.raises(OptionError, match="contenders"):
        choices("contender")
    with pytest.raises(OptionError, match="regression"):
        choices("tasks", "regresion")
    with pytest.raises(OptionError, match="all tasks"):
        choices("encoders", "regression")


def test_listing_loads_no_torch():
    code = (
        "import sys; from textgraft.comparison.catalogue import KINDS, choices; "
        "[choices(kind) for kind in KINDS]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
