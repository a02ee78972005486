"""Opening grafts without torch: an engine's graph on disk computes the encoder, numpy the head.

What a graft adds to its encoder is a layer or two. A frozen encoder under a head on texts is shared with
whoever asks for encodings, and with all other such heads; one with an adapter has a graph of its own, and so
has what tags words or finds answers. BERT's are drawn when they are first needed; those of other encoders lie
on disk once a process with torch has converted them. Loading torch and Transformers takes seconds and
hundreds of megabytes, and none of it is needed to answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.data.dataset import Dataset
from textgraft.integrity import check_files
from textgraft.models.encoders import BUNDLED, EncoderSource, load_tokenizer, pad_token_id, resolve_encoder
from textgraft.models.known import load_known
from textgraft.models.manifest import WEIGHTS, Manifest, read_manifest
from textgraft.models.vetting import read_json, vet
from textgraft.serving.encoding import EncoderLane, ServedEncoder
from textgraft.serving.light.model import Layers, LightModel
from textgraft.serving.light.states import (
    TOKENIZER_CONFIG,
    Arrays,
    LightTokenizer,
    input_names,
    open_states,
    read_tensors,
)
from textgraft.serving.light.texts import LightTexts, PooledLane, TextHead
from textgraft.serving.light.tokens import LightTokens, TokensLane, TokenTask
from textgraft.tasks.text.pairs import PairTexts
from textgraft.tasks.text.texts import TextTask
from textgraft.tokenization.word_shapes import WORD_SHAPES

if TYPE_CHECKING:
    from textgraft.tasks.base import Task

HEAD = "GraftForSequenceClassification"
TOKEN_HEADS = ("GraftForTokenClassification", "GraftForQuestionAnswering")
MODEL_TYPE = "graft"
"""Of every graft, in config.json."""
TOLERANCE = 0.02
"""How far a probability may be from the golden ones, as for models that torch runs."""


def open_light(
    path: Path,
    manifest: Manifest,
    task: Task[Any],
    encoders: Mapping[tuple[str, str], ServedEncoder],
    engine: str,
) -> LightModel | None:
    """Load a graft without torch, and check its golden outputs.

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
    head = _head(described)
    reads_tokens = isinstance(task, TokenTask) and head in TOKEN_HEADS
    if not reads_tokens and not (isinstance(task, TextTask) and head == HEAD):
        return None
    check_files(path, manifest.files, fix="Copy the whole folder again.")
    vet(path)
    source = resolve_encoder(described.get("encoder") or BUNDLED, described.get("revision"), manifest.prompt)
    if described.get("encoder_sha256") not in ("", None, source.sha256):
        return None  # torch's way says what is wrong
    tokenizer = LightTokenizer(
        load_tokenizer(source),
        pad_token_id(source),
        input_names(path if (path / TOKENIZER_CONFIG).is_file() else source.path),
    )
    tensors = read_tensors(path / WEIGHTS)
    model: LightModel | None
    if isinstance(task, TokenTask):
        states = open_states(source, described, tensors, engine)
        if states is None:
            return None
        shapes = tensors.get("shapes.weight") if described.get("word_shapes") else None
        if shapes is not None:
            tokenizer.model_input_names = (*tokenizer.model_input_names, WORD_SHAPES)
        lane = TokensLane(states, Layers.of(tensors), task, shapes)
        model = LightTokens(manifest, task, lane, states.engine.note, tokenizer)
    else:
        text_head = TextHead.of(described, tensors)
        found = _text_lane(source, described, tensors, text_head, encoders, engine)
        if found is None or (isinstance(found, EncoderLane) and isinstance(task, PairTexts)):
            return None
        opened = found.encoder.open() if isinstance(found, EncoderLane) else found.states.engine
        model = LightTexts(manifest, task, found, opened.note, tokenizer, text_head)
        model.known = load_known(path)
    return model if _gives_golden(model) else None


def _text_lane(
    source: EncoderSource,
    described: Mapping[str, Any],
    tensors: Arrays,
    head: TextHead,
    encoders: Mapping[tuple[str, str], ServedEncoder],
    engine: str,
) -> EncoderLane | PooledLane | None:
    """Return what computes the pooled states for a head on texts; None if nothing does here."""
    if described.get("lora_rank"):
        states = open_states(source, described, tensors, engine)
        return None if states is None else PooledLane(states, head)
    return next(
        (
            served.lane
            for served in encoders.values()
            if served.encoder.source.identity == source.identity and served.encoder.pooling == head.pooling
        ),
        None,
    )


def frozen_encoder(path: Path) -> tuple[EncoderSource, str] | None:
    """Return the encoder that a head on texts leaves as it is, and its pooling; None for any other model."""
    described = read_json(path / "config.json")
    if _head(described) != HEAD or described.get("lora_rank"):
        return None
    prompt = read_manifest(path).prompt
    source = resolve_encoder(described.get("encoder") or BUNDLED, described.get("revision"), prompt)
    return source, str(described.get("pooling") or "mean")


def base_encoder(path: Path) -> EncoderSource | None:
    """Return the encoder that a graft is on, as whoever names it gets it; None for any other model."""
    described = read_json(path / "config.json")
    if described.get("model_type") != MODEL_TYPE:
        return None
    return resolve_encoder(described.get("encoder") or BUNDLED, described.get("revision"))


def _head(described: Mapping[str, Any]) -> str:
    return str((described.get("architectures") or [""])[0])


def _gives_golden(model: LightModel) -> bool:
    golden = model.manifest.golden
    if not golden:
        return True
    rows = Dataset.unlabelled({name: [row.columns[name] for row in golden] for name in golden[0].columns})
    found = [prediction.numbers() for prediction in model.predict_rows(rows)]
    expected = [row.numbers for row in golden]
    if [len(row) for row in found] != [len(row) for row in expected]:
        return False
    return bool(np.abs(np.concatenate(found) - np.concatenate(expected)).max(initial=0) <= TOLERANCE)
