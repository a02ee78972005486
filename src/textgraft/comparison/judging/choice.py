"""Which contender to use: the best one, unless a cheaper one ties with it or the user's limits forbid it.

A contender **ties** with the leader where the paired test cannot tell their difference from chance
(corrected over all pairs, p >= 0.05), the difference is below five points, and no other contender within
the limits is significantly better. Among those that tie, the cheapest is picked: so no pick is significantly
worse than another contender that might have been picked. A user who prefers low cost gives up three points,
proven or not. A lead of five points decides even where it may be chance, and the verdict says so: too few
test rows are no reason to give up what is most likely better. For the same reason a floor, which
ignores the text, ties only below half a point.

A mean over labels, as macro F1, hangs on the rows of the rarest. So no contender ties with a leader that is
also right more often, over all rows, by two points or more (three for who prefers low cost) and beyond chance
by the same test. Where the one that is right more often scores less, that changes nothing: whoever always
gives the most frequent label is right often.

**Cost** is one number without weights to choose: the geometric mean of training time (at the chosen
setting, from raw text), single-text latency and model size, as a multiple of the cheapest contender's.
Twice the training time is worth half the latency. Below one second, one millisecond and one megabyte
nobody feels a difference, so smaller values count as these.

A contender that sends texts to another machine wins no tie by its cost: what it costs there is not in these
figures, and texts that may stay should stay.

Limits on latency (95th percentile) and size rule contenders out before any of this.
"""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.comparison.contenders.registry import is_floor, is_remote
from textgraft.comparison.records.preferences import MARGINS, Preferences
from textgraft.comparison.records.verdict import Decision, Pair, Standing

RIGHT_MORE_OFTEN = 0.02
"""A share of all rows that is worth its cost."""
CHANCE_AT_MOST = 0.05
"""A lead from which on the better contender is picked even where the lead may be chance."""


def cost_index(training_seconds: float, latency_ms: float, model_mb: float) -> float:
    """Return the geometric mean of the three costs, each counted as at least 1."""
    return float((max(training_seconds, 1.0) * max(latency_ms, 1.0) * max(model_mb, 1.0)) ** (1 / 3))


def excess(standing: Standing, preferences: Preferences) -> dict[str, float]:
    """Return by what factor a contender breaks each limit that it breaks."""
    limits = {
        "latency": (standing.latency_ms_p95, preferences.max_latency_ms),
        "size": (standing.model_mb, preferences.max_size_mb),
    }
    return {name: value / limit for name, (value, limit) in limits.items() if limit and value > limit}


def least_right_more_often(preferences: Preferences) -> float:
    """Return the share of all rows by which a leader must be right more often to tie with nobody."""
    return max(RIGHT_MORE_OFTEN, MARGINS.get(preferences.prefer, 0.0))


def choose(standings: Sequence[Standing], pairs: Sequence[Pair], preferences: Preferences) -> Decision:
    """Pick a contender.

    Args:
        standings: Every contender at the judged size.
        pairs: Every pair of them, in either order.
        preferences: Limits, and what to prefer.
    """
    ranked = sorted(standings, key=lambda one: -one.score.value)
    leader = ranked[0].contender
    allowed = [one for one in ranked if not one.excluded_by]
    if not allowed:
        nearest = min(ranked, key=lambda one: max(excess(one, preferences).values(), default=1.0)).contender
        return Decision(pick=None, leader=leader, allowed_leader=None, tied=[], nearest=nearest)
    margin = MARGINS.get(preferences.prefer, MARGINS["score"])
    given_up = margin if preferences.prefer == "cost" else 0.0
    proven = {(pair.first, pair.second): pair.difference.value for pair in pairs if pair.significant}
    proven |= {(second, first): -lead for (first, second), lead in proven.items()}
    least = least_right_more_often(preferences)
    right_more_often = {
        (pair.first, pair.second)
        for given in pairs
        for pair in (given, given.turned)
        if pair.is_right_more_often(least)
    }

    def is_beaten(one: Standing) -> bool:
        return any(proven.get((other.contender, one.contender), 0.0) > given_up for other in allowed)

    unbeaten = [one for one in allowed if not is_beaten(one)] or allowed[:1]
    best = unbeaten[0]

    def ties(one: Standing) -> bool:
        if (best.contender, one.contender) in right_more_often:
            return False
        lead = best.score.value - one.score.value
        chance = lead < CHANCE_AT_MOST and (best.contender, one.contender) not in proven
        return lead < margin or (chance and not is_floor(one.contender))

    tied = [one for one in unbeaten[1:] if ties(one)]
    named = [one for one in allowed if one.contender == preferences.prefer]
    pick = named[0] if named else min([best, *tied], key=lambda one: (is_remote(one.contender), one.cost))
    return Decision(
        pick=pick.contender,
        leader=leader,
        allowed_leader=best.contender,
        tied=[one.contender for one in tied],
        nearest=None,
    )
