"""Tasks whose answers are known: a sequence of symbols is to be copied or reversed.

What a sequence-to-sequence model can and cannot do shows on them without any doubt about the data: the answer
is exact, every length can be asked for, and no symbol tells anything about the next one.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from textgraft.errors import OptionError, unknown

TASKS: dict[str, Callable[[list[str]], list[str]]] = {
    "copy": list,
    "reverse": lambda symbols: symbols[::-1],
}


def synthetic_rows(
    task: str,
    count: int,
    *,
    symbols: int = 26,
    shortest: int = 1,
    longest: int = 20,
    seed: int = 0,
) -> list[tuple[str, str]]:
    """Draw sources and their targets.

    Lengths are even from ``shortest`` to ``longest``, and so are symbols. The same arguments give the same
    rows; so that training and test rows differ, give them different seeds. Short sequences of few symbols
    then still occur in both.

    Args:
        task: "copy" or "reverse".
        count: Rows to draw.
        symbols: How many symbols there are; they are written as a, b, …, z, a1, b1 and so on.
        shortest: Least symbols of a sequence.
        longest: Most symbols of a sequence.
        seed: Determines the rows.

    Returns:
        Pairs of source and target, symbols separated by a space.

    Raises:
        OptionError: The task is unknown, or a number is out of bounds.
    """
    if task not in TASKS:
        raise unknown("synthetic task", task, TASKS)
    if not 1 <= shortest <= longest:
        raise OptionError(
            f"sequences cannot have from {shortest} to {longest} symbols",
            fix="Give 1 <= shortest <= longest.",
        )
    if symbols < 1:
        raise OptionError(f"there cannot be {symbols} symbols", where="symbols", fix="Give at least 1.")
    generator = np.random.default_rng(seed)
    names = [
        chr(ord("a") + number % 26) + (str(number // 26) if number >= 26 else "") for number in range(symbols)
    ]
    rows = []
    for length in generator.integers(shortest, longest, count, endpoint=True):
        source = [names[number] for number in generator.integers(0, symbols, length)]
        rows.append((" ".join(source), " ".join(TASKS[task](source))))
    return rows
