"""Sizes of models: BERT's published miniatures, and GPTs and recurrent networks of like size.

Tiny to base are those of Turc et al. 2019 ("Well-read students learn better"), base and large of Devlin et
al. 2019. A GPT of a size has the same layers. A recurrent network has half as many layers, three at most (as
Merity et al. 2018 have), and is as wide as makes their parameters equal in number.
"""

from __future__ import annotations

from dataclasses import dataclass

_HEAD_WIDTH = 64
_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_MOST_RECURRENT_LAYERS = 3


@dataclass(frozen=True)
class Size:
    """Measures of a Transformer encoder."""

    layers: int
    width: int
    """Of hidden states and of word vectors."""
    learning_rate: float
    """Peak rate that this size bears with batches of some thousand tokens; large and base near the published
    1e-4, smaller ones more."""

    @property
    def heads(self) -> int:
        """Attention heads, each 64 wide."""
        return self.width // _HEAD_WIDTH

    @property
    def recurrent_layers(self) -> int:
        """Layers of a recurrent network of this size."""
        return min(_MOST_RECURRENT_LAYERS, max(1, self.layers // 2))

    @property
    def parameters(self) -> int:
        """Weights of the layers, biases and normalisation not counted: four projections, two of them wide."""
        return 12 * self.layers * self.width**2


SIZES = {
    "tiny": Size(2, 128, 1e-3),
    "mini": Size(4, 256, 1e-3),
    "small": Size(4, 512, 5e-4),
    "medium": Size(8, 512, 5e-4),
    "base": Size(12, 768, 2e-4),
    "large": Size(24, 1024, 1e-4),
}


def initial_deviation(width: int) -> float:
    """Return the standard deviation of a new Transformer's weights: the published 0.02 at BERT-base's width.

    A sum over ``width`` inputs keeps its size if the deviation falls with the root of the width. With 0.02 at
    every width the attention of narrow models begins all but even, and they are slow to learn where to look:
    a GPT 128 wide came to 2.35 nats a character in one minute of ``benchmarks/character_lm.py``, and to 2.01
    with weights so scaled.
    """
    return 0.02 * (768 / width) ** 0.5


def recurrent_width(cell: str, shape: Size, layers: int, directions: int) -> int:
    """Return the width, a multiple of 8, at which recurrent layers have a Transformer's parameters."""

    def parameters(width: int) -> int:
        first, others = shape.width + width, 2 * width
        gates = _GATES[cell] * width * (first + (layers - 1) * others)
        return directions * (gates + width * shape.width)  # and the way back to the word vectors

    return min(range(8, 16 * shape.width, 8), key=lambda width: abs(parameters(width) - shape.parameters))
