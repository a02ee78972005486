"""What all grafts share: a frozen encoder, an adapter for it, and a shallow head.

Only adapter and head are saved, a few hundred kilobytes; the encoder is named by the hash of its weights, and
loading the graft loads that encoder or refuses.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import field
from itertools import pairwise
from pathlib import Path
from typing import Any, Self, TypedDict, Unpack

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.utils import ModelOutput, can_return_tuple

from textgraft.errors import ModelError, OptionError, unknown
from textgraft.files import content_hash
from textgraft.models.asked import asked, observable
from textgraft.models.encoders import (
    BUNDLED,
    BUNDLED_HUB_ID,
    POOLINGS,
    SHAPING,
    EncoderSource,
    encoder_width,
    load_encoder,
    resolve_encoder,
)
from textgraft.models.graft.adapter import Adapter, initialize, linear_maps
from textgraft.models.graft.encoder_layers import STACKS, encoder_layers
from textgraft.models.loading import load_config
from textgraft.models.padding import ascending, inverse, one_of, ordered
from textgraft.models.pooling import pool
from textgraft.models.windows import Cutting
from textgraft.tokenization.word_shapes import PLACES

PEFT = "peft"
"""Folder, inside a graft's, that holds its adapter for ``PeftModel.from_pretrained``."""


Beside = dict[str, tuple[Tensor, ...]]
"""What an encoder computed beside its last states, by its name in Transformers' outputs."""


class GraftSettings(TypedDict, total=False):
    """What can be set of a graft on a given encoder; :class:`GraftConfig` describes it."""

    pooling: str
    normalize: bool
    hidden_sizes: list[int]
    lora_rank: int
    lora_alpha: int
    lora_dropout: float
    lora_layers: list[int]
    lora_targets: list[str]
    window: int
    window_frame: list[int]
    word_shapes: int
    num_labels: int
    problem_type: str | None


class GraftConfig(PreTrainedConfig):
    """Describes a graft.

    Args:
        encoder: ``bundled``, a local directory or a Hub id, as for ``resolve_encoder``.
        encoder_sha256: Hash of the weights that the graft was trained on; empty accepts any.
        encoder_shape: Hash of what the encoder's configuration adds to its weights; empty accepts any.
        revision: Of a Hub id.
        encoding_size: Dimensions of a hidden state; 0 takes them from the encoder.
        pooling: "mean", "cls" or "max": how sequence and choice heads make one vector of a text.
        normalize: Whether that vector is scaled to length one.
        window: Tokens, special ones included, that the encoder reads of a text at a time: a sequence head
            cuts a longer one into windows and averages their vectors. 0: texts are read whole.
        window_frame: Special tokens before and after a text, which every window has.
        word_shapes: Dimensions in which a head that labels words is told how a word and each of its
            neighbours is written, see ``textgraft.tokenization.word_shapes``: for encoders that read no
            capitals. 0: it is not told.
        hidden_sizes: Widths of the hidden layers of the head; none makes it one linear layer.
        lora_rank: Rank of the adapter (Hu et al. 2022, "LoRA"); 0 for none: the encoder is frozen.
        lora_alpha: The adapter's part is scaled by ``lora_alpha / lora_rank``.
        lora_dropout: Of the adapter's inputs.
        lora_layers: Indices of the encoder's layers to adapt; none means all.
        lora_targets: Names of the linear maps to adapt, as "query"; none means all of a layer.
        pad_token_id: Of the tokenizer, as Transformers' trainer notes it; the model needs none.
        bos_token_id: Likewise.
        eos_token_id: Likewise.

    Raises:
        OptionError: The pooling is unknown, the rank negative, or a window too small.
    """

    model_type = "graft"

    encoder: str = BUNDLED
    encoder_sha256: str = ""
    encoder_shape: str = ""
    revision: str | None = None
    encoding_size: int = 0
    pooling: str = "mean"
    normalize: bool = True
    window: int = 0
    window_frame: list[int] = field(default_factory=lambda: [1, 1])
    word_shapes: int = 0
    hidden_sizes: list[int] = field(default_factory=list)
    lora_rank: int = 0
    lora_alpha: int = 16
    lora_dropout: float = 0.0
    lora_layers: list[int] = field(default_factory=list)
    lora_targets: list[str] = field(default_factory=list)
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        if self.pooling not in POOLINGS:
            raise unknown("pooling", self.pooling, POOLINGS)
        Cutting.of(self)
        if self.lora_rank < 0:
            raise OptionError(f"lora_rank cannot be {self.lora_rank}", fix="Give 0 for none, or 1 and more.")

    @property
    def vocab_size(self) -> int | None:
        """Tokens that the encoder knows; None for one that reads bytes or code points.

        It is looked up there and not kept: the weights beside this configuration have no such table.
        """
        source = resolve_encoder(self.encoder, self.revision)
        return getattr(load_config(source.path).get_text_config(), "vocab_size", None)

    @property
    def first_adapted_layer(self) -> int | None:
        """Index of the lowest layer that the adapter changes; None without an adapter."""
        return min(self.lora_layers, default=0) if self.lora_rank else None

    @classmethod
    def on(cls, source: EncoderSource, **settings: Unpack[GraftSettings]) -> Self:
        """Describe a graft on this very encoder.

        Args:
            source: The encoder.
            settings: The keywords of :class:`GraftSettings`.

        Raises:
            OptionError: There is no such setting (the nearest is suggested), or a value cannot be.
        """
        # Transformers would keep a misspelt one and do as if it had not been given.
        for name in settings:
            if name not in GraftSettings.__annotations__:
                raise unknown("setting of a graft", name, GraftSettings.__annotations__)
        # A relative path would mean another place once the graft is loaded from elsewhere.
        name = str(source.path) if Path(source.name).expanduser().is_dir() else source.name
        given: dict[str, Any] = {**settings}
        return cls(encoder=name, encoder_sha256=source.sha256, revision=source.revision, **given)


