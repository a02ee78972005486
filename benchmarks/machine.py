"""Describe the machine that a figure was measured on."""

from __future__ import annotations

import importlib.metadata

from textgraft.comparison.running.measuring import machine


def describe(*packages: str) -> str:
    """Return one line: processor, cores, instruction sets that matter, Python and the packages' versions."""
    versions = (f"{package} {importlib.metadata.version(package)}" for package in packages)
    return ", ".join([machine(), *versions])
