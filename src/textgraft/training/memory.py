"""Memory that libraries hold on to although nobody needs it any more.

Batches are of many shapes, and in bf16 oneDNN compiles kernels for each of them. It keeps the last 1024, and
torch's bridge to it as many again: after 300 shapes of two small layers 600 MB that grow with the layers.
A step needs a few dozen, and what is compiled anew for the next shape costs nothing that could be measured.
"""

from __future__ import annotations

import ctypes
import os

_KERNELS = 64

# Read when the first kernel is compiled, so they are set as soon as this module is imported.
for _name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
    os.environ.setdefault(_name, str(_KERNELS))


def return_freed_memory() -> None:
    """Give freed memory back to the system, which the C library else keeps for tensors of like size."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)
