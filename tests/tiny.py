"""Small data and models that tests make for themselves."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

TOPICS = {
    "sport": ["goal", "team", "match", "player", "league", "coach"],
    "food": ["bread", "soup", "cheese", "pepper", "oven", "dinner"],
    "space": ["orbit", "planet", "rocket", "comet", "moon", "galaxy"],
}
FILLER = ["the", "a", "of", "was", "with", "and", "very", "new", "old", "big", "we", "saw", "had", "to"]


def topic_rows(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """Make texts of 4 to 20 words, one or two of them telling the topic."""
    generator = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        label = str(generator.choice(list(TOPICS)))
        words = list(generator.choice(FILLER, int(generator.integers(3, 18))))
        for word in generator.choice(TOPICS[label], 2):
            words.insert(int(generator.integers(0, len(words) + 1)), str(word))
        rows.append((" ".join(map(str, words)), label))
    return rows


def write_topics(path: Path, count: int = 240, seed: int = 0) -> Path:
    """Write a CSV with the columns text and label."""
    with path.open("w", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["text", "label"])
        writer.writerows(topic_rows(count, seed))
    return path


def save_tiny_bert(folder: Path, seed: int = 0) -> Path:
    """Save a random two-layer BERT with a WordPiece tokenizer of the topics' words."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    told = [word for topic in TOPICS.values() for word in topic]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *FILLER, *told]
    vocabulary = {word: index for index, word in enumerate(words)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    return folder
