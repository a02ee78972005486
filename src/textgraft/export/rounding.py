"""Which weights of a graph are rounded to int8: as many as leave the answers alone.

All of them, where the answers stay as they were. Otherwise each part is rounded by itself, and how far the
golden numbers move tells what it costs; the costliest parts go back to fp32, twice as many each time, until
the export answers as the model does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from textgraft import runtime
from textgraft.errors import ModelError
from textgraft.export.checking import Agreement, check
from textgraft.export.int8 import Roundable, quantize, roundable
from textgraft.inference.predictor import Predictor

MOST_KEPT = 0.5
"""Share of the weights that may stay in fp32: with more, it is no model in int8 any longer."""


@dataclass(frozen=True)
class Rounded:
    """A graph in int8 that answers as its model does."""

    agreement: Agreement
    kept: tuple[str, ...]
    """Names of the parts that stayed in fp32, the costliest first."""
    parts: int
    """How many there are."""


def round_weights(predictor: Predictor, folder: Path, note: Callable[[str], None]) -> Rounded:
    """Round the weights of an export in place, as many as leave its answers alone.

    Args:
        predictor: The model.
        folder: Its export in fp32.
        note: Called with a line on what is being done.

    Raises:
        ModelError: More than half of the weights would have to stay in fp32.
    """
    import onnx

    graph = folder / runtime.GRAPH
    whole = graph.rename(folder / "fp32.onnx")
    parts = roundable(onnx.load(whole))
    try:
        quantize(whole, graph)
        try:
            return Rounded(check(predictor, folder, "int8"), (), len(parts))
        except ModelError as error:
            refused = error
        note(f"{refused.what}; what rounding each of its {len(parts)} parts costs is measured")
        costs = {part.output: _cost(folder, whole, part, parts) for part in parts}
        costliest = sorted(parts, key=lambda part: -costs[part.output])
        for kept in _growing(costliest):
            quantize(whole, graph, keep={part.output for part in kept})
            try:
                agreement = check(predictor, folder, "int8")
            except ModelError:
                continue
            return Rounded(agreement, tuple(part.name for part in kept), len(parts))
        raise refused
    finally:
        whole.unlink()


def _cost(folder: Path, whole: Path, part: Roundable, parts: Sequence[Roundable]) -> float:
    """Return how far the golden numbers move where one part alone is rounded."""
    quantize(whole, folder / runtime.GRAPH, keep={other.output for other in parts} - {part.output})
    return runtime.load(folder, threads=1, verify=False).check()


def _growing(costliest: Sequence[Roundable]) -> list[Sequence[Roundable]]:
    """Return the first 1, 2, 4 … parts, as long as they hold no more than a share of the weights."""
    total = sum(part.weights for part in costliest)
    counts = [2**power for power in range(len(costliest).bit_length())]
    found = [costliest[:count] for count in counts]
    return [kept for kept in found if sum(part.weights for part in kept) <= MOST_KEPT * total]
