"""Tokenizers learned from a corpus, in the form that Transformers' own classes load."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import BertTokenizer, GPT2Tokenizer, PreTrainedTokenizerFast, RobertaTokenizer

from textgraft.errors import OptionError
from textgraft.tokenization.word_tokenizer import PAD, START, UNKNOWN

END = "[EOS]"
"""Ends a document of characters."""

_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_GPT_TOKENS = ("<|endoftext|>",)
BYTES = 256
"""Tokens that a byte-level BPE has whatever it is learned from."""
_ALPHABET = 1000
"""Characters that WordPiece knows, the most frequent ones."""


def ordinary_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the ids of all tokens that are not special, in order."""
    special = set(tokenizer.all_special_ids)
    return [token for token in range(len(tokenizer)) if token not in special]


def wordpiece(
    texts: Iterable[str], *, vocabulary_size: int, lowercase: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Learn a WordPiece vocabulary (Schuster and Nakajima 2012); ``texts`` are read twice."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    alphabet = _alphabet(texts, tokenizer.normalizer)
    inside = [f"##{character}" for character in alphabet if character.isalnum()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        limit_alphabet=len(alphabet),
        initial_alphabet=alphabet,
        # Left to itself the trainer numbers the letters within words differently at every run, and learns
        # other words where two are equally frequent.
        special_tokens=[*_BERT_TOKENS, *inside],
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return BertTokenizer(
        vocab=tokenizer.get_vocab(),
        do_lower_case=lowercase,
        model_max_length=max_length,
        padding_side="right",
    )


def _alphabet(texts: Iterable[str], normalizer: Any) -> list[str]:
    """Return the most frequent characters of normalized texts, in the order of Unicode."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    normalized: Counter[str] = Counter()
    for character, count in counts.items():
        for part in normalizer.normalize_str(character).strip():
            normalized[part] += count
    return sorted(sorted(normalized, key=lambda part: (-normalized[part], part))[:_ALPHABET])


def roberta_bytes(
    texts: Iterable[str], *, vocabulary_size: int, lowercase: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE with RoBERTa's special tokens. It keeps case."""
    del lowercase
    learned = _byte_level(texts, vocabulary_size, _ROBERTA_TOKENS)
    # The space before a word is part of it, so it is of what stands in its place.
    learned["mask_token"] = AddedToken("<mask>", lstrip=True, special=True)
    return RobertaTokenizer(**learned, model_max_length=max_length)


def gpt_bytes(
    texts: Iterable[str], *, vocabulary_size: int, lowercase: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Learn a byte-level BPE with GPT-2's only special token. It keeps case."""
    del lowercase
    # GPT-2 has no token to fill batches up; whichever does is never looked at.
    return GPT2Tokenizer(
        **_byte_level(texts, vocabulary_size, _GPT_TOKENS),
        pad_token=_GPT_TOKENS[0],
        model_max_length=max_length,
    )


def _byte_level(
    texts: Iterable[str], vocabulary_size: int, special_tokens: tuple[str, ...]
) -> dict[str, Any]:
    """Learn the vocabulary and the merges of a byte-level BPE."""
    least = BYTES + len(special_tokens)
    if vocabulary_size <= least:
        raise OptionError(
            f"a vocabulary of {vocabulary_size} has no room beside the {least} bytes and special tokens",
            where="vocabulary_size",
            fix="Give 1,000 or more.",
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        special_tokens=list(special_tokens),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    learned = json.loads(tokenizer.to_str())["model"]
    return {
        "vocab": learned["vocab"],
        "merges": [tuple(merge) for merge in learned["merges"]],
        "padding_side": "right",
    }


def character_tokens(
    texts: Iterable[str], *, vocabulary_size: int, lowercase: bool, max_length: int
) -> PreTrainedTokenizerFast:
    """Make every character a token, the most frequent ones. It keeps case."""
    del lowercase
    tokenizer = Tokenizer(models.WordLevel(unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    specials = (PAD, UNKNOWN, START, END)
    trainer = trainers.WordLevelTrainer(
        vocab_size=vocabulary_size, min_frequency=1, special_tokens=list(specials), show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A",
        pair=f"{START} $A {START}:1 $B:1",
        special_tokens=[(START, specials.index(START))],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        cls_token=START,
        bos_token=START,
        eos_token=END,
        padding_side="right",
        truncation_side="right",
        clean_up_tokenization_spaces=False,
        model_max_length=max_length,
        model_input_names=["input_ids", "attention_mask"],
        # A text that happens to say "[PAD]" is text.
        split_special_tokens=True,
    )
