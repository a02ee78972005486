"""The verdict in plain English. Every sentence states what was measured and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

from textgraft.comparison.contenders.registry import (
    contender_named,
    contenders_in_savings,
    has_fixed_sizes,
    is_floor,
    is_remote,
)
from textgraft.comparison.judging.choice import CHANCE_AT_MOST, RIGHT_MORE_OFTEN, excess
from textgraft.comparison.records.preferences import MARGINS
from textgraft.comparison.records.verdict import NOTICEABLE, Crossing, Outcome, Saving, Standing, Verdict
from textgraft.evaluation.intervals import Estimate, Score
from textgraft.evaluation.seeds import PRIOR_DEVIATION
from textgraft.wording import (
    LABELS,
    LEAST_WRITTEN,
    TRAINING_TIME,
    about,
    apart,
    count,
    duration,
    interval,
    is_even,
    listing,
    megabytes,
    milliseconds,
    money,
    of_each,
    p_value,
    score,
    seconds,
    signed,
    times,
)


def write_sentences(verdict: Verdict) -> list[str]:
    """Write the verdict: first the pick, then the reasons, then what else the figures say."""
    parts = (
        _pick,
        _language,
        _limited,
        _rivals,
        _baseline,
        _oracles,
        _scope,
        _ahead,
        _unmeasured,
        _clock,
        _unread,
        _unanswered,
        _elsewhere,
        _crossings,
        _more_labels,
        _savings,
        _leaks,
    )
    return [sentence for part in parts for sentence in part(verdict)]


def _pick(verdict: Verdict) -> Iterator[str]:
    if verdict.pick is None:
        nearest = verdict.standing(verdict.decision.nearest or verdict.decision.leader)
        yield (
            f"No contender stays within {_limits(verdict)}; {nearest.contender} comes nearest "
            f"({_breaches(verdict, nearest)}), with {verdict.metric} {score(nearest.score.value)}."
        )
        return
    row = verdict.standing(verdict.pick)
    yield (
        f"Use {row.contender}: {verdict.metric} {score(row.score.value)} ({_interval(row.score)}), "
        f"{_second(verdict, row)}with {_labels(row.size)}{of_each(row.size, verdict.shots)}; "
        f"trained in {seconds(row.training_seconds)}, {milliseconds(row.latency_ms_p50)} a text, "
        f"{megabytes(row.model_mb)}."
    )


def _language(verdict: Verdict) -> Iterator[str]:
    """Say that scores of BERT are those of an encoder that does not read the language."""
    if verdict.encoder_warning:
        yield verdict.encoder_warning


def _interval(found: Score) -> str:
    return "too few test rows for an interval" if found.low is None else f"95% interval {interval(found)}"


def _second(verdict: Verdict, row: Standing) -> str:
    """Name the task's second metric, if it has one, as most people know it best."""
    return "".join(f"{title} {score(row.metrics[name].value)}, " for name, title in verdict.others(1).items())


def _oracles(verdict: Verdict) -> Iterator[str]:
    """Say what can be reached at best by contenders that cannot answer just anything."""
    for row in verdict.standings:
        if row.oracle:
            yield (
                f"Whoever knows the targets and takes the sentences of each text that fit them best has "
                f"{verdict.metric} {score(row.oracle)}; {row.contender} chooses among the same, "
                f"and reaches {row.score.value / row.oracle:.0%} of it."
            )


def _limited(verdict: Verdict) -> Iterator[str]:
    """Say which contenders the limits ruled out that would otherwise have been picked or preferred."""
    if verdict.pick is None:
        return
    pick = verdict.standing(verdict.pick)
    ruled_out = [
        f"{row.contender} ({score(row.score.value)}; {_breaches(verdict, row)})"
        for row in verdict.standings
        if row.excluded_by
        and (row.score.value > pick.score.value or row.contender == verdict.preferences.prefer)
    ]
    if ruled_out:
        yield f"Not within {_limits(verdict)}: {listing(ruled_out)}."


def _limits(verdict: Verdict) -> str:
    wanted = verdict.preferences
    limits = []
    if wanted.max_latency_ms:
        limits.append(f"{wanted.max_latency_ms:g} ms a text")
    if wanted.max_size_mb:
        limits.append(f"{wanted.max_size_mb:g} MB")
    return listing(limits)


def _breaches(verdict: Verdict, row: Standing) -> str:
    values = {
        "latency": f"95 of 100 texts within {milliseconds(row.latency_ms_p95)}",
        "size": megabytes(row.model_mb),
    }
    return listing([values[name] for name in excess(row, verdict.preferences)])


