"""Describe the machine that a figure was measured on."""

from __future__ import annotations

import importlib.metadata

from textgraft.comparison.running.measuring import machine
from textgraft.processor import processor_has


def describe(*packages: str) -> str:
    """Return one line: processor, cores, instruction sets that matter, Python and the packages' versions."""
    versions = (f"{package} {importlib.metadata.version(package)}" for package in packages)
    return ", ".join([machine(), *versions])


def precisions(*wanted: str) -> list[str]:
    """Return those that this processor computes in natively, and say which it does not."""
    for precision in wanted:
        if not processor_has(precision):
            print(f"this processor has no {precision} arithmetic: what needs it is left out")
    return [precision for precision in wanted if processor_has(precision)]
