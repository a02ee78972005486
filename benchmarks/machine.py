"""Describe the machine that a figure was measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path


def describe(*packages: str) -> str:
    """Return one line: processor, cores, instruction sets that matter, Python and the packages' versions."""
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    name = fields.get("model name", platform.processor() or platform.machine())
    flags = set(fields.get("flags", "").split())
    wide = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16") if flag in flags]
    versions = [f"{package} {importlib.metadata.version(package)}" for package in packages]
    cores = f"{os.cpu_count()} cores"
    return ", ".join([name, cores, " ".join(wide), f"Python {platform.python_version()}", *versions])
