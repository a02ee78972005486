"""Heads on pooled encodings without torch: numpy computes the head, an engine's graph on disk the encoder.

What a graft of a text task adds to its encoder is a layer or two. A frozen encoder is shared with whoever
asks for encodings, and with all other such heads; one with an adapter has a graph of its own, which lies on
disk once a process with torch has converted it. Loading torch and Transformers takes seconds and hundreds of
megabytes, and none of it is needed to answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.errors import ModelError
from textgraft.evaluation.promises import Threshold
from textgraft.files import content_hash
from textgraft.inference.engines import bundled
from textgraft.inference.engines.base import Batch, Engine, ModuleSource
from textgraft.inference.engines.conversion import is_converted
from textgraft.inference.engines.open import open_engine
from textgraft.integrity import check_files
from textgraft.models.encoders import (
    BUNDLED,
    EncoderSource,
    encoder_config,
    load_tokenizer,
    pad_token_id,
    resolve_encoder,
)
from textgraft.models.manifest import WEIGHTS, Manifest, read_manifest
from textgraft.models.vetting import read_json, vet
from textgraft.models.windows import cut
from textgraft.serving.encoding import EncoderLane, ServedEncoder, scaled
from textgraft.serving.queueing import Lane
from textgraft.tasks.targets import decided
from textgraft.tasks.text.pairs import PairTexts
from textgraft.tasks.text.texts import TextTask

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from textgraft.tasks.base import Task


Arrays = Mapping[str, NDArray[Any]]
HEAD = "GraftForSequenceClassification"
TOLERANCE = 0.02
"""How far a probability may be from the golden ones, as for models that torch runs."""


@dataclass
class LightTokenizer:
    """What a task needs of a tokenizer, without Transformers."""

    backend_tokenizer: Tokenizer
    model_input_names: tuple[str, ...] = ("input_ids", "token_type_ids", "attention_mask")


@dataclass(frozen=True)
class LightHead:
    """The description and the layers of a graft on a text."""

    layers: tuple[tuple[NDArray[np.float32], NDArray[np.float32]], ...]
    """Weight [outputs, inputs] and bias [outputs], the lowest first."""
    pooling: str
    normalize: bool
    window: int
    frame: tuple[int, int]

    def __call__(self, vectors: Sequence[Sequence[NDArray[np.float32]]]) -> list[NDArray[np.float32]]:
        """Return the logits of texts, [outputs] each.

        Args:
            vectors: The pooled states of each text's windows.
        """
        rows = []
        for own in vectors:
            windows = np.stack(own)
            if self.normalize:
                windows = scaled(windows)
            mean = windows.mean(axis=0)
            rows.append(scaled(mean) if self.normalize and len(own) > 1 else mean)
        states = np.stack(rows)
        *hidden, (weight, bias) = self.layers
        for inner, offset in hidden:
            states = np.maximum(states @ inner.T + offset, 0)
        return list(states @ weight.T + bias)

    def pieces(self, ids: Sequence[int]) -> list[list[int]]:
        """Cut a text as the graft does."""
        return cut(ids, self.window, self.frame) if self.window else [list(ids)]


@dataclass
class StatesLane:
    """Runs token ids through an encoder with an adapter merged into it, each to its pooled states."""

    engine: Engine
    head: LightHead
    pad: int
    key: Any
    has_types: bool
    background: bool = False

    def run(self, batches: Iterator[list[Any]]) -> Iterator[Any]:
        """Run batches of (ids, types): [rows, size] each."""
        masks: list[NDArray[np.int64]] = []

        def padded() -> Iterator[Batch]:
            for batch in batches:
                made = self._batch(batch)
                masks.append(made["attention_mask"])
                yield made

        for output in self.engine.run_all(padded()):
            yield bundled.pooled(output[bundled.STATES], masks.pop(0), self.head.pooling, False)

    def _batch(self, batch: list[Any]) -> dict[str, NDArray[np.int64]]:
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


@dataclass
class LightModel:
    """A graft on a text, ready to answer without torch. See :func:`open_light`."""

    path: Path
    manifest: Manifest
    task: Task[Any]
    head: LightHead
    lane: Lane
    engine: str
    tokenizer: LightTokenizer
    max_length: int = field(init=False)
    temperature: float = field(init=False)
    threshold: Threshold | None = field(init=False)

    def __post_init__(self) -> None:
        self.max_length = self.manifest.max_length
        self.temperature = self.manifest.temperature
        self.threshold = self.manifest.threshold

    def windows(self, dataset: Dataset) -> list[Any]:
        """Tokenize rows."""
        tokenizer: Any = self.tokenizer
        return self.task.features(dataset, tokenizer, self.max_length)

    def sequences(self, windows: Sequence[Any]) -> list[list[Any]]:
        """Cut each text into what the encoder reads at once."""
        if isinstance(self.lane, EncoderLane):
            return [list(self.head.pieces(window["input_ids"])) for window in windows]
        return [
            [(ids, _types(window, len(ids))) for ids in self.head.pieces(window["input_ids"])]
            for window in windows
        ]

    def tokens(self, payload: Any) -> int:
        """Count the tokens of what the encoder reads at once."""
        return len(payload[0]) if isinstance(payload, tuple) else len(payload)

    def decoded(self, results: Sequence[Sequence[Any]]) -> list[Any]:
        """Compute the logits of each text."""
        return list(self.head(results))

    def predictions(self, windows: Sequence[Any], decoded: Sequence[Any]) -> list[Any]:
        """Return a prediction for each row, held back where it does not reach the model's threshold."""
        return self.decide(self.task.predictions(windows, decoded, self.temperature))

    def decide(self, predictions: Sequence[Any]) -> list[Any]:
        """Hold back the answers that do not reach the threshold, if there is one."""
        return decided(self.task, predictions, self.threshold)

    def outputs(self, dataset: Dataset) -> tuple[list[Any], list[Any]]:
        """Run the model over rows at once, as a predictor does; pipelines call it."""
        windows = self.windows(dataset)
        sequences = self.sequences(windows)
        found = (
            result
            for own in sequences
            for payload in own
            for result in next(iter(self.lane.run(iter([[payload]]))))
        )
        return windows, self.decoded([[next(found) for _ in own] for own in sequences])


