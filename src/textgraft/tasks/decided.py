"""A prediction with what was decided on it: whether it is given as an answer at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HIDDEN = frozenset({"label", "labels", "text", "answer", "start", "end", "choice"})
"""Members of predictions that are the answer itself, in any form."""


@dataclass(frozen=True, slots=True)
class Decided:
    """A prediction that is given as an answer, or held back.

    What the prediction has besides its answer, as ``score`` and ``scores``, this has too.
    """

    prediction: Any
    """As the model made it: what it would have answered."""
    answer_fields: tuple[str, ...]
    """Keys of its :meth:`to_dict` that hold the answer."""
    needs_review: bool
    """Whether a person is to answer."""

    @property
    def is_held_back(self) -> bool:
        """Whether no answer is given."""
        return self.needs_review

    @property
    def score(self) -> float:
        """How sure the model is of its answer, 0 to 1."""
        return float(self.prediction.score)

    def __getattr__(self, name: str) -> Any:
        if name in HIDDEN and self.is_held_back and hasattr(self.prediction, name):
            return None
        return getattr(self.prediction, name)

    def to_dict(self) -> dict[str, Any]:
        """Return what is written to a file; where the answer is held back, its fields are empty."""
        members: dict[str, Any] = self.prediction.to_dict()
        if self.is_held_back:
            members |= dict.fromkeys(self.answer_fields)
        first, *others = members
        return {
            first: members[first],
            "needs_review": self.needs_review,
            **{name: members[name] for name in others},
        }

    def numbers(self) -> list[float]:
        """Return the probabilities behind the answer."""
        numbers: list[float] = self.prediction.numbers()
        return numbers


def decide(prediction: Any, answer_fields: tuple[str, ...], least: float | None) -> Decided:
    """Hold back an answer whose score does not reach a threshold.

    Args:
        prediction: Any prediction with one answer.
        answer_fields: Keys of its ``to_dict`` that hold the answer.
        least: The threshold; None where every answer is held back.
    """
    return Decided(prediction, answer_fields, least is None or prediction.score < least)


@dataclass(frozen=True, slots=True)
class WithSet:
    """A prediction of a label, with the labels that the text may have; it has what the prediction has."""

    prediction: Any
    label_set: tuple[str, ...]
    """The likeliest first."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self.prediction, name)

    def to_dict(self) -> dict[str, Any]:
        """Return what is written to a file: the set behind the answer."""
        members: dict[str, Any] = self.prediction.to_dict()
        first, *others = members
        return {
            first: members[first],
            "set": list(self.label_set),
            **{name: members[name] for name in others},
        }


@dataclass(frozen=True, slots=True)
class Told:
    """A prediction of a label, with whether the text fits any label; it has what the prediction has."""

    prediction: Any
    is_unknown: bool
    """Whether it fits none: then it has no label."""

    def __getattr__(self, name: str) -> Any:
        return None if self.is_unknown and name in HIDDEN - {"labels"} else getattr(self.prediction, name)

    def to_dict(self) -> dict[str, Any]:
        """Return what is written to a file; the label of an unknown text is empty."""
        members: dict[str, Any] = self.prediction.to_dict()
        first, *others = members
        return {
            first: None if self.is_unknown else members[first],
            "unknown": self.is_unknown,
            **{name: members[name] for name in others},
        }
