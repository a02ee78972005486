"""Which contender to use: the best one, unless a cheaper one ties with it or the user's limits forbid it.

A **tie** with the leader is a difference of scores below the margin: half a point, or three points where
the user prefers low cost. It is also a difference below five points that the paired test cannot tell from
chance (Holm-corrected over all pairs, p >= 0.05). Among those that tie, the cheapest is picked. A lead of
five points decides even where it may be chance, and the verdict says so: too few test rows are no reason to
give up what is most likely better. For the same reason the majority baseline, which ignores the text, ties
by the margin alone.

**Cost** is one number without weights to choose: the geometric mean of training time (at the chosen
setting, from raw text), single-text latency and model size, as a multiple of the cheapest contender's.
Twice the training time is worth half the latency. Below one second, one millisecond and one megabyte
nobody feels a difference, so smaller values count as these.

Limits on latency (95th percentile) and size rule contenders out before any of this.
"""

from __future__ import annotations

from collections.abc import Sequence

from textgraft.comparison.records.preferences import MARGINS, Preferences
from textgraft.comparison.records.verdict import Decision, Pair, Standing

CHANCE_AT_MOST = 0.05
"""A lead from which on the better contender is picked even where the lead may be chance."""
MAJORITY = "majority"


def cost_index(training_seconds: float, latency_ms: float, model_mb: float) -> float:
    """Return the geometric mean of the three costs, each counted as at least 1."""
    return float((max(training_seconds, 1.0) * max(latency_ms, 1.0) * max(model_mb, 1.0)) ** (1 / 3))


def excess(row: Standing, preferences: Preferences) -> dict[str, float]:
    """Return by what factor a contender breaks each limit that it breaks."""
    limits = {
        "latency": (row.latency_ms_p95, preferences.max_latency_ms),
        "size": (row.model_mb, preferences.max_size_mb),
    }
    return {name: value / limit for name, (value, limit) in limits.items() if limit and value > limit}


def choose(rows: Sequence[Standing], pairs: Sequence[Pair], preferences: Preferences) -> Decision:
    """Pick a contender.

    Args:
        rows: Every contender at the judged size.
        pairs: Every pair of them, in either order.
        preferences: Limits, and what to prefer.
    """
    ranked = sorted(rows, key=lambda row: -row.score.value)
    leader = ranked[0].contender
    allowed = [row for row in ranked if not row.excluded_by]
    if not allowed:
        nearest = min(ranked, key=lambda row: max(excess(row, preferences).values())).contender
        return Decision(pick=None, leader=leader, allowed_leader=None, tied=[], nearest=nearest)
    best = allowed[0]
    significant = {frozenset((pair.first, pair.second)): pair.significant for pair in pairs}
    margin = MARGINS.get(preferences.prefer, MARGINS["score"])

    def ties(row: Standing) -> bool:
        lead = best.score.value - row.score.value
        chance = lead < CHANCE_AT_MOST and not significant[frozenset((best.contender, row.contender))]
        return lead < margin or (chance and row.contender != MAJORITY)

    tied = [row for row in allowed[1:] if ties(row)]
    named = [row for row in allowed if row.contender == preferences.prefer]
    pick = named[0] if named else min([best, *tied], key=lambda row: row.cost)
    return Decision(
        pick=pick.contender,
        leader=leader,
        allowed_leader=best.contender,
        tied=[row.contender for row in tied],
        nearest=None,
    )
