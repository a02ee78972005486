"""How long a trial may take, and how short its training may be to be a result still."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from textgraft.comparison.records.plan import PlannedTrial, Rate, TrialPlan

SLACK = 0.8
"""Of the shortest training that is wished for: so much is still a result."""
COMFORT = 0.6
"""Of the usual training on all rows: the rest may go to a curve, which there would be none of else."""
PETTY = 0.05
"""Of the costliest training on all rows: a smaller size that takes no more costs next to nothing."""
WARMING = 1.0
"""Seconds of a core that no training is planned to be shorter than: its first steps prepare what the others
run on."""


def shortest(
    planned: PlannedTrial, rates: Mapping[str, Rate], windows: int = 0, fitted: Sequence[int] = (0,)
) -> float:
    """Estimate a trial of one configuration, its training as short as it may be, without what is shared.

    Args:
        planned: The trial.
        rates: What each contender costs.
        windows: That it reads of a text at most; 0: the most.
        fitted: The places of the configurations that it would fit, the first of which counts.
    """
    rate, first = rates[planned.contender], fitted[:1]
    if not rate.epochs or not planned.size:
        return rate.seconds(planned.size, first, windows=windows)
    shares = (0.0, rate.epochs.shortest_share(planned.size), 1.0)
    other, short, usual = (
        rate.seconds(planned.size, first, windows=windows, epochs_share=share) for share in shares
    )
    return max(short, min(usual, other + WARMING * rate.slowness))


def useful(planned: PlannedTrial, plan: TrialPlan, rates: Mapping[str, Rate]) -> float:
    """Estimate the seconds without which a trial need not begin: it would be no result.

    Args:
        planned: The trial.
        plan: What is left to do.
        rates: What each contender costs.
    """
    rate, windows = rates.get(planned.contender), plan.windows.get(planned.contender, 0)
    if rate is None:
        return 0.0
    if rate.epochs is None:
        return plan.estimate(planned, rates, with_shared=True)
    # What comes before and after the training takes its time, however short that is.
    other = rate.seconds(planned.size, 1, windows=windows, epochs_share=0.0)
    training = shortest(planned, rates, windows, plan.fitted(planned)) - other
    return rate.shared_seconds(windows, planned.size) + other + SLACK * training


def is_vital(planned: PlannedTrial, plan: TrialPlan, done: Collection[str] = ()) -> bool:
    """Return whether a trial is the one at its contender's largest size that decides where it stands.

    Args:
        planned: The trial.
        plan: What is left to do.
        done: Names of the planned trials that are finished.
    """
    places = [(one.contender, one.size) for one in plan.trials if one.seed == 0]
    places += [(name, int(size)) for name, size, _ in (one.rsplit("/", 2) for one in done)]
    own = [size for name, size in places if name == planned.contender]
    return planned.seed == 0 and planned.size == max(own, default=0)


def allowance(plan: TrialPlan, rates: Mapping[str, Rate], left: float, done: Collection[str] = ()) -> float:
    """Return the seconds that the first trial of a plan may take.

    An estimate that was too low must not cut a trial short: it may take all the time that is left but for
    what the other contenders need at their largest sizes, and what the points of curves need at least, the
    quickest first, as far as its training stays long enough; a point of a curve also leaves what the other
    points need at least. Where not all of that is there, each has what it needs at least, and a part of the
    rest. What cannot be shortened may take all of it: cut, it would be no result.

    Args:
        plan: What is left to do.
        rates: What each contender costs.
        left: Seconds that are left.
        done: Names of the planned trials that are finished.
    """
    first, *others = plan.trials
    left = max(0.0, left)
    if rates[first.contender].epochs is None:
        return left
    is_point = not is_vital(first, plan, done)
    mine = plan.windows.get(first.contender, 0)
    shared = rates[first.contender].shared_seconds(mine, first.size)
    usual = plan.estimate(first, rates)
    own, least, comfort = (
        shared + part for part in (usual, shortest(first, rates, mine, plan.fitted(first)), COMFORT * usual)
    )
    wanted = needed = kept = 0.0
    costliest, points = own, []
    for one in others:
        rate, windows = rates[one.contender], plan.windows.get(one.contender, 0)
        if is_vital(one, plan, done) and one.contender != first.contender:
            usual, shared = plan.estimate(one, rates), rate.shared_seconds(windows, one.size)
            short = shortest(one, rates, windows, plan.fitted(one)) if rate.epochs else usual
            wanted, needed, kept = wanted + usual + shared, needed + short + shared, kept + usual + shared
            costliest = max(costliest, usual)
        elif is_point and one.seed == 0:
            short = shortest(one, rates, windows, plan.fitted(one))
            wanted, needed, kept = wanted + plan.estimate(one, rates), needed + short, kept + short
        elif one.seed == 0:
            points.append(shortest(one, rates, windows, plan.fitted(one)))
    is_alone = not wanted and least <= left
    if is_alone or own + wanted <= left or comfort + wanted + sum(points) <= left:
        spare = left - kept
        for short in sorted(points):
            if spare - short < (least if short <= PETTY * costliest else comfort):
                break
            spare -= short
        return spare
    if least + needed >= left:
        # One more point of a curve is more than parts of several that are no results.
        return min(least, left) if is_point else left * least / (least + needed)
    return least + (left - least - needed) * (own - least) / (own - least + wanted - needed)
