"""The plan: what tells most comes first, what fits the time is kept, and what does not is said."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgraft.comparison.contenders.base import EpochSchedule
from textgraft.comparison.records.plan import (
    PlannedTrial,
    Programme,
    Rate,
    Spent,
    TrialPlan,
    configurations_of,
)
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.running.planning import schedule
from textgraft.comparison.running.sizes import by_worth, default_sizes
from textgraft.comparison.running.time_limits import (
    COMFORT,
    PETTY,
    SLACK,
    allowance,
    is_vital,
    shortest,
    useful,
)
from textgraft.comparison.running.trial_jobs import LEAST_TRAINED
from textgraft.wording import parse_seconds

RATES = {
    "tfidf": Rate(fixed=0.5, per_row=0.0005, per_epoch=0.0),
    "bert-frozen": Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, shared=20.0),
    "lstm": Rate(fixed=2.0, per_row=0.001, per_epoch=0.0015, epochs=EpochSchedule(15_000, 8, 60)),
    "bert-finetuned": Rate(fixed=3.0, per_row=0.001, per_epoch=0.006, epochs=EpochSchedule(8000, 4, 20)),
}
SIZES = (100, 300, 1000, 3000, 6000)
PROGRAMMES = {name: Programme(sizes=SIZES, seeds=3, configurations=3) for name in RATES}
WHOLE = schedule(PROGRAMMES, RATES, None)


def places(plan: TrialPlan, name: str) -> list[tuple[int, int]]:
    return [(one.size, one.seed) for one in plan.trials if one.contender == name]


def test_sizes_climb_to_all_rows() -> None:
    assert default_sizes(6000) == [100, 300, 1000, 3000, 6000]
    assert default_sizes(3100) == [100, 300, 1000, 3100]
    assert default_sizes(600) == [50, 100, 300, 600]
    assert default_sizes(80) == [40, 80]
    assert default_sizes(30) == [30]


def test_no_usual_size_has_less_than_two_rows_a_label_for_the_sake_of_more_sizes() -> None:
    assert default_sizes(600, 40) == [100, 300, 600]


def test_the_ends_of_a_curve_tell_most_then_its_middle() -> None:
    assert by_worth(SIZES) == [6000, 100, 1000, 300, 3000]
    assert by_worth((0,)) == [0]
    assert by_worth((0, 8)) == [8, 0]


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("10m", 600), ("2h", 7200), ("1h30m", 5400), ("0.5h", 1800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "ten", "5", "-3m", "m", "0s", "1.2.3m", "3d"])
def test_durations_that_are_none(text: str) -> None:
    with pytest.raises(Exception, match="duration"):
        parse_seconds(text)


def test_without_a_clock_everything_is_run_phase_by_phase_the_cheap_ones_first() -> None:
    assert len(WHOLE.trials) == 4 * 5 * 3
    assert WHOLE.left_out == []
    assert WHOLE.configurations == dict.fromkeys(RATES, 3)
    order = list(dict.fromkeys(one.contender for one in WHOLE.trials))
    assert order == ["tfidf", "bert-frozen", "lstm", "bert-finetuned"]


def test_every_contender_begins_with_all_rows_and_ends_with_seeds() -> None:
    for name in RATES:
        found = places(WHOLE, name)
        assert found[:5] == [(6000, 0), (100, 0), (1000, 0), (300, 0), (3000, 0)]
        assert {seed for _, seed in found[5:]} == {1, 2}


@settings(deadline=None)
@given(st.floats(1, 1.5 * WHOLE.seconds))
def test_a_plan_fits_and_forgets_nothing(room: float) -> None:
    plan = schedule(PROGRAMMES, RATES, room)
    shortened = sum(
        plan.estimate(one, RATES) - min(plan.estimate(one, RATES), SLACK * shortest(one, RATES))
        for one in plan.trials
        if one.seed == 0 and RATES[one.contender].epochs
    )
    usual = sum(plan.estimate(one, RATES) for one in plan.trials)
    usual += sum(rate.shared for name, rate in RATES.items() if places(plan, name))
    assert plan.seconds == pytest.approx(min(usual, room))
    assert usual - shortened <= room + 1e-6
    if usual > room + 1e-6:
        # Nothing is shortened for the sake of further seeds.
        assert not any(one.seed for one in plan.trials if RATES[one.contender].epochs)
    together = [*plan.trials, *plan.left_out]
    assert len(together) == len(set(together)) == 60
    assert set(together) == set(WHOLE.trials)


@settings(deadline=None)
@given(st.floats(140, WHOLE.seconds))
def test_whatever_the_time_the_cheap_ones_have_their_curves(room: float) -> None:
    plan = schedule(PROGRAMMES, RATES, room)
    for name in ("tfidf", "bert-frozen"):
        assert {size for size, seed in places(plan, name) if seed == 0} == set(SIZES)
        assert plan.configurations[name] == 3
    # A further seed of theirs is left out only where no more than all rows of the costly ones fits, and what
    # costs next to nothing.
    left_out = [plan.estimate(one, RATES) for one in plan.left_out if RATES[one.contender].epochs is None]
    beyond = [one for one in plan.trials if RATES[one.contender].epochs and one.size < SIZES[-1]]
    petty = PETTY * RATES["bert-finetuned"].seconds(SIZES[-1], 1)
    most = max(petty, min(left_out, default=math.inf))
    assert all(SLACK * shortest(one, RATES) <= most for one in beyond)


def test_a_frozen_encoder_has_its_curve_before_the_costly_take_more_than_they_need() -> None:
    rates = {
        "tfidf": Rate(fixed=0.2, per_row=0.0011, per_epoch=0.0),
        "bert-frozen": Rate(fixed=2.2, per_row=0.0035, per_epoch=0.0, shared=62.0),
        "lstm": Rate(fixed=1.9, per_row=0.0, per_epoch=0.0019, epochs=EpochSchedule(15_000, 10, 60)),
        "bert-finetuned": Rate(
            fixed=39.0, per_row=0.0, per_epoch=0.0147, shared=33.0, epochs=EpochSchedule(8_000, 4, 20, 0.2)
        ),
    }
    sizes = (100, 300, 1000, 3000, 9005)
    programmes = {name: Programme(sizes=sizes, seeds=3, configurations=2) for name in rates}
    plan = schedule(programmes, rates, 450.0)
    # Its further seeds would take most of the time.
    assert {size for size, _ in places(plan, "bert-frozen")} == set(sizes)
    assert (9005, 0) in places(plan, "lstm")
    assert {(9005, 0)} == set(places(plan, "bert-finetuned"))


HASTY = {
    "tfidf": Rate(fixed=0.63, per_row=0.0004, per_epoch=0.0),
    "zero-shot": Rate(fixed=3.3, per_row=0.0, per_epoch=0.0),
    "static": Rate(fixed=0.7, per_row=0.0012, per_epoch=0.0),
    "bert-frozen": Rate(fixed=1.2, per_row=0.0013, per_epoch=0.0, shared=3.7),
    "lstm": Rate(fixed=0.6, per_row=0.0, per_epoch=0.0018, epochs=EpochSchedule(15_000, 10, 60)),
    "bert-finetuned": Rate(
        fixed=4.7, per_row=0.0, per_epoch=0.0075, shared=1.9, epochs=EpochSchedule(8000, 4, 20, 0.2)
    ),
}
"""As measured on 900 questions of TREC and 500 to test on, on one busy core."""
HASTY_PROGRAMMES = {
    name: Programme(sizes=(0,), seeds=1, configurations=1)
    if name == "zero-shot"
    else Programme(sizes=(50, 100, 300, 900), seeds=3, configurations=3)
    for name in HASTY
}


def test_every_contender_has_all_rows_before_any_has_a_further_seed() -> None:
    done: list[str] = []
    left, ran = 42.0, []
    while (plan := schedule(HASTY_PROGRAMMES, HASTY, 0.9 * left, done)).trials:
        planned = plan.trials[0]
        # As long as it is estimated, or as the clock leaves it.
        took = min(plan.estimate(planned, HASTY), allowance(plan, HASTY, left, done))
        left, done = left - took, [*done, planned.name]
        ran.append(planned)
    whole = [ran.index(PlannedTrial(name, 900, 0)) for name in HASTY if name != "zero-shot"]
    seeds = [place for place, one in enumerate(ran) if one.seed]
    assert max(whole) < min(seeds, default=len(ran))
    assert left >= -0.1


@pytest.mark.parametrize("left", [14.0, 15.0, 16.5, 18.0])
def test_the_curve_of_a_cheap_contender_does_not_take_what_all_rows_of_a_costly_one_need(left: float) -> None:
    """A minute for 900 questions: a curve was measured, and no time was left to fine-tune."""
    rates = {
        "bert-frozen": Rate(fixed=1.0, per_row=0.0005, per_epoch=0.0),
        "lstm": Rate(fixed=0.4, per_row=0.0, per_epoch=0.001, batch=32, epochs=EpochSchedule(15_000, 10, 60)),
        "bert-finetuned": Rate(
            fixed=2.8, per_row=0.0, per_epoch=0.0045, batch=16, epochs=EpochSchedule(8_000, 4, 20, 0.2)
        ),
    }
    programmes = {name: HASTY_PROGRAMMES[name] for name in rates}
    whole = [PlannedTrial(name, 900, 0) for name in rates]
    done, ran = [whole[0].name], []
    while (plan := schedule(programmes, rates, 0.9 * left, done)).trials:
        first, done = plan.trials[0], [*done, plan.trials[0].name]
        allowed = min(left, allowance(plan, rates, left, done))
        if useful(first, plan, rates) <= allowed:
            # All that the clock does not end takes a fifth longer than was thought.
            left -= min(1.2 * plan.estimate(first, rates), allowed)
            ran.append(first)
    assert set(whole[1:]) <= set(ran)


def test_a_frozen_encoder_has_all_rows_before_the_clock_may_end_another_training() -> None:
    rates = {
        "static": Rate(fixed=2.6, per_row=0.006, per_epoch=0.0),
        "lstm": Rate(fixed=1.4, per_row=0.0, per_epoch=0.00165, epochs=EpochSchedule(15_000, 10, 60)),
        "bert-frozen": Rate(fixed=1.2, per_row=0.0006, per_epoch=0.0, shared=12.9),
        "bert-finetuned": Rate(
            fixed=14.7, per_row=0.0, per_epoch=0.0095, epochs=EpochSchedule(8_000, 4, 20, 0.2)
        ),
    }
    sizes = (50, 100, 300, 901)
    programmes = {name: Programme(sizes=sizes, seeds=3, configurations=1) for name in rates}
    plan = schedule(programmes, rates, 28.0)
    order = [one.contender for one in plan.trials if one.size == 901]
    assert order[:2] == ["static", "bert-frozen"]


def test_a_few_rows_of_costly_contenders_are_shortened_so_that_every_curve_has_its_sizes() -> None:
    costly, sizes = ("lstm", "bert-finetuned"), (50, 100, 300)
    rates = {name: msgspec.structs.replace(HASTY[name], shared=0.0) for name in costly}
    programmes = {name: Programme(sizes=(*sizes, 900), seeds=1, configurations=1) for name in costly}
    done = [PlannedTrial(name, 900, 0).name for name in costly]
    left = 0.1 + sum(shortest(PlannedTrial(name, size, 0), rates) for name in costly for size in sizes)
    assert left < 0.6 * schedule(programmes, rates, None, done).seconds
    ran = 0
    while (plan := schedule(programmes, rates, left, done)).trials:
        planned = plan.trials[0]
        took = min(plan.estimate(planned, rates), allowance(plan, rates, left, done))
        assert took >= shortest(planned, rates) - 1e-6
        left, done, ran = left - took, [*done, planned.name], ran + 1
    assert ran == 6


def test_training_on_all_rows_gives_a_little_to_the_sizes_that_shape_curves() -> None:
    costly, sizes = ("lstm", "bert-finetuned"), (50, 100, 300)
    rates = {name: msgspec.structs.replace(HASTY[name], shared=0.0) for name in costly}
    programmes = {name: Programme(sizes=(*sizes, 900), seeds=1, configurations=1) for name in costly}
    whole = sum(rates[name].seconds(900, 1) for name in costly)
    points = sum(shortest(PlannedTrial(name, size, 0), rates) for name in costly for size in sizes)
    left, done, trained = whole + 0.75 * points, [], {}
    while (plan := schedule(programmes, rates, left, done)).trials:
        planned = plan.trials[0]
        took = min(plan.estimate(planned, rates), allowance(plan, rates, left, done))
        left, done = left - took, [*done, planned.name]
        trained[planned.name] = took / plan.estimate(planned, rates)
    assert len(done) == 8
    assert all(share >= COMFORT for name, share in trained.items() if "/900/" in name)
    assert left >= -1e-6


def test_training_is_not_shortened_below_an_epoch() -> None:
    rates = {"a": Rate(fixed=1.0, per_row=0.0, per_epoch=0.01, epochs=EpochSchedule(8000, 4, 20, 0.2))}
    assert shortest(PlannedTrial("a", 100, 0), rates) == pytest.approx(1 + 0.2 * 100 * 20 * 0.01)
    assert shortest(PlannedTrial("a", 8000, 0), rates) == pytest.approx(1 + 8000 * 0.01)


def test_with_less_and_less_time_the_costly_give_up_seeds_then_curves_then_rows() -> None:
    kept = [
        [
            places(schedule(PROGRAMMES, RATES, share * WHOLE.seconds), name)
            for name in ("lstm", "bert-finetuned")
        ]
        for share in (0.6, 0.3, 0.12)
    ]
    assert all((6000, 0) in found for found in kept[0])
    assert [len(found) for found in kept[0]] > [len(found) for found in kept[1]]
    assert all((6000, 0) in found for found in kept[1])
    scarce = schedule(PROGRAMMES, RATES, 0.02 * WHOLE.seconds)
    assert all(size < 6000 for size, _ in places(scarce, "bert-finetuned"))


def test_curves_come_before_a_few_rows_of_a_costly_contender() -> None:
    rates = {
        **RATES,
        "lstm": Rate(fixed=2.0, per_row=0.0, per_epoch=0.02, epochs=EpochSchedule(15_000, 8, 60)),
    }
    some = {name: rates[name] for name in ("tfidf", "bert-frozen", "lstm")}
    programmes = {name: PROGRAMMES[name] for name in some}
    for room in (40.0, 60.0, 80.0, 110.0):
        plan = schedule(programmes, some, room)
        curves = {name: {size for size, _ in places(plan, name)} for name in some}
        if 0 < max(curves["lstm"], default=0) < SIZES[-1]:
            assert all(len(curves[name]) >= 4 for name in some if SIZES[-1] in curves[name]), room
    assert (6000, 0) not in places(plan, "lstm")
    assert len(curves["tfidf"]) >= 4


def test_costly_contenders_fit_fewer_configurations_and_all_of_them_as_many() -> None:
    plan = schedule(PROGRAMMES, RATES, 0.3 * WHOLE.seconds)
    assert plan.configurations["lstm"] == plan.configurations["bert-finetuned"] < 3


@pytest.mark.parametrize("seeds", [1, 3])
def test_time_that_is_left_at_the_end_goes_to_a_size_with_fewer_configurations(seeds: int) -> None:
    """A fifth of ten minutes was left over: three configurations had no time on 3,000 rows, one had."""
    programmes = {name: msgspec.structs.replace(own, seeds=seeds) for name, own in PROGRAMMES.items()}
    last = PlannedTrial("bert-finetuned", 3000, 0)
    done = {one.name for one in WHOLE.trials if one.seed == 0 or one.contender != "bert-finetuned"}
    one, three = (RATES["bert-finetuned"].seconds(3000, number) for number in (1, 3))
    for room, number in ((1.1 * one, 1), (1.1 * three, 3)):
        plan = schedule(programmes, RATES, room, done - {last.name})
        assert plan.trials[0] == last
        assert plan.configurations["bert-finetuned"] == number
        assert plan.seconds <= room
    less = schedule(programmes, RATES, 0.9 * one, done - {last.name})
    assert last not in less.trials
    assert less.configurations["bert-finetuned"] == 3


def test_a_second_seed_on_all_rows_tells_more_than_a_size_with_fewer_configurations() -> None:
    last, again = PlannedTrial("bert-finetuned", 3000, 0), PlannedTrial("bert-finetuned", 6000, 1)
    done = {one.name for one in WHOLE.trials if one.seed == 0 or one.contender != "bert-finetuned"}
    rate = msgspec.structs.replace(RATES["bert-finetuned"], further=(0.02,))
    room = 1.05 * (rate.seconds(6000, (0,)) + rate.seconds(3000, (0,)))
    rates, chosen = {**RATES, "bert-finetuned": rate}, {"bert-finetuned": {6000: 0}}
    plan = schedule(PROGRAMMES, rates, room, done - {last.name}, chosen=chosen)
    assert plan.trials[:2] == [again, last]
    assert plan.configurations["bert-finetuned"] == 1


def test_what_beaten_contenders_are_spared_takes_no_time_from_others() -> None:
    done = {one.name for one in WHOLE.trials if one.seed == 0}
    seed = PlannedTrial("bert-finetuned", 100, 1)
    room = 1.1 * RATES["bert-finetuned"].seconds(100, 1)
    beaten = dict.fromkeys([name for name in RATES if name != seed.contender], "far behind")
    assert schedule(PROGRAMMES, RATES, room, done, beaten).trials[:1] == [seed]
    assert seed not in schedule(PROGRAMMES, RATES, room, done).trials, "the quick ones come first"


def test_what_is_done_is_not_planned_again_and_what_it_shared_is_paid() -> None:
    done = [PlannedTrial("bert-frozen", 6000, 0).name]
    assert len(schedule(PROGRAMMES, RATES, None, done).trials) == 59
    alone = {"bert-frozen": PROGRAMMES["bert-frozen"]}
    rate = Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, shared=20.0)
    before = schedule(alone, {"bert-frozen": rate}, None).seconds
    rate.pay_shared(0.25)
    assert rate.shared == 15.0
    rate.pay_shared(1.0)
    after = schedule(alone, {"bert-frozen": rate}, None, done).seconds
    assert before - after == pytest.approx(rate.seconds(6000, 3) + 20.0)


def test_who_cannot_win_gets_no_further_seeds_and_comes_last() -> None:
    done = [PlannedTrial("lstm", 6000, 0).name]
    plan = schedule(PROGRAMMES, RATES, None, done, {"lstm": "far behind"})
    assert places(plan, "lstm") == [(100, 0), (1000, 0), (300, 0), (3000, 0)]
    assert [one.contender for one in plan.trials[-4:]] == ["lstm"] * 4
    assert plan.left_out == []
    unmeasured = schedule(PROGRAMMES, RATES, None, (), {"lstm": "its curve is flat"})
    assert (6000, 0) not in places(unmeasured, "lstm")


def test_sizes_of_its_own_do_not_bend_the_order_of_others() -> None:
    programmes = {**PROGRAMMES, "zero-shot": Programme(sizes=(0,), seeds=1, configurations=1)}
    rates = {**RATES, "zero-shot": Rate(fixed=1.0, per_row=0.0, per_epoch=0.0)}
    plan = schedule(programmes, rates, None)
    assert plan.trials[0] == PlannedTrial("zero-shot", 0, 0)
    assert len(plan.trials) == 61


def test_configurations_cost_what_they_cost_and_a_chosen_one_at_most_the_dearest() -> None:
    schedule_of_twenty = EpochSchedule(0, 20, 20)
    rate = Rate(fixed=1.0, per_row=0.01, per_epoch=0.001, further=(0.004,), epochs=schedule_of_twenty)
    assert rate.seconds(100, 1) == pytest.approx(1 + 1 + 1200 * 0.001)
    assert rate.seconds(100, 3) == pytest.approx(1 + 3 + 1200 * (0.001 + 0.004 + 0.004))
    assert rate.seconds(100, ()) == pytest.approx(1 + 1 + 1200 * 0.004)


def test_a_further_seed_costs_what_the_configuration_costs_that_the_first_one_chose() -> None:
    """What was planned at the dearest's cost had no time, and had the quicker one seem quicker still."""
    rate = msgspec.structs.replace(RATES["bert-finetuned"], further=(0.018,))
    rates = {**RATES, "bert-finetuned": rate}
    seed = PlannedTrial("bert-finetuned", 6000, 1)
    done = {one.name for one in WHOLE.trials if one.seed == 0 or one.contender != seed.contender}
    room = 1.1 * rate.seconds(6000, (0,))
    assert seed not in schedule(PROGRAMMES, rates, room, done).trials
    plan = schedule(PROGRAMMES, rates, room, done, chosen={"bert-finetuned": {6000: 0}})
    assert plan.trials[0] == seed
    assert plan.expected(seed, rates).in_steps == pytest.approx(24_000 * 0.006)
    dear = schedule(PROGRAMMES, rates, None, done, chosen={"bert-finetuned": {6000: 1}})
    assert dear.expected(seed, rates).in_steps == pytest.approx(24_000 * 0.018)


