"""A model ready to answer: its encoder on the fastest engine that agrees with torch, its head in torch.

Nearly all of the work of a prediction is the encoder's, and one encoder serves many heads: so an engine gets
the encoder, and the head, of whatever kind, stays the model's own. A frozen encoder is converted once for all
grafts on it; one with an adapter has the adapter merged into its weights; a fine-tuned one is a graph of its
own. What has no such encoder (models that write, models that count words) runs in torch as it is, and so do
recurrent networks: a text takes torch a few milliseconds, and tracing a network for an engine takes seconds.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from weakref import WeakValueDictionary

import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

from textgraft.files import content_hash
from textgraft.inference.encoder_weights import reads_weights
from textgraft.inference.engines import bundled
from textgraft.inference.engines.base import CannotRunError, Engine, ModuleSource, Outputs
from textgraft.inference.engines.bert_weights import EncoderWeights, is_known, tensor_names
from textgraft.inference.engines.golden import random_batches
from textgraft.inference.engines.open import first_choice, open_engine
from textgraft.models.encoders import BUNDLED_SHA256, SHAPING, EncoderSource, load_encoder
from textgraft.models.graft.base import Graft
from textgraft.models.graft.encoder_layers import STACKS
from textgraft.models.loading import load_config
from textgraft.processor import chosen_threads
from textgraft.training.precision import resolve_precision

STATES = bundled.STATES
"""The engine's output: the last hidden states [batch, time, size], 0 at padding."""
_frozen: WeakValueDictionary[tuple[str, str, str, int | None], Engine] = WeakValueDictionary()
"""Engines of frozen encoders that are open, for all grafts without an adapter."""
_opening = threading.Lock()
TORCH = "torch"
CTRANSLATE2 = "ctranslate2"


class Runner:
    """Runs a model forward.

    The engine is opened when it is first needed, and anew if the model's weights have changed since. Safe to
    use from several threads.

    Args:
        model: Any model, in evaluation mode.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        keep: Whether a graph that is converted is kept in the cache folder.
        int8: Whether "auto" may take an engine that rounds to int8, where that is the fastest. Whoever allows
            it holds the model's answers against golden outputs.

    Raises:
        OptionError: There is no such engine.
    """

    def __init__(
        self, model: PreTrainedModel, engine: str = "auto", *, keep: bool = True, int8: bool = False
    ) -> None:
        self.model = model.eval()
        self.wanted = engine
        self._precision = "auto" if int8 or engine == CTRANSLATE2 else resolve_precision("auto", model.device)
        self._keep = keep
        self._lock = threading.Lock()
        self._opened: Opened | None = None
        self._watched = _watched(model)
        self._state: Any = None
        first_choice(engine)

    @property
    def engine(self) -> str:
        """Name of the engine that was picked: "torch", "openvino" or "ctranslate2"."""
        return self.open().engine

    @property
    def precision(self) -> str:
        """What it computes in: "fp32", "bf16" or "int8"."""
        return self.open().precision

    @property
    def note(self) -> str:
        """Which engine and precision were picked, and why not another one, if so."""
        return self.open().note

    def open(self) -> Opened:
        """Return what to call, with weights as they are now."""
        with self._lock:
            state = [(each.data_ptr(), 0 if each.is_inference() else each._version) for each in self._watched]
            if self._opened is None or state != self._state:
                opened = _open(self.model, self.wanted, self._precision, keep=self._keep)
                self._opened, self._state = opened, state
            return self._opened


@dataclass(frozen=True)
class Opened:
    """A model ready to be called."""

    module: Any
    """What to call in place of the model: it takes and returns the same."""
    autocast: str
    """The precision, "fp32" or "bf16", of what torch computes of it."""
    engine: str
    precision: str
    """What the engine computes in."""
    note: str
    at_once: int = 1
    """Batches that the engine computes at a time, each called for in a thread of its own."""


def _watched(model: PreTrainedModel) -> list[nn.Parameter]:
    """Return the weights that an engine has a copy of, and one at least to tell the device by."""
    part = getattr(model, "adapter", None) if isinstance(model, Graft) else _encoder(model)
    return list(part.parameters()) if part is not None else list(model.parameters())[:1]


