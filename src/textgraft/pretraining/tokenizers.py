"""Tokenizers learned from a corpus, in the form that Transformers' own classes load."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable
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

from textgraft.errors import DataError, OptionError, unknown
from textgraft.pretraining.corpus.corpus import Texts
from textgraft.tokenization.word_tokenizer import PAD, START, UNKNOWN, train_word_tokenizer

ARCHITECTURES = ("bert", "roberta", "gpt", "lstm", "gru", "rnn")
RECURRENT = ("lstm", "gru", "rnn")
LETTERED = ("gpt", *RECURRENT)
"""Architectures that may read characters."""
END = "[EOS]"
"""Ends a document of characters."""

_BERT_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_ROBERTA_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_GPT_TOKENS = ("<|endoftext|>",)
_BYTES = 256
_ALPHABET = 1000
"""Characters that WordPiece knows, the most frequent ones."""


def train_tokenizer(
    architecture: str,
    texts: Collection[str] | Texts,
    *,
    characters: bool = False,
    vocabulary_size: int = 30_000,
    lowercase: bool = True,
    max_length: int = 512,
) -> PreTrainedTokenizerFast:
    """Learn the tokenizer that goes with an architecture.

    For "bert" WordPiece (Schuster and Nakajima 2012), loaded as BertTokenizer; for "roberta" and "gpt"
    byte-level BPE (Sennrich et al. 2016, Radford et al. 2019), loaded as RobertaTokenizer and GPT2Tokenizer;
    for "lstm", "gru" and "rnn" words. All are PreTrainedTokenizerFast and load through AutoTokenizer.

    Args:
        architecture: One of :data:`ARCHITECTURES`.
        texts: Raw strings, as :attr:`~textgraft.pretraining.corpus.corpus.Corpus.texts` of a corpus; read
            twice for "bert". The memory needed grows with the different words in them only.
        characters: Whether every character is a token; for "gpt" and the recurrent ones.
        vocabulary_size: Entries at most, special tokens included.
        lowercase: Whether WordPiece and words ignore case (WordPiece then accents, too). The others keep it.
        max_length: The tokenizer's ``model_max_length``: tokens that the model reads.

    Raises:
        DataError: The texts have no words.
        OptionError: There is no such architecture, it does not read characters, or the vocabulary is too
            small for its tokens.
    """
    if architecture not in ARCHITECTURES:
        raise unknown("architecture", architecture, ARCHITECTURES)
    if characters and architecture not in LETTERED:
        raise OptionError(
            f"{architecture} does not read characters",
            fix=f"Architectures that do: {', '.join(LETTERED)}.",
        )
    if characters:
        tokenizer = _characters(texts, vocabulary_size, max_length)
    elif architecture == "bert":
        tokenizer = _wordpiece(texts, vocabulary_size, lowercase, max_length)
    elif architecture == "roberta":
        learned = _byte_level(texts, vocabulary_size, _ROBERTA_TOKENS)
        # The space before a word is part of it, so it is of what stands in its place.
        learned["mask_token"] = AddedToken("<mask>", lstrip=True, special=True)
        tokenizer = RobertaTokenizer(**learned, model_max_length=max_length)
    elif architecture == "gpt":
        # GPT-2 has no token to fill batches up; whichever does is never looked at.
        tokenizer = GPT2Tokenizer(
            **_byte_level(texts, vocabulary_size, _GPT_TOKENS),
            pad_token=_GPT_TOKENS[0],
            model_max_length=max_length,
        )
    else:
        tokenizer = train_word_tokenizer(
            texts, vocabulary_size=vocabulary_size, lowercase=lowercase, max_length=max_length
        )
    has_bytes = architecture in ("roberta", "gpt") and not characters
    if len(tokenizer) <= len(tokenizer.all_special_tokens) + has_bytes * _BYTES:
        raise DataError(
            "no tokenizer can be learned: no word occurs twice in the texts", fix="Give a larger corpus."
        )
    return tokenizer


def ordinary_ids(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """Return the ids of all tokens that are not special, in order."""
    special = set(tokenizer.all_special_ids)
    return [token for token in range(len(tokenizer)) if token not in special]


def _wordpiece(
    texts: Iterable[str], vocabulary_size: int, lowercase: bool, max_length: int
) -> PreTrainedTokenizerFast:
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


def _byte_level(
    texts: Iterable[str], vocabulary_size: int, special_tokens: tuple[str, ...]
) -> dict[str, Any]:
    """Learn the vocabulary and the merges of a byte-level BPE."""
    least = _BYTES + len(special_tokens)
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


def _characters(texts: Iterable[str], vocabulary_size: int, max_length: int) -> PreTrainedTokenizerFast:
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
