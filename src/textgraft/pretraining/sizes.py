"""Architectures by size: BERT's published miniatures, and GPTs and recurrent networks of like size.

Tiny to base are those of Turc et al. 2019 ("Well-read students learn better"), base and large of Devlin et
al. 2019. A GPT of a size has the same layers. A recurrent network has half as many layers, three at most (as
Merity et al. 2018 have), and is as wide as makes their parameters equal in number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from transformers import (
    BertConfig,
    BertForPreTraining,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaForMaskedLM,
)

from textgraft.errors import unknown
from textgraft.models.recurrent.encoder import CELLS, RecurrentConfig
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.objectives.streams import boundary_ids

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_HEAD_WIDTH = 64
_GATES = {"rnn": 1, "gru": 3, "lstm": 4}
_MOST_RECURRENT_LAYERS = 3


@dataclass(frozen=True)
class Size:
    """Measures of a Transformer encoder."""

    layers: int
    width: int
    """Of hidden states and of word vectors."""
    learning_rate: float
    """Peak rate that this size bears with batches of some thousand tokens; large and base near the published
    1e-4, smaller ones more."""

    @property
    def heads(self) -> int:
        """Attention heads, each 64 wide."""
        return self.width // _HEAD_WIDTH

    @property
    def parameters(self) -> int:
        """Weights of the layers, biases and normalisation not counted: four projections, two of them wide."""
        return 12 * self.layers * self.width**2


SIZES = {
    "tiny": Size(2, 128, 1e-3),
    "mini": Size(4, 256, 1e-3),
    "small": Size(4, 512, 5e-4),
    "medium": Size(8, 512, 5e-4),
    "base": Size(12, 768, 2e-4),
    "large": Size(24, 1024, 1e-4),
}


def initial_deviation(width: int) -> float:
    """Return the standard deviation of a new Transformer's weights: the published 0.02 at BERT-base's width.

    A sum over ``width`` inputs keeps its size if the deviation falls with the root of the width. With 0.02 at
    every width the attention of narrow models begins all but even, and they are slow to learn where to look:
    a GPT 128 wide came to 2.35 nats a character in one minute of ``benchmarks/character_lm.py``, and to 2.01
    with weights so scaled.
    """
    return 0.02 * (768 / width) ** 0.5


def build_model(
    architecture: str,
    size: str,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int,
    dropout: float,
    bidirectional: bool,
    seed: int,
) -> PreTrainedModel:
    """Make a language model with random weights, which ``seed`` determines.

    Args:
        architecture: "bert", "roberta", "gpt" or a recurrent cell.
        size: One of :data:`SIZES`.
        tokenizer: Tells the vocabulary and the special tokens.
        max_length: Positions of a Transformer; recurrent networks have no limit.
        dropout: Throughout.
        bidirectional: Whether a recurrent network is a pair, one for each direction (Peters et al. 2018).
        seed: Of the weights.

    Raises:
        OptionError: There is no such size.
    """
    if size not in SIZES:
        raise unknown("size", size, SIZES, where="--size")
    shape = SIZES[size]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if architecture in CELLS:
            return _recurrent(architecture, shape, tokenizer, dropout, bidirectional)
        if architecture == "gpt":
            return _gpt(shape, tokenizer, max_length, dropout)
        common = {
            "vocab_size": len(tokenizer),
            "hidden_size": shape.width,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "intermediate_size": 4 * shape.width,
            "hidden_dropout_prob": dropout,
            "attention_probs_dropout_prob": dropout,
            "pad_token_id": tokenizer.pad_token_id,
            "initializer_range": initial_deviation(shape.width),
        }
        if architecture == "bert":
            return BertForPreTraining(BertConfig(max_position_embeddings=max_length, **common))
        # RoBERTa counts positions from behind the id of the padding.
        places = max_length + tokenizer.pad_token_id + 1
        special = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
        return RobertaForMaskedLM(
            RobertaConfig(max_position_embeddings=places, type_vocab_size=1, **special, **common)
        )


def _gpt(shape: Size, tokenizer: PreTrainedTokenizerFast, max_length: int, dropout: float) -> GPT2LMHeadModel:
    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=len(tokenizer),
            n_positions=max_length,
            n_embd=shape.width,
            n_layer=shape.layers,
            n_head=shape.heads,
            initializer_range=initial_deviation(shape.width),
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
    )


def _recurrent(
    cell: str, shape: Size, tokenizer: PreTrainedTokenizerFast, dropout: float, bidirectional: bool
) -> RecurrentForCausalLM:
    layers = min(_MOST_RECURRENT_LAYERS, max(1, shape.layers // 2))
    config = RecurrentConfig(
        vocab_size=len(tokenizer),
        cell=cell,
        embedding_size=shape.width,
        hidden_size=recurrent_width(cell, shape, layers, 1 + bidirectional),
        num_layers=layers,
        bidirectional=bidirectional,
        independent_directions=bidirectional,
        # What a classifier on top of a language model reads (Howard and Ruder 2018); nothing to learn.
        pooling="concat",
        dropout=dropout,
        embedding_dropout=dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.bos_token_id, config.eos_token_id = boundary_ids(tokenizer)
    return RecurrentForCausalLM(config)


def recurrent_width(cell: str, shape: Size, layers: int, directions: int) -> int:
    """Return the width, a multiple of 8, at which recurrent layers have a Transformer's parameters."""

    def parameters(width: int) -> int:
        first, others = shape.width + width, 2 * width
        gates = _GATES[cell] * width * (first + (layers - 1) * others)
        return directions * (gates + width * shape.width)  # and the way back to the word vectors

    return min(range(8, 16 * shape.width, 8), key=lambda width: abs(parameters(width) - shape.parameters))