def test_where_not_all_configurations_have_time_the_best_of_many_fewer_rows_is_what_it_costs() -> None:
    trial = PlannedTrial("bert-finetuned", 6000, 0)
    assert configurations_of(trial, 1, {}) == (0,)
    assert configurations_of(trial, 1, {300: 2, 3000: 1}) == (1,)
    assert configurations_of(trial, 2, {300: 2, 3000: 1}) == (1, 0)
    assert configurations_of(trial, 1, {300: 2}) == (0,), "300 rows say little of 6,000"
    assert configurations_of(PlannedTrial("bert-finetuned", 6000, 1), 3, {3000: 1}) == ()


def test_finished_trials_correct_the_estimate() -> None:
    rate = Rate(fixed=1.0, per_row=0.01, per_epoch=0.0)
    before = rate.seconds(1000, 1)
    rate.observe(Spent(rate.seconds(1000, 1), 0.0), Spent(3 * before, 0.0))
    assert rate.seconds(1000, 1) > 2 * before, "a trial tells more than a probe did"
    for _ in range(7):
        rate.observe(Spent(rate.seconds(1000, 1), 0.0), Spent(3 * before, 0.0))
    assert rate.seconds(1000, 1) == pytest.approx(3 * before, rel=0.1)


def test_what_a_trial_costs_besides_its_steps_throws_off_no_other_size() -> None:
    """A size of few rows took five times as long as estimated, as it prepared what later ones run on."""
    rate = Rate(fixed=1.0, per_row=0.0, per_epoch=0.01, epochs=EpochSchedule(8000, 4, 20))
    small, large = PlannedTrial("a", 25, 0), PlannedTrial("a", 8000, 0)
    plan = planned({"a": rate}, small, large)
    expected, before = plan.expected(small, {"a": rate}), plan.estimate(large, {"a": rate})
    rate.observe(expected, Spent(5 * expected.beside, expected.in_steps))
    assert plan.estimate(large, {"a": rate}) == pytest.approx(before, rel=0.02)
    assert plan.estimate(small, {"a": rate}) > 1.5 * sum(expected)
    # What the clock ended after a hundredth of its training says next to nothing of its pace.
    rate.observe(expected, Spent(expected.beside, 5 * expected.in_steps), trained=0.01)
    assert plan.estimate(large, {"a": rate}) == pytest.approx(before, rel=0.1)


