"""A folder used for two requests gives for the second what a fresh folder gives, and hands over its model."""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.comparison.compare import compare
from textgraft.comparison.contenders.base import Contender, EpochSchedule
from textgraft.comparison.records.plan import Rate, load_plan
from textgraft.comparison.records.trials import Trial, TrialIdentity, load_trials, save_trial
from textgraft.comparison.running import costs
from textgraft.comparison.running.progress import SilentReporter
from textgraft.errors import OptionError
from textgraft.models.manifest import read_manifest

PLAIN: dict[str, Any] = {
    "contenders": "tfidf,bert-frozen", "encoder": "first", "sizes": "40", "seeds": 1, "tuning": 1,
    "prefer": "bert-frozen",
}  # fmt: skip
REQUESTS: dict[str, dict[str, Any]] = {
    "plain": PLAIN,
    "other weights": {**PLAIN, "encoder": "second"},
    "other tokenizer": {**PLAIN, "encoder": "renumbered"},
    "other limits": {**PLAIN, "encoder": "short-sighted"},
    "cut": {**PLAIN, "max_length": 5},
    "more seeds": {**PLAIN, "seeds": 2},
    "more configurations": {**PLAIN, "tuning": 2},
    "smaller": {**PLAIN, "sizes": "20"},
    "more sizes": {**PLAIN, "sizes": "20,40,60"},
    "other contenders": {**PLAIN, "contenders": "majority,bert-frozen"},
    "other pick": {**PLAIN, "prefer": "tfidf"},
}
PAIRS = [*itertools.pairwise([*REQUESTS, "plain"]), ("more sizes", "smaller"), ("plain", "other tokenizer")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twice")
    write_topics(folder / "topics.csv", 160)
    save_tiny_bert(folder / "first")
    save_tiny_bert(folder / "second", seed=1)
    shutil.copytree(folder / "first", folder / "renumbered")
    file = folder / "renumbered" / "tokenizer.json"
    tokenizer = json.loads(file.read_text())
    numbers = tokenizer["model"]["vocab"]
    ordinary = [word for word in numbers if not word.startswith("[")]
    numbers |= dict(zip(ordinary, [numbers[word] for word in reversed(ordinary)], strict=True))
    file.write_text(json.dumps(tokenizer))
    shutil.copytree(folder / "first", folder / "short-sighted")
    (folder / "short-sighted" / "sentence_bert_config.json").write_text('{"max_seq_length": 5}')
    return folder


@pytest.fixture(autouse=True)
def _no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """What contenders cost is no matter here, and neither is the report's looks."""
    monkeypatch.setattr(costs, "probe", lambda *_, **__: Rate(fixed=1.0, per_row=0.0, per_epoch=0.0))


def ask(world: Path, output: Path, request: dict[str, Any], **others: Any) -> dict[str, Any]:
    """Run a request; return all that must not depend on what happened in the folder before."""
    given = {**request, "encoder": world / request["encoder"], "output": output, **others}
    done = compare(world / "topics.csv", **given)
    plan = load_plan(output)
    by_id = {trial.id: trial for trial in load_trials(output)}
    handed_over = read_manifest(output / "best")
    return {
        "trials": {name: timeless(by_id[key]) for name, key in plan.results.items()},
        "pick": done.verdict.pick,
        "scores": {standing.contender: standing.score for standing in done.verdict.standings},
        "best": (handed_over.training["trial"], handed_over.files["model.safetensors"]),
        "answers": [
            prediction.label for prediction in done.best.predict([text for text, _ in topic_rows(20)])
        ],
    }


def timeless(trial: Trial) -> dict[str, Any]:
    """Return a trial without what a clock measured."""
    told = msgspec.to_builtins(trial)
    del told["cost"]
    for entry in (*told["configurations"], *told["history"]):
        entry.pop("seconds")
    return told


@pytest.fixture(scope="module")
def fresh(world: Path) -> dict[str, dict[str, Any]]:
    """What each request gives in a folder of its own, filled as they are asked for."""
    return {}


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_folder_used_twice_gives_what_two_fresh_folders_give(world, fresh, tmp_path, first, second):
    for name in (first, second):
        if name not in fresh:
            fresh[name] = ask(world, world / name, REQUESTS[name])
    shutil.copytree(world / first, tmp_path / "run")
    assert ask(world, tmp_path / "run", REQUESTS[second], add=True) == fresh[second]
    if first != "other pick" != second:  # a preference is no other request: it changes the pick alone
        assert fresh[first]["trials"] != fresh[second]["trials"]


def test_a_finished_comparison_is_not_replaced_unasked(world, tmp_path):
    ask(world, tmp_path / "run", PLAIN)
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(OptionError, match="--add"):
        ask(world, tmp_path / "run", REQUESTS["smaller"])
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_each_request_has_a_folder_of_its_own(world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = []
    for name in ("plain", "smaller", "plain"):
        given = {**REQUESTS[name], "encoder": world / "first"}
        folders.append(compare(world / "topics.csv", **given).folder)
    assert folders[0] == folders[2] != folders[1]
    assert all(folder.parent == Path("runs") and folder.name.startswith("topics-") for folder in folders)
    with pytest.raises(OptionError, match="not one comparison"):
        compare(world / "topics.csv", **{**PLAIN, "encoder": world / "first", "seeds": 2, "add": True})
    shutil.rmtree(folders[1])
    added = compare(world / "topics.csv", **{**PLAIN, "encoder": world / "first", "seeds": 2, "add": True})
    assert added.folder == folders[0]


def test_what_stands_in_a_folder_of_another_kind_stays(world, tmp_path):
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(OptionError, match="nothing is replaced unasked"):
        ask(world, tmp_path, PLAIN)
    assert (tmp_path / "report.html").read_text() == "mine"


def test_damaged_trials_and_models_are_made_again(world, fresh, tmp_path):
    if "plain" not in fresh:
        fresh["plain"] = ask(world, world / "plain", PLAIN)
    for damage in ("trials/*.json", "models/*/model.safetensors"):
        shutil.copytree(world / "plain", tmp_path / "run", dirs_exist_ok=True)
        for path in (tmp_path / "run").glob(damage):
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)
        assert ask(world, tmp_path / "run", PLAIN) == fresh["plain"]


class Stop(SilentReporter):
    """Ctrl-C after so many trials."""

    def __init__(self, trials: int) -> None:
        self.left = trials

    def trial_finished(self, trial: Trial, metric: str) -> None:
        self.left -= 1
        if not self.left:
            raise KeyboardInterrupt


@pytest.mark.parametrize("trials", [1, 3, 5])
def test_stopped_and_asked_for_smaller_sizes_in_the_same_folder(world, fresh, tmp_path, trials):
    with pytest.raises(KeyboardInterrupt):
        ask(world, tmp_path / "run", REQUESTS["more sizes"], reporter=Stop(trials))
    if "smaller" not in fresh:
        fresh["smaller"] = ask(world, world / "smaller", REQUESTS["smaller"])
    assert ask(world, tmp_path / "run", REQUESTS["smaller"]) == fresh["smaller"]


def test_translation_and_then_text2text_are_told_apart(world, tmp_path):
    lines = "".join(f"{json.dumps({'de': text, 'en': text[:9]})}\n" for text, _ in topic_rows(60))
    (tmp_path / "pairs.jsonl").write_text(lines)
    request = {"contenders": "copy", "sizes": "20", "seeds": 1, "tuning": 1, "text": "de", "label": "en"}
    metrics = {
        task: compare(
            tmp_path / "pairs.jsonl", task=task, output=tmp_path / "run", add=True, **request
        ).trials[0].metric
        for task in ("translation", "text2text")
    }  # fmt: skip
    assert metrics == {"translation": "bleu", "text2text": "chrf"}


def test_a_trial_that_the_clock_cut_is_no_result_for_other_requests(world, tmp_path, monkeypatch):
    fit = Contender.fit
    limits: list[float | None] = []

    def hurried(self, job, settings):
        limits.append(job.max_seconds)
        return replace(fit(self, job, settings), cut=job.max_seconds is not None)

    monkeypatch.setattr(Contender, "fit", hurried)
    monkeypatch.setattr(EpochSchedule, "number", lambda self, size: 2)
    request = {**PLAIN, "contenders": "lstm", "seeds": 2, "prefer": "score"}
    ask(world, tmp_path / "run", {**request, "budget": "10m"})
    cut = load_trials(tmp_path / "run")
    assert len(cut) == 2
    assert all(trial.limit_seconds for trial in cut)
    again = ask(world, tmp_path / "run", {**request, "budget": "10m"})  # the same request resumes
    assert len(limits) == 2
    assert set(again["trials"]) == {"lstm/40/0", "lstm/40/1"}
    free = ask(world, tmp_path / "run", request, add=True)
    assert limits[2:] == [None, None]
    assert free == ask(world, tmp_path / "other", request)
    # What was not cut is a result for those who have less time.
    ask(world, tmp_path / "run", {**request, "budget": "20m"}, add=True)
    assert len(limits) == 6


def test_a_budget_is_that_of_its_own_call(world, tmp_path, monkeypatch):
    """Trials of an earlier call took an hour each; the next call has its budget all the same."""
    ask(world, tmp_path / "run", PLAIN)
    for trial in load_trials(tmp_path / "run"):
        slow = msgspec.structs.replace(
            trial, cost=msgspec.structs.replace(trial.cost, training_seconds=3600.0)
        )
        save_trial(tmp_path / "run", slow)
    done = ask(world, tmp_path / "run", {**REQUESTS["more seeds"], "budget": "10m"}, add=True)
    assert len(done["trials"]) == 4


def test_every_part_of_the_identity_tells_trials_apart():
    identity = TrialIdentity(
        task="classification", task_settings={"labels": ["a", "b"]}, train="t", dev="d", test="e",
        contender="lstm", size=40, seed=0, configurations=[{"c": 1.0}], encoder=None, language_model=None,
        max_length=None, version="1",
    )  # fmt: skip
    others: dict[str, Any] = {
        "task": "pairs", "task_settings": {"labels": ["b", "a"]}, "train": "u", "dev": "u", "test": "u",
        "contender": "gru", "size": 41, "seed": 1, "configurations": [{"c": 2.0}], "encoder": "x",
        "language_model": "x", "max_length": 5, "version": "2", "limit_seconds": 3.5,
    }  # fmt: skip
    assert set(others) == set(TrialIdentity.__struct_fields__)
    ids = {msgspec.structs.replace(identity, **{name: value}).id for name, value in others.items()}
    assert len(ids | {identity.id}) == len(others) + 1
