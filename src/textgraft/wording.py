"""Figures as people read them, the same in sentences, terminal and report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from textgraft.errors import OptionError

LEAST_WRITTEN = 0.0005
"""A difference of scores below this is written as none."""


def score(value: float) -> str:
    """Write a score between 0 and 1: "0.873"."""
    return f"{value:.3f}"


def apart(value: float, other: float) -> float:
    """Return how far two scores lie apart as they are written: what a reader finds who subtracts them."""
    return round(value, 3) - round(other, 3)


def signed(value: float) -> str:
    """Write a difference of scores: "+0.012", "−0.004", "0.000"."""
    return f"{value:+.3f}".replace("-", "−") if abs(value) >= LEAST_WRITTEN else "0.000"


class Interval(Protocol):
    """What has the two ends of an interval, or none where none can be given."""

    @property
    def low(self) -> float | None:
        """The lower end."""

    @property
    def high(self) -> float | None:
        """The upper end."""


def interval(estimate: Interval, joint: str = " to ") -> str:
    """Write the ends of a 95% interval: "0.861 to 0.885", "no interval"."""
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"{score(estimate.low)}{joint}{score(estimate.high)}"


def signed_interval(difference: Interval) -> str:
    """Write the ends of a 95% interval of a difference: "−0.012 to +0.003", "no interval"."""
    if difference.low is None or difference.high is None:
        return "no interval"
    return f"{signed(difference.low)} to {signed(difference.high)}"


def count(value: float) -> str:
    """Write a measured number of things in full: "3,000"."""
    return f"{value:,.0f}"


def counted(number: int, name: str) -> str:
    """Write a number of things: "1 row", "2,000 rows"."""
    return f"{number:,} {name}{'' if number == 1 else 's'}"


def about(value: float) -> str:
    """Write an estimated number with two digits that mean something: "1,300", "0.42", "7.5"."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def is_even(ratio: float) -> bool:
    """Return whether two things are alike as far as :func:`about` tells, whichever of them is divided."""
    return "1" in (about(ratio), about(1 / ratio) if ratio else "")


class Ratio(Protocol):
    """How many times less one thing takes than another, with an interval."""

    @property
    def value(self) -> float | None:
        """The ratio; None where it is not known."""

    @property
    def low(self) -> float | None:
        """The lower end; None where there is none."""

    @property
    def high(self) -> float | None:
        """The upper end; None where there is none."""

    @property
    def at_least(self) -> bool:
        """Whether the value is a lower bound."""


class Comparatives(NamedTuple):
    """How a quantity is compared."""

    less: str
    more: str
    equal: str
    noun: str


LABELS = Comparatives("fewer", "more", "as many", "labels")
TRAINING_TIME = Comparatives("less", "more", "as much", "training time")


def times(ratio: Ratio, words: Comparatives) -> str:
    """Write how many times less is needed, as people say it.

    "13 times fewer labels (6.3 to 26)"; for a ratio of 0.53 "1.9 times more training time (1.4 to 2.5)".

    Args:
        ratio: Its value is known.
        words: What is compared.
    """
    value, low, high = ratio.value, ratio.low, ratio.high
    assert value is not None, "what is not known cannot be written"
    if ratio.at_least:
        bound = "at least" if value >= 1 else "at most"
        return f"no more {words.noun}" if is_even(value) else f"{bound} {_times(value, words)} {words.noun}"
    told = f"{_times(value, words)} {words.noun}"
    if low is None:
        return f"{told} (not certain)"
    if about(low) == about(value) and high is not None and about(high) == about(value):
        return told  # an interval from a figure to itself tells nothing
    if high is None:
        return (
            f"{told} ({about(low)} or more)"
            if min(value, low) >= 1
            else f"{told} ({_times(low, words)} at most)"
        )
    if min(value, low) >= 1:
        return f"{told} ({about(low)} to {about(high)})"
    if max(value, high) <= 1:
        return f"{told} ({about(1 / high)} to {about(1 / low)})"
    return f"{told} ({_times(low, words)} to {_times(high, words)})"


def _times(ratio: float, words: Comparatives) -> str:
    if is_even(ratio):
        return words.equal
    return f"{about(ratio)} times {words.less}" if ratio >= 1 else f"{about(1 / ratio)} times {words.more}"


def seconds(value: float) -> str:
    """Write a duration: "< 0.1 s", "0.4 s", "12 s", "3 min 20 s", "1 h 5 min"."""
    if value < 0.05:
        return "< 0.1 s"
    if value < 9.95:
        return f"{value:.1f} s"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    minutes = round(value / 60)
    return f"{minutes // 60} h {minutes % 60} min"


def milliseconds(value: float) -> str:
    """Write a latency: "0.4 ms", "35 ms"."""
    return f"{value:.1f} ms" if value < 9.95 else f"{count(value)} ms"


def megabytes(value: float) -> str:
    """Write a size that is given in MB: "250 KB", "1.3 MB", "91 MB"."""
    if value < 0.9995:
        return f"{math.ceil(1000 * value):,} KB"
    return f"{value:.1f} MB" if value < 9.95 else f"{count(value)} MB"


def money(value: float) -> str:
    """Write an amount of any currency, cents where they matter: "1,240", "3.50", "0.00042"."""
    if value >= 0.995 or value == 0:
        return f"{value:,.0f}" if value >= 99.5 or value == 0 else f"{value:.2f}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}" if value >= 1e-6 else "under 0.000001"


ENDED = {
    "closed form": "solved directly",
    "patience": "no more improvement",
    "epochs": "all epochs",
    "steps": "all steps",
    "budget": "time was up",
}
"""How training ended, as people say it."""


def ended(stopped_by: str) -> str:
    """Write how training ended: "no more improvement"."""
    return ENDED.get(stopped_by, stopped_by)


def epochs(number: float, stopped_by: str) -> str:
    """Write how long was trained and why no longer: "3 epochs, no more improvement"; "solved directly"."""
    if stopped_by == "closed form":
        return ended(stopped_by)
    return f"{number:.3g} epoch{'' if number == 1 else 's'}, {ended(stopped_by)}"


def p_value(value: float) -> str:
    """Write a probability: "p = 0.03", "p < 0.001"."""
    return "p < 0.001" if value < 0.001 else f"p = {value:.2g}"


def listing(names: Sequence[str], joint: str = "and") -> str:
    """Join names: "a", "a and b", "a, b and c"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {joint} {names[-1]}"


def of_each(size: int, shots: Mapping[int, int]) -> str:
    """Return " (4 a label)" for a size that has four rows of every label, nothing for any other.

    Args:
        size: Training rows.
        shots: Rows of every label, by the size.
    """
    return f" ({count(shots[size])} a label)" if size in shots else ""


def parse_seconds(text: str) -> float:
    """Read a duration as "90s", "10m", "2h" or "1h30m".

    Raises:
        OptionError: It is none of these, or not positive.
    """
    units = {"s": 1, "m": 60, "h": 3600}
    total, number = 0.0, ""
    for character in text.strip().lower():
        if character.isdigit() or character == ".":
            number += character
        elif character in units and number.replace(".", "", 1).isdigit():
            total, number = total + float(number) * units[character], ""
        else:
            number = "?"
            break
    if number or total <= 0:
        raise OptionError(
            f"{text!r} is no duration", where="--budget", fix="Write it as 90s, 10m, 2h or 1h30m."
        )
    return total


def duration(seconds: float) -> str:
    """Write seconds as people say them: "8 s", "3 min 20 s", "1 h 05 min"."""
    whole = round(max(0.0, seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"
