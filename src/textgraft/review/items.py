"""The records of the review store: what a person is asked, who holds it, and what was decided."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One text that a person is to decide. It never changes: what happens to it is held apart."""

    task: str
    """As "classification"; see :data:`textgraft.review.answers.KINDS`."""
    columns: dict[str, str]
    """The texts by the name of their column, in order; most have one."""
    prediction: Any = None
    """What the model answered, in the form of an answer; None where no model was asked."""
    score: float | None = None
    """How sure it was, 0 to 1."""
    scores: dict[str, float] = {}
    """Of each label, where the model gives them."""
    given: Any = None
    """What the row is labelled with already, where that is doubted."""
    model: str = ""
    """What names the model."""
    reason: str = ""
    """Why a person is asked."""
    row: str = ""
    """Id of the row in its source."""
    source: str = ""
    """The file that the row comes from."""
    time: float = 0.0
    """When the model was asked, or the row imported: seconds since 1970, UTC."""
    priority: float | None = None
    """The higher, the sooner it is handed out; what the model is least sure of comes first if left out."""
    reviewers: int = 1
    """How many people are to decide it, each without knowing of the others."""

    @property
    def text(self) -> str:
        """The texts of all columns, joined by a newline."""
        return "\n".join(self.columns.values())

    @property
    def id(self) -> str:
        """32 hexadecimal digits of what is to be decided: equal for equal texts of a task, whoever asks."""
        facts = msgspec.json.encode([self.task, self.text])
        return hashlib.sha256(facts).hexdigest()[:32]

    @property
    def urgency(self) -> float:
        """The priority, or one minus the score."""
        if self.priority is not None:
            return self.priority
        return 0.0 if self.score is None else 1.0 - self.score


class Lease(msgspec.Struct, frozen=True):
    """An item in somebody's hands."""

    item: Item
    owner: str
    expires: float
    """When it goes back to the others: seconds since 1970, UTC."""


class Decision(msgspec.Struct, frozen=True):
    """What a person answered. Decisions are never changed: a correction is a new one."""

    number: int
    """Counts all decisions of a store, from 1, in the order in which they were made."""
    item: str
    """Id of the item."""
    reviewer: str
    answer: Any
    """In the form of the task; None: there is no right answer, the row is of no use."""
    time: float
    """Seconds since 1970, UTC."""
    settles: bool
    """Whether it was made when enough people had decided already: it stands against all earlier ones."""
    note: str = ""


class Answered(msgspec.Struct, frozen=True):
    """What somebody answered elsewhere."""

    reviewer: str
    """Empty where the file does not say who."""
    answer: Any
    note: str = ""


class Added(msgspec.Struct, frozen=True):
    """What became of imported items."""

    new: int
    known: int
    """Those that the store held already; they are left as they were."""


class Taken(msgspec.Struct, frozen=True):
    """What became of decisions that were made elsewhere."""

    new: int
    known: int
    """Those that the store held already."""
    conflicts: list[str]
    """Why others were not taken: one sentence each."""


def resolve(decisions: list[Decision]) -> Decision | None:
    """Return the decision that stands; None where there is none, or people disagree.

    Of each person the latest counts; the answer of most of them stands. A decision that settles stands
    against all others.

    Args:
        decisions: Those of one item, in the order in which they were made.
    """
    settling = [decision for decision in decisions if decision.settles]
    if settling:
        return settling[-1]
    latest = {decision.reviewer: decision for decision in decisions}
    votes: dict[bytes, list[Decision]] = {}
    for decision in latest.values():
        votes.setdefault(msgspec.json.encode(decision.answer), []).append(decision)
    ranked = sorted(votes.values(), key=len, reverse=True)
    if not ranked or (len(ranked) > 1 and len(ranked[0]) == len(ranked[1])):
        return None
    return ranked[0][-1]
