"""Texts that never end, read as they come: the time of a token and the memory are the same at any length.

A network that reads to the right alone carries its state from piece to piece
(:mod:`textgraft.models.recurrent.onward`). What a text is fed as, characters, words or books, makes no
difference: a word that may not be finished is held back (:mod:`textgraft.tokenization.growing`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from textgraft.errors import OptionError
from textgraft.inference.streaming.saved import check_state_path, model_identity, read_state, write_state
from textgraft.models.recurrent.onward import HOW_TO_TRAIN, Carried, OnwardReader, why_not_onward
from textgraft.tokenization.encode import TextFrame
from textgraft.tokenization.growing import cuts_characters, cuts_words, finished

A = TypeVar("A")
"""What a stream answers."""
MOST = 4096
"""Streams in a batch."""


@dataclass
class Place:
    """Where a stream stands in its text."""

    held: str = ""
    """Characters that may be the beginning of a longer word."""
    characters: int = 0
    """Characters before these."""
    tag: int = -1
    """Of a tagger: which tag the last word has; -1 before the first one."""
    decided: bool = False
    """Whether it is answered, so that nothing more is read."""


@dataclass
class Piece:
    """What is to be read next of a stream."""

    ids: list[int] = field(default_factory=list)
    words: list[tuple[str, int, int]] = field(default_factory=list)
    """Of a tagger: the words, with start and end in the text."""
    starts: list[int] = field(default_factory=list)
    """Where in ``ids`` each begins."""


class Streams(ABC, Generic[A]):
    """Several texts that go on, read side by side in one batch.

    Args:
        model: A recurrent network that reads to the right alone.
        tokenizer: Its own.
        count: How many texts.

    Raises:
        OptionError: The model cannot read so, or there are too many or no texts.
    """

    chunk: int = 512
    """Tokens of a text that are read at once at most: what bounds the memory."""

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerFast, count: int) -> None:
        check_streams(model)
        if not isinstance(count, int) or not 1 <= count <= MOST:
            raise OptionError(
                f"{count!r} is no number of streams", where="count", fix=f"Give one from 1 to {MOST:,}."
            )
        self.reader = OnwardReader(model)
        self.tokenizer = tokenizer
        self.backend = tokenizer.backend_tokenizer
        self.backend.no_truncation()
        self.backend.no_padding()
        frame = TextFrame.of(self.backend, " a")
        if frame.after or not frame.before:
            raise OptionError(
                "its tokenizer does not put a token before every text and none behind it",
                where="stream",
                fix="Use a model with a tokenizer of textgraft's: what goes on has a beginning and no end.",
            )
        self._by_characters = cuts_characters(self.backend)
        self._takes_text = cuts_words(self.backend)
        begun = self.reader.start(1)
        if frame.before:
            _, begun = self.reader.read(begun, torch.tensor([frame.before]), [len(frame.before)])
        self._begun = begun
        self._frame = len(frame.before)
        self._carried = begun.rows(torch.zeros(count, dtype=torch.int64))
        self._places = [Place() for _ in range(count)]

    def __len__(self) -> int:
        return len(self._places)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self)} of {type(self.reader.model).__name__}>"

    @property
    def read(self) -> list[int]:
        """Tokens that were read of each text; the special ones before it are not counted."""
        counts: list[int] = (self._carried.read - self._frame).tolist()
        return counts

    @property
    def decided(self) -> list[bool]:
        """Which texts are answered for good, as the answer was sure enough; of those nothing more is read."""
        return [place.decided for place in self._places]

    def feed(self, given: Sequence[str | Sequence[Any] | None]) -> list[A]:
        """Read on.

        Args:
            given: For each stream what comes next: raw text, cut anywhere; or tokens, which are ids, of a
                tagger words; or None where nothing comes.

        Returns:
            The answer of each stream.

        Raises:
            OptionError: Not one entry for each stream, or one is of another form.
        """
        if isinstance(given, str) or len(given) != len(self):
            raise OptionError(
                f"there are {len(self)} streams, and what is given is not one entry for each",
                where="feed",
                fix="Give a list with a text for each, and None where nothing comes.",
            )
        return self._read_on([self._piece(each, place) for each, place in self._open(given)])

    def end(self) -> list[A]:
        """Read what is held back as if the texts ended here; returns the answer of each stream."""
        return self._read_on([self._finish(place) for place in self._places])

    def reset(self, row: int | None = None) -> None:
        """Forget what was read of a text, or of all: another one begins."""
        rows = range(len(self)) if row is None else [range(len(self))[row]]
        begun = self._begun.rows(torch.zeros(len(rows), dtype=torch.int64))
        self._carried = self._carried.with_rows(torch.tensor(list(rows)), begun)
        for each in rows:
            self._places[each] = Place()

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write all that is known of the texts into a file, so that :meth:`restore` goes on to the last bit.

        Args:
            path: Ends in .safetensors.
            overwrite: Whether a file that stands there may be replaced.

        Raises:
            OutputError: It cannot be written, or one stands there.
            OptionError: Its name ends otherwise.
        """
        target = check_state_path(path, overwrite=overwrite)
        held = [place.held for place in self._places]
        write_state(target, self._arrays(), held, self._identity())

    def restore(self, path: str | Path) -> None:
        """Go on from what :meth:`save` wrote of as many streams of the same model.

        Raises:
            ModelError: The file is missing, damaged, of another model or of another number of streams.
        """
        arrays, held = read_state(path, self._arrays(), self._identity(), most_tag=self._tags())
        names = [name for name in arrays if name.startswith("state.")]
        kept = {name: torch.from_numpy(arrays[f"kept.{name}"]) for name in self._carried.kept}
        self._carried = Carried(
            tuple(torch.from_numpy(arrays[f"state.{at}"]) for at in range(len(names))),
            kept,
            torch.from_numpy(arrays["read"]),
        )
        self._places = [
            Place(text, int(characters), int(tag), bool(decided))
            for text, characters, tag, decided in zip(
                held, arrays["characters"], arrays["tag"], arrays["decided"], strict=True
            )
        ]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return the state as arrays by their names."""
        places = self._places
        return {
            **{f"state.{at}": state.numpy() for at, state in enumerate(self._carried.states)},
            **{f"kept.{name}": value.numpy() for name, value in self._carried.kept.items()},
            "read": self._carried.read.numpy(),
            "characters": np.array([place.characters for place in places], dtype=np.int64),
            "tag": np.array([place.tag for place in places], dtype=np.int64),
            "decided": np.array([place.decided for place in places], dtype=np.uint8),
        }

    def _identity(self) -> str:
        return model_identity(self.reader.model, self.backend)

    def _tags(self) -> int:
        """Return the largest number of a tag; -1 where there are none."""
        return -1

    def _open(self, given: Sequence[Any]) -> list[tuple[Any, Place]]:
        """Pair what is given with the streams; what comes for an answered one is left unread."""
        return [
            (None if place.decided else each, place) for each, place in zip(given, self._places, strict=True)
        ]

    def _piece(self, given: Any, place: Place) -> Piece:
        if given is None:
            return Piece()
        if isinstance(given, str):
            if not self._takes_text:
                raise OptionError(
                    "its tokens are parts of words, and where a text may be cut is not known",
                    where="feed",
                    fix="Give token ids.",
                )
            text = place.held + given
            end = len(text) if self._by_characters else finished(text)
            place.held = text[end:]
            return self._of_text(text[:end], place)
        if isinstance(given, list | tuple):
            before = self._finish(place)
            after = self._of_tokens(given, place)
            starts = [*before.starts, *(len(before.ids) + start for start in after.starts)]
            return Piece(before.ids + after.ids, before.words + after.words, starts)
        raise OptionError(
            f"{type(given).__name__} is neither a text nor a list of tokens",
            where="feed",
            fix="Give a string, or a list.",
        )

    def _finish(self, place: Place) -> Piece:
        text, place.held = place.held, ""
        return self._of_text(text, place)

    def _of_text(self, text: str, place: Place) -> Piece:
        """Cut a part of a text that is finished into tokens."""
        place.characters += len(text)
        return Piece(self.backend.encode(text, add_special_tokens=False).ids)

    def _of_tokens(self, tokens: Sequence[Any], place: Place) -> Piece:
        """Take tokens as they are."""
        del place
        size = self.reader.config.vocab_size
        for token in tokens:
            if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < size:
                raise OptionError(
                    f"{token!r} is no token id", where="feed", fix=f"Ids are from 0 to {size - 1:,}."
                )
        return Piece(list(tokens))

    def _read_on(self, pieces: list[Piece]) -> list[A]:
        """Read pieces, in parts that bound the memory, and answer."""
        self._begin(pieces)
        for begin in range(0, max(len(piece.ids) for piece in pieces), self.chunk):
            parts = [
                [] if place.decided else piece.ids[begin : begin + self.chunk]
                for piece, place in zip(pieces, self._places, strict=True)
            ]
            lengths = [len(part) for part in parts]
            if not any(lengths):
                break
            longest = max(lengths)
            ids = torch.tensor([part + [0] * (longest - len(part)) for part in parts])
            before = self._carried
            states, self._carried = self.reader.read(
                before, ids, lengths, self._characters(pieces, begin, longest)
            )
            self._heard(pieces, begin, lengths, states, before)
        return self._answers(pieces)

    def _characters(self, pieces: list[Piece], begin: int, longest: int) -> torch.Tensor | None:
        """Return the characters of the words that begin at some tokens, for networks that read them."""
        del pieces, begin, longest
        return None

    def _begin(self, pieces: list[Piece]) -> None:
        """Prepare for what is to be heard of pieces."""
        del pieces

    def _heard(
        self,
        pieces: list[Piece],
        begin: int,
        lengths: list[int],
        states: torch.Tensor,
        before: Carried,
    ) -> None:
        """Take what answers need of the states of a part.

        Args:
            pieces: All of them.
            begin: Where in each the part begins.
            lengths: Tokens of each in the part.
            states: [texts, time, hidden_size].
            before: What was known before the part.
        """
        del pieces, begin, lengths, states, before

    @abstractmethod
    def _answers(self, pieces: list[Piece]) -> list[A]:
        """Return the answer of each stream after these pieces."""


class Stream(Generic[A]):
    """One text that goes on.

    Args:
        streams: A batch of one.
    """

    def __init__(self, streams: Streams[A]) -> None:
        self.streams = streams

    def __repr__(self) -> str:
        return f"<Stream of {type(self.streams.reader.model).__name__}, {self.read:,} tokens read>"

    @property
    def read(self) -> int:
        """Tokens that were read; the special ones before the text are not counted."""
        return self.streams.read[0]

    @property
    def decided(self) -> bool:
        """Whether the text is answered for good, as the answer was sure enough."""
        return self.streams.decided[0]

    def feed(self, given: str | Sequence[Any]) -> A:
        """Read on, as :meth:`Streams.feed` does; returns the answer.

        Args:
            given: Raw text, cut anywhere; or tokens, which are ids, of a tagger words.

        Raises:
            OptionError: It is of another form.
        """
        return self.streams.feed([given])[0]

    def end(self) -> A:
        """Read what is held back as if the text ended here; returns the answer."""
        return self.streams.end()[0]

    def reset(self) -> None:
        """Forget what was read: another text begins."""
        self.streams.reset()

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write all that is known of the text into a file, as :meth:`Streams.save` does."""
        self.streams.save(path, overwrite=overwrite)

    def restore(self, path: str | Path) -> None:
        """Go on from what :meth:`save` wrote, as :meth:`Streams.restore` does."""
        self.streams.restore(path)


def check_streams(model: Any) -> None:
    """Refuse a model that cannot read a text token by token.

    Raises:
        OptionError: It is such a one; says what to train in its place.
    """
    if (reason := why_not_onward(model)) is not None:
        raise OptionError(
            f"this model cannot read a text as it comes: {reason}", where="stream", fix=HOW_TO_TRAIN
        )
