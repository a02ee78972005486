"""Low-rank adapters (Hu et al. 2022, "LoRA") that live outside of the encoder they are added to.

PEFT, which computes with them in training, is loaded when it is needed: a graft without an adapter needs none
of it, and one that answers merges its matrices without it.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel
from transformers import initialization as init

from textgraft.errors import OptionError, unknown
from textgraft.models.graft.encoder_layers import STACKS, encoder_layers

if TYPE_CHECKING:
    from peft import LoraConfig

Shapes = Mapping[str, tuple[int, int]]
"""Inputs and outputs of linear maps, by their path in the encoder."""


def linear_maps(encoder: PreTrainedModel, layers: Sequence[int], targets: Sequence[str]) -> Shapes:
    """Find the linear maps of an encoder that an adapter is to change.

    Args:
        encoder: Any Transformers encoder; its weights are not needed.
        layers: Indices of the layers to adapt; none means all.
        targets: Last parts of the maps' names, as "query"; none means every linear map of a layer.

    Raises:
        OptionError: There is no such layer, or no linear map of that name.
    """
    if encoder.config.model_type in STACKS:
        stack = encoder_layers(encoder)
        for layer in layers:
            if not 0 <= layer < len(stack):
                raise OptionError(
                    f"lora_layers cannot hold {layer}: the encoder has {len(stack)} layers",
                    fix=f"Give indices from 0 to {len(stack) - 1}.",
                )
        paths = [f"{STACKS[encoder.config.model_type]}.{layer}" for layer in layers or range(len(stack))]
    elif layers:
        encoder_layers(encoder)
    else:
        # Of a pooler's map, hidden states know nothing.
        paths = [name for name, _ in encoder.named_children() if name != "pooler"]
    shapes = {
        f"{path}.{name}": (module.in_features, module.out_features)
        for path in paths
        for name, module in encoder.get_submodule(path).named_modules()
        if isinstance(module, nn.Linear)
    }
    for target in targets:
        if not any(_is_named(path, target) for path in shapes):
            raise unknown("LoRA target", target, dict.fromkeys(path.rpartition(".")[2] for path in shapes))
    return {
        path: shape
        for path, shape in shapes.items()
        if not targets or any(_is_named(path, target) for target in targets)
    }


def _is_named(path: str, target: str) -> bool:
    return f".{path}".endswith(f".{target}")


class Down(nn.Linear):
    """The matrix A: from a map's inputs to the few dimensions between."""


class Up(nn.Linear):
    """The matrix B: from there to the map's outputs. It begins at zero, so that nothing is changed yet."""


class Adapter(nn.Module):
    """The low-rank matrices of one graft.

    PEFT computes with them inside of the encoder; they belong to this module, which names them as PEFT does:
    ``encoder.layer.0.attention.self.query.lora_A.weight``.

    Args:
        shapes: The maps to add to, from :func:`linear_maps`.
        rank: Dimensions between the two matrices.
        alpha: The product of the matrices is scaled by ``alpha / rank``.
        dropout: Of the adapter's inputs.
    """

    def __init__(self, shapes: Shapes, rank: int, alpha: int, dropout: float) -> None:
        super().__init__()
        self.paths = tuple(shapes)
        self.rank, self.alpha, self.dropout = rank, alpha, dropout
        for path, (inputs, outputs) in shapes.items():
            place: nn.Module = self
            for part in path.split("."):
                if part not in dict(place.named_children()):
                    place.add_module(part, nn.Module())
                place = place.get_submodule(part)
            place.lora_A = Down(inputs, rank, bias=False)
            place.lora_B = Up(rank, outputs, bias=False)

    def _config(self, **about: Any) -> LoraConfig:
        from peft import LoraConfig

        return LoraConfig(
            r=self.rank,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(self.paths),
            **about,
        )

    @property
    def scale(self) -> float:
        """What the product of the matrices is multiplied by."""
        return self.alpha / self.rank

    @torch.no_grad()
    def merge_into(self, encoder: PreTrainedModel) -> None:
        """Add the products of the matrices to the weights of an encoder for good, without PEFT."""
        for path in self.paths:
            down, up = (self.get_parameter(f"{path}.lora_{name}.weight") for name in "AB")
            encoder.get_parameter(f"{path}.weight").addmm_(up, down, alpha=self.scale)

    def attach(self, encoder: PreTrainedModel) -> None:
        """Let PEFT wrap the encoder's maps around these very matrices."""
        from peft import inject_adapter_in_model
        from peft.tuners.lora import LoraLayer

        # The matrices that PEFT makes are never used: on the meta device they cost nothing.
        inject_adapter_in_model(self._config(), encoder, low_cpu_mem_usage=True)
        for path in self.paths:
            wrapped = encoder.get_submodule(path)
            assert isinstance(wrapped, LoraLayer)
            wrapped.lora_A["default"] = self.get_submodule(f"{path}.lora_A")
            wrapped.lora_B["default"] = self.get_submodule(f"{path}.lora_B")

    def save_for_peft(self, folder: Path, encoder: str, revision: str | None) -> None:
        """Write what ``PeftModel.from_pretrained(encoder, folder)`` reads.

        Args:
            folder: Made if it is not there.
            encoder: Name that the encoder has outside of textgraft.
            revision: Of a Hub id.
        """
        from peft import TaskType
        from peft.utils import SAFETENSORS_WEIGHTS_NAME

        config = self._config(
            base_model_name_or_path=encoder,
            revision=revision,
            task_type=TaskType.FEATURE_EXTRACTION,
            inference_mode=True,
        )
        config.save_pretrained(str(folder))
        matrices = {
            f"base_model.model.{name}": tensor.detach().cpu().contiguous()
            for name, tensor in self.state_dict().items()
        }
        save_file(matrices, folder / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})


@contextlib.contextmanager
def merged(adapter: Adapter, encoder: PreTrainedModel) -> Iterator[None]:
    """Add the products of the adapter's matrices to the encoder's weights for a while, without PEFT.

    So many adapters take turns in one encoder. Afterwards it has its own weights again, to the last bit.
    Merged anew for every batch, an adapter costs a twentieth of the time of a batch of 2,000 tokens; computed
    beside the weights, as in training, a third.
    """
    maps = [encoder.get_submodule(path) for path in adapter.paths]
    weights = [encoder.get_parameter(f"{path}.weight") for path in adapter.paths]
    for path, linear, weight in zip(adapter.paths, maps, weights, strict=True):
        down, up = (adapter.get_parameter(f"{path}.lora_{name}.weight") for name in "AB")
        changed = torch.addmm(weight, up, down, alpha=adapter.scale)
        linear.weight = nn.Parameter(changed, requires_grad=False)
    try:
        yield
    finally:
        for linear, weight in zip(maps, weights, strict=True):
            linear.weight = weight


def initialize(module: nn.Module) -> bool:
    """Initialize a matrix of an adapter as PEFT does; returns whether it was one."""
    if isinstance(module, Down):
        init.kaiming_uniform_(module.weight, a=math.sqrt(5))
    elif isinstance(module, Up):
        init.zeros_(module.weight)
    else:
        return False
    return True
