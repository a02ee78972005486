"""What to do next is what the figures speak for, with commands that can be typed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from tests.comparison.reporting.test_terminal import printed
from tests.comparison.synthetic import FROZEN, TFIDF, Comparison
from textgraft.cli import app
from textgraft.comparison.contenders.registry import CONTENDERS
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.plan import PlannedTrial, load_plan
from textgraft.comparison.records.trials import load_test_set, load_trials
from textgraft.comparison.reporting import next_steps as next_steps_module
from textgraft.comparison.reporting.next_steps import next_steps, suspect_rows
from textgraft.comparison.reporting.report import write_report
from textgraft.comparison.reporting.terminal import render_steps
from textgraft.evaluation.intervals import Estimate


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return Comparison(curves=(TFIDF, FROZEN), rows=400).write(tmp_path_factory.mktemp("next") / "run")


def _steps(folder, *, change=lambda trial, gold: trial, labels=None):
    plan, test_set = load_plan(folder), load_test_set(folder)
    if labels:
        test_set = msgspec.structs.replace(test_set, labels=labels)
    trials = [change(trial, np.array(test_set.gold)) for trial in load_trials(folder)]
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()
    return {step.what.split()[0]: step for step in next_steps(folder, plan, test_set, trials, verdict)}


def test_rows_to_label_come_with_the_gain_that_is_forecast(folder):
    step = _steps(folder)["Label"]
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()
    curve = next(curve for curve in verdict.curves if curve.contender == verdict.pick)
    assert f"+{curve.forecasts[0].gain.value:.3f}" in step.what
    assert step.command == f"textgraft label-next {folder}/best unlabelled.csv --count 50 --review reviews.db"


def test_nobody_is_asked_to_label_as_many_rows_again_for_next_to_nothing(folder):
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()

    def steps(gain, apart=0.01):
        forecasts = [
            msgspec.structs.replace(one, gain=Estimate(gain, gain - apart, gain + apart))
            for one in verdict.curves[0].forecasts
        ]
        curves = [msgspec.structs.replace(curve, forecasts=forecasts) for curve in verdict.curves]
        changed = msgspec.structs.replace(verdict, curves=curves)
        found = next_steps(folder, load_plan(folder), load_test_set(folder), load_trials(folder), changed)
        return {one.what.split()[0] for one in found}

    assert "Label" in steps(0.03)
    assert "Label" not in steps(0.01)
    assert "Label" in steps(0.01, apart=0.002), "that is certain"


def test_who_did_not_learn_from_all_rows_is_to_do_so_before_more_are_labelled(folder):
    test_set, plan = load_test_set(folder), load_plan(folder)
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()
    short = msgspec.structs.replace(verdict, train_rows=2 * verdict.size)
    steps = {
        one.what.split()[0]: one for one in next_steps(folder, plan, test_set, load_trials(folder), short)
    }
    assert "Label" not in steps
    assert steps["Have"].what.startswith(
        f"Have {verdict.pick} learn from all 6,000 rows, where it had 3,000: "
    )
    assert (
        steps["Have"].command == f"textgraft train complaints.csv --contender {verdict.pick} --output model"
    )
    (because,) = [one.because for one in answers(short) if one.question == "Would more labels help?"]
    assert f"twice as many as {verdict.pick} learned from" in because
    (because,) = [one.because for one in answers(verdict) if one.question == "Would more labels help?"]
    assert "twice as many as now" in because


def test_labels_that_look_like_codes_are_to_be_described(folder, monkeypatch):
    codes = ["ABBR", "DESC", "ENTY", "HUM", "LOC"]
    assert "Describe" not in _steps(folder, labels=codes), "nobody goes by them"
    entry = next(entry for entry in CONTENDERS if entry.name == "zero-shot")
    monkeypatch.setattr(next_steps_module, "contender_named", lambda name: entry)
    step = _steps(folder, labels=codes)["Describe"]
    assert "5 of them look like codes" in step.what
    assert step.command.endswith("--describe labels.csv")
    assert "Describe" not in _steps(folder)


def test_labels_that_all_contradict_surely_are_suspect(folder):
    def sure_of_the_same_error(trial, gold):
        predicted, confidence = gold.copy(), np.full(len(gold), 0.6)
        predicted[:3] = (gold[:3] + 1) % 5
        confidence[:3] = 0.95
        return msgspec.structs.replace(trial, predicted=predicted.tolist(), confidence=confidence.tolist())

    step = _steps(folder, change=sure_of_the_same_error)["Mend"]
    assert "3 test rows" in step.what
    assert "row 1, 2 and 3" in step.what
    assert "label-errors" in step.command


def test_one_contender_alone_makes_nothing_suspect(folder):
    trials = [trial for trial in load_trials(folder) if trial.contender == "tfidf"]
    assert suspect_rows(trials, [-1] * 400) == []


def test_a_label_that_is_worse_by_more_than_chance_is_to_be_watched(folder):
    def blind_to_one_label(trial, gold):
        predicted = np.where(gold == 2, 0, gold)
        return msgspec.structs.replace(trial, predicted=predicted.tolist())

    assert "label: returns" in _steps(folder, change=blind_to_one_label)["Watch"].what

    def equally_good(trial, gold):
        lucky = np.random.default_rng(trial.seed).random(len(gold)) < 0.8
        return msgspec.structs.replace(trial, predicted=np.where(lucky, gold, (gold + 1) % 5).tolist())

    assert "Watch" not in _steps(folder, change=equally_good)


def test_a_threshold_says_what_it_catches(folder):
    def unsure_where_wrong(trial, gold):
        predicted, confidence = gold.copy(), np.linspace(0.7, 0.99, len(gold))
        predicted[:30] = (gold[:30] + 1) % 5
        confidence[:30] = 0.4
        return msgspec.structs.replace(trial, predicted=predicted.tolist(), confidence=confidence.tolist())

    step = _steps(folder, change=unsure_where_wrong)["Set"]
    assert "30 of the 30 wrong answers" in step.what
    assert "--below 0.7" in step.command

    def as_unsure_where_right(trial, gold):
        wrong = np.random.default_rng(0).random(len(gold)) < 0.2
        confidence = np.where(wrong, 0.9, np.linspace(0.3, 0.99, len(gold)))
        predicted = np.where(wrong, (gold + 1) % 5, gold)
        return msgspec.structs.replace(trial, predicted=predicted.tolist(), confidence=confidence.tolist())

    assert "Set" not in _steps(folder, change=as_unsure_where_right)


@pytest.mark.parametrize(
    ("given", "proposed"),
    [
        ("textgraft compare a.csv --budget 40s -o run", "textgraft compare a.csv --budget 3m -o run"),
        ("textgraft compare a.csv --budget=40s -o run", "textgraft compare a.csv --budget 3m -o run"),
        ("textgraft.compare(…)", 'textgraft.compare(…, budget="3m")'),
    ],
)
def test_a_contender_that_was_compared_with_no_other_wants_more_time(given, proposed):
    both = Comparison(curves=(TFIDF, FROZEN), rows=400)
    alone = [trial for trial in both.trials() if trial.contender == "tfidf"]
    verdict = judge(alone, both.test_set())
    plan = both.plan(alone)
    plan = msgspec.structs.replace(
        plan,
        command=given,
        request=msgspec.structs.replace(plan.request, budget=40.0),
        plan=msgspec.structs.replace(plan.plan, left_out=[PlannedTrial("bert-frozen", 3000, 0)]),
    )
    step, *_ = next_steps(Path("run"), plan, both.test_set(), alone, verdict)
    assert step.what.startswith("Give it more time: for want of it bert-frozen was not measured")
    assert step.command == proposed
    compared = next_steps(Path("run"), plan, both.test_set(), both.trials(), both.judge())
    assert all("more time" not in step.what for step in compared)


def test_they_stand_in_terminal_and_report(folder):
    steps = list(_steps(folder).values())
    text = printed(render_steps(steps), width=1000)
    page = write_report(folder).read_text()
    assert "What next" in text
    assert "What next" in page
    for step in steps:
        assert step.what in text
        assert step.command in text
        assert step.command.replace("&&", "&amp;&amp;") in page


def test_their_commands_exist(folder):
    for step in _steps(folder).values():
        for command in step.command.split(" && "):
            _, *words = command.split()
            names = words[:2] if words[0] == "review" else words[:1]
            told = CliRunner().invoke(app, [*names, "--help"])
            assert told.exit_code == 0
            assert all(word in told.output for word in words if word.startswith("--")), command


def _of_choices(folder, change):
    """Return the steps after the same trials, were they of a task that label-next does not know."""
    plan, test_set = load_plan(folder), load_test_set(folder)
    settings = {"choices": 5}
    test_set = msgspec.structs.replace(test_set, task="multiple-choice", task_settings=settings)
    trials = [change(trial, np.array(test_set.gold)) for trial in load_trials(folder)]
    plan = msgspec.structs.replace(plan, source="choices.jsonl")
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()
    return {step.what.split()[0]: step for step in next_steps(folder, plan, test_set, trials, verdict)}


def test_tasks_whose_rows_are_not_chosen_have_steps_of_their_own(folder):
    def unsure_where_wrong(trial, gold):
        predicted, confidence = gold.copy(), np.linspace(0.85, 0.99, len(gold))
        predicted[:30] = (gold[:30] + 1) % 5
        confidence[:30] = 0.4
        predicted[40:43] = (gold[40:43] + 1) % 5
        return msgspec.structs.replace(trial, predicted=predicted.tolist(), confidence=confidence.tolist())

    steps = _of_choices(folder, unsure_where_wrong)
    assert "Add them to the file" in steps["Label"].what
    assert steps["Label"].command == "textgraft compare complaints.csv"
    assert "row 43, 42 and 41" in steps["Mend"].what
    assert steps["Mend"].command.startswith(f"textgraft evaluate {folder}/best labelled.jsonl")
    assert "Of the others 99% are right" in steps["Set"].what
    assert steps["Set"].command == f"textgraft threshold {folder}/best labelled.jsonl --precision 0.95"


def test_where_nothing_speaks_for_anything_the_model_is_to_be_used(folder):
    def right(trial, gold):
        return msgspec.structs.replace(
            trial, predicted=gold.tolist(), confidence=np.linspace(0.9, 0.99, len(gold)).tolist()
        )

    plan, test_set = load_plan(folder), load_test_set(folder)
    trials = [right(trial, np.array(test_set.gold)) for trial in load_trials(folder)]
    verdict = Comparison(curves=(TFIDF, FROZEN), rows=400).judge()
    curves = [msgspec.structs.replace(curve, forecasts=[]) for curve in verdict.curves]
    flat = msgspec.structs.replace(verdict, curves=curves)
    (step,) = next_steps(folder, plan, test_set, trials, flat)
    assert step.what.startswith("Use it")
    assert step.command.startswith(f"textgraft predict {folder}/best new.csv && ")
    none = msgspec.structs.replace(flat, decision=msgspec.structs.replace(flat.decision, pick=None))
    (step,) = next_steps(folder, plan, test_set, trials, none)
    assert step.what.startswith("Loosen the limits")
    assert step.command == "textgraft compare complaints.csv"