def _rivals(verdict: Verdict) -> Iterator[str]:
    """Say how the pick stands against every other contender within the limits."""
    pick, leader = verdict.pick, verdict.decision.allowed_leader
    if pick is None or leader is None:
        return
    if len(verdict.standings) == 1:
        yield "It is the only contender, so nothing was compared."
        return
    if pick != leader:
        yield _passed_over(verdict, pick, leader)
    better, right, unsure, level = [], [], [], []
    overall = verdict.metrics.get(verdict.overall_metric or "")
    for row in verdict.standings:
        if row.contender in (pick, leader) or is_floor(row.contender) or row.excluded_by:
            continue
        pair = verdict.pair(pick, row.contender)
        lead = apart(verdict.standing(pick).score.value, row.score.value)
        described = f"{row.contender} by {score(lead)} ({p_value(pair.p_adjusted)})"
        if pair.significant and pair.difference.value > 0:
            better.append(described)
        elif lead >= 0 and pair.overall and pair.is_right_more_often(RIGHT_MORE_OFTEN):
            share, chance = score(pair.overall.value), p_value(pair.overall_p or 0.0)
            right.append(f"{row.contender} by {score(lead)} (in {overall} by {share}, {chance})")
        elif row.contender in verdict.decision.tied:
            level.append(row.contender)
        elif lead > 0:
            unsure.append(described)
    if better:
        yield f"{pick} is better than {listing(better)}."
    if right:
        yield (
            f"{pick} leads {listing(right)}: more than chance in {overall}, if not in {verdict.metric}, "
            "where rare labels weigh as much as frequent ones."
        )
    if unsure:
        yield f"{pick} leads {listing(unsure)}, which may be chance: more test rows or seeds would tell."
    if level and verdict.preferences.prefer != pick:
        near = [name for name in level if not is_remote(name) or is_remote(pick)]
        if near:
            yield f"{pick} ties with {listing(near)} and costs less."
        if far := [name for name in level if name not in near]:
            yield f"{pick} ties with {listing(far)}, and no text leaves the machine."


def _passed_over(verdict: Verdict, pick: str, leader: str) -> str:
    """Explain why the highest score was not picked."""
    pair = verdict.pair(leader, pick)
    difference, chance = pair.difference, p_value(pair.p_adjusted)
    gap = apart(verdict.standing(leader).score.value, verdict.standing(pick).score.value)
    is_equal = gap < LEAST_WRITTEN
    lead = f"{leader} scores {'the same' if is_equal else f'{score(gap)} higher'}"
    if verdict.preferences.prefer == pick:
        return f"{lead}, but you prefer {pick}." if is_equal else f"{lead} ({chance}), but you prefer {pick}."
    dearer = _dearer(verdict, leader, pick)
    if pair.significant:
        return f"{lead} ({chance}), less than the {MARGINS['cost']:g} that you give up, and {dearer}."
    if is_equal and difference.high < LEAST_WRITTEN:
        return f"{lead} and {dearer}."
    ends = f"95% interval {signed(difference.low)} to {signed(difference.high)}"
    unsure = f" ({ends} of the difference)" if is_equal else f", which may be chance ({ends}, {chance}),"
    sentence = f"{lead}{unsure} and {dearer}."
    if verdict.telling:
        row, (_, seeds) = verdict.standing(leader), verdict.telling
        more = "One more seed" if seeds == 1 else f"{seeds} more seeds"
        sentence += (
            f" {leader} may be better by up to {score(difference.high)}. {more} of it would tell "
            f"if the lead stays (--seeds, --budget): about {duration(seeds * row.training_seconds)} of "
            f"training. --prefer {leader} picks it at once."
        )
    elif difference.high > CHANCE_AT_MOST:
        sentence += f" More test rows may show a real difference; --prefer {leader} picks it all the same."
    return sentence


def _dearer(verdict: Verdict, leader: str, pick: str) -> str:
    """Say what the highest score costs beside the pick."""
    if is_remote(leader) and not is_remote(pick):
        return "sends every text to another machine"
    factor = about(verdict.standing(leader).cost / verdict.standing(pick).cost)
    more = "a little more" if factor == "1" else f"{factor} times as much"
    return f"costs {more} (training time, latency and size together)"


def _baseline(verdict: Verdict) -> Iterator[str]:
    names = [row.contender for row in verdict.standings]
    others = [name for name in names if not is_floor(name)]
    for floor in (entry for name in names if (entry := contender_named(name)) and entry.is_floor):
        pairs = [verdict.pair(name, floor.name) for name in others]
        if pairs and not any(pair.significant and pair.difference.value > 0 for pair in pairs):
            yield f"No contender is clearly better than {floor.name} ({floor.title})."


