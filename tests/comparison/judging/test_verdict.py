import itertools

import msgspec
import pytest

from tests.comparison.synthetic import FINETUNED, FROZEN, LSTM, TFIDF, Comparison, Curve
from textgraft.comparison.judging.answers import answers
from textgraft.comparison.judging.choice import cost_index
from textgraft.comparison.judging.judge import check_test_targets, judge
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.reading import Reading
from textgraft.comparison.records.verdict import Verdict, load_verdict, save_verdict
from textgraft.comparison.running.kept_models import needed
from textgraft.errors import DataError, ModelError, OptionError
from textgraft.evaluation.corrections import shaffer
from textgraft.tasks.spans.token_classification import TokenClassification
from textgraft.tasks.text.classification import SingleLabelClassification
from textgraft.tasks.text.multi_label import MultiLabelClassification
from textgraft.tasks.text.regression import Regression

MAJORITY = Curve("majority", lambda _: 0.2, lambda _: 0.01, 0.05, 0.1)


def constant(name, accuracy, **costs):
    return Curve(name, lambda _: accuracy, **costs)


def text(verdict):
    return " ".join(verdict.sentences)


@pytest.fixture(scope="module")
def usual():
    return Comparison().judge()


def test_the_best_contender_is_picked_with_figures_near_the_truth(usual):
    assert usual.pick == "bert-finetuned"
    assert usual.size == 3000
    for curve in (TFIDF, LSTM, FROZEN, FINETUNED):
        row = usual.standing(curve.name)
        assert row.score.value == pytest.approx(curve.accuracy(3000), abs=0.035)
        assert row.score.low < row.score.value < row.score.high
        assert row.training_seconds == pytest.approx(curve.seconds(3000), rel=0.06)
    assert usual.sentences[0].startswith("Use bert-finetuned: macro F1 0.9")
    assert "bert-finetuned is better than bert-frozen by" in text(usual)


def test_intervals_cover_the_true_scores():
    covered = [
        row.score.low <= curve.accuracy(1000) <= row.score.high
        for draw in range(25)
        for verdict in [Comparison(sizes=(1000,), rows=500, draw=draw).judge()]
        for curve in (TFIDF, LSTM, FROZEN, FINETUNED)
        for row in [verdict.standing(curve.name)]
    ]
    assert sum(covered) / len(covered) >= 0.9


def test_a_tie_goes_to_the_cheaper():
    dear = constant("bert-finetuned", 0.85, seconds=lambda _: 300.0, latency_ms=12.0, megabytes=91.0)
    cheap = constant("tfidf", 0.85, seconds=lambda _: 1.0, latency_ms=0.5, megabytes=1.0)
    verdicts = [Comparison(curves=(dear, cheap), sizes=(300,), draw=draw).judge() for draw in range(12)]
    ties = [verdict for verdict in verdicts if not verdict.pairs[0].significant]
    assert len(ties) >= 10
    assert {verdict.pick for verdict in ties} == {"tfidf"}
    leaders = {verdict.decision.leader for verdict in ties}
    assert leaders == {"tfidf", "bert-finetuned"}, "some of these worlds favour the dear one by chance"


def test_equal_contenders_are_seldom_called_different():
    curves = [constant(name, 0.8) for name in ("tfidf", "lstm", "gru", "rnn")]
    worlds = [Comparison(curves=curves, sizes=(300,), rows=400, draw=draw).judge() for draw in range(40)]
    # Shaffer's correction keeps the chance of any false difference among the six pairs near 5%.
    assert sum(any(pair.significant for pair in verdict.pairs) for verdict in worlds) <= 5


def test_every_pair_is_tested_once_and_corrected(usual):
    names = [frozenset((pair.first, pair.second)) for pair in usual.pairs]
    assert len(names) == len(set(names)) == 6
    adjusted = shaffer({(pair.first, pair.second): pair.p_value for pair in usual.pairs})
    assert [pair.p_adjusted for pair in usual.pairs] == list(adjusted.values())
    for pair in usual.pairs:
        assert pair.difference.low <= pair.difference.value <= pair.difference.high
    there, back = usual.pair("tfidf", "lstm"), usual.pair("lstm", "tfidf")
    assert there.difference.value == -back.difference.value
    assert there.difference.low == -back.difference.high


