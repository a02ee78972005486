"""Whether an engine computes what torch computes: what both make of the golden batches, held side by side."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.inference.engines.base import CannotRunError, Engine, ModuleSource

LEAST_AGREEMENT = {"fp32": 0.99999, "bf16": 0.999, "int8": 0.99}
"""Cosine to torch's outputs below which a precision is not used. A wrong conversion falls far below."""

_DIFFERS = "differs from the reference"

Arrays = list[list[NDArray[Any]]]
"""All outputs of each batch, in the order of the source's."""


def agrees(precision: str, cosine: float, notes: list[str]) -> bool:
    """Return whether outputs are near enough to be used; a note says so if not.

    Args:
        precision: What they were computed in.
        cosine: Between them and torch's.
        notes: Receives the sentence.
    """
    if cosine >= LEAST_AGREEMENT[precision]:
        return True
    notes.append(f"{precision} {_DIFFERS} (cosine {cosine:.4f})")
    return False


def is_rough(engine: Engine, precision: str) -> bool:
    """Return whether an engine was opened in another precision because in this one it did not agree."""
    return engine.precision != precision and f"{precision} {_DIFFERS}" in engine.note


def disagreement() -> CannotRunError:
    """Return the error of an engine that agrees with torch in no precision."""
    return CannotRunError("its outputs are not those of torch", fix="Use the engine 'torch'.")


def cosine_between(reference: Arrays, found: Arrays) -> float:
    """Return the cosine between all outputs taken as one vector; -1 if either has NaN or another shape."""
    if [[array.shape for array in batch] for batch in reference] != [
        [array.shape for array in batch] for batch in found
    ]:
        return -1.0
    a, b = (
        np.concatenate([array.ravel() for batch in side for array in batch]).astype(np.float64)
        for side in (reference, found)
    )
    cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
    return cosine if np.isfinite(cosine) else -1.0


def reference_outputs(source: ModuleSource) -> Arrays:
    """Return what torch gives for the golden batches; torch is loaded only where that is not known."""
    if source.reference is not None:
        return [[outputs[name] for name in source.outputs] for outputs in source.reference()]
    return module_outputs(positional_module(source), source)


def module_outputs(module: Any, source: ModuleSource) -> Arrays:
    """Run the golden batches through a :func:`positional_module`."""
    import torch

    examples = [[torch.from_numpy(batch[name]) for name in source.inputs] for batch in source.golden]
    with torch.no_grad():
        return [[output.float().numpy() for output in module(*example)] for example in examples]


def positional_module(source: ModuleSource) -> Any:
    """Build the module with inputs and outputs in order, as tracing wants them."""
    import torch
    from torch import nn

    from textgraft.inference.engines.torch import named_outputs

    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = source.build().eval()

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            result = self.module(**dict(zip(source.inputs, inputs, strict=True)))
            return named_outputs(result, source.outputs)

    return Positional()
