"""What the user wants of the pick, apart from a good score, and what texts cost him elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from textgraft.comparison.records.trials import Cost
from textgraft.errors import OptionError, unknown
from textgraft.evaluation.promises import Target

MARGINS = {"score": 0.005, "cost": 0.03}
"""Macro F1 that a cheaper contender may lie below the best and still be picked, by preference."""


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on the pick, and what to prefer. They change the pick and never a figure."""

    max_latency_ms: float | None = None
    """Milliseconds that 95% of single texts must stay within."""
    max_size_mb: float | None = None
    """Megabytes (10^6 bytes) on disk."""
    prefer: str = "score"
    """"score": the best one, a tie going to the cheaper. "cost": the cheapest one that gives up little.
    The name of a contender: that one."""
    precision: float | None = None
    """Promised of the answers that the picked model gives; it leaves other rows to a person."""
    error_cost: float | None = None
    """In place of it: what a wrong answer costs, and what a person's answer."""
    review_cost: float | None = None
    price: float | None = None
    """Of an hour of the machine that trains and answers; in any currency, which is left to the user."""
    llm_price_in: float | None = None
    """Price of a million tokens that a language model reads, in the same currency."""
    llm_price_out: float | None = None
    """Of a million that it writes."""

    @property
    def target(self) -> Target | None:
        """What is asked of the answers that no person looks at; None where all are given.

        Raises:
            OptionError: It makes no sense.
        """
        return Target.of(self.precision, self.error_cost, self.review_cost)

    def price_of_time(self, seconds: float) -> float | None:
        """Return what so much time of the machine costs; None where its price is not known."""
        return None if self.price is None else seconds / 3600 * self.price

    def price_of_answers(self, cost: Cost, texts: int) -> float | None:
        """Return what it costs to have texts answered, here or elsewhere; None where that is not known."""
        if cost.asked is None:
            return (
                self.price_of_time(texts / cost.throughput_per_second) if cost.throughput_per_second else None
            )
        if self.llm_price_in is None or self.llm_price_out is None:
            return None
        return cost.asked.price(texts, self.llm_price_in, self.llm_price_out)

    def check(self, contenders: Sequence[str]) -> None:
        """Refuse values that cannot be used.

        Raises:
            OptionError: A limit is not positive, or ``prefer`` names neither a preference nor a contender.
        """
        known = (*MARGINS, *contenders)
        if self.prefer not in known:
            raise unknown("preference", self.prefer, known, where="--prefer")
        for name, value in (("--max-latency-ms", self.max_latency_ms), ("--max-size-mb", self.max_size_mb)):
            if value is not None and not value > 0:
                raise OptionError(
                    f"a limit of {value:g} can never be kept", where=name, fix="Give a number above 0."
                )
