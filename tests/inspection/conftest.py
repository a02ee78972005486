"""Tiny models to look into: a recurrent classifier of each cell, a graft, a BERT."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests.tiny import FILLER, TOPICS, save_tiny_bert

WORDS = [*FILLER, *(word for topic in TOPICS.values() for word in topic)]


def save_recurrent(folder: Path, cell: str = "lstm", **config) -> Path:
    """Save a model directory of a random recurrent classifier of the three topics."""
    import torch

    from textgraft.models.directory import save_model_directory
    from textgraft.models.recurrent.encoder import RecurrentConfig, RecurrentForSequenceClassification
    from textgraft.tasks.text.classification import SingleLabelClassification
    from textgraft.tokenization.word_tokenizer import train_word_tokenizer

    tokenizer = train_word_tokenizer([" ".join(WORDS)] * 3, vocabulary_size=100)
    task = SingleLabelClassification(sorted(TOPICS))
    shape = {"embedding_size": 12, "hidden_size": 10, "bidirectional": True} | config
    described = RecurrentConfig(vocab_size=len(tokenizer), cell=cell, **shape)
    task.configure(described)
    torch.manual_seed(3)
    model = RecurrentForSequenceClassification(described).eval()
    save_model_directory(folder, model, tokenizer, _manifest(task), "# card\n")
    return folder


def _manifest(task):
    from textgraft.models.manifest import Manifest

    return Manifest(
        task="classification",
        task_settings=task.settings(),
        contender="lstm",
        text_columns=["text"],
        label_column="label",
        max_length=64,
        temperature=1.0,
        data_source="topics.csv",
        data_hash="0" * 16,
        training={"rows": 1},
        metrics={"macro_f1": 1.0},
        dev_score=1.0,
        golden=[],
    )


@pytest.fixture(scope="session")
def recurrent(tmp_path_factory):
    """Return the folder of a recurrent classifier of a cell, made once."""
    made = {}

    def get(cell: str) -> Path:
        if cell not in made:
            made[cell] = save_recurrent(tmp_path_factory.mktemp(cell) / "best", cell, num_layers=2)
        return made[cell]

    return get


@pytest.fixture(scope="session")
def bert(tmp_path_factory):
    """Return the folder of a tiny BERT without a head."""
    return save_tiny_bert(tmp_path_factory.mktemp("bert") / "encoder")


@pytest.fixture(scope="session")
def bert_classifier(tmp_path_factory, bert):
    """Return the model directory of a fine-tuned tiny BERT (of random weights)."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    from textgraft.models.directory import save_model_directory
    from textgraft.tasks.text.classification import SingleLabelClassification

    task = SingleLabelClassification(sorted(TOPICS))
    torch.manual_seed(1)
    load = partial(AutoModelForSequenceClassification.from_pretrained, bert, num_labels=len(TOPICS))
    model = load().eval()
    task.configure(model.config)
    with torch.no_grad():
        # Random weights of the usual size say nothing of words.
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(20 if "classifier" in name else 4)
    folder = tmp_path_factory.mktemp("classifier") / "best"
    save_model_directory(folder, model, AutoTokenizer.from_pretrained(bert), _manifest(task), "# card\n")
    return folder
