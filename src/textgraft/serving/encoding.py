"""Encodings: texts, or token ids, to vectors."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError
from textgraft.inference.encode import Encoder
from textgraft.inference.engines.open import first_choice
from textgraft.models.encoders import EncoderSource
from textgraft.serving.prepared import Prepared, refuse_long
from textgraft.serving.refusals import InputError
from textgraft.serving.shapes import filled, prepares_for_shapes

Vectors = NDArray[np.float32]


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
    is_blind = options.get("precision") == "int8" and not options.get("calibration")
    if is_blind and first_choice(options.get("engine", "auto"), "int8") != "ctranslate2":
        raise OptionError(
            "int8 is calibrated on texts like those to come, and none are given",
            where="--precision int8",
            fix="Name a file of a hundred such texts or more: --calibration texts.csv.",
        )
    encoder = Encoder(name, pooling=pooling, normalize=False, **options)
    encoder.open()
    return ServedEncoder(encoder)
