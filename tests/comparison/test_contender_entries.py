"""What every entry of a contender holds to, and how its settings are checked."""

from __future__ import annotations

import pickle

import pytest

from tests.tiny import write_topics
from textgraft.comparison.contenders.base import Job, TrainedSettings
from textgraft.comparison.contenders.registry import CONTENDERS, contenders_for
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import OptionError
from textgraft.tasks.registry import TASKS
from textgraft.tasks.text.classification import SingleLabelClassification


@pytest.mark.parametrize("entry", CONTENDERS, ids=lambda entry: f"{entry.name}-{entry.tasks[0]}")
def test_an_entry_says_what_its_settings_show(entry):
    kinds = {type(settings) for settings in entry.grid}
    assert len(kinds) == 1
    kind = kinds.pop()
    assert issubclass(kind, TrainedSettings) == (entry.epochs is not None)
    assert entry.takes_vectors == ("vectors" in kind.model_fields)
    assert set(entry.tasks) <= set(TASKS)
    assert not {"seed", "max_seconds"} & set(kind.model_fields), (
        "they belong to a trial, not to a configuration"
    )
    for settings in entry.grid:
        # A file holds what was given, and makes the same configuration again.
        assert entry.configured(settings.given()) == settings
        assert entry.configured(settings.given()).given() == settings.given()
    assert pickle.loads(pickle.dumps(entry)).grid == entry.grid, "it is handed to processes of its own"


def test_an_entry_of_every_task_competes_by_default():
    for task in TASKS:
        assert any(entry.is_default for entry in contenders_for(task).values()), task


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("lstm", {"hiden_size": 3}, "Did you mean 'hidden_size'"),
        ("lstm", {"seed": 3}, "unknown setting of lstm 'seed'"),
        ("lstm", {"dropout": 1.5}, "dropout cannot be 1.5"),
        ("tfidf", {"c": 0}, "c cannot be 0"),
        ("bert-adapter", {"lora_rank": "many"}, "lora_rank cannot be 'many'"),
        ("bert-finetuned", {"hidden_size": 3}, "unknown setting of bert-finetuned 'hidden_size'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(name, settings, message):
    with pytest.raises(OptionError, match=message):
        contenders_for("classification")[name].configured(settings)


def test_the_number_of_epochs_follows_from_the_rows_unless_it_is_set():
    entry = contenders_for("classification")["lstm"]
    assert (entry.epochs.number(100), entry.epochs.number(1000), entry.epochs.number(10**6)) == (60, 15, 10)
    assert entry.epochs.patience(100) == 15


def test_tfidf_ends_with_its_budget(tmp_path):
    rows = read_dataset(write_topics(tmp_path / "topics.csv", 120))
    entry = contenders_for("classification")["tfidf"]
    task = SingleLabelClassification(("food", "space", "sport"))
    for seconds, ended in ((None, ("closed form", False)), (1e-9, ("budget", True))):
        fitted = entry.fit(Job(rows, rows, task, 0, None, max_seconds=seconds), entry.grid[0])
        assert (fitted.stopped_by, fitted.cut) == ended
