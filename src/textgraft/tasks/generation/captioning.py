"""What a vector shows, in words: captions of images from their features, descriptions of measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self, Unpack

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.inputs import given_inputs
from textgraft.data.read_options import ReadOptions, column_names
from textgraft.data.readers.feature_vectors import as_vector, find_vectors, read_vectors
from textgraft.data.values import UnusableError
from textgraft.errors import DataError, OptionError
from textgraft.tasks.generation.base import SourceFeatures, known_targets
from textgraft.tasks.generation.text2text import TextToText
from textgraft.tasks.sketch import Evidence, Guess, Sketch

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast


SHOWN = 8
"""Numbers of a vector that people are shown."""


class Captioning(TextToText):
    """Vectors are read and captions written.

    Args:
        width: Numbers of a vector.
    """

    name = "captioning"
    pipeline = "image-to-text"

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read vectors with captions: see :func:`textgraft.data.readers.feature_vectors.read_vectors`."""
        return read_vectors(source, **column_names(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take arrays, and tables with a column of vectors beside one of texts."""
        if sketch.is_array:
            return Guess(cls.name, "the file holds arrays", Evidence.FORM)
        vectors, captions = find_vectors(sketch.columns, sketch.wanted)
        if not vectors or not captions or not sketch.allows(vectors, captions):
            return None
        values = sketch.sample[vectors[0]].filled
        are_vectors = bool(values) and all(map(_is_vector, values))
        if len(vectors) > 1 or not are_vectors or not sketch.sample[captions[0]].is_texts:
            return None
        reason = f"{vectors[0]!r} holds vectors, {captions[0]!r} their captions"
        return Guess(cls.name, reason, Evidence.NAMES)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """Count the numbers of a training vector."""
        known_targets(train)
        return cls(len(vectors_of(train)[0]))

    def settings(self) -> dict[str, Any]:
        """Return the width."""
        return {"width": self.width}

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take vectors: lists or arrays of numbers."""
        vectors = []
        for position, given in enumerate(given_inputs(inputs)):
            try:
                (vector,) = as_vector([given])
            except UnusableError as problem:
                raise OptionError(
                    f"input {position}: {problem}", fix="Give a list of vectors: predict([[0.1, 0.2, …]])."
                ) from problem
            vectors.append(vector)
        return Dataset.unlabelled({"vector": vectors})

    def shown(self, dataset: Dataset) -> list[str]:
        """Write the first numbers of each vector, and how many there are."""
        return [
            f"{', '.join(f'{number:.3g}' for number in vector[:SHOWN])}, … ({len(vector)} numbers)"
            for vector in vectors_of(dataset)
        ]

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[SourceFeatures]:
        """Take the vectors as they are, and tokenize the first caption of each row.

        Raises:
            DataError: A vector has another number of numbers than the training rows'.
        """
        from textgraft.tokenization.subword_tokenizer import target_tokenizer

        writer = target_tokenizer(tokenizer)
        features: list[SourceFeatures] = []
        for line, vector in zip(dataset.lines, vectors_of(dataset), strict=True):
            if len(vector) != self.width:
                raise DataError(
                    f"a vector has {len(vector)} numbers, and the model reads {self.width}",
                    where=dataset.place(line),
                    fix="Make vectors in the same way as those that the model was trained on.",
                )
            features.append({"vector": vector, "lost": 0, "writer": writer})
        return self._with_targets(features, dataset, writer, max_length)

    def truncated_fraction(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> float:
        """Return the share of the captions' tokens beyond ``max_length``."""
        from textgraft.tokenization.subword_tokenizer import target_ids, target_tokenizer

        if dataset.labels is None:
            return 0.0
        firsts = [texts[0] for texts in self.targets(dataset)]
        return target_ids(target_tokenizer(tokenizer), firsts, max_length).truncated_fraction

    def learned(self, feature: SourceFeatures) -> list[Any]:
        """Return vector and caption."""
        return [feature["vector"], feature["labels"]]

    def sides(self, feature: SourceFeatures) -> tuple[int, ...]:
        """Count a vector as one token."""
        return (1, len(feature.get("labels", ())))

    def collate(self, features: Sequence[SourceFeatures], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a batch: vectors [batch, width], and labels [batch, time] where they are known."""
        import torch

        del pad_token_id
        vectors = torch.tensor([feature["vector"] for feature in features], dtype=torch.float32)
        from textgraft.tasks.generation.teacher_forcing import padded_targets

        return {"vectors": vectors, **padded_targets(features)}


def _is_vector(value: Any) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(isinstance(number, int | float) for number in value)
    )


def vectors_of(dataset: Dataset) -> Sequence[list[float]]:
    """Return the vectors of a data set, which are its only column."""
    (vectors,) = dataset.columns.values()
    return vectors
