"""Encoders that compute as BERT does, in BERT's terms: its configuration, its names of weights.

DistilBERT (Sanh et al. 2019) has BERT's layers under other names and no token types. MPNet (Song et al. 2020)
has them too, counts places from behind the padding token as RoBERTa does, and adds to the attention scores of
every layer what a head makes of how far two tokens stand apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from textgraft.export.drawing import numbers
from textgraft.inference.engines.bert_weights import BERT, EncoderWeights, is_known, tensor_names
from textgraft.models.mpnet_names import BEFORE_FIRST_PLACE, as_berts

_DISTILBERT = {
    "transformer.layer.": "encoder.layer.",
    "attention.q_lin": "attention.self.query",
    "attention.k_lin": "attention.self.key",
    "attention.v_lin": "attention.self.value",
    "attention.out_lin": "attention.output.dense",
    "sa_layer_norm": "attention.output.LayerNorm",
    "ffn.lin1": "intermediate.dense",
    "ffn.lin2": "output.dense",
    "output_layer_norm": "output.LayerNorm",
}
_TYPES = "embeddings.token_type_embeddings.weight"


def in_berts_terms(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the configuration of an encoder as BERT's would state it; None if it is of another kind.

    Args:
        config: As config.json states it: of BERT, RoBERTa, XLM-R, CamemBERT, DistilBERT or MPNet.
    """
    kind = config.get("model_type")
    if kind == "distilbert":
        config = {
            "model_type": BERT,
            "num_hidden_layers": config["n_layers"],
            "num_attention_heads": config["n_heads"],
            "hidden_act": config["activation"],
        }
    elif kind == "mpnet":
        config = {**config, "model_type": "roberta", "pad_token_id": BEFORE_FIRST_PLACE}
    return config if is_known(config) else None


def bert_weights(encoder: Any) -> EncoderWeights | None:
    """Return the weights of an encoder in memory under BERT's names; None if it is of another kind.

    Args:
        encoder: One without a head.
    """
    described = encoder.config.to_dict()
    config = in_berts_terms(described)
    if config is None:
        return None
    called = _CALLED.get(described["model_type"], str)
    tensors = {called(name): tensor for name, tensor in encoder.state_dict().items()}
    if _TYPES not in tensors:
        size = tensors["embeddings.word_embeddings.weight"].shape[1]
        tensors[_TYPES] = torch.zeros(1, size)
    return EncoderWeights(config, {name: numbers(tensors[name]) for name in tensor_names(config)})


def _distilberts(name: str) -> str:
    for own, other in _DISTILBERT.items():
        name = name.replace(own, other)
    return name


_CALLED: Mapping[str, Callable[[str], str]] = {"distilbert": _distilberts, "mpnet": as_berts}
"""By kind of encoder: what BERT calls its weights."""


def distance_bias(encoder: Any, places: int) -> NDArray[np.float32] | None:
    """Return what is added to attention scores for how far two tokens stand apart, None where nothing is.

    Args:
        encoder: One without a head.
        places: How many tokens it reads at most.

    Returns:
        [heads, 2 * places - 1]: from the first token as seen from the last to the last as seen from the
        first.
    """
    if encoder.config.model_type != "mpnet":
        return None
    with torch.no_grad():
        bias = numbers(encoder.encoder.compute_position_bias(torch.zeros(1, places, 1)))[0]
    found: NDArray[np.float32] = np.concatenate([bias[:, :0:-1, 0], bias[:, 0]], axis=1)
    return found