def test_what_is_shared_is_corrected_by_trials_that_did_it() -> None:
    """A trial whose texts were encoded before had others be planned to encode theirs in half the time."""
    rate = Rate(fixed=1.0, per_row=0.001, per_epoch=0.0, shared=100.0, shared_rows=10_000)
    expected = planned({"a": rate}, small := PlannedTrial("a", 300, 0)).expected(small, {"a": rate})
    rate.observe(expected, Spent(0.4 * expected.beside, 0.0, 0.0))
    assert rate.shared_seconds() == pytest.approx(100.0)
    assert rate.seconds(10_000, 1) < 0.6 * 11.0
    rate.observe(expected, Spent(0.4 * expected.beside, 0.0, 2 * expected.shared))
    assert rate.shared_seconds() == pytest.approx(100.0 * 2**0.5)


def test_on_a_part_of_a_core_everything_takes_as_many_times_as_long() -> None:
    rates = {name: msgspec.structs.replace(rate, slowness=2.5) for name, rate in RATES.items()}
    slow, alone = (schedule(PROGRAMMES, some, None) for some in (rates, RATES))
    assert slow.seconds == pytest.approx(2.5 * alone.seconds)
    one = PlannedTrial("lstm", 300, 0)
    assert slow.expected(one, rates) == pytest.approx(alone.expected(one, RATES))
    assert shortest(one, rates) == pytest.approx(2.5 * shortest(one, RATES))
    # Of the time that it has, as much is of use: the same trials come to the same end.
    assert schedule(PROGRAMMES, rates, 250.0).trials == schedule(PROGRAMMES, RATES, 100.0).trials