def test_a_large_lead_is_taken_even_where_it_may_be_chance():
    better = constant("bert-frozen", 0.85, latency_ms=12.0, megabytes=91.0)
    worse = constant("tfidf", 0.72, latency_ms=0.5, megabytes=1.0)
    verdicts = [
        Comparison(curves=(better, worse), sizes=(100,), rows=50, draw=draw).judge() for draw in range(12)
    ]
    unsure = [
        verdict
        for verdict in verdicts
        if not verdict.pairs[0].significant
        and verdict.standing("bert-frozen").score.value - verdict.standing("tfidf").score.value > 0.05
    ]
    assert unsure, "50 rows leave some of twelve such differences unproven"
    for verdict in unsure:
        assert verdict.pick == "bert-frozen"
        assert "which may be chance" in text(verdict)


def test_limits_change_the_pick_and_no_figure(usual):
    limited = Comparison().judge(preferences=Preferences(max_latency_ms=5))
    assert limited.pick in ("lstm", "tfidf")
    assert limited.decision.leader == "bert-finetuned"
    assert limited.standing("bert-finetuned").excluded_by == ["latency"]
    assert "Not within 5 ms a text: bert-finetuned" in text(limited)
    for row in usual.standings:
        assert msgspec.structs.replace(limited.standing(row.contender), excluded_by=[]) == row
    assert limited.pairs == usual.pairs
    small = Comparison().judge(preferences=Preferences(max_size_mb=5))
    assert small.pick == "tfidf"
    assert small.standing("lstm").excluded_by == ["size"]


def test_limits_nobody_keeps_leave_no_pick_and_name_the_nearest():
    verdict = Comparison().judge(preferences=Preferences(max_latency_ms=0.1, max_size_mb=1))
    assert verdict.pick is None
    assert verdict.decision.nearest == "tfidf"
    assert verdict.sentences[0].startswith(
        "No contender stays within 0.1 ms a text and 1 MB; tfidf comes nearest"
    )


def test_preferring_cost_gives_up_three_points_but_not_more():
    cheap = constant("tfidf", 0.84, latency_ms=0.5, megabytes=1.0, seed_spread=0.001)
    dear = constant("bert-finetuned", 0.86, latency_ms=12.0, megabytes=91.0, seed_spread=0.001)
    comparison = Comparison(curves=(cheap, dear), sizes=(300,), rows=20_000)
    assert comparison.judge().pick == "bert-finetuned"
    assert comparison.judge(preferences=Preferences(prefer="cost")).pick == "tfidf"
    assert Comparison().judge(preferences=Preferences(prefer="cost")).pick == "bert-finetuned"


def test_a_named_contender_is_picked_unless_a_limit_forbids_it():
    assert Comparison().judge(preferences=Preferences(prefer="lstm")).pick == "lstm"
    wanted = Preferences(prefer="bert-frozen", max_size_mb=50)
    verdict = Comparison().judge(preferences=wanted)
    assert verdict.pick in ("lstm", "tfidf")
    assert "Not within 50 MB: bert-finetuned" in text(verdict)


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Preferences(prefer="bert-frozn"), "Did you mean 'bert-frozen'"),
        (Preferences(prefer="speed"), "unknown preference 'speed'"),
        (Preferences(max_latency_ms=0), "can never be kept"),
        (Preferences(max_size_mb=float("nan")), "can never be kept"),
    ],
)
def test_unusable_preferences_are_refused(wanted, message):
    with pytest.raises(OptionError, match=message):
        wanted.check([curve.name for curve in Comparison().curves])


def test_cost_is_one_number_and_counts_nothing_nobody_feels():
    assert cost_index(8, 1, 1) == pytest.approx(2)
    assert cost_index(0.01, 0.2, 0.3) == 1
    assert cost_index(20, 10, 5) == pytest.approx(cost_index(10, 20, 5))


def test_a_designed_crossing_is_found_near_800_labels():
    slow = Curve("tfidf", lambda n: 0.74 + 0.02 * (n / 800 > 0) + 0.015 * _log(n / 800))
    steep = Curve("lstm", lambda n: 0.76 + 0.09 * _log(n / 800))
    found = [
        Comparison(curves=(slow, steep), draw=draw, rows=2000).judge().crossings[0] for draw in range(10)
    ]
    assert all((crossing.before, crossing.after) == ("tfidf", "lstm") for crossing in found)
    assert sum(crossing.low <= 800 <= crossing.high for crossing in found) >= 9


def _log(value):
    import math

    return math.log(value) / math.log(10)


