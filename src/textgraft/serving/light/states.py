"""An encoder's graph, opened without torch: token ids to the states of tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError
from textgraft.files import content_hash
from textgraft.inference.encoder_weights import reads_weights
from textgraft.inference.engines import bundled
from textgraft.inference.engines.base import Batch, CannotRunError, Engine, ModuleSource
from textgraft.inference.engines.bert_graph import can_draw
from textgraft.inference.engines.bert_states import last_states
from textgraft.inference.engines.bert_weights import EncoderWeights
from textgraft.inference.engines.conversion import is_converted
from textgraft.inference.engines.golden import random_batches
from textgraft.inference.engines.open import open_engine
from textgraft.models.encoders import EncoderSource, encoder_config, encoder_positions, pad_token_id
from textgraft.models.vetting import read_json
from textgraft.serving.shapes import filled

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Arrays = Mapping[str, NDArray[Any]]
Sequences = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Token ids and token types of each text."""
TOKENIZER_CONFIG = "tokenizer_config.json"
_GENERAL = ("TokenizersBackend", "PreTrainedTokenizerFast", "PreTrainedTokenizer")
"""Classes of tokenizers that tell no types unless they say so; those of models with types do."""
ADAPTER = "adapter."
"""Before the names of an adapter's matrices in a graft's weights."""
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
"""Behind the path of the map that they change."""


@dataclass
class LightTokenizer:
    """What a task needs of a tokenizer, without Transformers."""

    backend_tokenizer: Tokenizer
    pad_token_id: int
    model_input_names: tuple[str, ...]

    @cached_property
    def unk_token_id(self) -> int | None:
        """The id of what is no known token, if there is one."""
        described = json.loads(self.backend_tokenizer.to_str())["model"]
        token = described.get("unk_token")
        found = described.get("unk_id") if token is None else self.backend_tokenizer.token_to_id(token)
        return None if found is None else int(found)


def input_names(folder: Path) -> tuple[str, ...]:
    """Return what a tokenizer's models want, as Transformers does.

    Args:
        folder: Holds its tokenizer_config.json, or none.
    """
    file = folder / TOKENIZER_CONFIG
    described = read_json(file) if file.is_file() else {}
    if named := described.get("model_input_names"):
        return tuple(map(str, named))
    has_types = described.get("tokenizer_class") not in _GENERAL
    return ("input_ids", *(("token_type_ids",) if has_types else ()), "attention_mask")


