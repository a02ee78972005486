"""Questions that a tiny model learns to answer: which colour, which animal stands among other words."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForQuestionAnswering,
    BertConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from textgraft.data.dataset import Dataset

THINGS = {
    "colour": ["red", "dark red", "light blue", "green", "bright yellow", "white"],
    "animal": ["horse", "small dog", "black cat", "bear", "grey wolf", "mouse"],
}
FILLER = [
    "the",
    "of",
    "and",
    "was",
    "with",
    "very",
    "new",
    "old",
    "we",
    "saw",
    "had",
    "to",
    "in",
    "near",
    "by",
]
WORDS = sorted({word for kind in THINGS.values() for thing in kind for word in thing.split()} | set(FILLER))


def toy_questions(
    count: int, seed: int = 0, *, words: tuple[int, int] = (8, 20), unanswerable: float = 0.0
) -> Dataset:
    """Make questions about contexts of as many words; each context holds one colour and one animal."""
    generator = np.random.default_rng(seed)
    questions, contexts, labels = [], [], []
    for _ in range(count):
        kind = str(generator.choice(list(THINGS)))
        parts = [str(word) for word in generator.choice(FILLER, int(generator.integers(*words)))]
        chosen = {name: str(generator.choice(things)) for name, things in THINGS.items()}
        if generator.random() < unanswerable:
            del chosen[kind]
        places = generator.choice(len(parts), len(chosen), replace=False)
        for place, thing in zip(sorted(places, reverse=True), chosen.values(), strict=True):
            parts.insert(int(place), thing)
        context = " ".join(parts) + "."
        answer = chosen.get(kind)
        questions.append(f"which {kind} was there?")
        contexts.append(context)
        labels.append([{"text": answer, "start": context.index(answer)}] if answer else [])
    numbers = list(range(1, count + 1))
    return Dataset(
        {"question": questions, "context": contexts}, labels, [str(n) for n in numbers], numbers, "toy"
    )


def wordpiece_tokenizer(*, has_types: bool = True) -> PreTrainedTokenizerFast:
    """Make a BERT tokenizer that knows the toy's words, and spells all others by their letters."""
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "which", "colour", "animal", *".,?!'-"]
    vocabulary += [*WORDS, *letters, *(f"##{letter}" for letter in letters)]
    ids = {word: place for place, word in enumerate(dict.fromkeys(vocabulary))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    # Truncation and padding as some published tokenizers have them baked in: neither may take effect.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    names = ["input_ids", "attention_mask", *(["token_type_ids"] if has_types else [])]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=names,
    )


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """Make a RoBERTa tokenizer without merges: a token a byte, two separators between the texts of a pair."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: place for place, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def trained_tokenizer(family: str, texts: list[str]) -> PreTrainedTokenizerFast:
    """Train a tokenizer as ModernBERT ("merges") or XLM-R ("unigram") has it, spaces within words."""
    specials = ["<s>", "<pad>", "</s>", "<unk>"]
    if family == "merges":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=specials, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
        )
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=100, special_tokens=specials, unk_token="<unk>")
    trainer.show_progress = False
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        cls_token="<s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        model_input_names=["input_ids", "attention_mask"],
    )


def tiny_reader(vocab_size: int, *, seed: int = 0, **changes: object) -> PreTrainedModel:
    """Build a random BERT of width 32 with the head for questions."""
    shape = {
        "vocab_size": vocab_size,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "max_position_embeddings": 128,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    torch.manual_seed(seed)
    return AutoModelForQuestionAnswering.from_config(BertConfig(**{**shape, **changes}))


def family_config(family: str, vocab_size: int) -> object:
    """Describe a tiny random model of a family."""
    shapes = {
        "bert": {},
        "distilbert": {"dim": 16, "hidden_dim": 32, "n_layers": 1, "n_heads": 2},
        "roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    }
    common = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    shape = shapes[family] | ({} if family == "distilbert" else common)
    return AutoConfig.for_model(family, vocab_size=vocab_size, max_position_embeddings=130, **shape)