ELASTIC = Rate(fixed=10.0, per_row=0.0, per_epoch=0.0, epochs=EpochSchedule(100, 1, 1))
"""Training that the clock can end; ten seconds whatever the rows."""
RIGID = Rate(fixed=10.0, per_row=0.0, per_epoch=0.0)
"""A fit that runs to its end once begun."""


def planned(rates: dict[str, Rate], *trials: PlannedTrial) -> TrialPlan:
    return TrialPlan(trials=list(trials), configurations=dict.fromkeys(rates, 1), seconds=0.0)


def test_a_trial_may_take_what_the_others_do_not_need() -> None:
    rates = {"a": ELASTIC, "b": ELASTIC, "c": RIGID}
    whole = [PlannedTrial(name, 100, 0) for name in rates]
    plan = planned(rates, *whole, PlannedTrial("b", 30, 0), PlannedTrial("b", 100, 1))
    assert allowance(plan, rates, 90.0) == pytest.approx(60.0)
    # Too little for all: they share it, but for what cannot be shortened.
    assert allowance(plan, rates, 15.0) == pytest.approx(5.0)
    assert allowance(planned(rates, *reversed(whole)), rates, 15.0) == pytest.approx(15.0)
    assert allowance(plan, rates, -1.0) == 0.0


def test_what_a_trial_does_for_all_is_a_part_of_what_it_may_take() -> None:
    """Of the frozen layers' states and the training that follows: without the former there is none."""
    schedule = EpochSchedule(100, 10, 10)
    rates = {
        "a": Rate(fixed=0.0, per_row=0.0, per_epoch=0.01, shared=20.0, epochs=schedule),
        "b": Rate(fixed=0.0, per_row=0.0, per_epoch=0.1, epochs=schedule),
    }
    whole = [PlannedTrial(name, 100, 0) for name in rates]
    plan = planned(rates, *whole)
    needed = 20.0 + shortest(whole[0], rates)
    for left in (60.0, 75.0, 90.0):
        assert allowance(plan, rates, left) >= needed
    assert useful(whole[0], plan, rates) > 20.0
    rigid = {"a": Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, shared=20.0)}
    assert useful(whole[0], planned(rigid, whole[0]), rigid) == pytest.approx(21.0)