def _scope(verdict: Verdict) -> Iterator[str]:
    """Say where the figures rest on less than the user may think."""
    if verdict.size < verdict.train_rows:
        each = of_each(verdict.size, verdict.shots)
        rows = f"{count(verdict.size)}{each} of the {count(verdict.train_rows)} training rows"
        yield f"Judged at {rows} there are."
    if all(len(row.seeds) == 1 for row in verdict.standings):
        yield (
            "One run per size: intervals do not include run-to-run variation; the p-values "
            f"allow for it by assuming a deviation of up to {PRIOR_DEVIATION:g} between seeds."
        )


def _labels(size: int) -> str:
    return f"{count(size)} labels" if size else "no labels at all"


def _ahead(verdict: Verdict) -> Iterator[str]:
    """Say which contenders stand among the others although they learned from fewer rows."""
    for row in verdict.standings:
        if verdict.lacks_rows(row):
            yield (
                f"{row.contender} had time for {count(row.size)} rows alone, and scores more with them than "
                f"others with {count(verdict.size)}; with as many it may score higher still."
            )


def _unmeasured(verdict: Verdict) -> Iterator[str]:
    """Say of contenders that were not measured at the judged size what is to be expected of them there."""
    for one in verdict.unmeasured:
        if is_floor(one.contender):
            continue
        measured = (
            f"{one.contender} was not measured at {count(verdict.size)} labels; at {count(one.largest)} it "
            f"has {verdict.metric} {score(one.score.value)}"
        )
        if one.expected is None:
            yield f"{measured}. What it would have is not known: {one.refused}."
        else:
            yield (
                f"{measured}. Carried on from there, an extrapolation, it would have about "
                f"{score(one.expected.value)} ({score(one.expected.low)} to {score(one.expected.high)})."
            )


def _clock(verdict: Verdict) -> Iterator[str]:
    """Say which contenders were trained for less long than they usually are."""
    for row in verdict.standings:
        if row.ended_by_clock:
            more = "; with more time it may score higher" if _may_rise(row) else ""
            yield (
                f"{row.contender} was trained for {row.epochs:.2g} epochs, all that there was time for, its "
                f"learning rate falling to zero by then{more}."
            )


def _may_rise(row: Standing) -> bool:
    """Return whether there is any error left."""
    return 1 - row.score.value >= LEAST_WRITTEN


def _unread(verdict: Verdict) -> Iterator[str]:
    """Say which contenders did not read long texts to their end."""
    for row in verdict.standings:
        if row.unread is not None and _may_rise(row):
            yield f"{row.contender} read {row.unread} a text; reading more may raise its score."


def _elsewhere(verdict: Verdict) -> Iterator[str]:
    """Say what it costs to have texts answered by an endpoint."""
    for row in verdict.standings:
        if row.asked is None:
            continue
        told = [f"{row.contender} answers a text in {milliseconds(row.latency_ms_p50)} (median)"]
        if row.asked.input_tokens is not None and row.asked.output_tokens is not None:
            read, written = count(round(row.asked.input_tokens)), count(round(row.asked.output_tokens))
            told.append(f"it reads {read} tokens for it and writes {written}")
        if row.price_of_thousand is not None:
            told.append(f"a thousand texts cost {money(row.price_of_thousand)} at the prices given")
        if row.asked.unanswered:
            told.append(f"{count(row.asked.unanswered)} test rows got no label and count as wrong")
        yield f"{'; '.join(told)}."


def _crossings(verdict: Verdict) -> Iterator[str]:
    for crossing in verdict.crossings:
        # Open at both ends, the curves may as well not cross at all.
        if crossing.low is not None or crossing.high is not None:
            yield (
                f"{crossing.after} overtakes {crossing.before} at about {about(crossing.labels)} labels "
                f"(95% interval {_crossing_interval(crossing)})."
            )


def _crossing_interval(crossing: Crossing) -> str:
    low = about(crossing.low) if crossing.low is not None else "below the smallest size"
    high = about(crossing.high) if crossing.high is not None else "beyond the largest size"
    return f"{low} to {high}"


