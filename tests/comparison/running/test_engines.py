"""Engines of models that are trained: each is opened once, when its weights are final."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import textgraft
from tests.tiny import save_tiny_bert
from textgraft.comparison.running import trial_jobs
from textgraft.comparison.running.trials import run_trial
from textgraft.inference import runner


@pytest.mark.parametrize("chosen", ["openvino", "ctranslate2"])
def test_a_trial_opens_one_engine_once(
    topics: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    """A fine-tuned model was converted for its engine twice or three times, half a second each."""
    pytest.importorskip(chosen)
    opened: list[str] = []
    known = runner._open

    def noting(model: Any, wanted: str, precision: str, *, keep: bool) -> runner.Opened:
        found = known(model, chosen if wanted == "auto" else wanted, precision, keep=keep)
        opened.append(found.engine)
        return found

    def only_these(*arguments: Any) -> Any:
        opened.clear()
        found = run_trial(*arguments)
        of_trials.append([engine for engine in opened if engine != "torch"])
        return found

    of_trials: list[list[str]] = []
    monkeypatch.setattr(runner, "_open", noting)
    monkeypatch.setattr(trial_jobs, "run_trial", only_these)
    textgraft.compare(
        topics,
        contenders="bert-finetuned",
        encoder=save_tiny_bert(tmp_path / "encoder"),
        sizes="40",
        seeds=1,
        tuning=1,
        output=tmp_path / "run",
    )
    assert of_trials == [[chosen]]
