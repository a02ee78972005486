"""What the processor is fast in, and how many of its cores to use; on Linux told without loading torch."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

_FAST: dict[str, frozenset[str]] = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    "int8": frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}),
}
"""Instruction sets, as Linux names them on x86 and ARM, any of which makes a precision worth its while."""
_CAPS: dict[str, frozenset[str]] = {
    "SSE41": frozenset(),
    "AVX": frozenset(),
    "AVX2": frozenset(),
    "AVX2_VNNI": frozenset({"avx_vnni"}),
    "AVX2_VNNI_2": frozenset({"avx_vnni"}),
    "AVX512_CORE": frozenset(),
    "AVX512_CORE_VNNI": frozenset({"avx_vnni", "avx512_vnni"}),
    "AVX512_CORE_BF16": frozenset({"avx_vnni", "avx512_vnni", "avx512_bf16"}),
    "AVX512_CORE_FP16": frozenset({"avx_vnni", "avx512_vnni", "avx512_bf16"}),
    "AVX10_1_512": frozenset({"avx_vnni", "avx512_vnni", "avx512_bf16"}),
}
"""What of :data:`_FAST` oneDNN may use under each limit that ONEDNN_MAX_CPU_ISA can set; others set none."""


def instruction_sets() -> frozenset[str]:
    """Return the processor's instruction sets by their names on Linux, those alone that oneDNN may use.

    oneDNN, which computes for torch, heeds the environment variable ONEDNN_MAX_CPU_ISA: with ``AVX2`` it
    behaves as on a processor without AVX-512, and so does all that asks here.
    """
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    found = _instruction_sets()
    if limit.upper() not in _CAPS:
        return found
    return found - (frozenset().union(*_FAST.values()) - _CAPS[limit.upper()])


@functools.cache
def _instruction_sets() -> frozenset[str]:
    if sys.platform != "linux":
        # No file lists them: torch asks the processor itself, and takes seconds to load.
        import torch

        return frozenset(name for name, has in torch.cpu.get_capabilities().items() if has is True)
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    flags = next((value for name, _, value in lines if name.strip() in ("flags", "Features")), "")
    return frozenset(flags.split())


def processor_has(precision: str) -> bool:
    """Return whether the processor computes natively in "fp32", "bf16" or "int8"."""
    return precision == "fp32" or not _FAST[precision].isdisjoint(instruction_sets())


def cores() -> int:
    """Return the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Chosen:
    threads: int | None = None


def use_threads(number: int) -> None:
    """Let engines compute on so many threads where they are not told otherwise."""
    _Chosen.threads = number


def chosen_threads() -> int | None:
    """Return the threads for engines that are not told otherwise; None leaves it to them."""
    return _Chosen.threads