def _encoder(model: PreTrainedModel) -> PreTrainedModel | None:
    """Return the encoder in a model, which may be the model itself; None where engines know none."""
    base: Any = model.base_model
    return (
        base if base.config.model_type in STACKS and not getattr(model.config, "is_decoder", False) else None
    )


def _open(model: PreTrainedModel, wanted: str, wanted_precision: str, *, keep: bool) -> Opened:
    source = _source(model, keep=keep) if model.device.type == "cpu" else None
    if source is None and wanted not in ("auto", TORCH):
        raise CannotRunError(f"{wanted} cannot run a {type(model).__name__}", fix="Use the engine 'torch'.")
    note, precision = "", resolve_precision("auto", model.device)
    if source is not None and first_choice(wanted, wanted_precision) != TORCH:
        is_frozen = isinstance(model, Graft) and not model.config.lora_rank
        open_it = _open_frozen if is_frozen else open_engine
        engine = open_it(source, engine=wanted, precision=wanted_precision)
        if engine.name != TORCH:
            module = _on_engine(model, engine, source.inputs)
            return Opened(module, "fp32", engine.name, engine.precision, engine.note, engine.at_once)
        note = engine.note
    return Opened(model, precision, TORCH, precision, note or f"{TORCH}, {precision}")


def _open_frozen(source: ModuleSource, *, engine: str, precision: str) -> Engine:
    """Open a frozen encoder, or return the engine that others run it on at present."""
    key = source.key, engine, precision, chosen_threads()
    with _opening:
        opened = _frozen.get(key)
        if opened is None:
            opened = _frozen[key] = open_engine(source, engine=engine, precision=precision)
        return opened


def _source(model: PreTrainedModel, *, keep: bool) -> ModuleSource | None:
    """Describe the encoder of a model to engines; None if it has none."""
    if isinstance(model, Graft):
        return _graft_source(model, keep=keep)
    encoder = _encoder(model)
    if encoder is None:
        return None
    # A pooler stays with the head.
    tensors = {name: value for name, value in encoder.state_dict().items() if not name.startswith("pooler.")}
    config = encoder.config
    return states_source(
        key=content_hash([_shape(config), _tensors_hash(tensors)]),
        config=config,
        build=lambda: encoder,
        weights=_weights(config, lambda: encoder),
        keep=keep,
    )


def _graft_source(graft: Graft, *, keep: bool) -> ModuleSource | None:
    """Describe the encoder of a graft, with its adapter merged into the weights if it has one."""
    encoder, config = graft.source, load_config(graft.source.path)
    if config.model_type not in STACKS:
        return None
    if not graft.config.lora_rank:
        return frozen_source(encoder, config, lambda: graft.encoder)

    @functools.cache
    def build() -> nn.Module:
        merged, _ = load_encoder(encoder)
        graft.adapter.merge_into(merged)
        return merged

    return states_source(
        key=content_hash([encoder.identity, graft.adapter.scale, _tensors_hash(graft.adapter.state_dict())]),
        config=config,
        build=build,
        weights=_weights(config, build),
        keep=keep,
    )


def frozen_source(
    encoder: EncoderSource, config: PreTrainedConfig, build: Callable[[], nn.Module]
) -> ModuleSource:
    """Describe an encoder as it is, for all grafts on it.

    Args:
        encoder: Its files.
        config: Its configuration.
        build: Loads it.
    """
    source = states_source(
        key=content_hash([encoder.identity, STATES]),
        config=config,
        build=build,
        weights=reads_weights(encoder),
        keep=True,
    )
    if encoder.sha256 != BUNDLED_SHA256:
        return source
    return replace(source, golden=bundled.golden_batches(), reference=_bundled_states)


def _bundled_states() -> list[Outputs]:
    return [{STATES: states} for states in bundled.golden_states()]


def states_source(
    key: str,
    config: PreTrainedConfig,
    build: Callable[[], nn.Module],
    weights: Callable[[], EncoderWeights] | None,
    *,
    keep: bool,
) -> ModuleSource:
    """Describe the last hidden states of an encoder.

    Args:
        key: Names weights and computation.
        config: Of the encoder.
        build: Returns it.
        weights: Reads its weights; None where its architecture is not known.
        keep: Whether a converted graph is kept on disk.
    """
    has_types = (getattr(config, "type_vocab_size", None) or 0) >= 2
    return ModuleSource(
        key=key,
        build=lambda: _States(build()),
        golden=random_batches(config, has_types=has_types),
        inputs=bundled.INPUTS if has_types else bundled.INPUTS[:2],
        outputs=(STATES,),
        weights=weights,
        keep=keep,
    )


