"""Which arithmetic the processor is fast in, told without loading torch."""

from __future__ import annotations

import functools
from pathlib import Path

_FAST: dict[str, frozenset[str]] = {
    "bf16": frozenset({"avx512_bf16", "amx_bf16", "bf16"}),
    "int8": frozenset({"avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm"}),
}
"""Instruction sets, as Linux names them on x86 and ARM, any of which makes a precision worth its while."""


@functools.cache
def _instruction_sets() -> frozenset[str]:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset()
    lines = (line.partition(":") for line in text.splitlines())
    flags = next((value for name, _, value in lines if name.strip() in ("flags", "Features")), "")
    return frozenset(flags.split())


def processor_has(precision: str) -> bool:
    """Return whether the processor computes natively in "fp32", "bf16" or "int8".

    Where the operating system does not list the instruction sets (only Linux does), nothing but fp32 counts.
    """
    return precision == "fp32" or not _FAST[precision].isdisjoint(_instruction_sets())
