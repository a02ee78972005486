"""How many bytes of tensors are alive on a device, now and at most: what a step really takes.

On a GPU torch's allocator counts. On a CPU nobody does: there every operation's results are counted from when
they are made until the last tensor that shares their memory is gone. What a kernel has for itself while it
runs is not seen.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from textgraft.training.sharding import held


def tensor_bytes(tensors: Iterable[Tensor]) -> int:
    """Return the bytes that this process holds of tensors; memory that several share counts once."""
    storages = {id(storage): storage for storage in (held(tensor).untyped_storage() for tensor in tensors)}
    sizes = {storage.data_ptr(): storage.nbytes() for storage in storages.values()}
    return sum(sizes.values())


class Gauge:
    """Counts bytes above those that were alive when it was made."""

    @property
    def current(self) -> int:
        """Alive now."""
        raise NotImplementedError

    @property
    def peak(self) -> int:
        """Alive at most."""
        raise NotImplementedError


@contextmanager
def allocations(device: torch.device, known: Iterable[Tensor]) -> Iterator[Gauge]:
    """Count what is alive on a device beyond what is now.

    Args:
        device: A GPU or the CPU.
        known: All tensors that are there already and may be met; they are not counted on a CPU.
    """
    if device.type == "cuda":
        yield _OfAllocator(device)
        return
    gauge = _OfResults(known)
    with gauge:
        yield gauge


class _OfAllocator(Gauge):
    def __init__(self, device: torch.device) -> None:
        self.device = device
        torch.cuda.reset_peak_memory_stats(device)
        self.before = torch.cuda.memory_allocated(device)

    @property
    def current(self) -> int:
        return torch.cuda.memory_allocated(self.device) - self.before

    @property
    def peak(self) -> int:
        return torch.cuda.max_memory_allocated(self.device) - self.before


class _OfResults(TorchDispatchMode, Gauge):
    """Notes the memory of every result, and by a weak reference when it goes."""

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()
        self._current = self._peak = 0
        self._seen: Any = WeakIdKeyDictionary()
        for tensor in known:
            self._seen[held(tensor).untyped_storage()] = None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        results = func(*args, **(kwargs or {}))
        for result in tree_leaves(results):
            if isinstance(result, Tensor) and held(result).device.type == "cpu":
                self._note(held(result).untyped_storage())
        return results

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage in self._seen:
            return
        size = storage.nbytes()
        self._seen[storage] = weakref.finalize(storage, self._gone, size)
        self._current += size
        self._peak = max(self._peak, self._current)

    def _gone(self, size: int) -> None:
        self._current -= size

    @property
    def current(self) -> int:
        return self._current

    @property
    def peak(self) -> int:
        return self._peak
