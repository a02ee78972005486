"""Tiny random models with heads, whose tokenizer cuts words into pieces."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

WORDS = ["john", "google", "works", "at", "in", "california", "the", "moon", "who", "where", "."]
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
MPNET_SPECIAL = ("<s>", "<pad>", "</s>", "[UNK]", "<mask>")
FAMILIES = ("bert", "distilbert", "roberta")
"""Those whose tokenizers have BERT's special tokens; "mpnet" has its own."""


def save_tiny_head(
    folder: Path, auto_class: str, labels: list[str] | None = None, family: str = "bert", **config: Any
) -> Path:
    """Save one of FAMILIES, or an MPNet, with a head of random, large weights: its outputs differ widely."""
    import torch
    import transformers
    from transformers import AutoConfig, PreTrainedTokenizerFast

    names = ("cls_token", "pad_token", "sep_token", "unk_token", "mask_token")
    if family == "mpnet":
        tokenizer, special = wordpiece_of_mpnet(), dict(zip(names, MPNET_SPECIAL, strict=True))
    else:
        tokenizer = wordpiece() if family != "roberta" else byte_level()
        special = dict(zip(names, ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]"), strict=True))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        # Only BERT tells the texts of a pair apart by types.
        model_input_names=["input_ids", "attention_mask"] + ["token_type_ids"] * (family == "bert"),
        **special,
    ).save_pretrained(folder)
    # Places are counted from behind the padding token, where they are not simply counted.
    padding = tokenizer.token_to_id(special["pad_token"])
    unused = padding + 1 if family in ("mpnet", "roberta") else 0
    shape: dict[str, Any] = {"max_position_embeddings": 64 + unused, "pad_token_id": padding}
    if family == "distilbert":
        shape |= {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2}
    else:
        shape |= {
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "type_vocab_size": 2 if family == "bert" else 1,
        }
    if labels:
        shape["id2label"] = dict(enumerate(labels))
    torch.manual_seed(5)
    model = getattr(transformers, auto_class).from_config(
        AutoConfig.for_model(family, vocab_size=tokenizer.get_vocab_size(), **shape, **config)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                is_encoder = auto_class == "AutoModel" or name.startswith(model.base_model_prefix)
                parameter.mul_(8 if is_encoder else 40)
    model.save_pretrained(folder)
    return folder


def wordpiece() -> Any:
    """Return a WordPiece tokenizer of WORDS, letters and pieces of one letter."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = [*SPECIAL, *WORDS, *string.ascii_lowercase]
    pieces += [f"##{letter}" for letter in string.ascii_lowercase]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    from tokenizers import decoders

    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


def wordpiece_of_mpnet() -> Any:
    """Return the same with the special tokens of MPNet: two between the texts of a pair."""
    from tokenizers import models, processors

    tokenizer = wordpiece()
    pieces = [*MPNET_SPECIAL, *WORDS, *string.ascii_lowercase]
    pieces += [f"##{letter}" for letter in string.ascii_lowercase]
    tokenizer.model = models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]")
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return tokenizer


def byte_level() -> Any:
    """Return a byte-level BPE tokenizer, whose tokens do not say whether they continue a word."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([f"John {word}" for word in WORDS], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("[SEP]", 3), ("[CLS]", 2))
    return tokenizer
