"""OpenVINO graphs: drawn from weights or traced from torch once, checked against torch, and kept on disk.

A graph lies in ``<cache>/engines/<key>/``, in one folder for the float form (run in fp32 or bf16) and one for
every int8 calibration: graph.xml, graph.bin, and agreement.json with the cosine between its outputs and
torch's on the golden batches, by precision; checksums.json vouches for them, and a graph that fails its check
is converted anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import shutil
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.files import atomic_folder, cache_folder, locked
from textgraft.inference.engines.base import Batch, CannotRunError, ModuleSource
from textgraft.inference.engines.openvino import OpenVinoEngine, load_openvino
from textgraft.integrity import is_intact, seal
from textgraft.processor import processor_has

logger = logging.getLogger(__name__)

FOLDER = "engines"
"""Of the cache folder; holds a folder a model."""
FLOAT = "float"
"""Of a model's folder; holds the graph that runs in fp32 and bf16."""
KEPT_BYTES = 1 << 32
"""Of the graphs of all models; of more, those used longest ago are deleted."""
LEFT_ALONE = 3600.0
"""Seconds for which a graph that was used is not deleted: another process may be reading it."""
GRAPH = "graph.xml"
AGREEMENT = "agreement.json"
LEAST_AGREEMENT = {"fp32": 0.99999, "bf16": 0.999, "int8": 0.99}
"""Cosine to torch's outputs below which a precision is not used. A wrong conversion falls far below."""
FASTEST_FIRST = ("int8", "bf16", "fp32")
GOLDEN_CALIBRATION_BATCHES = 32
"""How many of the calibration batches int8 is compared with fp32 on."""

Made = tuple[Any, list[list[NDArray[Any]]]]
"""An ``openvino.Model``, and torch's outputs on the golden batches."""


def open_openvino(
    source: ModuleSource, precision: str, threads: int | None, notes: list[str]
) -> OpenVinoEngine:
    """Open the model's graph in the wanted precision, or in the next that agrees with torch.

    Args:
        source: The model.
        precision: "fp32", "bf16" or "int8".
        threads: Threads to compute on; None takes all cores.
        notes: Receives a sentence for every precision that was given up.

    Raises:
        CannotRunError: The model cannot be converted, or not even fp32 agrees with torch.
    """
    slower = FASTEST_FIRST[FASTEST_FIRST.index(precision) + 1 :]
    candidates = (precision, *filter(processor_has, slower))
    if not source.keep:
        return _open_in_memory(source, candidates, threads, notes)
    for candidate in candidates:
        folder, agreement = _graph(source, candidate)
        if _agrees(candidate, agreement[candidate], notes):
            return OpenVinoEngine(folder / GRAPH, candidate, source.outputs, threads)
    raise _disagreement()


def _open_in_memory(
    source: ModuleSource, candidates: Iterable[str], threads: int | None, notes: list[str]
) -> OpenVinoEngine:
    """Do the same, and leave nothing on disk."""
    for make in (_drawn, _traced):
        made = make(source)
        if made is None:
            continue
        graph, reference = made
        for candidate in candidates:
            if candidate == "int8":
                continue  # it needs a graph of its own
            engine = OpenVinoEngine(graph, candidate, source.outputs, threads, keep_compiled=False)
            if _agrees(candidate, _cosine(reference, _outputs(engine, source.golden)), notes):
                return engine
    raise _disagreement()


def _agrees(precision: str, cosine: float, notes: list[str]) -> bool:
    if cosine >= LEAST_AGREEMENT[precision]:
        return True
    notes.append(f"{precision} differs from the reference (cosine {cosine:.4f})")
    return False


def _disagreement() -> CannotRunError:
    return CannotRunError("its outputs are not those of torch", fix="Use the engine 'torch'.")


def is_converted(key: str) -> bool:
    """Return whether the float graph of a model lies on disk and is whole.

    Args:
        key: As its :class:`~textgraft.inference.engines.base.ModuleSource` has it.
    """
    return bool(_read_agreement(_home(key) / FLOAT))


