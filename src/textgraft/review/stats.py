"""How far a review is: what is left, who decided how much, and how far people agree."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import msgspec

from textgraft.review.answers import answer_kind
from textgraft.review.items import Decision, Item, resolve


class Agreement(msgspec.Struct, frozen=True):
    """How far people who decided the same items agree beyond chance."""

    alpha: float | None
    """Krippendorff's alpha for names: 1 where all agree, 0 at chance; None where it cannot be told."""
    low: float | None
    """The lower end of its 95% interval; None where there is none."""
    high: float | None
    items: int
    """Items that several people decided without settling a dispute."""


class Stats(msgspec.Struct, frozen=True):
    """The state of a review store."""

    items: dict[str, int]
    """Items by state: open, held, decided, disputed."""
    decisions: int
    corrections: int
    """Decisions that replace an earlier one of the same person, or settle."""
    unusable: int
    """Decided items whose row is of no use."""
    reviewers: dict[str, int]
    """Decisions of each person, the busiest first."""
    labels: dict[str, int]
    """How often each label stands in what was decided."""
    agreement: Agreement
    model_right: int
    """Decided items with a prediction that was confirmed."""
    model_judged: int
    """Decided items with a prediction, the unusable ones left out."""


class Tally(NamedTuple):
    """What stands in a store."""

    states: dict[str, int]
    items: list[Item]
    """Those that somebody has decided."""
    decisions: list[Decision]
    labels: dict[str, list[str]]
    """By task."""


def make_stats(found: Tally) -> Stats:
    """Count what stands in a store."""
    of_items: dict[str, list[Decision]] = {}
    for decision in found.decisions:
        of_items.setdefault(decision.item, []).append(decision)
    labels: Counter[str] = Counter()
    unusable = right = judged = 0
    for item in found.items:
        standing = resolve(of_items[item.id])
        if standing is None:
            continue
        if standing.answer is None:
            unusable += 1
            continue
        labels.update(answer_kind(item.task).labels(standing.answer))
        if item.prediction is not None:
            judged += 1
            right += item.prediction == standing.answer
    people = Counter(decision.reviewer for decision in found.decisions)
    firsts = {(decision.item, decision.reviewer) for decision in found.decisions if not decision.settles}
    return Stats(
        items=found.states,
        decisions=len(found.decisions),
        corrections=len(found.decisions) - len(firsts),
        unusable=unusable,
        reviewers=dict(people.most_common()),
        labels=dict(labels.most_common()),
        agreement=_agreement(found, of_items),
        model_right=right,
        model_judged=judged,
    )


def _agreement(found: Tally, of_items: dict[str, list[Decision]]) -> Agreement:
    """Compare what people answered without knowing of each other."""
    clusters: list[list[list[str]]] = []
    for item in found.items:
        independent = [decision for decision in of_items[item.id] if not decision.settles]
        answers = {decision.reviewer: decision.answer for decision in independent}
        if len(answers) > 1:
            clusters.append(_values(item, list(answers.values()), found.labels[item.task]))
    from textgraft.evaluation.agreement import krippendorff_alpha  # loads scipy

    alpha = krippendorff_alpha(clusters)
    if alpha is None:
        return Agreement(None, None, None, len(clusters))
    return Agreement(alpha.value, alpha.low, alpha.high, len(clusters))


_UNUSABLE = "\0"


def _values(item: Item, answers: list[Any], labels: list[str]) -> list[list[str]]:
    """Return what each unit of an item was called by each person."""
    units = answer_kind(item.task).units
    shape = next((answer for answer in answers if answer is not None), None)
    size = 1 if shape is None else len(units(shape, item.text, labels))
    columns = [
        [_UNUSABLE] * size if answer is None else units(answer, item.text, labels) for answer in answers
    ]
    return [list(values) for values in zip(*columns, strict=True)]
