"""The whole comparison on small data: it runs, resumes, notices changes and hands over a working winner."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import textgraft
from tests.tiny import save_tiny_bert, write_topics
from textgraft.comparison.records.trials import Trial, load_trials
from textgraft.comparison.result import Comparison
from textgraft.comparison.running.progress import SilentReporter
from textgraft.errors import ModelError, OptionError

SETTINGS = {
    "contenders": ["majority", "tfidf", "lstm", "bert-frozen"],
    "sizes": [40, 120],
    "seeds": 2,
    "tuning": 1,
}


class Recorder(SilentReporter):
    """Remembers which trials were run."""

    def __init__(self) -> None:
        self.finished_trials: list[Trial] = []
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def trial_finished(self, trial: Trial, metric: str) -> None:
        self.finished_trials.append(trial)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("compare")
    return write_topics(folder / "topics.csv", 240), save_tiny_bert(folder / "tiny-bert")


@pytest.fixture(scope="module")
def compared(world: tuple[Path, Path]) -> Comparison:
    source, encoder = world
    return textgraft.compare(source, encoder=str(encoder), output=source.parent / "run", **SETTINGS)


@pytest.fixture
def finished(compared: Comparison, tmp_path: Path) -> Comparison:
    """The comparison in a folder of its own, which a test may change."""
    shutil.copytree(compared.folder, tmp_path / "run")
    return Comparison(tmp_path / "run", compared.verdict, compared.trials)


def test_every_planned_trial_has_a_result(finished: Comparison) -> None:
    assert {(t.contender, t.size, t.seed) for t in finished.trials} == {
        (name, size, seed) for name in SETTINGS["contenders"] for size in (40, 120) for seed in (0, 1)
    }
    for trial in finished.trials:
        assert trial.cost.training_seconds > 0
        assert trial.cost.model_mb > 0
        assert trial.cost.latency_ms_p50 <= trial.cost.latency_ms_p95
        assert len(trial.configurations) == 1


def test_learnable_text_is_learned_and_the_floor_is_a_floor(finished: Comparison) -> None:
    scores = {row.contender: row.score.value for row in finished.verdict.standings}
    assert scores["tfidf"] > 0.9
    assert scores["lstm"] > 0.7
    assert scores["majority"] < 0.4


def test_the_winner_answers(finished: Comparison) -> None:
    predictions = finished.best.predict(["we saw the rocket and the moon", "soup with cheese"])
    assert [prediction.label for prediction in predictions] == ["space", "food"]
    assert finished.report.stat().st_size > 100_000
    assert (finished.folder / "best" / "README.md").read_text().startswith("---")


def test_a_finished_comparison_runs_nothing_again(world: tuple[Path, Path], finished: Comparison) -> None:
    recorder = Recorder()
    again = textgraft.compare(
        world[0], encoder=str(world[1]), output=finished.folder, reporter=recorder, **SETTINGS
    )
    assert recorder.finished_trials == []
    assert again.verdict.standings == finished.verdict.standings


def test_only_the_missing_trial_is_run(world: tuple[Path, Path], finished: Comparison) -> None:
    lost = next(trial for trial in finished.trials if trial.contender == "lstm" and trial.seed == 1)
    (finished.folder / "trials" / f"{lost.id}.json").unlink()
    recorder = Recorder()
    textgraft.compare(world[0], encoder=str(world[1]), output=finished.folder, reporter=recorder, **SETTINGS)
    assert [trial.id for trial in recorder.finished_trials] == [lost.id]
    assert recorder.finished_trials[0].predicted == lost.predicted


def test_more_seeds_keep_the_finished_trials(world: tuple[Path, Path], finished: Comparison) -> None:
    recorder = Recorder()
    settings = {**SETTINGS, "seeds": 3, "contenders": ["majority", "tfidf", "lstm"]}
    result = textgraft.compare(
        world[0], encoder=world[1], output=finished.folder, add=True, reporter=recorder, **settings
    )
    assert {trial.seed for trial in recorder.finished_trials} == {2}
    assert {trial.contender for trial in result.trials} == {"majority", "tfidf", "lstm"}


def test_limits_change_the_pick_and_no_figure(world: tuple[Path, Path], finished: Comparison) -> None:
    result = textgraft.compare(
        world[0],
        encoder=str(world[1]),
        output=finished.folder,
        add=True,
        max_size_mb=1e-6,
        **SETTINGS,
    )
    assert result.verdict.pick is None
    assert [row.score for row in result.verdict.standings] == [
        row.score for row in finished.verdict.standings
    ]
    assert not (finished.folder / "best").exists()
    with pytest.raises(ModelError):
        _ = result.best


def test_other_rows_in_the_same_folder_are_refused(world: tuple[Path, Path], finished: Comparison) -> None:
    other = write_topics(world[0].parent / "other.csv", 200, seed=5)
    with pytest.raises(OptionError, match="other rows"):
        textgraft.compare(other, encoder=str(world[1]), output=finished.folder, **SETTINGS)


def test_a_damaged_trial_is_named(world: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials" / "abc.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        load_trials(tmp_path)
