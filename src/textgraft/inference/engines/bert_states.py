"""BERT (Devlin et al. 2019) in numpy, equation by equation: what a drawn graph is held against without torch.

Slow, and in one thread; a few golden batches are all it is for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf, softmax

from textgraft.inference.engines.base import Batch
from textgraft.inference.engines.bert_weights import EncoderWeights

Floats = NDArray[np.float32]


def last_states(encoder: EncoderWeights, batch: Batch) -> Floats:
    """Return the last hidden states [batch, time, size] of right-padded texts, 0 at padding.

    Args:
        encoder: One of BERT's kin.
        batch: input_ids and attention_mask [batch, time]; token_type_ids, or all are of the first.
    """
    ids, mask = batch["input_ids"], batch["attention_mask"]
    types = batch.get("token_type_ids", np.zeros_like(ids))
    states = encoder.words[ids] + encoder.places[: ids.shape[1]] + encoder.types[types]
    states = _normalized(encoder, states, "embeddings.LayerNorm")
    for layer in range(encoder.layers):
        name = f"encoder.layer.{layer}"
        attended = _attention(encoder, states, mask, f"{name}.attention.self")
        outer = _linear(encoder, attended, f"{name}.attention.output.dense")
        states = _normalized(encoder, outer + states, f"{name}.attention.output.LayerNorm")
        inner = _activated(encoder.activation, _linear(encoder, states, f"{name}.intermediate.dense"))
        outer = _linear(encoder, inner, f"{name}.output.dense")
        states = _normalized(encoder, outer + states, f"{name}.output.LayerNorm")
    found: Floats = (states * mask[:, :, None]).astype(np.float32)
    return found


def _attention(encoder: EncoderWeights, states: Floats, mask: NDArray[np.int64], name: str) -> Floats:
    """Let every token take from all true ones, in each head: [batch, time, size] to the same."""
    texts, time, size = states.shape
    query, key, value = (
        _linear(encoder, states, f"{name}.{kind}").reshape(texts, time, encoder.heads, -1).swapaxes(1, 2)
        for kind in ("query", "key", "value")
    )
    scores = query @ key.swapaxes(2, 3) / np.sqrt(np.float32(query.shape[-1]))
    weights = softmax(np.where(mask[:, None, None, :] == 1, scores, np.float32(-1e9)), axis=-1)
    taken: Floats = (weights @ value).swapaxes(1, 2).reshape(texts, time, size)
    return taken


def _linear(encoder: EncoderWeights, inputs: Floats, name: str) -> Floats:
    outputs: Floats = inputs @ encoder.tensors[f"{name}.weight"].T + encoder.tensors[f"{name}.bias"]
    return outputs


def _normalized(encoder: EncoderWeights, inputs: Floats, name: str) -> Floats:
    centred = inputs - inputs.mean(axis=-1, keepdims=True)
    scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + encoder.epsilon)
    outputs: Floats = scaled * encoder.tensors[f"{name}.weight"] + encoder.tensors[f"{name}.bias"]
    return outputs


def _activated(kind: str, inputs: Floats) -> Floats:
    if kind == "relu":
        return np.maximum(inputs, 0)
    if kind == "gelu":
        return inputs * (1 + erf(inputs / np.sqrt(np.float32(2)))) / 2
    inner = np.sqrt(np.float32(2 / np.pi)) * (inputs + np.float32(0.044715) * inputs**3)
    return inputs * (1 + np.tanh(inner)) / 2
