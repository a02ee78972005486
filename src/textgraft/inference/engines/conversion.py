"""OpenVINO graphs: drawn from weights or traced from torch once, checked against torch, and kept on disk.

A model has one graph in float form (run in fp32 or bf16) and one for every int8 calibration: graph.xml and
graph.bin in a folder of their own, see :mod:`textgraft.inference.engines.kept`.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import logging
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from textgraft.inference.engines import bert_graph
from textgraft.inference.engines.agreement import (
    LEAST_AGREEMENT,
    Arrays,
    agrees,
    cosine_between,
    disagreement,
    module_outputs,
    positional_module,
    reference_outputs,
)
from textgraft.inference.engines.base import Batch, CannotRunError, ModuleSource
from textgraft.inference.engines.kept import Agreement, kept_agreement, kept_form
from textgraft.inference.engines.openvino import OpenVinoEngine, core, load_openvino
from textgraft.processor import processor_has

logger = logging.getLogger(__name__)

FLOAT = "float"
"""The form that runs in fp32 and bf16."""
GRAPH = "graph.xml"
FASTEST_FIRST = ("int8", "bf16", "fp32")
GOLDEN_CALIBRATION_BATCHES = 32
"""How many of the calibration batches int8 is compared with fp32 on."""

Made = tuple[Any, Arrays]
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
        if agrees(candidate, agreement[candidate], notes):
            return OpenVinoEngine(folder / GRAPH, candidate, source.outputs, threads)
    raise disagreement()


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
            if agrees(candidate, cosine_between(reference, _outputs(engine, source.golden)), notes):
                return engine
    raise disagreement()


def is_converted(key: str) -> bool:
    """Return whether the float graph of a model lies on disk and is whole.

    Args:
        key: As its :class:`~textgraft.inference.engines.base.ModuleSource` has it.
    """
    return bool(kept_agreement(_model(key), FLOAT))


def _model(key: str) -> str:
    return f"{key}-{load_openvino().__version__.split('-')[0]}"


def _graph(source: ModuleSource, precision: str) -> tuple[Path, Agreement]:
    """Return the folder of the converted graph and its agreement, converting the model if need be.

    Args:
        source: The model.
        precision: "fp32" and "bf16" share a graph; "int8" has one of its own for every calibration.

    Raises:
        CannotRunError: OpenVINO cannot convert the model.
    """
    model = _model(source.key)
    if precision == "int8":
        form = f"int8-{_batches_hash([*source.calibration, *source.kept_back])}"
        return kept_form(model, form, precision, functools.partial(_quantize, source))
    return kept_form(model, FLOAT, precision, functools.partial(_convert, source))


def _batches_hash(batches: Sequence[Batch]) -> str:
    digest = hashlib.sha256()
    for batch in batches:
        for name in sorted(batch):
            digest.update(f"{name}{batch[name].shape}".encode() + batch[name].tobytes())
    return digest.hexdigest()[:16]


def _convert(source: ModuleSource, folder: Path) -> Agreement:
    """Write the float graph and return its agreement: drawn where that is known, else traced."""
    logger.info("converting the model for OpenVINO: once, some seconds")
    precisions = [precision for precision in ("fp32", "bf16") if processor_has(precision)]
    for make in (_drawn, _traced):
        made = make(source)
        if made is None:
            continue
        graph, reference = made
        load_openvino().save_model(graph, folder / GRAPH, compress_to_fp16=False)
        found = {
            precision: cosine_between(reference, _run(folder / GRAPH, precision, source, source.golden))
            for precision in precisions
        }
        if found["fp32"] >= LEAST_AGREEMENT["fp32"]:
            break
    return found


def _drawn(source: ModuleSource) -> Made | None:
    """Draw the graph; None where nobody knows how."""
    if source.weights is None:
        return None
    # First, as loading the module tells what is wrong with damaged files.
    reference = reference_outputs(source)
    weights = source.weights()
    if not bert_graph.can_draw(weights.config):
        return None
    graph = bert_graph.draw(weights, pooling=source.pooling, normalize=source.normalize)
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
    module = positional_module(source)
    example = tuple(torch.from_numpy(source.golden[0][name]) for name in source.inputs)
    level, filters = logging.root.level, list(logging.root.filters)
    with warnings.catch_warnings(), quiet_transformers(), torch.no_grad():
        warnings.simplefilter("ignore")  # if tracing makes a constant of what is none, the check tells
        reference = module_outputs(module, source)
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


def _name_ports(graph: Any, source: ModuleSource) -> None:
    for port, name in zip([*graph.inputs, *graph.outputs], [*source.inputs, *source.outputs], strict=True):
        port.get_tensor().set_names({name})


def _quantize(source: ModuleSource, folder: Path) -> Agreement:
    """Calibrate the float graph's int8 form, write it, and return its agreement with the float graph."""
    logger.warning("calibrating int8 on %d texts: once, about half a minute", len(source.calibration))
    ov = load_openvino()
    import nncf

    # Not nncf.set_log_level: it changes every handler there is.
    logging.getLogger("nncf").setLevel(logging.ERROR)
    float_folder, _ = _graph(source, "fp32")
    graph = core().read_model(float_folder / GRAPH)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        quantized = nncf.quantize(
            graph,
            nncf.Dataset(source.calibration, dict),
            model_type=nncf.ModelType.TRANSFORMER,
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(source.calibration),
        )
    ov.save_model(quantized, folder / GRAPH, compress_to_fp16=False)
    golden = source.kept_back or source.calibration[:GOLDEN_CALIBRATION_BATCHES]
    reference = _run(float_folder / GRAPH, "fp32", source, golden)
    return {"int8": cosine_between(reference, _run(folder / GRAPH, "int8", source, golden))}


def _run(graph: Path, precision: str, source: ModuleSource, batches: Sequence[Batch]) -> Arrays:
    engine = OpenVinoEngine(graph, precision, source.outputs, None, keep_compiled=False)
    return _outputs(engine, batches)


def _outputs(engine: OpenVinoEngine, batches: Sequence[Batch]) -> Arrays:
    return [list(outputs.values()) for outputs in engine.run_all(batches)]
