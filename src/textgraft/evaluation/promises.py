"""What a user asks of the answers that no person looks at, and what a model then promises of them."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from textgraft.errors import OptionError

CONFIDENCE = 0.95
METHOD = "fixed-sequence testing with exact binomial tests"
"""That of :mod:`textgraft.evaluation.selective`."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks of the answers that no person looks at.

    Raises:
        OptionError: It makes no sense.
    """

    precision: float | None = None
    """Of the answers given, how many are to be right at least."""
    error_cost: float | None = None
    """What a wrong answer costs, in place of a precision; in any currency, that of ``review_cost``."""
    review_cost: float | None = None
    """What it costs to have a person answer."""

    def __post_init__(self) -> None:
        for name in ("precision", "error_cost", "review_cost"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise OptionError(
                    f"{value!r} is not a number",
                    where=f"--{name.replace('_', '-')}",
                    fix="Give one, as 0.97.",
                )
        if (self.precision is None) == (self.error_cost is None and self.review_cost is None):
            raise OptionError(
                "a target is a precision, or what errors and reviews cost",
                where="--precision, --error-cost, --review-cost",
                fix="Write --precision 0.97, or --error-cost 20 --review-cost 1.",
            )
        if self.precision is not None:
            if not 0 < self.precision < 1:
                raise OptionError(
                    f"a precision of {self.precision:g} cannot be promised",
                    where="--precision",
                    fix="Give a number between 0 and 1, as 0.97.",
                )
        elif self.error_cost is None or self.review_cost is None:
            raise OptionError(
                "one cost alone decides nothing",
                where="--error-cost, --review-cost",
                fix="Give both: what a wrong answer costs, and what it costs to have a person answer.",
            )
        elif not (0 < self.review_cost < self.error_cost < math.inf):
            raise OptionError(
                f"with an error at {self.error_cost:g} and a review at {self.review_cost:g} "
                "there is nothing to weigh",
                where="--error-cost, --review-cost",
                fix="Both are positive, and an error costs more than a review: else answer everything.",
            )

    @classmethod
    def of(
        cls, precision: float | None, error_cost: float | None, review_cost: float | None
    ) -> Target | None:
        """Return what the options ask for; None where none is given.

        Raises:
            OptionError: It makes no sense.
        """
        if (precision, error_cost, review_cost) == (None, None, None):
            return None
        return cls(precision=precision, error_cost=error_cost, review_cost=review_cost)

    @property
    def least_precision(self) -> float:
        """The precision to promise: the one asked for, or the one below which a person is cheaper."""
        if self.precision is not None:
            return self.precision
        assert self.error_cost is not None, "checked when it is made"
        assert self.review_cost is not None, "likewise"
        return 1 - self.review_cost / self.error_cost


class EarlyAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The score from which on a text is answered before its end, and what is promised of that."""

    least: Share
    tolerance: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Share of all texts by which fewer are answered rightly than after the whole text, at most."""
    confidence: Annotated[float, msgspec.Meta(gt=0, lt=1)] = CONFIDENCE
    """How surely."""
    method: str
    rows: Annotated[int, msgspec.Meta(ge=1)]
    """Labelled rows that it was decided on."""


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The score from which on answers are given, and what is promised of them."""

    least: Share | None
    """None: no threshold keeps the target, and everything goes to a person."""
    precision: Annotated[float, msgspec.Meta(gt=0, lt=1)]
    """Promised of the answers given."""
    confidence: Annotated[float, msgspec.Meta(gt=0, lt=1)] = CONFIDENCE
    """How surely."""
    method: str = METHOD
    error_cost: float | None = None
    """Where costs were asked for: of a wrong answer."""
    review_cost: float | None = None
    """Likewise, of a person's answer."""
    cost: float | None = None
    """Likewise, of a row on average, on these rows."""
    rows: Annotated[int, msgspec.Meta(ge=0)]
    """Labelled rows that it was decided on, as far as the model has an answer for them."""
    answered: Annotated[int, msgspec.Meta(ge=0)]
    """Of them, those whose score reaches it."""
    right: Annotated[int, msgspec.Meta(ge=0)]
    """Of those, the right ones."""
    coverage: Share
    """Share of all rows that will be answered, with the ends of its 95% interval."""
    coverage_low: Share
    coverage_high: Share

    @property
    def sentence(self) -> str:
        """What is promised, in words."""
        promise = f"with {self.confidence:.0%} confidence precision ≥ {self.precision:g}"
        if self.least is None:
            return f"no threshold gives {promise} on {self.rows:,} labelled rows: everything goes to a person"
        cost = "" if self.cost is None else f"; {self.cost:.3g} a row, {self.review_cost:g} without a model"
        return (
            f"answers with a score of {self.least:.4f} and more are given, {promise}: "
            f"{self.right:,} of {self.answered:,} were right; {self.coverage:.0%} of the rows "
            f"({self.coverage_low:.0%} to {self.coverage_high:.0%}) need no person{cost}"
        )