def test_what_draws_nothing_is_run_once_on_all_rows() -> None:
    """In a file of 100,000 rows TF-IDF was fitted three times, 18 s each, to come out the same."""
    programmes = {"a": Programme(sizes=(100, 1000), seeds=3, is_sure=True, configurations=1)}
    whole = schedule(programmes, {"a": Rate(fixed=1.0, per_row=0.0, per_epoch=0.0)}, None)
    assert places(whole, "a") == [(1000, 0), (100, 0), (100, 1), (100, 2)]


def test_a_smaller_size_encodes_fewer_texts() -> None:
    rate = Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, shared=22.0, shared_by_all=2.0, shared_rows=1000)
    assert rate.shared_seconds() == rate.shared_seconds(size=1000) == pytest.approx(22.0)
    assert rate.shared_seconds(size=100) == pytest.approx(4.0)
    programmes = {"a": Programme(sizes=(100, 300, 1000), seeds=1, configurations=1)}
    whole = schedule(programmes, {"a": rate}, None)
    assert whole.seconds == pytest.approx(3 * 1.0 + 22.0)
    # No time for all rows, but for some of them.
    assert places(schedule(programmes, {"a": rate}, 12.0), "a") == [(300, 0), (100, 0)]
    rate.pay_shared(0.1)
    assert rate.shared == pytest.approx(18.0)
    assert rate.shared_seconds(size=100) == pytest.approx(1.8)


