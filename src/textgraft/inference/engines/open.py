"""Two engines behind one call: torch runs everything, OpenVINO runs it faster on CPUs.

A model is given as a :class:`ModuleSource`, a recipe to build the torch module together with a key that names
what it computes. Where OpenVINO has a converted graph of that key on disk, torch is never loaded.
"""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from textgraft.errors import MissingExtraError, OptionError, unknown
from textgraft.inference.engines.base import PRECISIONS, Engine, ModuleSource
from textgraft.processor import processor_has

logger = logging.getLogger(__name__)

ENGINES = ("auto", "torch", "openvino")
FEWEST_CALIBRATION_BATCHES = 100
"""Calibrated on fewer texts, int8 activations clip what they have not seen."""


def open_engine(
    source: ModuleSource, *, engine: str = "auto", precision: str = "auto", threads: int | None = None
) -> Engine:
    """Make a model ready to run, in the best way that this machine has.

    ``engine="auto"`` takes OpenVINO where it is installed and there is no GPU, else torch.
    ``precision="auto"`` takes bf16 where the processor computes in it, else fp32. What cannot be had is
    replaced by the next best, and the engine's note says so.

    Args:
        source: The model.
        engine: "auto", "torch" or "openvino".
        precision: "auto", "fp32", "bf16" or "int8" (OpenVINO only).
        threads: Threads to compute on; None leaves it to the engine.

    Raises:
        OptionError: An option has an unknown value.
        MissingExtraError: OpenVINO is asked for and not installed.
        ModelError: OpenVINO is asked for and cannot run this model.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}, but at least one is needed")
    notes: list[str] = []
    if engine == "openvino" and not _openvino_installed():
        raise MissingExtraError("openvino", "openvino", "the engine 'openvino'")
    if engine == "openvino" or (engine == "auto" and _openvino_installed() and not _gpu_present()):
        from textgraft.inference.engines.conversion import ConversionError, open_openvino

        wanted = _cpu_precision(precision, source, notes)
        try:
            return _told(open_openvino(source, wanted, threads, notes), notes)
        except ConversionError as error:
            if engine == "openvino":
                raise
            notes.append(f"OpenVINO cannot run this model: {error.what}")
    from textgraft.inference.engines.torch import TorchEngine

    if precision == "int8":
        notes.append("int8 needs OpenVINO (pip install 'textgraft[openvino]') on a CPU")
    return _told(TorchEngine(source, "fp32" if precision == "fp32" else "bf16", threads, notes), notes)


def _told(engine: Engine, notes: list[str]) -> Engine:
    engine.note = "; ".join([f"{engine.name}, {engine.precision}", *notes])
    logger.info("engine: %s", engine.note)
    return engine


def _cpu_precision(wanted: str, source: ModuleSource, notes: list[str]) -> str:
    """Return the precision nearest to what was wanted that the processor is fast in."""
    if wanted == "int8":
        if not processor_has("int8"):
            notes.append("this processor has no int8 dot product (VNNI)")
        elif importlib.util.find_spec("nncf") is None:
            notes.append("int8 needs the package nncf (pip install 'textgraft[openvino]')")
        elif len(source.calibration) < FEWEST_CALIBRATION_BATCHES:
            given = len(source.calibration)
            notes.append(f"int8 needs {FEWEST_CALIBRATION_BATCHES} texts to calibrate on, {given} given")
        else:
            return "int8"
    if wanted == "fp32":
        return "fp32"
    if processor_has("bf16"):
        return "bf16"
    notes.append("this processor has no bf16 instructions")
    return "fp32"


def _openvino_installed() -> bool:
    return importlib.util.find_spec("openvino") is not None


def _gpu_present() -> bool:
    """Return whether torch has a CUDA device; torch is asked only where the driver is loaded at all."""
    if not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()
