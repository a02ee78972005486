"""Students: smaller networks that begin with what a teacher knows."""

from __future__ import annotations

import copy
import re
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.models.graft.encoder_layers import STACKS, encoder_layers
from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentModel


def layer_student(teacher: PreTrainedModel, layers: int | None = None) -> PreTrainedModel:
    """Make a student of some of the teacher's layers, evenly spread (Sanh et al. 2019, "DistilBERT").

    Of twelve layers the published six are 0, 2, 4, 7, 9 and 11; all else is the teacher's, too.

    Args:
        teacher: A BERT-like encoder, with or without a head.
        layers: How many; every other one of the teacher's if None.

    Raises:
        OptionError: The layers cannot be told apart, or the teacher has not as many.
    """
    encoder = cast("PreTrainedModel", teacher.base_model)
    whole = len(encoder_layers(encoder))
    wanted = max(1, whole // 2) if layers is None else layers
    if not 1 <= wanted <= whole:
        raise OptionError(
            f"a student of {wanted} layers",
            where="--layers",
            fix=f"The teacher has {whole}: give 1 to {whole}.",
        )
    chosen = np.linspace(0, whole - 1, wanted).round().astype(int).tolist()
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = wanted
    if kinds := getattr(config, "layer_types", None):  # ModernBERT's layers attend near or far
        config.layer_types = [kinds[number] for number in chosen]
    student = type(teacher)(config)
    place = {number: position for position, number in enumerate(chosen)}
    stack = re.compile(rf"(^|.*\.){re.escape(STACKS[encoder.config.model_type])}\.(\d+)\.(.*)")
    weights: dict[str, Tensor] = {}
    for name, tensor in teacher.state_dict().items():
        match = stack.fullmatch(name)
        if match is None:
            weights[name] = tensor
        elif int(match[2]) in place:
            weights[f"{name[: match.start(2)]}{place[int(match[2])]}.{match[3]}"] = tensor
    student.load_state_dict(weights)
    return student


def recurrent_student(
    teacher: PreTrainedModel,
    width: int,
    *,
    cell: str = "lstm",
    embedding_size: int = 128,
    num_layers: int = 1,
) -> RecurrentModel:
    """Make a bidirectional recurrent network that reads the teacher's tokens and answers in its space.

    Its states are as wide as the teacher's. Its embedding matrix begins as what the ``embedding_size``
    strongest directions of the teacher's hold.

    Args:
        teacher: An encoder.
        width: Of its last hidden states.
        cell: "rnn", "gru" or "lstm".
        embedding_size: Width of the embedding matrix.
        num_layers: Recurrent layers.

    Raises:
        OptionError: The cell is unknown, or the teacher's width is no even number.
    """
    if width % 2:
        raise OptionError(f"two directions cannot share a width of {width}", where="--student")
    config = RecurrentConfig(
        vocab_size=teacher.config.vocab_size,
        cell=cell,
        embedding_size=embedding_size,
        hidden_size=width // 2,
        num_layers=num_layers,
        # Encodings are averaged over the states, so that there is no pooling to learn.
        pooling="last",
        dropout=0.0,
        embedding_dropout=0.0,
        pad_token_id=teacher.config.pad_token_id or 0,
    )
    student = RecurrentModel(config)
    with torch.no_grad():
        given = _embedding_matrix(teacher).detach().float()
        center = given.mean(dim=0)
        _, _, directions = torch.linalg.svd(given - center, full_matrices=False)
        kept = directions[: min(embedding_size, len(directions))]
        table = _embedding_matrix(student)
        table[:, : len(kept)] = (given - center) @ kept.T
        # Recurrent networks of ours begin with this deviation, which their gates are made for.
        table *= 0.1 / table.std()
        table[config.pad_token_id].zero_()
    return student


def _embedding_matrix(model: PreTrainedModel) -> Tensor:
    embedding = model.get_input_embeddings()
    assert isinstance(embedding, nn.Embedding), "encoders look words up in a table"
    return embedding.weight
