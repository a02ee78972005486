from __future__ import annotations

from pathlib import Path

import pytest

from tests.pretraining.small_corpus import write_corpus


@pytest.fixture
def quick_trials(monkeypatch, tmp_path_factory):
    """Measure no speed before training, and keep the cache apart from the user's."""
    monkeypatch.setattr("textgraft.pretraining.pretrain.TRIAL_SECONDS", 0.0)
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path_factory.getbasetemp() / "pretrain-cache"))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("text"))
