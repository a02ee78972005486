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
        return f"{self._read} of on average {_short(self.whole)} windows"

    @property
    def in_short(self) -> str:
        """As "2 of 4.3"."""
        return f"{self._read} of {_short(self.whole)}"

    @property
    def _read(self) -> str:
        return "all" if self.read == self.whole else _short(self.read)


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
