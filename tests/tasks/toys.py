"""Toy sets whose rule is known, and tiny models of three families that must find it."""

from __future__ import annotations

import numpy as np
import torch
import transformers
from tokenizers import ByteLevelBPETokenizer, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, PreTrainedTokenizerFast, RobertaConfig

import textgraft.models.auto  # noqa: F401  registers our architectures
from tests.tiny import FILLER, TOPICS
from textgraft.data.dataset import Dataset
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.tokenization.word_tokenizer import train_word_tokenizer
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.task_rows import TaskRows

FAMILIES = ("bert", "roberta", "bilstm")
WORDS = [*FILLER, *(word for topic in TOPICS.values() for word in topic)]


def sentence(generator: np.random.Generator, *told: str, filler: int = 4) -> str:
    """Write filler words with the told ones strewn in."""
    words = [*map(str, generator.choice(FILLER, filler)), *told]
    generator.shuffle(words)
    return " ".join(words)


def word_of(generator: np.random.Generator, topic: str) -> str:
    """Draw a word that tells a topic; few of them, so that a tiny model meets each often."""
    return str(generator.choice(TOPICS[topic][:3]))


def dataset(columns: dict[str, list], labels: list | None) -> Dataset:
    """Make rows as a reader does."""
    rows = len(next(iter(columns.values())))
    numbers = list(range(1, rows + 1))
    return Dataset(columns, labels, [str(number) for number in numbers], numbers, "toy.csv", numbering="line")


def roberta_tokenizer() -> PreTrainedTokenizerFast:
    """Train a byte-level tokenizer with RoBERTa's template, which has a single token type."""
    trained = ByteLevelBPETokenizer()
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    texts = [" ".join(WORDS[start:] + WORDS[:start]) for start in range(3)]
    trained.train_from_iterator(texts, vocab_size=400, min_frequency=1, special_tokens=specials)
    backend = trained._tokenizer
    backend.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_max_length=64,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


def bert_tokenizer() -> PreTrainedTokenizerFast:
    """Build a WordPiece tokenizer with BERT's template, which has two token types."""
    vocabulary = {word: index for index, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS])}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer()
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, model_max_length=64, model_input_names=inputs, **names
    )


def tokenizer_of(family: str) -> PreTrainedTokenizerFast:
    """Return the tokenizer of a family."""
    if family == "bilstm":
        return train_word_tokenizer([" ".join(WORDS)] * 2)
    return bert_tokenizer() if family == "bert" else roberta_tokenizer()


def model_of(family: str, task, tokenizer):
    """Build a random model of a family for a task, as a user of the Auto classes does."""
    shape = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 80,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
        "initializer_range": 0.1,
        "pad_token_id": tokenizer.pad_token_id,
    }
    configs = {
        "bert": lambda: BertConfig(**shape),
        "roberta": lambda: RobertaConfig(**shape, type_vocab_size=1),
        "bilstm": lambda: RecurrentConfig(
            vocab_size=len(tokenizer), embedding_size=24, hidden_size=24, dropout=0.1, embedding_dropout=0.0
        ),
    }
    config = configs[family]()
    task.configure(config)
    torch.manual_seed(0)
    return getattr(transformers, task.auto_class).from_config(config)


def learn(family: str, task, train: Dataset, dev: Dataset, epochs: int = 12):
    """Train a tiny model of a family; return it with its tokenizer and the result."""
    tokenizer = tokenizer_of(family)
    model = model_of(family, task, tokenizer)
    settings = TrainingSettings(
        learning_rate=5e-3 if family == "bilstm" else 2e-3,
        epochs=epochs,
        batch_size=16,
        precision="fp32",
        patience=None,
    )
    windows = [task.features(rows, tokenizer, 64) for rows in (train, dev)]
    objective = TaskRows(task, *windows, pad_token_id=tokenizer.pad_token_id)
    return model, tokenizer, fit(model, objective, settings)