def _more_labels(verdict: Verdict) -> Iterator[str]:
    pick = verdict.favourite
    curve = next(curve for curve in verdict.curves if curve.contender == pick)
    if has_fixed_sizes(pick) or curve.refused:
        return  # why not is an answer's to say
    if not curve.has_room:
        last = score(curve.points[-1].score.value)
        yield f"More labels cannot buy {pick} anything noticeable: it has {verdict.metric} {last}."
        return
    double, fourfold = curve.forecasts
    if abs(fourfold.gain.value) < NOTICEABLE:
        yield (
            f"More labels would buy {pick} nothing noticeable: about {_gain(fourfold.gain)} {verdict.metric} "
            f"at {count(fourfold.labels)} labels."
        )
    else:
        yield (
            f"More labels would add about {_gain(double.gain)} to {pick}'s {verdict.metric} at "
            f"{count(double.labels)} and {_gain(fourfold.gain)} at {count(fourfold.labels)} labels."
        )


def _gain(gain: Estimate) -> str:
    return f"{signed(gain.value)} ({signed(gain.low)} to {signed(gain.high)})"


def _savings(verdict: Verdict) -> Iterator[str]:
    claimed = contenders_in_savings("claimed", [saving.contender for saving in verdict.savings])
    ended = {row.contender for row in verdict.standings if row.ended_by_clock and _may_rise(row)}
    for saving in verdict.savings:
        labels = count(saving.baseline_labels)
        target = f"{saving.baseline}'s {score(saving.baseline_score)} at {labels} labels"
        if saving.baseline_labels < saving.baseline_largest:
            target += f" (more, up to {count(saving.baseline_largest)}, did not raise it)"
        speed = f"with {count(saving.equal_size)} labels it trains {_speed(saving)}"
        if saving.labels.value is None:
            yield (
                f"{saving.contender} does not reach {target} at any size measured, so it saves no labels; "
                f"{speed}."
            )
            continue
        yield (
            f"To match {target}, {saving.contender} needs {times(saving.labels, LABELS)} and "
            f"{times(saving.time_at_equal_score, TRAINING_TIME)}; {speed}."
        )
        if saving.contender in claimed:
            yield _claims(saving, f"For {saving.contender}, the" if len(claimed) > 1 else "The")
    for baseline in {saving.baseline for saving in verdict.savings} & ended:
        more = "if it scores higher with more time, less is saved"
        yield f"The clock ended the training of {baseline}: {more}."


_OUTCOMES: dict[Outcome, tuple[str, str]] = {
    "holds": ("holds here", "hold here"),
    "fails": ("does not hold here", "do not hold here"),
    "undecided": ("is not decided by these figures", "are not decided by these figures"),
}


def _claims(saving: Saving, the: str) -> str:
    """Hold both ratios against the claim of 100 times fewer labels and 20 times less time.

    Args:
        saving: With both.
        the: How the sentence begins.
    """
    labels, time = saving.labels, saving.time_at_equal_score
    fewer, less = f"{labels.claimed:g} times fewer labels", f"{time.claimed:g} times less training time"
    most = saving.baseline_labels / saving.smallest_size
    why = ""
    if labels.outcome == "undecided" and most < labels.claimed:
        sizes = f"{count(saving.smallest_size)} to {count(saving.baseline_labels)}"
        why = f" (sizes from {sizes} can show {about(most)} times at most)"
        if about(most) == "1":
            why = " (fewer labels were not measured)"
    if labels.outcome == time.outcome:
        return f"{the} claims of {fewer}{why} and {less} {_OUTCOMES[time.outcome][1]}."
    return (
        f"{the} claim of {fewer} {_OUTCOMES[labels.outcome][0]}{why}; "
        f"that of {less} {_OUTCOMES[time.outcome][0]}."
    )


def _speed(saving: Saving) -> str:
    ratio = saving.time_at_equal_size.value
    assert ratio is not None, "at equal size there is always a ratio"
    if is_even(ratio):
        return f"as fast as {saving.baseline}"
    if ratio >= 1:
        return f"{about(ratio)} times faster than {saving.baseline}"
    return f"{about(1 / ratio)} times longer than {saving.baseline}"


def _unanswered(verdict: Verdict) -> Iterator[str]:
    if verdict.test_rows < verdict.set_aside:
        yield (
            f"So that there was time to train, contenders answered {count(verdict.test_rows)} of "
            f"{count(verdict.set_aside)} test rows; a larger --budget has more of them answered, which makes "
            "intervals narrower."
        )


def _leaks(verdict: Verdict) -> Iterator[str]:
    if not verdict.leaked:
        return
    row = verdict.standing(verdict.favourite)
    change = row.score_without_leaked - row.score.value
    without = f"{score(row.score_without_leaked)} ({signed(change)})"
    yield (
        f"{count(verdict.leaked)} of {count(verdict.test_rows)} test rows also stand among the training "
        f"rows; without them {row.contender} scores "
        f"{'the same' if abs(change) < LEAST_WRITTEN else without}."
    )
