"""The questions that people come with, each with its answer in a line: what a report begins with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textgraft.comparison.contenders.registry import has_fixed_sizes, is_asked_about, is_floor
from textgraft.comparison.judging.choice import RIGHT_MORE_OFTEN
from textgraft.comparison.records.verdict import NOTICEABLE, Standing, Verdict
from textgraft.wording import (
    LEAST_WRITTEN,
    about,
    apart,
    count,
    listing,
    megabytes,
    milliseconds,
    money,
    score,
    seconds,
    signed,
)

BERT, TFIDF = "BERT", "TF-IDF"
QUICK = 0.1
"""Seconds that nobody counts."""


class Answer(NamedTuple):
    """A question, and what the figures say to it."""

    question: str
    short: str
    """A word or two, as "Yes"."""
    because: str
    """A sentence with the figures."""


def answers(verdict: Verdict) -> list[Answer]:
    """Answer: do I need BERT, is TF-IDF enough, would more labels help, what does it cost?"""
    return [answer for part in (_bert, _tfidf, _labels, _cost) for answer in part(verdict)]


def _bert(verdict: Verdict) -> Iterator[Answer]:
    question = "Do I need BERT?"
    rows = [row for row in verdict.standings if not is_floor(row.contender)]
    with_it = [row for row in rows if is_asked_about(row.contender, BERT)]
    without = [row for row in rows if not is_asked_about(row.contender, BERT)]
    if all(has_fixed_sizes(row.contender) and row.contender != verdict.pick for row in with_it):
        yield Answer(
            question, "Not known", "no BERT that learns from labels was measured on all of these rows."
        )
        return
    if not without:
        yield Answer(question, "Not known", "nothing else was measured on all of these rows.")
        return
    best, plain = (_first(part, verdict.pick) for part in (with_it, without))
    lead = f"{best.contender} has {verdict.metric} {score(best.score.value)}, {plain.contender}, the best "
    lead += f"without it, {score(plain.score.value)}"
    if verdict.pick is not None and not is_asked_about(verdict.pick, BERT):
        picked = "" if verdict.pick == plain.contender else f" The pick is {verdict.pick}."
        yield Answer(question, *_not_needed(verdict, best, plain, lead, picked))
    elif beyond := _beyond_chance(verdict, best, plain):
        yield Answer(question, "Yes", f"{lead}: {beyond}.")
    elif _gap(best, plain) >= LEAST_WRITTEN:
        yield Answer(question, "Probably", f"{lead}. That may be chance: more test rows would tell.")
    else:
        yield Answer(question, "No", f"{lead}.")


def _not_needed(verdict: Verdict, best: Standing, plain: Standing, lead: str, picked: str) -> tuple[str, str]:
    """Say why something else was picked: BERT is no better, or not enough, or not within the limits."""
    if best.excluded_by:
        return "Not within your limits", f"{lead}.{picked}"
    if not _is_proven(verdict, best, plain):
        if _gap(best, plain) < LEAST_WRITTEN:
            return "No", f"{lead}.{picked}"
        return "No", f"{lead}. That may be chance, and BERT costs more.{picked}"
    return "Not for what it costs", f"{lead}: more than chance, but you prefer what is cheap.{picked}"


def _tfidf(verdict: Verdict) -> Iterator[Answer]:
    question = "Is TF-IDF enough?"
    row = next((row for row in verdict.standings if is_asked_about(row.contender, TFIDF)), None)
    leader = verdict.favourite
    if row is None:
        return
    if leader == row.contender:
        others = [
            one for one in verdict.standings if one.contender != row.contender and not is_floor(one.contender)
        ]
        higher = others and _gap(_first(others), row) >= LEAST_WRITTEN
        why = "what scores higher may do so by chance, and costs more." if higher else "none is better."
        yield Answer(question, "Yes", f"it has {verdict.metric} {score(row.score.value)}; {why}")
        return
    best = verdict.standing(leader)
    gap = _gap(best, row)
    figures = f"it gives up {score(gap)} of {leader}'s {verdict.metric}"
    if beyond := _beyond_chance(verdict, best, row):
        yield Answer(question, "No", f"{figures}, {beyond}.")
    elif gap >= LEAST_WRITTEN:
        yield Answer(question, "Probably not", f"{figures}, which may be chance.")
    else:
        level = "the same" if gap > -LEAST_WRITTEN else "no higher"
        yield Answer(question, "Yes", f"{leader} scores {level}.")


def _labels(verdict: Verdict) -> Iterator[Answer]:
    question = "Would more labels help?"
    pick = verdict.favourite
    curve = next(curve for curve in verdict.curves if curve.contender == pick)
    if has_fixed_sizes(pick):
        return
    if curve.refused:
        yield Answer(question, "Not known", f"{curve.refused}.")
        return
    if not curve.has_room:
        last = score(curve.points[-1].score.value)
        yield Answer(question, "No", f"with {verdict.metric} {last} nothing noticeable is left to gain.")
        return
    double = curve.forecasts[0]
    gain = f"about {signed(double.gain.value)} {verdict.metric} (likely {signed(double.gain.low)} to "
    now = "now" if curve.points[-1].size >= verdict.train_rows else f"{pick} learned from"
    gain += f"{signed(double.gain.high)}) with {count(double.labels)} labels, twice as many as {now}"
    if double.gain.low > NOTICEABLE:
        yield Answer(question, "Yes", f"{gain}.")
    elif double.gain.high < NOTICEABLE:
        yield Answer(question, "No", f"{gain}.")
    else:
        yield Answer(question, "Perhaps", f"{gain}.")


def _cost(verdict: Verdict) -> Iterator[Answer]:
    row = verdict.standing(verdict.favourite)
    many = ""
    if row.throughput_per_second:
        thousand = 1000 / row.throughput_per_second
        many = f", {seconds(thousand) if thousand >= QUICK else f'under {QUICK:g} s'} for a thousand"
    paid = [
        f"{money(price)} for {what}"
        for price, what in ((row.price_of_training, "the training"), (row.price_of_thousand, "1,000 texts"))
        if price is not None
    ]
    prices = f"; at your prices {listing(paid)}" if paid else ""
    cheapest = min(verdict.standings, key=lambda one: one.cost)
    factor = row.cost / cheapest.cost
    against = "" if about(factor) == "1" else f"; {about(factor)} times {cheapest.contender}, all in all"
    yield Answer(
        "What does it cost?",
        row.contender,
        f"{seconds(row.training_seconds)} of training, {milliseconds(row.latency_ms_p50)} a text{many}, "
        f"{megabytes(row.model_mb)} on disk{prices}{against}.",
    )


def _first(rows: Sequence[Standing], pick: str | None = None) -> Standing:
    """Return the one with the highest score as it is written, of equals the pick."""
    return max(rows, key=lambda row: (round(row.score.value, 3), row.contender == pick))


def _gap(one: Standing, other: Standing) -> float:
    """Return how much higher one scores than the other, as scores are written."""
    return apart(one.score.value, other.score.value)


def _beyond_chance(verdict: Verdict, better: Standing, other: Standing) -> str | None:
    """Say in what one is better than the other beyond chance; None where it is in nothing."""
    if _is_proven(verdict, better, other):
        return "more than chance"
    pair = verdict.pair(better.contender, other.contender)
    if verdict.overall_metric and pair.difference.value >= 0 and pair.is_right_more_often(RIGHT_MORE_OFTEN):
        return f"more than chance in {verdict.metrics[verdict.overall_metric]}"
    return None


def _is_proven(verdict: Verdict, better: Standing, other: Standing) -> bool:
    pair = verdict.pair(better.contender, other.contender)
    return pair.significant and pair.difference.value > 0