def _home(key: str) -> Path:
    return cache_folder() / FOLDER / f"{key}-{load_openvino().__version__.split('-')[0]}"


def _graph(source: ModuleSource, precision: str) -> tuple[Path, dict[str, float]]:
    """Return the folder of the converted graph and its agreement, converting the model if need be.

    Args:
        source: The model.
        precision: "fp32" and "bf16" share a graph; "int8" has one of its own for every calibration.

    Raises:
        CannotRunError: OpenVINO cannot convert the model.
    """
    engines = _home(source.key)
    folder = engines / (f"int8-{_batches_hash(source.calibration)}" if precision == "int8" else FLOAT)
    agreement = _read_agreement(folder)
    if precision in agreement:
        with contextlib.suppress(OSError):  # where the cache is not ours, its order is another's
            os.utime(engines)
        return folder, agreement
    engines.mkdir(parents=True, exist_ok=True)
    _make_room(engines)
    with locked(engines / f"{folder.name}.lock"):
        # Another process may have converted it while this one waited for the lock.
        agreement = _read_agreement(folder)
        if precision not in agreement:
            if precision == "int8":
                agreement = _quantize(source, _graph(source, "fp32")[0], folder)
            else:
                agreement = _convert(source, folder)
    return folder, agreement


def _read_agreement(folder: Path) -> dict[str, float]:
    """Return the agreement of the graph in a folder; nothing if there is none that is whole."""
    return json.loads((folder / AGREEMENT).read_text()) if is_intact(folder) else {}


def _write_agreement(folder: Path, agreement: dict[str, float]) -> dict[str, float]:
    (folder / AGREEMENT).write_text(json.dumps(agreement))
    seal(folder)
    return agreement


def _batches_hash(batches: Sequence[Batch]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for name in sorted(batch):
            digest.update(f"{name}{batch[name].shape}".encode() + batch[name].tobytes())
    return digest.hexdigest()[:16]


def _make_room(own: Path) -> None:
    """Delete the graphs used longest ago until the others are within :data:`KEPT_BYTES`."""
    newest = time.time() - LEFT_ALONE
    sizes = {
        folder: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in own.parent.iterdir()
        if folder.is_dir() and folder != own
    }
    excess = sum(sizes.values()) - KEPT_BYTES
    for folder in sorted(sizes, key=lambda folder: folder.stat().st_mtime):
        if excess <= 0 or folder.stat().st_mtime > newest:
            return
        shutil.rmtree(folder, ignore_errors=True)
        excess -= sizes[folder]


def _convert(source: ModuleSource, folder: Path) -> dict[str, float]:
    """Write the float graph and its agreement: drawn where that is known, else traced."""
    logger.info("converting the model for OpenVINO: once, some seconds")
    precisions = [precision for precision in ("fp32", "bf16") if processor_has(precision)]
    with atomic_folder(folder) as temporary:
        for make in (_drawn, _traced):
            made = make(source)
            if made is None:
                continue
            graph, reference = made
            load_openvino().save_model(graph, temporary / GRAPH, compress_to_fp16=False)
            found = {
                precision: _cosine(reference, _run(temporary / GRAPH, precision, source, source.golden))
                for precision in precisions
            }
            if found["fp32"] >= LEAST_AGREEMENT["fp32"]:
                break
        return _write_agreement(temporary, found)


def _drawn(source: ModuleSource) -> Made | None:
    """Draw the graph; None where nobody knows how."""
    if source.draw is None:
        return None
    if source.reference is not None:
        reference = [[outputs[name] for name in source.outputs] for outputs in source.reference()]
    else:
        # First, as loading the module tells what is wrong with damaged files.
        reference = _reference(_positional(source), source)
    graph = source.draw()
    if graph is None:
        return None
    _name_ports(graph, source)
    return graph, reference


def _traced(source: ModuleSource) -> Made:
    """Convert the torch module by running it once.

    Raises:
        CannotRunError: OpenVINO cannot express it.
    """
    import torch

    from textgraft.models.quiet import quiet_transformers

    ov = load_openvino()
    module = _positional(source)
    example = tuple(torch.from_numpy(source.golden[0][name]) for name in source.inputs)
    level, filters = logging.root.level, list(logging.root.filters)
    with warnings.catch_warnings(), quiet_transformers(), torch.no_grad():
        warnings.simplefilter("ignore")  # if tracing makes a constant of what is none, the check tells
        reference = _reference(module, source)
        try:
            graph = ov.convert_model(
                module, example_input=example, input=[([-1, -1], ov.Type.i64) for _ in source.inputs]
            )
        except Exception as error:  # the converter raises whatever its layers do
            reason = str(error).strip().splitlines()[0]
            raise CannotRunError(f"conversion failed: {reason}", fix="Use the engine 'torch'.") from error
        finally:
            # The converter silences the root logger, by level and by a filter, for everybody's warnings.
            logging.root.setLevel(level)
            logging.root.filters[:] = filters
    _name_ports(graph, source)
    return graph, reference


def _positional(source: ModuleSource) -> Any:
    """Build the module with inputs and outputs in order, as tracing wants them."""
    import torch
    from torch import nn

    from textgraft.inference.engines.torch import named_outputs

    class Positional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.module = source.build().eval()

        def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, ...]:
            result = self.module(**dict(zip(source.inputs, inputs, strict=True)))
            return named_outputs(result, source.outputs)

    return Positional()


