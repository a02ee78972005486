"""Small models and rows for the tests of the training loop."""

from __future__ import annotations

import numpy as np
import torch
import transformers
from transformers import (
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    MPNetConfig,
    PreTrainedModel,
    RobertaConfig,
    XLMRobertaConfig,
)

from textgraft.tasks.base import Features
from textgraft.tasks.text.classification import SingleLabelClassification

LABELS = ("even", "odd", "none")
TASK = SingleLabelClassification(LABELS)
VOCABULARY = 40


def make_rows(count: int, seed: int = 0, shares: tuple[float, ...] = (0.4, 0.4, 0.2)) -> list[Features]:
    """Make rows whose label is told by the tokens 10, 11 and 12 strewn into noise."""
    generator = np.random.default_rng(seed)
    rows: list[Features] = []
    for row in range(count):
        label = int(generator.choice(3, p=shares))
        ids = generator.integers(15, VOCABULARY, int(generator.integers(3, 20)))
        ids[generator.integers(0, len(ids), 3)] = 10 + label
        rows.append({"input_ids": [2, *ids.tolist(), 3], "row": row, "labels": label, "gold": label})
    return rows


def make_bert(
    seed: int = 0,
    dropout: float = 0.1,
    layers: int = 2,
    auto_class: str = "AutoModelForSequenceClassification",
) -> PreTrainedModel:
    """Build a random BERT of width 16."""
    return make_model("bert", seed, dropout, layers, auto_class)


def make_model(
    family: str,
    seed: int = 0,
    dropout: float = 0.0,
    layers: int = 3,
    auto_class: str = "AutoModelForSequenceClassification",
) -> PreTrainedModel:
    """Build a random model of any supported family with any head, of width 16."""
    common = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 64,
        "hidden_dropout_prob": dropout,
        "attention_probs_dropout_prob": dropout,
        "classifier_dropout": dropout,
        "pad_token_id": 0,
        "num_labels": len(LABELS),
    }
    distil = {
        "vocab_size": VOCABULARY,
        "dim": 16,
        "n_layers": layers,
        "n_heads": 2,
        "hidden_dim": 32,
        "max_position_embeddings": 64,
        "dropout": dropout,
        "attention_dropout": dropout,
        "seq_classif_dropout": dropout,
        "num_labels": len(LABELS),
    }
    configs = {
        "bert": lambda: BertConfig(**common),
        "roberta": lambda: RobertaConfig(**common),
        "xlm-roberta": lambda: XLMRobertaConfig(**common),
        "camembert": lambda: CamembertConfig(**common),
        "electra": lambda: ElectraConfig(**common, embedding_size=8, summary_last_dropout=dropout),
        "distilbert": lambda: DistilBertConfig(**distil),
        "mpnet": lambda: MPNetConfig(**common),
    }
    torch.manual_seed(seed)
    return getattr(transformers, auto_class).from_config(configs[family]())
