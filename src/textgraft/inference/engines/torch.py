"""The reference engine: any torch module, on CPU or CUDA."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from textgraft.forks import computing
from textgraft.inference.engines.base import Batch, ModuleSource, Outputs
from textgraft.training.precision import autocast, resolve_precision


def named_outputs(result: Any, names: Sequence[str]) -> tuple[torch.Tensor, ...]:
    """Return the tensors of ``names`` out of what a module's forward returned."""
    return (result,) if isinstance(result, torch.Tensor) else tuple(result[name] for name in names)


class TorchEngine:
    """Runs a torch module as it is.

    Args:
        source: The model.
        precision: "fp32" or "bf16"; bf16 by autocast, where the device has it.
        threads: Threads that torch computes on, for the whole process; None leaves them as they are.
        notes: Receives a sentence if bf16 cannot be had.
    """

    name = "torch"
    at_once = 1

    def __init__(self, source: ModuleSource, precision: str, threads: int | None, notes: list[str]) -> None:
        if threads is not None:
            torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._module: nn.Module = source.build().to(self._device).eval()
        self._outputs = source.outputs
        # "auto" is bf16 where it is native, without a warning: the note tells.
        self.precision = resolve_precision("auto" if precision == "bf16" else "fp32", self._device)
        if precision != self.precision:
            notes.append(f"this {self._device.type} device has no bf16 arithmetic")
        self.note = ""

    @torch.inference_mode()
    def run(self, batch: Batch) -> Outputs:
        """Run one batch."""
        computing(torch.get_num_threads())
        tensors = {name: torch.from_numpy(array).to(self._device) for name, array in batch.items()}
        with autocast(self.precision, self._device):
            result = named_outputs(self._module(**tensors), self._outputs)
        return {
            name: tensor.float().cpu().numpy() for name, tensor in zip(self._outputs, result, strict=True)
        }

    def run_all(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Run many batches, one after the other."""
        return map(self.run, batches)
