"""Tiny tokenizers of the families that cut words differently, trained by the tests that need them."""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SUBWORD_FAMILIES = ("wordpiece", "byte-level", "unigram")


def train_subwords(family: str, texts: Iterable[str], size: int = 120) -> PreTrainedTokenizerFast:
    """Train a tokenizer as BERT ("wordpiece"), RoBERTa ("byte-level") or XLM-R ("unigram") have it."""
    if family == "wordpiece":
        specials = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
        tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.BertNormalizer()
        tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        trainer = trainers.WordPieceTrainer(
            vocab_size=size, special_tokens=list(specials.values()), show_progress=False
        )
    elif family == "byte-level":
        specials = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=256 + size,
            special_tokens=list(specials.values()),
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
    else:
        specials = {"pad": "<pad>", "unk": "<unk>", "cls": "<s>", "sep": "</s>", "mask": "<mask>"}
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.normalizer = normalizers.NFKC()
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(
            vocab_size=size, special_tokens=list(specials.values()), unk_token="<unk>", show_progress=False
        )
    tokenizer.train_from_iterator(texts, trainer)
    opening, closing = specials["cls"], specials["sep"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{opening} $A {closing}",
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in (opening, closing)],
    )
    # As the published ones come: cut and padded to a fixed length, whatever the text.
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(
        length=8, pad_id=tokenizer.token_to_id(specials["pad"]), pad_token=specials["pad"]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_input_names=["input_ids", "attention_mask"],
        **{f"{name}_token": token for name, token in specials.items()},
    )
