"""How much of long texts a contender reads, in windows of its encoder's length."""

from __future__ import annotations

import msgspec


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What is read of texts with so many windows of each at most."""

    most: int
    read: float
    """Windows that are read of a text, on average."""
    whole: float
    """Windows that a text has, on average."""
    tokens: float
    """Share of the tokens of all texts that these hold, 0 to 1."""

    @property
    def is_of_long_texts(self) -> bool:
        """Whether any text has several windows."""
        return self.whole > 1

    def __str__(self) -> str:
        """Write it as "2 of on average 4.3 windows"."""
        read = "all" if self.read == self.whole else _short(self.read)
        return f"{read} of on average {_short(self.whole)} windows"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
