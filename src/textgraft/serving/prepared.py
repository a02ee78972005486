"""A request made ready for the model, outside of the model thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from textgraft.errors import TextgraftError
from textgraft.serving.queueing import Lane
from textgraft.serving.refusals import InputError


@dataclass(frozen=True)
class Prepared:
    """What a request asks the model, and what becomes of the model's results."""

    lane: Lane
    payloads: list[Any]
    """What is computed, sequence by sequence."""
    tokens: list[int]
    """Of each sequence."""
    finish: Callable[[list[Any]], Any]
    """Makes the answer of a result for each sequence."""
    n_tokens: list[int] = field(default_factory=list)
    """Tokens that are read of each of the request's texts."""
    n_lost: list[int] = field(default_factory=list)
    """Tokens of each that are beyond what is read."""

    @property
    def truncated(self) -> list[bool]:
        """Which of the texts are longer than what is read."""
        return [lost > 0 for lost in self.n_lost]


def as_input_error(error: TextgraftError) -> InputError:
    """Return the refusal that tells whoever asked what is wrong with the request."""
    return InputError("; ".join(part for part in (error.where, error.what, error.fix) if part))


def refuse_long(lengths: Sequence[int], most: int) -> None:
    """Refuse texts that are longer than the model reads.

    Args:
        lengths: Tokens of each text.
        most: Tokens that are read of one.

    Raises:
        InputError: One is longer.
    """
    for place, length in enumerate(lengths):
        if length > most:
            raise InputError(
                f"input {place} has {length:,} tokens, and {most:,} are read of a text: shorten it, or send "
                '"truncate": true to have its beginning read'
            )