def test_a_point_of_a_curve_leaves_the_others_what_they_need_at_least() -> None:
    rates = {
        name: Rate(fixed=0.0, per_row=0.0, per_epoch=0.1, epochs=EpochSchedule(100, 10, 10)) for name in "ab"
    }
    points = [PlannedTrial(name, size, 0) for name in "ab" for size in (10, 20)]
    plan = planned(rates, *points)
    done = [PlannedTrial(name, 100, 0).name for name in "ab"]
    least = [shortest(one, rates) for one in points]
    assert plan.estimate(points[0], rates) == pytest.approx(7.0)
    assert allowance(plan, rates, 50.0, done) == pytest.approx(50.0 - sum(least[1:]))
    assert least[0] < allowance(plan, rates, 34.0, done) < 7.0
    assert allowance(plan, rates, sum(least), done) == pytest.approx(least[0])
    assert is_vital(points[1], plan)
    assert not is_vital(points[1], plan, done)


DEMO = {
    "tfidf": Rate(fixed=0.2, per_row=0.0007, per_epoch=0.0),
    "static": Rate(fixed=0.2, per_row=0.0013, per_epoch=0.0),
    "bert-frozen": Rate(fixed=1.7, per_row=0.0011, per_epoch=0.0, shared=3.0),
    "lstm": Rate(fixed=0.45, per_row=0.0, per_epoch=0.0011, batch=32, epochs=EpochSchedule(15_000, 10, 60)),
    "bert-finetuned": Rate(
        fixed=3.8, per_row=0.0, per_epoch=0.0051, batch=16, epochs=EpochSchedule(8_000, 4, 20, 0.2)
    ),
}
"""As measured on the demo's rows, on an idle core."""
DEMO_PROGRAMMES = {
    name: Programme(sizes=(25, 50, 150, 1673), seeds=1, configurations=1) for name in DEMO
}  # fmt: skip