@dataclass
class States:
    """Runs token ids through an encoder."""

    engine: Engine
    key: Any
    """Names what it computes among all that is served."""
    pad: int
    has_types: bool
    positions: int | None
    """Most tokens that the architecture can read; None where there is no limit."""

    def run(self, batches: Iterator[Sequences]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Run batches: the states [rows, width, size] of each, and 1 where there are true tokens."""
        masks: list[NDArray[np.int64]] = []

        def padded() -> Iterator[Batch]:
            for batch in batches:
                made = self._batch(batch)
                masks.append(made["attention_mask"][: len(batch)])
                yield made

        for output in self.engine.run_all(padded()):
            mask = masks.pop(0)
            yield output[bundled.STATES][: len(mask)], mask

    def _batch(self, batch: Sequences) -> dict[str, NDArray[np.int64]]:
        """Fill a batch up: [rows, width], copies of its first sequence below the others."""
        rows, width = filled(len(batch), max(len(ids) for ids, _ in batch), self.positions)
        batch = [*batch, *([batch[0]] * (rows - len(batch)))]
        lengths = np.array([len(ids) for ids, _ in batch])
        mask = np.arange(width) < lengths[:, None]
        made = {
            "input_ids": np.full(mask.shape, self.pad, dtype=np.int64),
            "attention_mask": mask.astype(np.int64),
        }
        made["input_ids"][mask] = np.concatenate([ids for ids, _ in batch])
        if self.has_types:
            made["token_type_ids"] = np.zeros(mask.shape, dtype=np.int64)
            made["token_type_ids"][mask] = np.concatenate([types for _, types in batch])
        return made


def open_states(
    source: EncoderSource, described: Mapping[str, Any], tensors: Arrays, engine: str
) -> States | None:
    """Open the graph of a graft's encoder, with the adapter in it if there is one.

    Where it does not lie on disk yet, BERT's is drawn here and held against the same in numpy; any other's
    takes a process with torch. The encoder as it is has one graph for all grafts, one with an adapter a graph
    for that graft alone.

    Args:
        source: The encoder.
        described: The graft's config.json.
        tensors: Its weights.
        engine: "auto", "openvino" or "ctranslate2".

    Returns:
        None if there is none without torch.
    """
    if engine not in ("auto", "openvino"):
        return None
    key = content_hash(_computation(source, described, tensors))
    config = encoder_config(source)
    has_types = (config.get("type_vocab_size") or 0) >= 2
    graph = ModuleSource(
        key=key,
        build=_needs_torch,
        golden=(),
        inputs=bundled.INPUTS if has_types else bundled.INPUTS[:2],
        outputs=(bundled.STATES,),
    )
    if not is_converted(key):
        read = reads_weights(source)
        if read is None or not can_draw(config):
            return None
        graph = _drawable(graph, merged(read(), described, tensors), has_types=has_types)
    try:
        opened = open_engine(graph, engine="openvino")
    except CannotRunError:
        return None  # torch's way says what is wrong
    return States(opened, key, pad_token_id(source), has_types, encoder_positions(source))


def _drawable(graph: ModuleSource, weights: EncoderWeights, *, has_types: bool) -> ModuleSource:
    """Return a graph that can be drawn, and what it must give."""
    golden = random_batches(SimpleNamespace(**weights.config), has_types=has_types)
    return replace(
        graph,
        golden=golden,
        weights=lambda: weights,
        reference=lambda: [{bundled.STATES: last_states(weights, batch)} for batch in golden],
    )


def merged(encoder: EncoderWeights, described: Mapping[str, Any], tensors: Arrays) -> EncoderWeights:
    """Return an encoder with an adapter's products added to its weights (Hu et al. 2022, "LoRA").

    Args:
        encoder: As it is; its own arrays stay so.
        described: The graft's config.json.
        tensors: The graft's weights.

    Raises:
        ModelError: The adapter changes what the encoder does not have.
    """
    if not described.get("lora_rank"):
        return encoder
    scale = described["lora_alpha"] / described["lora_rank"]
    changed = dict(encoder.tensors)
    for name, down in tensors.items():
        path = name.removeprefix(ADAPTER).removesuffix(_DOWN)
        if name == f"{ADAPTER}{path}{_DOWN}":
            up = tensors.get(f"{ADAPTER}{path}{_UP}")
            if up is None or f"{path}.weight" not in changed:
                raise ModelError(f"the adapter does not fit {path}", fix="Copy the folder again.")
            changed[f"{path}.weight"] = (changed[f"{path}.weight"] + scale * (up @ down)).astype(np.float32)
    return replace(encoder, tensors=changed)


def _computation(source: EncoderSource, described: Mapping[str, Any], tensors: Arrays) -> list[Any]:
    """Return what a runner names the graph by (``textgraft.inference.runner``)."""
    if not described.get("lora_rank"):
        return [source.identity, bundled.STATES]
    adapter = {name.removeprefix(ADAPTER): t for name, t in tensors.items() if name.startswith(ADAPTER)}
    return [source.identity, described["lora_alpha"] / described["lora_rank"], tensors_hash(adapter)]


def _needs_torch() -> Any:
    raise CannotRunError("this model's graph can be made by torch alone", fix="Start the service again.")


def read_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """Read a graft's weights, in fp32."""
    from safetensors.numpy import load_file

    return {name: array.astype(np.float32, copy=False) for name, array in load_file(file).items()}


def tensors_hash(tensors: Arrays) -> str:
    """Hash arrays in fp32 by name, shape and content, as a runner hashes torch's tensors."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()
