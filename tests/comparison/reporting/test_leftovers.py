"""What was not measured, and why, in a few words."""

from msgspec.structs import replace

from tests.comparison.synthetic import LSTM, TFIDF, Comparison
from textgraft.comparison.records.plan import PlannedTrial
from textgraft.comparison.reporting.leftovers import left_out, not_reached

COMPARISON = Comparison(curves=(TFIDF, LSTM), sizes=(100, 300))


def test_a_comparison_that_was_stopped_names_whom_it_has_not_come_to():
    trials = [one for one in COMPARISON.trials() if one.contender == "tfidf"]
    plan = COMPARISON.plan(trials)
    assert not_reached(plan) == ""
    waiting = [PlannedTrial("lstm", 300, 0), PlannedTrial("tfidf", 300, 1), PlannedTrial("lstm", 100, 0)]
    stopped = replace(plan, plan=replace(plan.plan, trials=waiting))
    assert not_reached(stopped) == "Not reached yet: lstm."
    assert left_out(stopped) == "", "there is time for it"