def _reference(module: Any, source: ModuleSource) -> list[list[NDArray[Any]]]:
    """Return what torch gives for the golden batches."""
    import torch

    examples = [[torch.from_numpy(batch[name]) for name in source.inputs] for batch in source.golden]
    with torch.no_grad():
        return [[output.float().numpy() for output in module(*example)] for example in examples]


def _name_ports(graph: Any, source: ModuleSource) -> None:
    for port, name in zip([*graph.inputs, *graph.outputs], [*source.inputs, *source.outputs], strict=True):
        port.get_tensor().set_names({name})


def _quantize(source: ModuleSource, float_folder: Path, folder: Path) -> dict[str, float]:
    """Calibrate the float graph's int8 form and write it with its agreement to the float graph."""
    logger.info("calibrating int8 on %d texts: once, about half a minute", len(source.calibration))
    ov = load_openvino()
    import nncf

    # Not nncf.set_log_level: it changes every handler there is.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    graph = ov.Core().read_model(float_folder / GRAPH)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        quantized = nncf.quantize(
            graph,
            nncf.Dataset(source.calibration, dict),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(source.calibration),
        )
    with atomic_folder(folder) as temporary:
        ov.save_model(quantized, temporary / GRAPH, compress_to_fp16=False)
        golden = source.calibration[:GOLDEN_CALIBRATION_BATCHES]
        reference = _run(float_folder / GRAPH, "fp32", source, golden)
        found = {"int8": _cosine(reference, _run(temporary / GRAPH, "int8", source, golden))}
        return _write_agreement(temporary, found)


def _run(
    graph: Path, precision: str, source: ModuleSource, batches: Sequence[Batch]
) -> list[list[NDArray[Any]]]:
    engine = OpenVinoEngine(graph, precision, source.outputs, None, keep_compiled=False)
    return _outputs(engine, batches)


def _outputs(engine: OpenVinoEngine, batches: Sequence[Batch]) -> list[list[NDArray[Any]]]:
    return [list(outputs.values()) for outputs in engine.run_all(batches)]


def _cosine(reference: list[list[NDArray[Any]]], found: list[list[NDArray[Any]]]) -> float:
    """Return the cosine between all outputs taken as one vector; -1 if either has NaN or another shape."""
    if [[array.shape for array in batch] for batch in reference] != [
        [array.shape for array in batch] for batch in found
    ]:
        return -1.0
    a, b = (
        np.concatenate([array.ravel() for batch in side for array in batch]).astype(np.float64)
        for side in (reference, found)
    )
    cosine = float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
    return cosine if np.isfinite(cosine) else -1.0
