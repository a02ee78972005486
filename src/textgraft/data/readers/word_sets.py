"""Sets that word vectors are judged by: pairs of words with people's ratings, and analogies by section."""

from __future__ import annotations

import math
from pathlib import Path

from textgraft.errors import DataError

RatedPair = tuple[str, str, float]
"""Two words and how alike people find them, on the set's own scale."""
Question = tuple[str, str, str, str]
"""Words of which the first is to the second as the third is to the fourth."""


def is_analogies(path: Path) -> bool:
    """Return whether a file holds analogies, which begin with ``: section``, and not rated pairs.

    Raises:
        DataError: The file cannot be read.
    """
    return _lines(path)[0].startswith(":")


def read_rated_pairs(path: Path) -> list[RatedPair]:
    """Read lines of two words and a rating, between them tabs, commas or spaces; a heading is passed over.

    Raises:
        DataError: The file cannot be read, or a line is of another form; names it.
    """
    pairs = []
    for number, line in enumerate(_lines(path), 1):
        fields = line.replace(",", " ").split()
        if number == 1 and len(fields) >= 3 and not _is_finite(fields[2]):
            continue
        if len(fields) != 3 or not _is_finite(fields[2]):
            raise DataError(
                f"two words and a number are expected, and there is {line!r}", where=f"{path}, line {number}"
            )
        pairs.append((fields[0], fields[1], float(fields[2])))
    return pairs


def read_analogies(path: Path) -> dict[str, list[Question]]:
    """Read analogies as in Google's set (Mikolov et al. 2013): ``: section``, then four words a line.

    Raises:
        DataError: The file cannot be read, or a line is of another form; names it.
    """
    sections: dict[str, list[Question]] = {}
    questions: list[Question] = []
    for number, line in enumerate(_lines(path), 1):
        words = line.split()
        if line.startswith(":"):
            questions = sections.setdefault(line[1:].strip(), [])
        elif len(words) != 4 or not sections:
            raise DataError(
                f"four words of a section are expected, and there is {line!r}", where=f"{path}, line {number}"
            )
        else:
            first, second, third, fourth = words
            questions.append((first, second, third, fourth))
    return sections


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise DataError(f"the word set cannot be read: {reason}", where=str(path)) from error
    if not lines:
        raise DataError("the word set is empty", where=str(path))
    return lines


def _is_finite(field: str) -> bool:
    try:
        return math.isfinite(float(field))
    except ValueError:
        return False