class _States(nn.Module):
    """An encoder whose forward returns its last hidden states alone, 0 at padding.

    What stands at padding is nobody's business, and with local attention it is not even a number.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, **inputs: Tensor) -> Tensor:
        states: Tensor = self.encoder(**inputs, return_dict=True).last_hidden_state
        return torch.where(inputs["attention_mask"].bool().unsqueeze(-1), states, 0.0)


def _weights(config: PreTrainedConfig, build: Callable[[], nn.Module]) -> Callable[[], EncoderWeights] | None:
    """Return what reads the weights of an encoder in memory; None if its architecture is not known."""
    described = config.to_dict()

    def read() -> EncoderWeights:
        tensors = build().state_dict()
        return EncoderWeights(
            described, {name: tensors[name].float().numpy() for name in tensor_names(described)}
        )

    return read if is_known(described) else None


def _shape(config: PreTrainedConfig) -> dict[str, Any]:
    """Return what of a configuration the tensors do not show, in the form of JSON."""
    shaping = {name: getattr(config, name, None) for name in (*SHAPING, "position_embedding_type")}
    return {"model_type": config.model_type, **{name: repr(value) for name, value in shaping.items()}}


def _tensors_hash(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        array: NDArray[Any] = tensor.detach().cpu().float().contiguous().numpy()
        digest.update(f"{name} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _on_engine(model: PreTrainedModel, engine: Engine, inputs: tuple[str, ...]) -> Any:
    """Return the model with its encoder's place taken by an engine; the model itself stays as it is."""
    if isinstance(model, Graft):
        graft = copy.copy(model)
        graft._encoder = [EngineEncoder(engine, inputs, load_config(model.source.path))]  # type: ignore[list-item]
        return graft
    encoder = _encoder(model)
    assert encoder is not None, "an engine was opened for it"
    stand_in = EngineEncoder(engine, inputs, encoder.config, getattr(encoder, "pooler", None))
    if encoder is model:
        return stand_in
    on_engine = copy.copy(model)
    on_engine._modules = {**model._modules, model.base_model_prefix: stand_in}
    return on_engine


class EngineEncoder(nn.Module):
    """Takes the place of a Transformers encoder in a model, and hands what it is given to an engine.

    Args:
        engine: Computes the last hidden states.
        inputs: Names of what it reads.
        config: The encoder's.
        pooler: What the encoder has above its last hidden states, if so.
    """

    def __init__(
        self,
        engine: Engine,
        inputs: tuple[str, ...],
        config: PreTrainedConfig,
        pooler: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.engine = engine
        self.inputs = inputs
        self.config = config
        self.device = torch.device("cpu")
        self.pooler = pooler

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        **others: Any,
    ) -> BaseModelOutputWithPooling:
        """Encode a batch.

        Args:
            input_ids: [batch, time].
            attention_mask: 1 at true tokens, [batch, time]; by default all are.
            token_type_ids: Tells the parts of a pair, [batch, time]; by default all are of the first.
            others: Of a Transformers encoder, each left out.

        Raises:
            NotImplementedError: Something else is given or asked for, which no engine knows.
        """
        asked = [name for name, value in others.items() if value and name != "return_dict"]
        if asked:
            raise NotImplementedError(f"engines know nothing of {', '.join(asked)}: call the model itself")
        given = {
            "input_ids": input_ids,
            "attention_mask": torch.ones_like(input_ids) if attention_mask is None else attention_mask,
            "token_type_ids": torch.zeros_like(input_ids) if token_type_ids is None else token_type_ids,
        }
        batch = {name: given[name].long().contiguous().numpy() for name in self.inputs}
        states = torch.from_numpy(self.engine.run(batch)[STATES])
        pooled = None if self.pooler is None else self.pooler(states)
        return BaseModelOutputWithPooling(last_hidden_state=states, pooler_output=pooled)