def test_more_labels_are_predicted_with_an_interval_and_refused_for_too_few_sizes(usual):
    truth = FROZEN.accuracy(12_000) - FROZEN.accuracy(3000)
    curve = next(curve for curve in usual.curves if curve.contender == "bert-frozen")
    double, fourfold = curve.forecasts
    assert (double.labels, fourfold.labels) == (6000, 12_000)
    assert fourfold.gain.low - 0.01 <= truth <= fourfold.gain.high + 0.01
    few = Comparison(sizes=(100, 300)).judge()
    assert all(curve.forecasts == [] for curve in few.curves)
    found = next(answer for answer in answers(few) if answer.question == "Would more labels help?")
    assert found.short == "Not known"
    assert found.because == "a learning curve needs at least 3 training sizes, this one has 2."


def test_a_flat_curve_promises_nothing():
    flat = Comparison(
        curves=(constant("tfidf", 0.9),), rows=20_000, sizes=(100, 300, 1000, 3000, 10_000)
    ).judge()
    assert "More labels would buy tfidf nothing noticeable" in text(flat)


def test_leaked_rows_are_counted_and_their_effect_is_shown():
    verdict = Comparison(sizes=(300,), leaked=range(100), rows=500).judge()
    row = verdict.standing(verdict.pick)
    assert verdict.leaked == 100
    assert row.score_without_leaked < row.score.value
    assert "100 of 500 test rows also stand among the training rows; without them" in text(verdict)


def test_no_better_than_the_most_frequent_label():
    verdict = Comparison(curves=(MAJORITY, constant("tfidf", 0.21)), sizes=(100,)).judge()
    assert "No contender is clearly better than majority (most frequent label)." in verdict.sentences


def test_the_majority_baseline_is_not_picked_for_want_of_test_rows():
    tfidf = constant("tfidf", 0.3, latency_ms=5.0)
    for draw in range(6):
        verdict = Comparison(curves=(MAJORITY, tfidf), sizes=(100,), rows=60, draw=draw).judge()
        if verdict.standing("tfidf").score.value > verdict.standing("majority").score.value + 0.005:
            assert verdict.pick == "tfidf"


@pytest.mark.parametrize("curves", [(TFIDF,), (TFIDF, LSTM), (MAJORITY, FROZEN), (LSTM, FINETUNED)])
@pytest.mark.parametrize("sizes", [(100,), (100, 300), (100, 300, 1000)])
@pytest.mark.parametrize("seeds", [1, 2])
def test_small_comparisons_are_judged_without_crash(curves, sizes, seeds):
    for rows, preferences in itertools.product((2, 7, 200), (Preferences(), Preferences(max_latency_ms=1))):
        comparison = Comparison(curves=curves, sizes=sizes, seeds=seeds, rows=rows)
        verdict = comparison.judge(preferences=preferences)
        assert len(verdict.standings) == len(curves)
        assert all(sentence.endswith(".") and "nan" not in sentence for sentence in verdict.sentences)
        assert ("One run per size" in text(verdict)) == (seeds == 1)


def test_who_was_not_measured_at_all_rows_is_carried_on_to_them():
    comparison = Comparison()
    trials = [
        trial for trial in comparison.trials() if not (trial.contender == "lstm" and trial.size == 3000)
    ]
    verdict = judge(trials, comparison.test_set())
    assert verdict.size == 3000
    assert {row.contender for row in verdict.standings} == {"tfidf", "bert-frozen", "bert-finetuned"}
    (lstm,) = verdict.unmeasured
    assert (lstm.contender, lstm.largest) == ("lstm", 1000)
    whole = comparison.judge().standing("lstm").score.value
    assert lstm.expected is not None
    assert lstm.expected.low < whole < lstm.expected.high
    assert lstm.at_most is not None
    assert lstm.at_most > whole
    assert "lstm was not measured at 3,000 labels; at 1,000 it has" in text(verdict)
    assert "an extrapolation" in text(verdict)


def without_all_rows(comparison, *names):
    return [trial for trial in comparison.trials() if trial.contender not in names or trial.size < 3000]


