"""The engines behind one call: torch runs everything, OpenVINO and CTranslate2 run encoders faster on CPUs.

A model is given as a :class:`ModuleSource`, a recipe to build the torch module together with a key that names
what it computes. Where OpenVINO has a converted graph of that key on disk, torch is never loaded. A new
engine is one entry in :data:`REGISTRY`.
"""

from __future__ import annotations

import importlib.util
import logging
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textgraft.errors import MissingExtraError, OptionError, unknown
from textgraft.inference.engines.base import PRECISIONS, CannotRunError, Engine, ModuleSource
from textgraft.processor import processor_has

logger = logging.getLogger(__name__)

FEWEST_CALIBRATION_BATCHES = 100
"""Calibrated on fewer texts, int8 activations clip what they have not seen."""


def _open_openvino(source: ModuleSource, precision: str, threads: int | None, notes: list[str]) -> Engine:
    from textgraft.inference.engines.conversion import open_openvino

    return open_openvino(source, _cpu_precision(precision, source, notes), threads, notes)


def _open_ctranslate2(source: ModuleSource, precision: str, threads: int | None, notes: list[str]) -> Engine:
    from textgraft.inference.engines.ctranslate2_model import open_ctranslate2

    if precision == "bf16":
        notes.append("CTranslate2 computes in fp32 or int8")
    return open_ctranslate2(source, "int8" if precision in ("auto", "int8") else "fp32", threads, notes)


def _gains_by_rounding(precision: str) -> bool:
    """Return whether CTranslate2's int8 is the fastest that may be taken: where others compute in fp32.

    Measured on x86 alone (``benchmarks/encode.py``). Its fp32 gains nothing, its int8 nothing over bf16, and
    where there are int8 dot products OpenVINO's calibrated int8 is nearer and faster.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    alternative = {"auto": "bf16", "int8": "int8"}.get(precision)
    return alternative is not None and not processor_has(alternative)


def _open_torch(source: ModuleSource, precision: str, threads: int | None, notes: list[str]) -> Engine:
    from textgraft.inference.engines.torch import TorchEngine

    if precision == "int8":
        notes.append("int8 needs OpenVINO (pip install 'textgraft[openvino]') on a CPU")
    return TorchEngine(source, "fp32" if precision == "fp32" else "bf16", threads, notes)


@dataclass(frozen=True)
class Entry:
    """An engine that can be opened by its name."""

    name: str
    open: Callable[[ModuleSource, str, int | None, list[str]], Engine]
    """Given the model, the precision that was asked for, the threads, and where to note what is not had."""
    extra: str | None = None
    """The package that it needs, which is also the extra that brings it."""
    runs_on_gpu: bool = False
    """Whether it is worth taking where there is a GPU."""
    gains: Callable[[str], bool] = lambda precision: True
    """Whether it is worth taking here, on a CPU, where such a precision is wanted."""


REGISTRY = (
    Entry("ctranslate2", _open_ctranslate2, extra="ctranslate2", gains=_gains_by_rounding),
    Entry("openvino", _open_openvino, extra="openvino"),
    Entry("torch", _open_torch, runs_on_gpu=True),
)
"""Every engine, the one that "auto" likes best first; the last one runs everything."""
ENGINES = ("auto", *sorted(entry.name for entry in REGISTRY))


def check_engine(engine: str, where: str | None = None) -> None:
    """Refuse what names no engine, before any work is done.

    Raises:
        OptionError: There is no such engine; the nearest name is suggested.
    """
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES, where=where)


def open_engine(
    source: ModuleSource, *, engine: str = "auto", precision: str = "auto", threads: int | None = None
) -> Engine:
    """Make a model ready to run, in the best way that this machine has.

    ``engine="auto"`` takes OpenVINO where it is installed and there is no GPU, else torch.
    ``precision="auto"`` takes bf16 where the processor computes in it, else fp32; but where CTranslate2 is
    installed and knows the model, it takes that engine's int8 in place of fp32. What cannot be had is
    replaced by the next best, and the engine's note says so.

    Args:
        source: The model.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: "auto", "fp32", "bf16" or "int8" (not torch).
        threads: Threads to compute on; None leaves it to the engine.

    Raises:
        OptionError: An option has an unknown value.
        MissingExtraError: An engine is asked for and not installed.
        ModelError: An engine is asked for and cannot run this model.
    """
    check_engine(engine)
    if precision not in PRECISIONS:
        raise unknown("precision", precision, PRECISIONS)
    if threads is not None and threads < 1:
        raise OptionError(f"threads is {threads}, but at least one is needed")
    notes: list[str] = []
    for entry in _candidates(engine, precision):
        if entry.extra and not _installed(entry.extra):
            raise MissingExtraError(entry.extra, entry.extra, f"the engine {entry.name!r}")
        try:
            return _told(entry.open(source, precision, threads, notes), notes)
        except CannotRunError as error:
            if engine != "auto":
                raise
            notes.append(f"{entry.name} cannot run this model: {error.what}")
    raise AssertionError("the last engine runs everything")


def first_choice(engine: str, precision: str = "auto") -> str:
    """Return the name of the engine that :func:`open_engine` would try first.

    Args:
        engine: As there.
        precision: As there.

    Raises:
        OptionError: There is no such engine.
    """
    check_engine(engine)
    return _candidates(engine, precision)[0].name


def _candidates(engine: str, precision: str) -> list[Entry]:
    """Return the engines to try: the one that is asked for, or all that are worth it, the best first."""
    if engine != "auto":
        return [entry for entry in REGISTRY if entry.name == engine]
    return [entry for entry in REGISTRY if _is_worth_taking(entry) and entry.gains(precision)]


def _is_worth_taking(entry: Entry) -> bool:
    return (not entry.extra or _installed(entry.extra)) and (entry.runs_on_gpu or not _gpu_present())


def _told(engine: Engine, notes: list[str]) -> Engine:
    engine.note = "; ".join([f"{engine.name}, {engine.precision}", *notes])
    logger.info("engine: %s", engine.note)
    return engine


def _cpu_precision(wanted: str, source: ModuleSource, notes: list[str]) -> str:
    """Return the precision nearest to what was wanted that the processor is fast in."""
    if wanted == "int8":
        if not processor_has("int8"):
            notes.append("this processor has no int8 dot product (VNNI)")
        elif not _installed("nncf"):
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


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _gpu_present() -> bool:
    """Return whether torch has a CUDA device; torch is asked only where the driver is loaded at all."""
    if not Path("/proc/driver/nvidia").exists():
        return False
    import torch

    return torch.cuda.is_available()
