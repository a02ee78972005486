"""An encoder whose graph lies on disk, opened without torch: token ids to the states of tokens."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import ModelError
from textgraft.files import content_hash
from textgraft.inference.engines import bundled
from textgraft.inference.engines.base import Batch, Engine, ModuleSource
from textgraft.inference.engines.conversion import is_converted
from textgraft.inference.engines.open import open_engine
from textgraft.models.encoders import EncoderSource, encoder_config, pad_token_id

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Arrays = Mapping[str, NDArray[Any]]
Sequences = Sequence[tuple[Sequence[int], Sequence[int]]]
"""Token ids and token types of each text."""
ADAPTER = "adapter."
"""Before the names of an adapter's matrices in a graft's weights."""


@dataclass
class LightTokenizer:
    """What a task needs of a tokenizer, without Transformers."""

    backend_tokenizer: Tokenizer
    pad_token_id: int
    model_input_names: tuple[str, ...] = ("input_ids", "token_type_ids", "attention_mask")

    @cached_property
    def unk_token_id(self) -> int | None:
        """The id of what is no known token, if there is one."""
        described = json.loads(self.backend_tokenizer.to_str())["model"]
        token = described.get("unk_token")
        found = described.get("unk_id") if token is None else self.backend_tokenizer.token_to_id(token)
        return None if found is None else int(found)


@dataclass
class States:
    """Runs token ids through an encoder."""

    engine: Engine
    key: Any
    """Names what it computes among all that is served."""
    pad: int
    has_types: bool

    def run(self, batches: Iterator[Sequences]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """Run batches: the states [rows, longest, size] of each, and 1 where there are true tokens."""
        masks: list[NDArray[np.int64]] = []

        def padded() -> Iterator[Batch]:
            for batch in batches:
                made = self._batch(batch)
                masks.append(made["attention_mask"])
                yield made

        for output in self.engine.run_all(padded()):
            yield output[bundled.STATES], masks.pop(0)

    def _batch(self, batch: Sequences) -> dict[str, NDArray[np.int64]]:
        lengths = np.array([len(ids) for ids, _ in batch])
        mask = np.arange(lengths.max()) < lengths[:, None]
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

    A process with torch puts it on disk: the encoder as it is once for all grafts, one with an adapter for
    that graft alone.

    Args:
        source: The encoder.
        described: The graft's config.json.
        tensors: Its weights.
        engine: "auto", "openvino" or "ctranslate2".

    Returns:
        None if it does not lie on disk.
    """
    if engine not in ("auto", "openvino"):
        return None
    key = content_hash(_computation(source, described, tensors))
    if not is_converted(key):
        return None
    has_types = (encoder_config(source).get("type_vocab_size") or 0) >= 2
    opened = open_engine(
        ModuleSource(
            key=key,
            build=_needs_torch,
            golden=(),
            inputs=bundled.INPUTS if has_types else bundled.INPUTS[:2],
            outputs=(bundled.STATES,),
        ),
        engine="openvino",
    )
    return States(opened, key, pad_token_id(source), has_types)


def _computation(source: EncoderSource, described: Mapping[str, Any], tensors: Arrays) -> list[Any]:
    """Return what a runner names the graph by (``textgraft.inference.runner``)."""
    if not described.get("lora_rank"):
        return [source.identity, bundled.STATES]
    adapter = {name.removeprefix(ADAPTER): t for name, t in tensors.items() if name.startswith(ADAPTER)}
    return [source.identity, described["lora_alpha"] / described["lora_rank"], tensors_hash(adapter)]


def _needs_torch() -> Any:
    raise ModelError("the graph of this model is gone from the cache folder", fix="Start the service again.")


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
