"""What the part of an encoder that is not trained makes of each text, computed once."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import pad
from transformers import PreTrainedModel

from textgraft.forks import computing
from textgraft.models.encoders import SHAPING
from textgraft.models.graft.base import run_encoder
from textgraft.tasks.base import Features, padded_inputs
from textgraft.training.batching import ShapedBatch, fixed_shapes
from textgraft.training.placement import placed
from textgraft.training.precision import autocast, resolve_precision
from textgraft.training.text_arrays import Computed, TextArrays, TextStores, text_key, weights_key

RunStates = Callable[[Iterable[Mapping[str, Tensor]]], Iterator[NDArray[np.float32]]]
"""Given batches of inputs by name, each [batch, time], returns the last hidden states of each, in order,
[batch, time, size]; several batches may be computed at a time."""
OpenStates = Callable[[PreTrainedModel, int | None, str], RunStates | None]
"""Opens an engine for an encoder that runs so many of its layers at present, None: all, in a precision,
"fp32" or "bf16". Where torch is to run it, it returns None."""


@dataclass(frozen=True)
class Frozen:
    """An encoder, or the lower part of one, that training leaves as it is."""

    encoder: PreTrainedModel
    """On the device where it is to run."""
    modules: Sequence[nn.Module]
    """All that its states depend on."""
    running: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext
    """Within it, the encoder runs this part of it alone."""
    layers: int | None = None
    """Of this part, where it is not all of them."""
    open_states: OpenStates | None = None
    """Opens what runs it faster than torch."""


@contextlib.contextmanager
def untrained(modules: Sequence[nn.Module]) -> Iterator[None]:
    """Leave the parameters of modules as they are while the block runs."""
    parameters = [
        parameter for module in modules for parameter in module.parameters() if parameter.requires_grad
    ]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


def state_key(text: Features) -> bytes:
    """Return what names the states of a text."""
    return text_key(text["input_ids"], text.get("token_type_ids", ()))


def text_states(
    frozen: Frozen,
    texts: Sequence[Features],
    wanted_precision: str,
    pad_token_id: int,
    stores: TextStores,
    max_bytes: int,
    *,
    forgets: bool = True,
) -> TextArrays | None:
    """Return what the frozen part makes of all texts, in evaluation mode; None where there is no room for it.

    Args:
        frozen: What is run.
        texts: Of which the same ones are computed once.
        wanted_precision: Of the arithmetic, as in :func:`resolve_precision`.
        pad_token_id: Id that fills batches up.
        stores: Where states are kept and looked for, by the weights that they come from.
        max_bytes: Most bytes of them.
        forgets: Whether those of other texts make room for them.
    """
    encoder, device = frozen.encoder, frozen.encoder.device
    precision, config = resolve_precision(wanted_precision, device), encoder.config
    facts = [config.model_type, precision, *(f"{name}={getattr(config, name, None)}" for name in SHAPING)]
    # An engine rounds in ways of its own.
    facts += ["on an engine"] if frozen.open_states else []
    key = weights_key(frozen.modules, facts)
    states = stores.open(
        key,
        config.hidden_size,
        # Next to bf16 arithmetic, fp16 is free: three bits more of precision in the same bytes, and
        # normalised states never come near its range. fp32 arithmetic keeps fp32.
        "float16" if precision == "bf16" else "float32",
        max_bytes,
    )

    def compute(missing: list[int]) -> Iterator[Computed]:
        lengths = [len(texts[place]["input_ids"]) for place in missing]
        batches = fixed_shapes(lengths, getattr(config, "max_position_embeddings", None))
        computing(torch.get_num_threads())
        encoder.eval()
        with torch.inference_mode(), autocast(precision, device), frozen.running():
            if frozen.open_states and key not in stores.runners:
                stores.runners[key] = frozen.open_states(encoder, frozen.layers, precision)
            # torch runs the encoder of this very model: no other runs its lower layers alone now.
            run = stores.runners.get(key) or functools.partial(_run_torch, encoder)
            shaped = (
                _shaped([texts[missing[member]] for member in batch.members], batch, pad_token_id)
                for batch in batches
            )
            for batch, last in zip(batches, run(shaped), strict=True):
                arrays = [
                    array[: lengths[member]] for member, array in zip(batch.members, last, strict=False)
                ]
                yield Computed(batch.members, arrays, [batch.width] * len(arrays), batch.rows * batch.width)

    lengths = [len(text["input_ids"]) for text in texts]
    keys = [state_key(text) for text in texts]
    return states if states.fill(keys, lengths, compute, forgets=forgets) else None


def _run_torch(
    encoder: PreTrainedModel, batches: Iterable[Mapping[str, Tensor]]
) -> Iterator[NDArray[np.float32]]:
    for batch in batches:
        ids, mask, types = (placed(dict(batch), encoder.device).get(name) for name in _INPUTS)
        assert ids is not None
        last, _ = run_encoder(encoder, ids, mask, types, None)
        yield last.float().cpu().numpy()


def padded_states(states: TextArrays, texts: Sequence[Features], width: int) -> Tensor:
    """Return the states of texts as a batch, zero at padding, [texts, width, size]."""
    batch = torch.zeros((len(texts), width, states.width))
    for target, text in zip(batch, texts, strict=True):
        array = states.get(state_key(text))
        target[: len(array)] = torch.from_numpy(array)
    return batch


def _shaped(features: Sequence[Features], shape: ShapedBatch, pad_token_id: int) -> dict[str, Tensor]:
    """Make a batch of its full width and number of rows; copies of the first one fill it up."""
    batch = padded_inputs(features, pad_token_id)
    fill = [*range(len(features)), *([0] * (shape.rows - len(features)))]
    return {
        name: pad(tensor, (0, shape.width - tensor.shape[1]), value=pad_token_id * (name == "input_ids"))[
            fill
        ]
        for name, tensor in batch.items()
    }


_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
