"""Subwords as tokens of models that write text: byte-pair encoding of bytes (Sennrich et al. 2016).

Every text can be written with such tokens and read from them again: there is no unknown word. Source and
target may share one vocabulary, or have one each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from textgraft.errors import unknown
from textgraft.tokenization.encode import TokenIds, token_ids

PAD, START, END = SPECIAL_TOKENS = ("<pad>", "<s>", "</s>")
"""Their ids are 0, 1 and 2. A text ends in </s>; <s> stands before the first word that is to be written."""
VOCABULARIES = ("shared", "separate")
"""Whether source and target have the same tokens."""

_TARGET = "target"


def train_subword_tokenizer(
    texts: Iterable[str], *, vocabulary_size: int = 8000, min_frequency: int = 2
) -> PreTrainedTokenizerFast:
    """Learn a vocabulary of subwords.

    Pairs are counted in ``texts`` alone: give training rows only.

    Args:
        texts: Raw strings.
        vocabulary_size: Entries at most; the 256 bytes and the special tokens are always among them.
        min_frequency: Pairs that occur less often make no subword.

    Returns:
        A tokenizer that saves and loads with the Auto classes.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    # A word is the same at the beginning of a text and within it.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", special_tokens=[(END, SPECIAL_TOKENS.index(END))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_NAMES)


_NAMES: dict[str, Any] = {
    "pad_token": PAD,
    "bos_token": START,
    "eos_token": END,
    "padding_side": "right",
    "truncation_side": "right",
    "model_input_names": ["input_ids", "attention_mask"],
    # A text that happens to say "<pad>" is text.
    "split_special_tokens": True,
    "clean_up_tokenization_spaces": False,
}


class SourceTokenizer(PreTrainedTokenizerFast):
    """The tokenizer of sources, which holds that of targets as ``target``.

    In a model directory the latter stands in a folder of its own.
    """

    target: PreTrainedTokenizerFast

    @classmethod
    def of(cls, source: PreTrainedTokenizerFast, target: PreTrainedTokenizerFast) -> SourceTokenizer:
        """Put two tokenizers together.

        Args:
            source: Cuts what is read.
            target: Cuts what is written.
        """
        named = {name: str(token) for name, token in source.special_tokens_map.items()}
        tokenizer = cls(
            tokenizer_object=source.backend_tokenizer,
            **{**_NAMES, "model_input_names": list(source.model_input_names), **named},
        )
        tokenizer.target = target
        return tokenizer

    def save_pretrained(self, save_directory: Any, *args: Any, **options: Any) -> tuple[str, ...]:
        """Write both tokenizers."""
        self.target.save_pretrained(Path(save_directory) / _TARGET)
        return super().save_pretrained(save_directory, *args, **options)

    @classmethod
    def from_pretrained(  # type: ignore[override]  # hands all arguments on
        cls, path: Any, *args: Any, **options: Any
    ) -> SourceTokenizer:
        """Read both tokenizers."""
        tokenizer = super().from_pretrained(path, *args, **options)
        tokenizer.target = PreTrainedTokenizerFast.from_pretrained(
            Path(path) / _TARGET, trust_remote_code=False, local_files_only=True
        )
        return tokenizer


def train_vocabularies(
    sources: Sequence[str], targets: Sequence[str], *, vocabulary: str = "shared", **options: int
) -> PreTrainedTokenizerFast:
    """Learn the tokens of sources and targets.

    Args:
        sources: What is read, of the training rows.
        targets: What is written, of the same rows.
        vocabulary: "shared", or "separate" for two vocabularies of ``vocabulary_size`` each.
        options: Of :func:`train_subword_tokenizer`.

    Raises:
        OptionError: ``vocabulary`` is neither.
    """
    if vocabulary not in VOCABULARIES:
        raise unknown("vocabulary", vocabulary, VOCABULARIES, where="setting 'vocabulary'")
    if vocabulary == "shared":
        return train_subword_tokenizer(chain(sources, targets), **options)
    return SourceTokenizer.of(
        train_subword_tokenizer(sources, **options), train_subword_tokenizer(targets, **options)
    )


def target_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """Return the tokenizer of targets: the one that a source's holds, else the same."""
    return tokenizer.target if isinstance(tokenizer, SourceTokenizer) else tokenizer


def start_and_end(tokenizer: PreTrainedTokenizerFast) -> tuple[int, int]:
    """Return the ids before the first and after the last token of a text; in BERT, [CLS] and [SEP]."""
    names = (tokenizer.bos_token_id, tokenizer.cls_token_id), (tokenizer.eos_token_id, tokenizer.sep_token_id)
    start, end = (next(token for token in ids if token is not None) for ids in names)
    return int(start), int(end)


def target_ids(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int) -> TokenIds:
    """Tokenize what is to be written: no token before it, and one after it that says it has ended.

    Args:
        tokenizer: Of the targets.
        texts: Raw strings.
        max_length: Ids kept of a text, the one at the end included.
    """
    start, end = start_and_end(tokenizer)
    found = token_ids(tokenizer.backend_tokenizer, texts, max_length + 1)
    rows = [[*(token for token in row if token not in (start, end)), end] for row in found.ids]
    return TokenIds(
        [row if len(row) <= max_length else [*row[: max_length - 1], end] for row in rows], found.lengths
    )