def test_who_scores_more_with_fewer_rows_than_others_with_more_is_picked():
    """Of 76,012 rows static vectors had 30,000, and were picked at 0.718 over TF-IDF with 10,000 at 0.743."""
    comparison = Comparison(curves=(constant("static", 0.7), LSTM, constant("tfidf", 0.8)))
    verdict = judge(without_all_rows(comparison, "tfidf", "lstm"), comparison.test_set())
    assert verdict.size == 3000
    assert verdict.pick == "tfidf"
    assert verdict.standing("tfidf").size == 1000
    assert verdict.title(verdict.standing("tfidf")) == "tfidf, 1,000 rows"
    assert verdict.title(verdict.standing("static")) == "static"
    assert verdict.sentences[0].startswith("Use tfidf: macro F1 0.79")
    assert "with 1,000 labels" in verdict.sentences[0]
    assert "tfidf had time for 1,000 rows alone, and scores more with them than others with 3,000" in text(
        verdict
    )


def test_who_scores_less_with_fewer_rows_or_reads_no_text_stands_nowhere():
    comparison = Comparison(
        curves=(constant("static", 0.7), constant("tfidf", 0.6), constant("majority", 0.8))
    )
    verdict = judge(without_all_rows(comparison, "tfidf", "majority"), comparison.test_set())
    assert {row.contender for row in verdict.standings} == {"static"}
    assert {one.contender for one in verdict.unmeasured} == {"tfidf", "majority"}


def test_models_are_kept_of_the_most_rows_that_each_contender_had():
    comparison = Comparison(curves=(constant("static", 0.7), constant("tfidf", 0.8)))
    trials = without_all_rows(comparison, "tfidf")
    kept = [trial for trial in trials if trial.id in needed(trials)]
    assert {(trial.contender, trial.size) for trial in kept} == {("static", 3000), ("tfidf", 1000)}
    assert len(kept) == 2


def test_of_too_few_sizes_nothing_is_said_beyond_them():
    comparison = Comparison(sizes=(300, 3000), curves=(TFIDF, LSTM))
    trials = [trial for trial in comparison.trials() if trial.contender == "tfidf" or trial.size == 300]
    (lstm,) = judge(trials, comparison.test_set()).unmeasured
    assert lstm.expected is None
    assert lstm.at_most is None
    assert "What it would have is not known" in text(judge(trials, comparison.test_set()))


def test_training_that_the_clock_ended_is_said():
    comparison = Comparison(sizes=(300,), curves=(TFIDF, FINETUNED))
    trials = [
        msgspec.structs.replace(trial, stopped_by="budget", epochs=1.5)
        if trial.contender == "bert-finetuned"
        else trial
        for trial in comparison.trials()
    ]
    verdict = judge(trials, comparison.test_set())
    assert verdict.standing("bert-finetuned").ended_by_clock == 3
    assert "bert-finetuned was trained for 1.5 epochs, all that there was time for" in text(verdict)


@pytest.mark.parametrize(("read", "said"), [(1.0, "1 of on average 4.3 windows"), (4.2, None)])
def test_who_does_not_read_long_texts_to_their_end_is_said(read, said):
    comparison = Comparison(curves=(TFIDF, FROZEN), sizes=(300,))
    reading = Reading(most=1, read=read, whole=4.3, tokens=0.5)
    trials = [
        msgspec.structs.replace(one, reading=reading) if one.contender == "bert-frozen" else one
        for one in comparison.trials()
    ]
    verdict = judge(trials, comparison.test_set())
    assert verdict.standing("bert-frozen").unread == said
    told = f"bert-frozen read {said} a text; reading more may raise its score."
    assert (told in text(verdict)) is (said is not None)
    assert verdict.standing("tfidf").unread is None


def test_an_encoder_that_does_not_read_the_texts_is_spoken_of_next_to_the_pick():
    comparison = Comparison(sizes=(300,))
    held = comparison.test_set()
    warning = "The texts are German (99%), but …"
    warned = msgspec.structs.replace(held, check={**held.check, "encoder_warning": warning})
    assert judge(comparison.trials(), warned).sentences[1] == warning
    assert judge(comparison.trials(), held).encoder_warning is None


def test_nothing_to_judge_is_an_error():
    with pytest.raises(OptionError, match="no trial has finished"):
        judge([], Comparison(sizes=(100,), curves=(TFIDF, LSTM)).test_set())


