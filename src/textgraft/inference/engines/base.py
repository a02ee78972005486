"""The engine contract: what a batch is, what comes out, what an engine must do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError

if TYPE_CHECKING:
    from torch import nn

    from textgraft.inference.engines.bert_weights import EncoderWeights

PRECISIONS = ("auto", "fp32", "bf16", "int8")

Batch = Mapping[str, NDArray[np.int64]]
"""Right-padded inputs by name, as input_ids and attention_mask, each [batch, time]."""

Outputs = dict[str, NDArray[Any]]
"""Outputs by name; the first axis is the batch."""


class CannotRunError(ModelError):
    """An engine cannot express this model, or what it computes is not what torch computes."""


class Engine(Protocol):
    """A model ready to run."""

    name: str
    """As in the registry, "torch", "openvino" or "ctranslate2"."""
    precision: str
    """"fp32", "bf16" or "int8"."""
    note: str
    """What was picked, and why it is not what was asked for, if so."""
    at_once: int
    """Batches that it computes at a time: whoever calls :meth:`run` does so from as many threads."""

    def run(self, batch: Batch) -> Outputs:
        """Run one batch."""
        ...

    def run_all(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Run many batches, several at a time where the engine can; outputs come in their order."""
        ...


@dataclass(frozen=True)
class ModuleSource:
    """A model that an engine can be opened for."""

    key: str
    """Names weights and computation: two sources with the same key give the same outputs."""
    build: Callable[[], nn.Module]
    """Builds the module in fp32 and evaluation mode. Its forward takes the inputs by name and returns a
    tensor (if there is one output) or a Transformers model output."""
    golden: Sequence[Batch]
    """A few real batches, the first with padding: an engine must agree with torch on them."""
    calibration: Sequence[Batch] = ()
    """Real batches like those to come, at least 100, for int8."""
    kept_back: Sequence[Batch] = ()
    """Those that int8 is compared with fp32 on; the first to calibrate on where there are none."""
    inputs: tuple[str, ...] = ("input_ids", "attention_mask")
    outputs: tuple[str, ...] = ("logits",)
    weights: Callable[[], EncoderWeights] | None = None
    """Reads the weights of the encoder in the module, for engines that have a form of their own for it and
    need not trace; None where its architecture is not known."""
    pooling: str | None = None
    """What the module makes of that encoder's last hidden states: "mean", "cls" or "max" of them, as
    ``PooledEncoder`` does, all token types being 0; or with None the states themselves, 0 at padding."""
    normalize: bool = False
    """Whether these vectors are scaled to length one."""
    reference: Callable[[], list[Outputs]] | None = None
    """Gives torch's outputs on the golden batches where they are known, so that no torch is loaded."""
    keep: bool = True
    """Whether a converted graph is kept on disk: not of a model that is itself not kept."""
