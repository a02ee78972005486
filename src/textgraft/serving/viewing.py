"""A look inside: attention between words, and words near a word, of an encoder that torch computes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textgraft.errors import TextgraftError
from textgraft.serving.prepared import Prepared, as_input_error, refuse_long

if TYPE_CHECKING:
    from textgraft.inspection.word_view import WordView

MOST_TOKENS = 128
"""Of a text that is looked at: nobody can read a larger map."""
MOST_NEAR = 32
"""Words near a word."""


@dataclass(frozen=True)
class ViewLane:
    """Computes one look after the other."""

    key: Any
    background: bool = False

    def run(self, batches: Iterator[list[Callable[[], Any]]]) -> Iterator[Any]:
        """Compute batches of looks."""
        for batch in batches:
            try:
                yield [look() for look in batch]
            except TextgraftError as error:
                raise as_input_error(error) from error


class ServedView:
    """An encoder that can be looked into.

    Args:
        view: It, on torch.
        key: Names it among all that is served.
    """

    def __init__(self, view: WordView, key: str) -> None:
        self.view = view
        self.lane = ViewLane(("view", key))

    def attention(self, text: str) -> Prepared:
        """Prepare a look at the attention between the words of a text.

        Raises:
            InputError: It has too many tokens.
        """
        read = self.view.read(text)
        refuse_long([len(read.ids)], MOST_TOKENS)

        def finish(results: list[Any]) -> dict[str, Any]:
            return {"words": read.words, "weights": results[0].round(4)}

        look = functools.partial(self.view.attention, read)
        return Prepared(self.lane, [look], [len(read.ids)], finish, [len(read.ids)], [0])

    def nearest(self, text: str, word: int, count: int) -> Prepared:
        """Prepare a look at the words near a word.

        Raises:
            InputError: The text has too many tokens.
        """
        read = self.view.read(text)
        refuse_long([len(read.ids)], MOST_TOKENS)
        look = functools.partial(self.view.nearest, read, word, count)
        tokens = len(read.ids) * (1 + MOST_NEAR)
        return Prepared(self.lane, [look], [tokens], lambda results: results[0], [len(read.ids)], [0])
