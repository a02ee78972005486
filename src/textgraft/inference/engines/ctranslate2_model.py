"""BERT and its kin in CTranslate2's form: written from their weights, checked against torch, kept on disk.

CTranslate2 multiplies in int8 with scales that it takes from the numbers at hand, so nothing is calibrated;
where there are no int8 dot products it still gains, which OpenVINO's int8 does not. It has no relative
positions of MPNet's kind, nor DeBERTa's or ModernBERT's attention: they stay with the other engines.
"""

from __future__ import annotations

import functools
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from textgraft.inference.engines.agreement import agrees, cosine_between, disagreement, reference_outputs
from textgraft.inference.engines.base import CannotRunError, ModuleSource
from textgraft.inference.engines.bert_weights import EncoderWeights
from textgraft.inference.engines.ctranslate2 import PLACES, TYPES, WORDS, CTranslate2Engine
from textgraft.inference.engines.kept import Agreement, kept_form
from textgraft.processor import processor_has

logger = logging.getLogger(__name__)

_QUANTIZATION = {"int8": "int8_float32", "fp32": "float32"}
"""CTranslate2's name of what each precision's weights are stored in."""
_ACTIVATIONS = {"gelu": "GELU", "gelu_new": "GELUTanh", "gelu_pytorch_tanh": "GELUTanh", "relu": "RELU"}


def open_ctranslate2(
    source: ModuleSource, precision: str, threads: int | None, notes: list[str]
) -> CTranslate2Engine:
    """Open the model in the wanted precision.

    Args:
        source: The model.
        precision: "fp32" or "int8".
        threads: Threads to compute on; None takes all cores.
        notes: Receives a sentence if it does not agree with torch.

    Raises:
        CannotRunError: The architecture is not known here, or the outputs are not those of torch.
    """
    import ctranslate2

    make = functools.partial(_convert, source, precision)
    if source.keep:
        # Without int8 dot products, products are rounded otherwise.
        form = f"{precision}-dot" if precision == "int8" and processor_has("int8") else precision
        model = f"{source.key}-ctranslate2-{ctranslate2.__version__}"
        folder, agreement = kept_form(model, form, precision, make)
        return _checked(source, precision, folder, agreement, threads, notes)
    with tempfile.TemporaryDirectory() as temporary:
        agreement = make(Path(temporary))
        return _checked(source, precision, Path(temporary), agreement, threads, notes)


def _checked(
    source: ModuleSource,
    precision: str,
    folder: Path,
    agreement: Agreement,
    threads: int | None,
    notes: list[str],
) -> CTranslate2Engine:
    if not agrees(precision, agreement[precision], notes):
        raise disagreement()
    return CTranslate2Engine(folder, precision, source, threads)


def _convert(source: ModuleSource, precision: str, folder: Path) -> Agreement:
    """Write the model into an empty folder and return its agreement with torch.

    Raises:
        CannotRunError: The architecture is not known here.
    """
    if source.weights is None:
        raise CannotRunError("its architecture is not known", fix="Use the engine 'openvino' or 'torch'.")
    logger.info("converting the model for CTranslate2: once, some seconds")
    reference = reference_outputs(source)
    save(source.weights(), precision, folder)
    engine = CTranslate2Engine(folder, precision, source, None)
    found = [list(outputs.values()) for outputs in engine.run_all(source.golden)]
    return {precision: cosine_between(reference, found)}


def save(encoder: EncoderWeights, precision: str, folder: Path) -> None:
    """Write an encoder in CTranslate2's form.

    Args:
        encoder: One of a configuration that is known.
        precision: "fp32" or "int8", which rounds the weights of linear maps and embeddings, row by row.
        folder: Receives model.bin, config.json and vocabulary.json.
    """
    from ctranslate2.specs import common_spec, transformer_spec

    types = encoder.types
    spec = transformer_spec.TransformerEncoderSpec(
        encoder.layers,
        encoder.heads,
        pre_norm=False,
        activation=common_spec.Activation[_ACTIVATIONS[encoder.activation]],
        layernorm_embedding=True,
        num_source_embeddings=min(len(types), 2),
        embeddings_merge=common_spec.EmbeddingsMerge.ADD,
    )
    spec.scale_embeddings = False
    spec.embeddings[0].weight = encoder.words.copy()
    if len(types) > 1:
        spec.embeddings[1].weight = types.copy()
        spec.position_encodings.encodings = encoder.places.copy()
    else:
        spec.position_encodings.encodings = encoder.places + types[0]
    _Maps(encoder).fill(spec)
    model = transformer_spec.TransformerEncoderModelSpec(spec)
    # Texts come as token ids, so the words are never looked at; there must be one for every id.
    model.register_vocabulary([str(number) for number in range(len(encoder.words))])
    model.config.layer_norm_epsilon = encoder.epsilon
    for name, table in ((WORDS, encoder.words), (PLACES, encoder.places), (TYPES, types)):
        model.config.add_attribute(name, len(table))
    model.validate()
    model.optimize(quantization=_QUANTIZATION[precision])
    model.save(str(folder))


class _Maps:
    """Copies linear maps and layer normalizations from BERT's names to CTranslate2's."""

    def __init__(self, encoder: EncoderWeights) -> None:
        self.tensors = encoder.tensors

    def fill(self, spec: Any) -> None:
        self._norm(spec.layernorm_embedding, "embeddings.LayerNorm")
        for number, layer in enumerate(spec.layer):
            name = f"encoder.layer.{number}"
            attention = layer.self_attention
            # The three are one product: the rows of their weights stand below each other.
            self._linear(
                attention.linear[0], *(f"{name}.attention.self.{kind}" for kind in ("query", "key", "value"))
            )
            self._linear(attention.linear[1], f"{name}.attention.output.dense")
            self._norm(attention.layer_norm, f"{name}.attention.output.LayerNorm")
            self._linear(layer.ffn.linear_0, f"{name}.intermediate.dense")
            self._linear(layer.ffn.linear_1, f"{name}.output.dense")
            self._norm(layer.ffn.layer_norm, f"{name}.output.LayerNorm")

    def _linear(self, spec: Any, *names: str) -> None:
        # Copies: rounding writes into them.
        spec.weight = np.concatenate([self.tensors[f"{name}.weight"] for name in names])
        spec.bias = np.concatenate([self.tensors[f"{name}.bias"] for name in names])

    def _norm(self, spec: Any, name: str) -> None:
        spec.gamma, spec.beta = self.tensors[f"{name}.weight"], self.tensors[f"{name}.bias"]
