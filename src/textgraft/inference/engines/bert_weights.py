"""What BERT (Devlin et al. 2019) and its kin are made of, for engines that have a form of their own for it.

RoBERTa, XLM-R and CamemBERT have BERT's layers under BERT's names; their places are counted from behind the
padding token's id, and they have one token type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = Mapping[str, NDArray[np.float32]]
"""The tensors of a model by their names in it."""
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")
BERT = "bert"
_KIN = ("roberta", "xlm-roberta", "camembert")
_DEFAULTS = {
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
}
_LAYER = (
    "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    "attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm",
)  # fmt: skip


def is_known(config: Mapping[str, Any]) -> bool:
    """Return whether a model of this configuration is, to the letter, one of BERT's kin as they are here."""
    known = {**_DEFAULTS, **{name: config[name] for name in _DEFAULTS if config.get(name) is not None}}
    return (
        config.get("model_type") in (BERT, *_KIN)
        and all(isinstance(config.get(name), int) for name in ("num_hidden_layers", "num_attention_heads"))
        and known["hidden_act"] in ACTIVATIONS
        and known["position_embedding_type"] == "absolute"
        and not known["is_decoder"]
        and not known["add_cross_attention"]
    )


def tensor_names(config: Mapping[str, Any]) -> list[str]:
    """Return the names of the tensors of a model that :func:`is_known`."""
    embeddings = [f"embeddings.{kind}_embeddings.weight" for kind in ("word", "position", "token_type")]
    maps = ["embeddings.LayerNorm"] + [
        f"encoder.layer.{layer}.{name}" for layer in range(config["num_hidden_layers"]) for name in _LAYER
    ]
    return embeddings + [f"{name}.{kind}" for name in maps for kind in ("weight", "bias")]


@dataclass(frozen=True)
class EncoderWeights:
    """An encoder in numbers."""

    config: Mapping[str, Any]
    """As config.json states it; one that :func:`is_known`."""
    tensors: Tensors
    """Those of :func:`tensor_names`, in fp32."""

    @property
    def layers(self) -> int:
        """How many layers there are."""
        return int(self.config["num_hidden_layers"])

    @property
    def heads(self) -> int:
        """Attention heads in each."""
        return int(self.config["num_attention_heads"])

    @property
    def activation(self) -> str:
        """One of :data:`ACTIVATIONS`."""
        return self.config.get("hidden_act") or "gelu"

    @property
    def epsilon(self) -> float:
        """Added to the variance in every layer normalization."""
        return float(self.config.get("layer_norm_eps", 1e-12))

    @property
    def words(self) -> NDArray[np.float32]:
        """[vocabulary, size]."""
        return self.tensors["embeddings.word_embeddings.weight"]

    @property
    def places(self) -> NDArray[np.float32]:
        """Vectors of the places that a text's tokens can have, [places, size]."""
        all_places = self.tensors["embeddings.position_embeddings.weight"]
        if self.config["model_type"] == BERT:
            return all_places
        padding = self.config.get("pad_token_id")
        return all_places[(1 if padding is None else padding) + 1 :]

    @property
    def types(self) -> NDArray[np.float32]:
        """Vectors of the token types, [types, size]."""
        return self.tensors["embeddings.token_type_embeddings.weight"]
