"""What the trials of a comparison compute once between them: encodings of texts, and states of frozen layers.

A trial that reads them is still a function of its own rows: what is computed of a text does not depend, to
the last bit, on which texts were computed with it (``textgraft.training.batching.fixed_shapes``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.errors import OutputError
from textgraft.models.encoders import load_encoder_tokenizer
from textgraft.training.text_arrays import TextArrays, TextStores, text_key
from textgraft.training.training_time import training_clock
from textgraft.wording import counted

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedTokenizerFast

    from textgraft.data.dataset import Dataset
    from textgraft.inference.encode import Encoder, Encodings
    from textgraft.models.baselines.tfidf import WeightedNgrams
    from textgraft.models.encoders import EncoderSource
    from textgraft.models.graft.heads import GraftForSequenceClassification
    from textgraft.tasks.text.texts import TextTask


@dataclass
class Shared:
    """The work that a comparison does once; it lives as long as the process at most."""

    states: TextStores = field(default_factory=TextStores)
    """Of frozen layers."""
    held: dict[str, Any] = field(default_factory=dict)
    """What keeps the engines of frozen encoders open from one trial to the next, by encoder."""
    _ngrams: tuple[Dataset, WeightedNgrams, float] | None = None
    """Of the rows that were weighed last, and the seconds that it took."""
    _encoders: dict[tuple[str, int | None, int], SharedEncoder] = field(default_factory=dict)

    @property
    def charged(self) -> float:
        """Seconds that all asked for so far would have cost, had each trial done its work itself."""
        return sum(store.charged for store in self._stores())

    @property
    def spent(self) -> float:
        """Seconds that the work has taken."""
        return sum(store.spent for store in self._stores())

    @property
    def has_encoder(self) -> bool:
        """Whether any encoder is open."""
        return bool(self._encoders)

    def weighted_ngrams(
        self, rows: Dataset, targets: Sequence[Any], labels: int
    ) -> tuple[WeightedNgrams, float]:
        """Return the n-grams of training rows, weighed once for all configurations of a trial.

        Args:
            rows: The training rows.
            targets: What the loss takes of each.
            labels: How many there are.

        Returns:
            The n-grams, and the seconds that were saved as they were known.
        """
        from textgraft.models.baselines.tfidf import weigh_ngrams

        if self._ngrams is not None and self.has_ngrams_of(rows):
            return self._ngrams[1], self._ngrams[2]
        start = training_clock()
        found = weigh_ngrams(rows.texts, targets, labels)
        self._ngrams = rows, found, training_clock() - start
        return found, 0.0

    def has_ngrams_of(self, rows: Dataset) -> bool:
        """Return whether the n-grams of rows are those that were weighed last."""
        return self._ngrams is not None and self._ngrams[0] is rows

    def seconds_a_text(self, source: EncoderSource) -> float:
        """Return what a text took an encoder, on the wall, read in as few windows as it was; 0: not known."""
        seconds = [
            encoder.store.spent / len(encoder.store)
            for encoder in self._encoders.values()
            if encoder.source.identity == source.identity and len(encoder.store)
        ]
        return min(seconds, default=0.0)

    def reopen(self) -> None:
        """Have engines opened anew where they are needed next: on another number of threads."""
        self.held.clear()
        for shared in self._encoders.values():
            shared.encoder.close()

    def _stores(self) -> list[TextArrays]:
        return [*self.states.values(), *(encoder.store for encoder in self._encoders.values())]

    def encoder(self, source: EncoderSource, max_length: int | None, windows: int = 1) -> SharedEncoder:
        """Return an encoder that encodes a text once.

        Args:
            source: Its files.
            max_length: Tokens of a window; None: the encoder's own limit.
            windows: Of a text at most; it is cut there.
        """
        key = source.identity, max_length, windows
        if key not in self._encoders:
            self._encoders[key] = SharedEncoder(source, max_length, windows)
        return self._encoders[key]

    def unknown(
        self, texts: Sequence[str], source: EncoderSource, max_length: int | None, windows: int = 1
    ) -> int:
        """Return how many texts an encoder has not encoded yet; it is told as by :meth:`encoder`."""
        opened = self._encoders.get((source.identity, max_length, windows))
        return len(texts) if opened is None else sum(text_key(text) not in opened.store for text in texts)


class SharedEncoder:
    """An encoder that remembers what it encoded.

    Args:
        source: Its files.
        max_length: Tokens of a window; None: the encoder's own limit.
        windows: Of a text at most; it is cut there.
    """

    def __init__(self, source: EncoderSource, max_length: int | None, windows: int = 1) -> None:
        from textgraft.inference.encode import Encoder

        self.source = source
        self.encoder: Encoder = Encoder(
            # Never int8: which packages are installed has no part in what a trial learns from.
            source,
            precision="bf16",
            max_length=max_length,
            windows=windows,
            fixed_shapes=True,
        )
        self.encoder.open()
        self.store = TextArrays(self.encoder.dimension, "float32")

    @functools.cached_property
    def tokenizer(self) -> PreTrainedTokenizerFast:
        """What models on the encoder read with; of a hundred languages it takes seconds to load."""
        return load_encoder_tokenizer(self.source)

    @property
    def owed(self) -> float:
        """Seconds that encoding would have taken and did not, as a text was known."""
        return self.store.owed

    def encode(self, texts: Sequence[str]) -> Encodings:
        """Encode texts, [texts, dimension]; those met before are looked up.

        Raises:
            OutputError: The encodings do not fit into the temporary folder.
        """
        keys = [text_key(text) for text in texts]
        is_kept = self.store.fill(
            keys,
            [1] * len(texts),
            lambda missing: self.encoder.batch_by_batch([texts[place] for place in missing]),
        )
        if not is_kept:
            raise OutputError(
                f"there is no room for the encodings of {counted(len(texts), 'text')}",
                where=str(self.store.folder),
                fix="Free some disk space, or let TMPDIR name another folder.",
            )
        encodings = np.empty((len(texts), self.encoder.dimension), np.float32)
        for row, key in zip(encodings, keys, strict=True):
            row[:] = self.store.get(key)
        return encodings


def answering(
    model: GraftForSequenceClassification,
    encodings: Callable[[Dataset], Tensor],
    task: TextTask,
    tokenizer: PreTrainedTokenizerFast,
    max_length: int,
) -> Callable[[Dataset], tuple[list[Any], list[Any]]]:
    """Return what answers rows as a model with a head does, by encodings that are computed once for all.

    Args:
        model: Its head is run.
        encodings: Returns those of rows, as the head reads them, [rows, features].
        task: Makes answers of logits.
        tokenizer: That the model reads with.
        max_length: Tokens of a text that it reads at most.
    """
    import torch

    def outputs(rows: Dataset) -> tuple[list[Any], list[Any]]:
        unlabelled = replace(rows, labels=None)
        with torch.inference_mode():
            logits = model.head(encodings(unlabelled))
        features = task.features(unlabelled, tokenizer, max_length)
        return features, task.decode({"logits": logits}, features)

    return outputs
