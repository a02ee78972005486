"""What the output layer of a model reads of a text: its encoding, kept while the model runs."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.models.windows import averaged, windows_being_read
from textgraft.tasks.text.texts import Encoded

if TYPE_CHECKING:
    from torch import Tensor, nn

    from textgraft.tasks.scoring import Scoring


class Tap:
    """Keeps what a layer was last given, for each thread by itself.

    Args:
        layer: Of a model; all that run it share the tap.
    """

    def __init__(self, layer: nn.Module) -> None:
        self._kept = threading.local()
        layer.register_forward_pre_hook(self._keep)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tap:
        return self  # what a thread has kept is of no use to a copy of the model

    def _keep(self, layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        del layer
        vectors = inputs[0].detach()
        windows = windows_being_read()
        # The logits of a text's windows are averaged, and so is what they are made of.
        self._kept.inputs = vectors if windows is None else averaged(vectors.float(), windows)

    def take(self) -> NDArray[np.float32]:
        """Return it, [rows, size]."""
        inputs: Tensor = self._kept.inputs
        del self._kept.inputs
        found: NDArray[np.float32] = inputs.float().cpu().numpy()
        return found


class Tapped:
    """A task that keeps the encoding of each row with its logits.

    Args:
        scoring: The task.
        tap: On the output layer of the model that it is run with.
    """

    def __init__(self, scoring: Scoring[Any], tap: Tap) -> None:
        self._scoring, self._tap = scoring, tap

    def __getattr__(self, name: str) -> Any:
        return getattr(self._scoring, name)

    def decode(self, outputs: Any, features: Sequence[Any]) -> list[Encoded]:
        """Return the logits and the encoding of each row."""
        rows = self._scoring.decode(outputs, features)
        return [Encoded(row, vector) for row, vector in zip(rows, self._tap.take(), strict=True)]
