"""Encodings: texts, or token ids, to vectors."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError
from textgraft.inference.encode import Encoder
from textgraft.inference.engines.agreement import is_rough
from textgraft.inference.engines.base import Engine
from textgraft.models.encoders import EncoderSource
from textgraft.serving.prepared import Prepared, refuse_long
from textgraft.serving.refusals import InputError
from textgraft.serving.shapes import filled, prepares_for_shapes

Vectors = NDArray[np.float32]
WARMING_SECONDS = 10.0
"""Enough for encoders of a few layers; a large one meets its longer batches when they come."""


class EncoderLane:
    """Runs token ids through an encoder, each to one vector that is not scaled.

    Args:
        encoder: Opened with ``normalize=False``: whoever asks says whether vectors are scaled.
    """

    background = False

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.key = ("encoder", encoder.source.identity, encoder.pooling)
        self._is_shaped = prepares_for_shapes(encoder.open())

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Encode batches of token ids: [rows, dimension] each."""
        yield from self.encoder.encode_batches(batches, filled if self._is_shaped else None)

    def warming(self, shapes: Iterable[tuple[int, int]]) -> Iterator[None]:
        """Compute a batch of each shape, so that the engine has met it; no longer than a few seconds in all.

        Args:
            shapes: Rows and width of each.
        """
        spent = 0.0
        for rows, width in shapes if self._is_shaped else ():
            if spent > WARMING_SECONDS:
                return
            begun = time.monotonic()
            for _ in self.encoder.encode_batches([[[0] * width] * rows]):
                pass
            spent += time.monotonic() - begun
            yield


class ServedEncoder:
    """An encoder that takes requests.

    Args:
        encoder: As for :class:`EncoderLane`.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self.lane = EncoderLane(encoder)

    @property
    def dimension(self) -> int:
        """Numbers in an encoding."""
        return self.encoder.dimension

    @property
    def max_length(self) -> int:
        """Tokens read of a text, special ones included."""
        return self.encoder.max_length

    @functools.cached_property
    def vocabulary(self) -> int:
        """Token ids there are."""
        return self.encoder.tokenizer.get_vocab_size()

    def prepare(
        self, texts: Sequence[str], *, truncate: bool, normalize: bool = True, dimensions: int | None = None
    ) -> Prepared:
        """Tokenize texts.

        Args:
            texts: At least one.
            truncate: Whether the beginning of a longer text is read.
            normalize: Whether vectors are scaled to length one.
            dimensions: Numbers of a vector that are kept, the first ones; None keeps all.

        Raises:
            InputError: A text is too long, or there are no so many dimensions.
        """
        self._check_dimensions(dimensions)
        found = self.encoder.tokenize(texts)
        if not truncate:
            refuse_long(found.lengths, self.max_length)
        lost = [length - len(ids) for length, ids in zip(found.lengths, found.ids, strict=True)]
        return self._prepared(found.ids, lost, normalize, dimensions)

    def prepare_ids(
        self,
        rows: Sequence[Sequence[int]],
        *,
        truncate: bool,
        normalize: bool = True,
        dimensions: int | None = None,
    ) -> Prepared:
        """Take token ids as they stand.

        Raises:
            InputError: A row is empty or too long, or an id is none of the vocabulary.
        """
        self._check_dimensions(dimensions)
        for place, row in enumerate(rows):
            if not row or min(row) < 0 or max(row) >= self.vocabulary:
                raise InputError(
                    f"input {place} has an id outside of 0 to {self.vocabulary - 1:,}, or none: send ids of "
                    "this encoder's own tokenizer, or texts"
                )
        if not truncate:
            refuse_long([len(row) for row in rows], self.max_length)
        lost = [max(0, len(row) - self.max_length) for row in rows]
        return self._prepared([list(row[: self.max_length]) for row in rows], lost, normalize, dimensions)

    def _check_dimensions(self, dimensions: int | None) -> None:
        if dimensions is not None and not 1 <= dimensions <= self.dimension:
            raise InputError(f"dimensions is {dimensions}, and a vector has {self.dimension}")

    def _prepared(
        self, ids: list[list[int]], lost: list[int], normalize: bool, dimensions: int | None
    ) -> Prepared:
        lengths = [len(row) for row in ids]

        def finish(results: list[Any]) -> Vectors:
            vectors = np.stack([result[:dimensions] for result in results])
            return scaled(vectors) if normalize else vectors

        return Prepared(self.lane, list(ids), lengths, finish, lengths, lost)


def scaled(vectors: Vectors) -> Vectors:
    """Scale vectors [..., dimension] to length one."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))


def open_encoder(name: str | EncoderSource, *, pooling: str = "mean", **options: Any) -> ServedEncoder:
    """Load an encoder and its engine.

    Args:
        name: As for :class:`~textgraft.inference.encode.Encoder`.
        pooling: As there.
        options: ``engine``, ``precision``, ``calibration``, ``max_length`` and ``revision``, as there.

    Raises:
        ModelError: It cannot be found, or is damaged.
        OptionError: An option is wrong.
    """
    encoder = Encoder(name, pooling=pooling, normalize=False, **options)
    _refuse_rough(encoder.open(), encoder.source.name, options.get("precision", "auto"))
    return ServedEncoder(encoder)


def _refuse_rough(engine: Engine, name: str, precision: str) -> None:
    """Refuse int8 that moves encodings too far, which the engine has given up for the next best.

    Where the processor or a package is what is missing, the next best is taken and told of.

    Raises:
        OptionError: It is so.
    """
    if precision == "int8" and is_rough(engine, precision):
        raise OptionError(
            f"int8 moves the encodings of {name} too far: {engine.note}",
            where="--precision",
            fix="Name a file of a hundred texts like those to come, --calibration texts.csv, or leave out "
            "--precision int8.",
        )
