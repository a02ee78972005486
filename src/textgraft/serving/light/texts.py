"""Heads on texts: one row of outputs from the pooled states of a text's windows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.inference.engines import bundled
from textgraft.models.windows import cut
from textgraft.serving.encoding import EncoderLane, scaled
from textgraft.serving.light.model import Layers, LightModel, types_of
from textgraft.serving.light.states import Arrays, States
from textgraft.tasks.text.texts import Encoded


@dataclass(frozen=True)
class TextHead:
    """The description and the layers of a graft on a text."""

    layers: Layers
    pooling: str
    normalize: bool
    window: int
    frame: tuple[int, int]

    @classmethod
    def of(cls, described: Mapping[str, Any], tensors: Arrays) -> TextHead:
        """Read a graft's config.json and weights.

        Raises:
            ModelError: A layer is missing.
        """
        before, after = described.get("window_frame") or (1, 1)
        return cls(
            Layers.of(tensors),
            str(described.get("pooling") or "mean"),
            bool(described.get("normalize", True)),
            int(described.get("window") or 0),
            (int(before), int(after)),
        )

    def __call__(self, vectors: Sequence[Sequence[NDArray[np.float32]]]) -> list[Encoded]:
        """Return the logits of texts, with what the last layer reads of them.

        Args:
            vectors: The pooled states of each text's windows.
        """
        rows = []
        for own in vectors:
            windows = np.stack(own)
            if self.normalize:
                windows = scaled(windows)
            mean = windows.mean(axis=0)
            rows.append(scaled(mean) if self.normalize and len(own) > 1 else mean)
        hidden = self.layers.hidden(np.stack(rows))
        return [Encoded(*row) for row in zip(self.layers.last(hidden), hidden, strict=True)]

    def pieces(self, ids: Sequence[int]) -> list[list[int]]:
        """Cut a text as the graft does."""
        return cut(ids, self.window, self.frame) if self.window else [list(ids)]


@dataclass
class PooledLane:
    """Runs (ids, types) through an encoder with an adapter in it, each to its pooled states."""

    states: States
    head: TextHead
    background: bool = False

    @property
    def key(self) -> Any:
        """Apart from other graphs."""
        return ("states", self.states.key)

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches: [rows, size] each."""
        for states, mask in self.states.run(batches):
            yield bundled.pooled(states, mask, self.head.pooling, False)


@dataclass
class LightTexts(LightModel):
    """A graft on a text, or on a pair of them."""

    head: TextHead

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Cut each text into what the encoder reads at once."""
        if isinstance(self.lane, EncoderLane):
            return [list(self.head.pieces(window["input_ids"])) for window in windows]
        return [
            [(ids, types_of(window, len(ids))) for ids in self.head.pieces(window["input_ids"])]
            for window in windows
        ]

    def tokens(self, payload: Any) -> int:
        """Count the tokens of what the encoder reads at once."""
        return len(payload[0]) if isinstance(payload, tuple) else len(payload)

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Compute the logits of each text."""
        return list(self.head(results))