@pytest.mark.parametrize(
    ("task", "gold", "sole"),
    [
        (SingleLabelClassification(["no", "yes"]), [1, 1, 1], "yes"),
        (MultiLabelClassification(["no", "yes"]), [[0, 1], [0, 1]], "no, yes"),
        (Regression(0.0, 1.0), [0.5, 0.5], "0.5"),
        (TokenClassification(["O", "B-X"]), [["O", "O"], ["O"]], "O"),
    ],
)
def test_test_rows_of_one_target_allow_no_verdict(task, gold, sole):
    with pytest.raises(DataError, match=f"have the same target, '{sole}'.*no verdict"):
        check_test_targets(task, gold)


def test_a_single_label_among_the_test_rows_is_refused_when_judging():
    comparison = Comparison(sizes=(100,), curves=(TFIDF, LSTM))
    only = msgspec.structs.replace(comparison.test_set(), gold=[2] * comparison.rows)
    with pytest.raises(DataError, match="'returns'"):
        judge(comparison.trials(), only)


def test_the_verdict_is_the_same_every_time_and_survives_json(tmp_path, usual):
    assert Comparison().judge() == usual
    save_verdict(tmp_path, usual)
    assert load_verdict(tmp_path) == usual
    (tmp_path / "comparison.json").write_text('{"size": 3')
    with pytest.raises(ModelError, match="damaged"):
        load_verdict(tmp_path)
    assert msgspec.json.decode(msgspec.json.encode(usual), type=Verdict) == usual


def test_contenders_with_other_seeds_are_compared_in_all_they_have():
    comparison = Comparison(curves=(TFIDF, FROZEN), sizes=(3000,))
    trials = [one for one in comparison.trials() if one.contender == "tfidf" or one.seed == 0]
    verdict = judge(trials, comparison.test_set(), preferences=Preferences(prefer="tfidf"))
    scores = {row.contender: row.score.value for row in verdict.standings}
    lead = verdict.pair("bert-frozen", "tfidf").difference.value
    assert lead == pytest.approx(scores["bert-frozen"] - scores["tfidf"])
    assert f"bert-frozen scores {lead:.3f} higher" in text(verdict)
    disjoint = [one for one in comparison.trials() if (one.contender == "tfidf") == (one.seed == 0)]
    assert judge(disjoint, comparison.test_set()).pairs[0].p_adjusted < 0.5


def test_where_one_seed_does_not_tell_it_is_said_how_many_more_would():
    better = Curve("lstm", lambda size: 0.855, lambda size: 184.0, 3.0, 90.0)
    plain = Curve("tfidf", lambda size: 0.82, lambda size: 1.0, 0.6, 1.4)
    comparison = Comparison(curves=(plain, better), sizes=(3000,), rows=2000)
    trials = [one for one in comparison.trials() if one.contender == "tfidf" or one.seed == 0]
    verdict = judge(trials, comparison.test_set())
    pair = verdict.pair("lstm", "tfidf")
    assert verdict.pick == "tfidf"
    assert not pair.significant
    assert pair.seeds_to_tell == 1
    assert verdict.telling == ("lstm", 1)
    wanted = judge(trials, comparison.test_set(), preferences=Preferences(prefer="tfidf"))
    assert wanted.telling is None, "what was asked for hinges on nothing"
    assert (
        f"lstm may be better by up to {pair.difference.high:.3f}. One more seed of it would tell if the lead "
        "stays (--seeds, --budget): about 3 min 02 s of training." in text(verdict)
    )
    assert verdict.pair("tfidf", "lstm").seeds_to_tell == 1
    # Of few test rows none would.
    few = Comparison(curves=(plain, better), sizes=(3000,), rows=200)
    trials = [one for one in few.trials() if one.contender == "tfidf" or one.seed == 0]
    assert judge(trials, few.test_set()).pair("lstm", "tfidf").seeds_to_tell is None


@pytest.mark.parametrize(("train_rows", "is_surer"), [(3000, True), (4000, False)])
def test_one_seed_of_what_draws_nothing_is_as_sure_as_many_on_all_rows(train_rows, is_surer):
    comparison = Comparison(curves=(constant("tfidf", 0.85), constant("bert-frozen", 0.88)), seeds=1)
    test_set = msgspec.structs.replace(comparison.test_set(), train_rows=train_rows)
    trials = comparison.trials()
    renamed = [
        msgspec.structs.replace(one, contender="lstm") if one.contender == "tfidf" else one for one in trials
    ]
    fixed, lucky = (judge(given, test_set).pairs[0].p_value for given in (trials, renamed))
    assert (fixed < lucky) == is_surer
    assert fixed <= lucky
