"""Hidden states of an encoder for training that leaves it, or its lower layers, as they are: on an engine.

They are computed once for each text, and are often the longer half of such a training (how much sooner they
are there: ``benchmarks/frozen_states.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel

from textgraft.inference.engines import bert_graph
from textgraft.inference.engines.base import Batch, CannotRunError
from textgraft.inference.engines.bert_weights import EncoderWeights, tensor_names
from textgraft.inference.engines.open import first_choice, open_engine
from textgraft.inference.runner import STATES, states_source
from textgraft.training.text_states import RunStates

_ENGINE = "openvino"


def open_states(encoder: PreTrainedModel, layers: int | None, precision: str) -> RunStates | None:
    """Open an engine that computes the last hidden states of an encoder.

    Args:
        encoder: Runs so many of its layers alone at present.
        layers: From the lowest; None: all.
        precision: "fp32" or "bf16".

    Returns:
        As :data:`~textgraft.training.text_states.OpenStates` has it: None on a GPU, without OpenVINO, and for
        an architecture whose graph is not drawn from its weights, since to trace it takes seconds.
    """
    config = encoder.config.to_dict()
    if layers is not None:
        config["num_hidden_layers"] = layers
    if encoder.device.type != "cpu" or first_choice("auto", precision) != _ENGINE:
        return None
    tensors = encoder.state_dict()
    if not bert_graph.can_draw(config) or not tensors.keys() >= set(tensor_names(config)):
        return None
    source = states_source(
        key="",
        config=encoder.config,
        build=lambda: encoder,
        weights=lambda: EncoderWeights(
            config, {name: tensors[name].float().numpy() for name in tensor_names(config)}
        ),
        keep=False,
    )
    try:
        engine = open_engine(source, engine=_ENGINE, precision=precision)
    except CannotRunError:
        return None

    names = source.inputs  # of the source itself nothing is kept: it holds the whole model

    def batch(inputs: Mapping[str, Tensor]) -> Batch:
        given = {name: tensor.numpy() for name, tensor in inputs.items()}
        return {name: given.get(name, np.zeros_like(given["input_ids"])) for name in names}

    def run(batches: Iterable[Mapping[str, Tensor]]) -> Iterator[NDArray[np.float32]]:
        for outputs in engine.run_all(map(batch, batches)):
            yield outputs[STATES]

    return run