def demo(left: float, slowness: float = 1.0, *, misjudged: float = 1.0) -> list[tuple[PlannedTrial, float]]:
    """Run the demo as it would go: each trial with the share of its estimate that it had time for.

    Args:
        left: Seconds, on the wall.
        slowness: Of the machine.
        misjudged: How many times as long the steps of training take as the first estimate has it.
    """
    planned_rates = {name: msgspec.structs.replace(rate, slowness=slowness) for name, rate in DEMO.items()}
    true = {
        name: msgspec.structs.replace(rate, correction=misjudged if rate.epochs else 1.0)
        for name, rate in planned_rates.items()
    }
    done: list[str] = []
    ran = []
    while (plan := schedule(DEMO_PROGRAMMES, planned_rates, 0.9 * left, done)).trials:
        first, rate = plan.trials[0], planned_rates[plan.trials[0].contender]
        if useful(first, plan, planned_rates) > min(left, allowance(plan, planned_rates, left, done)):
            done.append(first.name)
            continue
        usual = plan.estimate(first, true)
        beside = plan.estimate(first, true, epochs_share=0.0)
        took = min(usual, max(beside, allowance(plan, planned_rates, left, done)))
        trained = 1.0 if usual == beside else (took - beside) / (usual - beside)
        ran.append((first, trained))
        rate.observe(
            plan.expected(first, planned_rates),
            Spent(beside / slowness, (usual - beside) / slowness),
            trained,
        )
        left, done = left - took, [*done, first.name]
    assert left >= -0.1
    return ran


def test_a_few_rows_that_take_seconds_have_their_turn_beside_a_long_training() -> None:
    """They were given none as soon as the training on all rows had not its comfort with all of them."""
    ran = dict(demo(44.0))
    assert ran[PlannedTrial("lstm", 25, 0)] >= 0.2
    assert ran[PlannedTrial("lstm", 50, 0)] >= 0.2
    assert ran[PlannedTrial("bert-finetuned", 1673, 0)] >= 0.25
    order = list(ran)
    assert order.index(PlannedTrial("lstm", 25, 0)) < order.index(PlannedTrial("bert-finetuned", 1673, 0))


def test_where_one_training_on_all_rows_has_time_it_is_the_pretrained_one() -> None:
    """Two minutes of TREC on a slow processor gave it to an LSTM, which fine-tuning beats by 0.1."""
    programmes = {
        name: msgspec.structs.replace(own, is_pretrained=name.startswith("bert"))
        for name, own in DEMO_PROGRAMMES.items()
    }
    wholes = {name: PlannedTrial(name, 1673, 0) for name in DEMO}
    done = [one.name for name, one in wholes.items() if DEMO[name].epochs is None]
    lstm, finetuned = (shortest(wholes[name], DEMO) for name in ("lstm", "bert-finetuned"))
    assert lstm < finetuned
    for room, expected in (
        (finetuned, {"bert-finetuned"}),
        (1.2 * (lstm + finetuned), {"lstm", "bert-finetuned"}),
    ):
        chosen = schedule(programmes, DEMO, room, done).trials
        assert {one.contender for one in chosen if one in wholes.values()} == expected
    # What has no time in any case leaves it to the others.
    chosen = schedule(programmes, DEMO, 0.7 * finetuned, done).trials
    assert wholes["lstm"] in chosen