class Graft(PreTrainedModel):
    """A frozen encoder, with an adapter or without, under one linear layer or a small multilayer perceptron.

    The encoder is no submodule: it has no place in ``parameters()`` or ``state_dict()`` and follows the head
    from device to device. It is loaded when it is first needed, and stays in evaluation mode but for
    dropout, see :meth:`train`.

    Args:
        config: Its description.
        outputs: Outputs of the head.

    Raises:
        ModelError: The encoder cannot be found, or its weights are not those named in the config.
        OptionError: The encoder has no such layers or linear maps as the adapter is to change.
    """

    config_class = GraftConfig
    base_model_prefix = "adapter"
    """What it trains of the base model: so optimizers tell it from the head."""
    widths = 1
    """How many times the width of an encoding the head takes."""
    reads_windows = True
    """It is given texts whole, and cuts long ones by itself where its configuration says so."""

    def __init__(self, config: GraftConfig, outputs: int) -> None:
        super().__init__(config)
        self._encoder: list[PreTrainedModel] = []
        self._dropouts: list[nn.Dropout] = []
        if not config.encoding_size:
            config.encoding_size = encoder_width(self.source)
        if config.lora_rank:
            with torch.device("meta"):
                skeleton = AutoModel.from_config(load_config(self.source.path))
            shapes = linear_maps(skeleton, config.lora_layers, config.lora_targets)
            self.adapter = Adapter(shapes, config.lora_rank, config.lora_alpha, config.lora_dropout)
        told = PLACES * config.word_shapes
        sizes = [self.widths * config.encoding_size + told, *config.hidden_sizes, outputs]
        self.layers = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        if not initialize(module):
            super()._init_weights(module)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # hands all arguments on
        cls, pretrained_model_name_or_path: Any, *args: Any, **kwargs: Any
    ) -> Self | tuple[Self, dict[str, Any]]:
        """Load adapter and head, and find the encoder they name, as Transformers' ``from_pretrained`` does.

        An encoder that has moved is named anew by the keyword ``encoder="path"``; its hash must still fit.
        A graft saved in half precision, to make it small, computes in fp32 unless ``dtype`` is given.

        Raises:
            ModelError: The encoder cannot be found, or the graft was trained on other weights.
        """
        if kwargs.get("dtype") is None and kwargs.get("torch_dtype") is None:
            kwargs["dtype"] = torch.float32
        loaded = super().from_pretrained(pretrained_model_name_or_path, *args, **kwargs)
        model = loaded[0] if isinstance(loaded, tuple) else loaded
        model.source  # noqa: B018  a missing or wrong encoder is told now, not at the first text
        return loaded

    def save_pretrained(self, save_directory: Any, *args: Any, **kwargs: Any) -> None:
        """Save adapter and head, and the adapter once more as PEFT reads it, in the folder :data:`PEFT`.

        It has a folder of its own since Transformers' Auto classes take a repository with PEFT's files for an
        adapter of the encoder, and would leave the head aside.
        """
        super().save_pretrained(save_directory, *args, **kwargs)
        if self.config.lora_rank:
            name = BUNDLED_HUB_ID if self.config.encoder == BUNDLED else self.config.encoder
            self.adapter.save_for_peft(Path(save_directory) / PEFT, name, self.config.revision)

    @classmethod
    def from_layers(cls, config: GraftConfig, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> Self:
        """Build a graft without adapter around the layers that ``fit_shallow`` returned for its head.

        Args:
            config: Its description; ``encoding_size`` is taken from the layers.
            layers: Weight [outputs, inputs] and bias [outputs] of each layer, the lowest first.
        """
        config.encoding_size = layers[0][0].shape[1] // cls.widths
        model = cls(config)  # type: ignore[call-arg]  # every kind of head knows its own number of outputs
        for layer, (weight, bias) in zip(model.layers, layers, strict=True):
            layer.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
        return model.eval()

    @functools.cached_property
    def source(self) -> EncoderSource:
        """Where the encoder is, after a look at its hash."""
        source = resolve_encoder(self.config.encoder, self.config.revision)
        if self.config.encoder_sha256 not in ("", source.sha256):
            raise ModelError(
                f"the encoder {source.name!r} has the SHA-256 {source.sha256}, but this model's head was "
                f"trained on {self.config.encoder_sha256}",
                where=str(source.path),
                fix="Name the right one, with from_pretrained(…, encoder=path), or train again.",
            )
        config = load_config(source.path)
        shape = content_hash({name: getattr(config, name, None) for name in SHAPING})
        if self.config.encoder_shape not in ("", shape):
            raise ModelError(
                f"the encoder {source.name!r} has another configuration than the head was trained on",
                where=str(source.path / "config.json"),
                fix="Copy the encoder again, or train again.",
            )
        self.config.encoder_sha256, self.config.encoder_shape = source.sha256, shape
        return source

    @property
    def encoder(self) -> PreTrainedModel:
        """The frozen part, with the adapter in it."""
        if not self._encoder:
            # Met first in an evaluation, its weights must still be fit for training, and loading it must not
            # change what dropout draws next.
            with torch.inference_mode(mode=False), torch.random.fork_rng([]):
                encoder, _ = load_encoder(self.source)
                encoder.requires_grad_(False)
                encoder.to(self.device, self.dtype)  # type: ignore[arg-type]  # a decorator hides self
                if self.config.lora_rank:
                    self.adapter.attach(encoder)
            # A list hides it from nn.Module's registry of submodules.
            self._encoder = [encoder.eval()]
            trained = self._trained_part(encoder).modules()
            self._dropouts = [module for module in trained if isinstance(module, nn.Dropout)]
            self.train(self.training)
        return self._encoder[0]

    @property
    def base_model(self) -> Self:
        """The graft itself: nothing below its head is a model that could be saved or loaded without it."""
        return self

    def get_input_embeddings(self) -> nn.Module:
        """Return the encoder's table of word vectors."""
        return self.encoder.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Refuse to: the encoder is not this model's, and is not saved with it.

        Raises:
            OptionError: Always.
        """
        raise OptionError(
            "a graft leaves its encoder as it is, so its word vectors cannot be exchanged",
            where="set_input_embeddings",
            fix="Exchange them in the encoder, save it, and train a graft on that one.",
        )

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """Refuse to, likewise.

        Raises:
            OptionError: Always.
        """
        raise OptionError(
            "a graft leaves its encoder as it is, so its vocabulary cannot grow",
            where="resize_token_embeddings",
            fix="Resize the encoder's, save it, and train a graft on that one.",
        )

    def _trained_part(self, encoder: PreTrainedModel) -> nn.Module:
        """Return the layers from the lowest on that the adapter changes."""
        if not self.config.lora_rank:
            return nn.ModuleList()
        known = encoder.config.model_type in STACKS
        return encoder_layers(encoder)[self.frozen_layers :] if known else encoder

    @property
    def frozen_layers(self) -> int:
        """How many of the lowest layers give what they would without the graft: all, if it has no adapter.

        None is known to do so where the encoder's layers cannot be told apart.
        """
        first = self.config.first_adapted_layer
        if first is not None:
            return first
        return len(encoder_layers(self.encoder)) if self.encoder.config.model_type in STACKS else 0

    def train(self, mode: bool = True) -> Self:
        """Set the mode of head and adapter, and of the dropout in the layers from the lowest adapted one on.

        Attention stays in evaluation mode: dropout of its weights would cost half as much time again, as no
        fused kernel has it.
        """
        super().train(mode)
        for dropout in self._dropouts:
            dropout.train(mode)
        return self

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for encoder in self._encoder:
            encoder._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def head(self, encodings: Tensor) -> Tensor:
        """Map encodings [..., size] that are already there to outputs [..., outputs]."""
        *hidden, last = self.layers
        encodings = encodings.to(self.dtype)
        for layer in hidden:
            encodings = torch.relu(layer(encodings))
        return last(encodings)

    @can_return_tuple
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> ModelOutput:
        """Read a batch of texts, or of pairs of texts.

        Args:
            input_ids: [..., time]: the texts of a batch, or the choices of each of its prompts.
            attention_mask: 1 at true tokens, [..., time]; by default all are.
            token_type_ids: Tells the parts of a pair, [..., time].
            labels: What the head's loss takes, see :meth:`from_states`.
            inputs_embeds: In place of ids, [..., time, size].
            output_attentions: Whether to return the attention of the encoder's layers. What is left out, the
                configuration says.
            output_hidden_states: Whether to return the states of the encoder's layers.

        Returns:
            What :meth:`from_states` does, and what was asked for of the encoder, one text after the other.
        """
        states, beside = self.encoded(
            input_ids,
            attention_mask,
            token_type_ids,
            inputs_embeds,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
        )
        return self.from_states(states, attention_mask, labels, **beside)

    def encoded(
        self,
        input_ids: Tensor | None,
        attention_mask: Tensor | None,
        token_type_ids: Tensor | None,
        inputs_embeds: Tensor | None,
        **given: bool | None,
    ) -> tuple[Tensor, Beside]:
        """Run the encoder on a batch, as :func:`run_encoder` does."""
        wanted = asked(self.config, **given)
        keeps_attention = observable(self.encoder) if wanted["output_attentions"] else nullcontext()
        with keeps_attention:
            return run_encoder(
                self.encoder, input_ids, attention_mask, token_type_ids, inputs_embeds, **wanted
            )

    def from_states(
        self, states: Tensor, attention_mask: Tensor | None, labels: Any = None, **beside: Any
    ) -> ModelOutput:
        """Do what ``forward`` does above the last hidden states [..., time, size].

        Args:
            states: Of a batch.
            attention_mask: As for ``forward``.
            labels: What the loss of the head takes.
            beside: What is returned beside the logits and the loss.

        Raises:
            NotImplementedError: The head reads two texts and stands above the states of neither alone.
        """
        raise NotImplementedError(f"{type(self).__name__} reads two texts apart from each other")

    def pooled(self, states: Tensor, attention_mask: Tensor | None) -> Tensor:
        """Make one vector of each text: [..., time, size] to [..., size]."""
        if attention_mask is None:
            attention_mask = torch.ones(states.shape[:-1], dtype=torch.long, device=states.device)
        vectors = pool(states.flatten(0, -3), attention_mask.flatten(0, -2), self.config.pooling)
        vectors = vectors.view(*states.shape[:-2], -1)
        return nn.functional.normalize(vectors, dim=-1) if self.config.normalize else vectors


def run_encoder(
    encoder: PreTrainedModel,
    input_ids: Tensor | None,
    attention_mask: Tensor | None,
    token_type_ids: Tensor | None,
    inputs_embeds: Tensor | None,
    **wanted: bool,
) -> tuple[Tensor, Beside]:
    """Run an encoder over texts, in any number of dimensions before the last.

    Args:
        encoder: Any Transformers encoder.
        input_ids: [..., time].
        attention_mask: 1 at true tokens, [..., time]; by default all are. Where padding stands on the left,
            tokens are read as if it stood on the right: most encoders number the places of a batch.
        token_type_ids: Tells the parts of a pair, [..., time]; told to encoders that know parts.
        inputs_embeds: In place of ids, [..., time, size].
        wanted: ``output_attentions`` and ``output_hidden_states``, both by default false.

    Returns:
        The last hidden states [..., time, size]; and by name what else is wanted: hidden_states, one
        [texts, time, size] a layer, and attentions, one [texts, heads, time, time].

    Raises:
        OptionError: There are both ids and vectors, or neither.
    """
    texts = one_of(input_ids, inputs_embeds).shape[: None if inputs_embeds is None else -1][:-1]
    if getattr(encoder.config, "type_vocab_size", 0) < 2:
        token_type_ids = None
    order = None if attention_mask is None else ascending(attention_mask.flatten(0, -2) == 0)
    inputs = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
    given = {name: tensor.flatten(0, -2) for name, tensor in inputs.items() if tensor is not None}
    if inputs_embeds is not None:
        given["inputs_embeds"] = inputs_embeds.flatten(0, -3)
    given = {name: ordered(tensor, order) for name, tensor in given.items()}
    outputs = encoder(**given, **{name: True for name, value in wanted.items() if value}, return_dict=True)
    back = inverse(order)
    states = ordered(outputs.last_hidden_state, back)
    beside: Beside = {}
    if wanted.get("output_hidden_states"):
        beside["hidden_states"] = tuple(ordered(layer, back) for layer in outputs.hidden_states)
    if wanted.get("output_attentions"):
        beside["attentions"] = tuple(_attention_ordered(layer, back) for layer in outputs.attentions)
    return states.view(*texts, *states.shape[-2:]), beside


def _attention_ordered(weights: Tensor, order: Tensor | None) -> Tensor:
    """Reorder queries and keys of attention weights [texts, heads, time, time]."""
    if order is None:
        return weights
    by_query = ordered(weights.transpose(1, 2), order)
    return ordered(by_query.permute(0, 3, 2, 1), order).permute(0, 2, 3, 1)