def open_light(
    path: Path,
    manifest: Manifest,
    task: Task[Any],
    encoders: Mapping[tuple[str, str], ServedEncoder],
    engine: str,
) -> LightModel | None:
    """Load a graft on texts without torch, and check its golden outputs.

    Args:
        path: Its folder.
        manifest: Its textgraft.json.
        task: The task it was trained for.
        encoders: Those that are served, by their identity and pooling: a frozen encoder is one of them.
        engine: "auto", "openvino" or "ctranslate2".

    Returns:
        None where torch is needed: it is no such graft, its encoder is not here without torch, or it does not
        give its golden outputs.

    Raises:
        ModelError: A file is damaged.
    """
    described = read_json(path / "config.json")
    if not isinstance(task, TextTask) or (described.get("architectures") or [""])[0] != HEAD:
        return None
    check_files(path, manifest.files, fix="Copy the whole folder again.")
    vet(path)
    source = resolve_encoder(described.get("encoder") or BUNDLED, described.get("revision"), manifest.prompt)
    if described.get("encoder_sha256") not in ("", None, source.sha256):
        return None  # torch's way says what is wrong
    tensors = _tensors(path / WEIGHTS)
    head = _head(described, tensors)
    lane: EncoderLane | StatesLane | None
    if described.get("lora_rank"):
        lane = _adapted(source, described, tensors, head, engine)
    else:
        lane = next(
            (
                served.lane
                for served in encoders.values()
                if served.encoder.source.identity == source.identity
                and served.encoder.pooling == head.pooling
            ),
            None,
        )
    if lane is None or (isinstance(lane, EncoderLane) and isinstance(task, PairTexts)):
        return None
    opened = lane.encoder.open() if isinstance(lane, EncoderLane) else lane.engine
    model = LightModel(path, manifest, task, head, lane, opened.note, LightTokenizer(load_tokenizer(source)))
    return model if _gives_golden(model) else None


def frozen_encoder(path: Path) -> tuple[EncoderSource, str] | None:
    """Return the encoder that a graft leaves as it is, and its pooling; None for any other model."""
    described = read_json(path / "config.json")
    if (described.get("architectures") or [""])[0] != HEAD or described.get("lora_rank"):
        return None
    prompt = read_manifest(path).prompt
    source = resolve_encoder(described.get("encoder") or BUNDLED, described.get("revision"), prompt)
    return source, str(described.get("pooling") or "mean")


def _types(window: Mapping[str, Any], length: int) -> list[int]:
    """Return which text of a pair each token is of; pairs are never cut into pieces."""
    types: list[int] = window.get("token_type_ids") or []
    return types if len(types) == length else [0] * length


def _tensors(file: Path) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    return {name: array.astype(np.float32, copy=False) for name, array in load_file(file).items()}


def _head(described: Mapping[str, Any], tensors: Arrays) -> LightHead:
    count = sum(name.startswith("layers.") and name.endswith(".weight") for name in tensors)
    before, after = described.get("window_frame") or (1, 1)
    try:
        layers = tuple((tensors[f"layers.{n}.weight"], tensors[f"layers.{n}.bias"]) for n in range(count))
    except KeyError as error:
        raise ModelError(f"the head has no {error}", where=WEIGHTS, fix="Copy the folder again.") from error
    return LightHead(
        layers,
        str(described.get("pooling") or "mean"),
        bool(described.get("normalize", True)),
        int(described.get("window") or 0),
        (int(before), int(after)),
    )


def _adapted(
    source: EncoderSource, described: Mapping[str, Any], tensors: Arrays, head: LightHead, engine: str
) -> StatesLane | None:
    """Open the graph of an encoder with an adapter; None if it does not lie on disk."""
    if engine not in ("auto", "openvino"):
        return None
    adapter = {name.removeprefix("adapter."): t for name, t in tensors.items() if name.startswith("adapter.")}
    scale = described["lora_alpha"] / described["lora_rank"]
    key = content_hash([source.identity, scale, tensors_hash(adapter)])
    if not is_converted(key):
        return None
    config = encoder_config(source)
    has_types = (config.get("type_vocab_size") or 0) >= 2
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
    return StatesLane(opened, head, pad_token_id(source), ("states", key), has_types)


def _needs_torch() -> Any:
    raise ModelError("the graph of this model is gone from the cache folder", fix="Start the service again.")


def tensors_hash(tensors: Arrays) -> str:
    """Hash arrays in fp32 by name, shape and content, as a runner hashes torch's tensors."""
    digest = hashlib.sha256()
    for name, array in sorted(tensors.items()):
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array, dtype=np.float32).tobytes())
    return digest.hexdigest()


def _gives_golden(model: LightModel) -> bool:
    golden = model.manifest.golden
    if not golden:
        return True
    rows = Dataset.unlabelled({name: [row.columns[name] for row in golden] for name in golden[0].columns})
    windows, decoded = model.outputs(rows)
    found = [prediction.numbers() for prediction in model.predictions(windows, decoded)]
    expected = [row.numbers for row in golden]
    if [len(row) for row in found] != [len(row) for row in expected]:
        return False
    return bool(np.abs(np.concatenate(found) - np.concatenate(expected)).max(initial=0) <= TOLERANCE)