@pytest.mark.parametrize("slowness", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("misjudged", [0.8, 1.0, 1.2])
@pytest.mark.parametrize("left", [30.0, 60.0, 90.0])
def test_whatever_the_machine_and_the_errors_no_trial_begins_without_time_for_a_useful_part(
    slowness: float, misjudged: float, left: float
) -> None:
    for one, trained in demo(left, slowness, misjudged=misjudged):
        rate = DEMO[one.contender]
        if rate.epochs:
            usual = rate.epochs.rows_seen(one.size) / (one.size * rate.epochs.number(one.size))
            assert trained * usual >= LEAST_TRAINED * rate.epochs.shortest, (one, trained)


def test_plans_made_anew_after_every_trial_come_to_the_same_end() -> None:
    done: list[str] = []
    for _ in itertools.count():
        plan = schedule(PROGRAMMES, RATES, None, done)
        if not plan.trials:
            break
        done.append(plan.trials[0].name)
    assert len(done) == len(set(done)) == 60


def read(most: int, tokens: float) -> Reading:
    return Reading(most=most, read=min(most, 3.8), whole=3.8, tokens=tokens)


LONG = {
    "tfidf": RATES["tfidf"],
    "bert-frozen": Rate(
        fixed=1.0, per_row=0.0, per_epoch=0.0, shared=80.0,
        readings=[read(16, 1.0), read(4, 0.9), read(2, 0.55), read(1, 0.3)],
    ),
    "bert-finetuned": Rate(
        fixed=11.0, per_row=0.001, per_epoch=0.02, answered=10.0, epochs=EpochSchedule(8000, 4, 20),
        readings=[read(8, 0.98), read(4, 0.9), read(2, 0.55), read(1, 0.3)],
    ),
}  # fmt: skip
OF_LONG = {name: Programme(sizes=SIZES, seeds=3, configurations=3) for name in LONG}
ALL_OF_LONG = schedule(OF_LONG, LONG, None)


def test_with_fewer_windows_a_text_what_goes_by_its_tokens_costs_less_and_nothing_else():
    rate = LONG["bert-finetuned"]
    share = 0.3 / 0.98
    fixed, texts = 1.0, rate.seconds(1000, 1) - 1.0
    assert rate.seconds(1000, 1, windows=1) == pytest.approx(fixed + share * texts)
    assert LONG["bert-frozen"].shared_seconds(2) == pytest.approx(0.55 * 80.0)
    assert (rate.fewer(), rate.fewer(4), rate.fewer(1), rate.least) == (4, 2, None, 1)
    assert RATES["lstm"].fewer() is None
    plan = TrialPlan(
        trials=[], configurations={"bert-finetuned": 2}, seconds=0.0, windows={"bert-finetuned": 1}
    )
    assert plan.estimate(PlannedTrial("bert-finetuned", 1000, 0), LONG) == rate.seconds(1000, 2, windows=1)


def test_less_of_long_texts_is_read_before_a_size_is_given_up_the_costliest_contender_first():
    assert ALL_OF_LONG.windows == {}
    once = sum(ALL_OF_LONG.estimate(one, LONG) for one in ALL_OF_LONG.trials if not one.seed)
    assert schedule(OF_LONG, LONG, ALL_OF_LONG.seconds).windows == {}
    seen = []
    for share in (0.3, 0.25, 0.2, 0.15, 0.12):
        plan = schedule(OF_LONG, LONG, share * ALL_OF_LONG.seconds)
        seen.append(plan.windows.get("bert-finetuned", 8))
        for name in LONG:
            assert {size for size, seed in places(plan, name) if not seed} == set(SIZES), (share, name)
        if plan.windows.get("bert-frozen", 16) < 16:
            assert plan.windows["bert-finetuned"] == 1
    assert seen == sorted(seen, reverse=True)
    assert seen[0] > 1
    assert seen[-1] == 1
    scarce = schedule(OF_LONG, LONG, 0.02 * once)
    assert scarce.left_out


def test_no_contender_reads_less_for_next_to_nothing():
    frozen = LONG["bert-frozen"]
    quick = Rate(fixed=1.0, per_row=0.0, per_epoch=0.0, shared=1.0, readings=frozen.readings)
    rates = {**LONG, "bert-frozen": quick}
    plan = schedule(OF_LONG, rates, 0.05 * ALL_OF_LONG.seconds)
    assert plan.left_out
    assert plan.windows == {"bert-finetuned": 1}


def test_a_contender_with_results_goes_on_reading_as_much_as_it_did():
    done = [PlannedTrial("bert-finetuned", 6000, 0).name]
    room = 0.1 * ALL_OF_LONG.seconds
    assert schedule(OF_LONG, LONG, room, done).windows["bert-finetuned"] == 2
    for most in (0, 4):
        plan = schedule(OF_LONG, LONG, room, done, windows={"bert-finetuned": most})
        assert plan.windows.get("bert-finetuned", 0) == most


def hinging(room: float, done: list[str], number: int = 1) -> TrialPlan:
    return schedule(PROGRAMMES, RATES, room, done, telling=("bert-finetuned", number))


STANDS = [f"{name}/6000/0" for name in RATES]
STANDS += [f"{name}/{size}/0" for name in ("tfidf", "bert-frozen") for size in SIZES[:-1]]


def test_the_seeds_on_which_the_pick_hinges_come_first() -> None:
    whole = RATES["bert-finetuned"].seconds(6000, ())
    plan = hinging(2.2 * whole, STANDS)
    assert plan.trials[0] == PlannedTrial("bert-finetuned", 6000, 1)
    assert {size for size, seed in places(plan, "bert-finetuned") if not seed} >= {100, 1000, 300}
    assert schedule(PROGRAMMES, RATES, 2.2 * whole, STANDS).trials[0].contender != "bert-finetuned"


def test_they_leave_time_for_the_sizes_that_shape_curves_or_are_not_run() -> None:
    whole = RATES["bert-finetuned"].seconds(6000, ())
    usual = schedule(PROGRAMMES, RATES, 1.02 * whole, STANDS)
    assert hinging(1.02 * whole, STANDS).trials == usual.trials
    assert hinging(2.2 * whole, STANDS, number=2).trials[0].contender != "bert-finetuned", "one tells nothing"


def test_they_wait_until_all_contenders_stand() -> None:
    whole = RATES["bert-finetuned"].seconds(6000, ())
    plan = hinging(2.2 * whole, [name for name in STANDS if not name.startswith("lstm")])
    assert plan.trials[0] != PlannedTrial("bert-finetuned", 6000, 1)
