"""Which test rows contenders answer: all of them or, where that leaves too little time to train, a part.

What an encoder makes of the test rows is computed once for all contenders that ask it, but of thousands it
may take most of a short budget; and nine of ten test rows tell little more, as intervals shrink with the
square root of their number. How many are answered follows from the pace of the encoder, and stands in the
plan: a run that is resumed answers the same.
"""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from textgraft.wording import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textgraft.comparison.contenders.base import Contender
    from textgraft.comparison.preparing import Material

ALL = 800
"""Characters of test rows for every second of budget: where there are no more, all are answered, and no pace
is measured. On a slow core an encoder of 22 million parameters reads them in a tenth of the time."""
READING = 0.6
"""Of the time left, for reading all rows once, those that are learned from with them."""
ANSWERING = 0.05
"""Of the time left, that the test rows have in any case."""
LEAST_ROWS = 500
LEAST_OF_LABEL = 10
"""Of each label in the mean."""
LITTLE = 40.0
"""Seconds: with no more left no encoder is opened for this alone, and as few rows as may be are answered."""
SAMPLE = 32
"""Rows that tell the pace, after as many on which the encoder is opened."""


def rows_to_answer(
    material: Material, budget: float, left: float, largest: int, note: Callable[[str], None]
) -> int | None:
    """Return how many test rows contenders are to answer; None: all.

    Args:
        material: What the trials draw on.
        budget: Seconds of the call.
        left: Of these, for trials.
        largest: Training rows of the largest size.
        note: Told where it is a part.
    """
    test = material.splits.test
    least = max(LEAST_ROWS, LEAST_OF_LABEL * len(set(test.strata)))
    if least >= len(test) or sum(map(len, test.strings())) <= ALL * budget:
        return None
    asking = _asking(material)
    if not asking:
        return None
    number = least
    if left > LITTLE:
        started = time.perf_counter()
        per_row = _seconds_a_row(material, asking)
        left -= time.perf_counter() - started
        fitting = max(READING * left / per_row - material.read_of(largest), ANSWERING * left / per_row)
        number = max(least, math.floor(fitting))
    if number >= len(test):
        return None
    note(
        f"contenders answer {number:,} of the {counted(len(test), 'test row')}, so that there is time to "
        "train; all of them with --thorough, or a larger --budget"
    )
    return number


def _asking(material: Material) -> list[Contender]:
    """Return who asks an encoder for every row, those first that only read what it makes of it.

    It is opened as the first of them does it.
    """
    asking = [
        contender
        for contender in material.entrants.contenders
        if contender.needs_encoder and contender.first_use is None
    ]
    return sorted(asking, key=lambda contender: contender.epochs is not None)


def _seconds_a_row(material: Material, asking: Sequence[Contender]) -> float:
    """Return what a row takes all encoders, on the wall.

    Nothing of it is done in vain: these rows are answered in any case, and encoded once.
    """
    first, both = (material.answering(number).test.strings() for number in (SAMPLE, 2 * SAMPLE))
    seconds: dict[str, float] = {}
    for contender in asking:
        source = material.entrants.encoder_of(contender)
        if source is not None and source.identity not in seconds:
            encoder = material.shared.encoder(source, material.max_length, material.windows_of(contender))
            encoder.encode(first)
            started = time.perf_counter()
            encoder.encode(both)
            seconds[source.identity] = (time.perf_counter() - started) / SAMPLE
    return sum(seconds.values())
