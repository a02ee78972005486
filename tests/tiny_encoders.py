"""Tiny random encoders of several families, made by the tests that need them."""

from __future__ import annotations

from pathlib import Path

from tests.tiny import save_tiny_bert

_BERT_LIKE = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
# One position is never used: they are numbered from pad_token_id + 1.
_ROBERTA_LIKE = {**_BERT_LIKE, "max_position_embeddings": 65, "type_vocab_size": 1}
_SHAPES = {
    "bert": {},
    "camembert": _ROBERTA_LIKE,
    "distilbert": {
        "dim": 32,
        "hidden_dim": 64,
        "n_layers": 2,
        "n_heads": 2,
        "max_position_embeddings": 64,
    },
    "electra": {**_BERT_LIKE, "embedding_size": 16},
    "modernbert": {
        **_BERT_LIKE,
        "global_attn_every_n_layers": 2,
        "local_attention": 8,
        "bos_token_id": 2,
        "eos_token_id": 3,
        "cls_token_id": 2,
        "sep_token_id": 3,
    },
    "mpnet": {**_BERT_LIKE, "max_position_embeddings": 66},
    "roberta": _ROBERTA_LIKE,
    "xlm-roberta": _ROBERTA_LIKE,
}
FAMILIES = tuple(_SHAPES)


def save_tiny_encoder(folder: Path, family: str, seed: int = 0) -> Path:
    """Save a random encoder of one of FAMILIES; all share the tokenizer of the tiny BERT."""
    import torch
    from transformers import AutoConfig, AutoModel

    save_tiny_bert(folder, seed)
    if family == "bert":
        return folder
    torch.manual_seed(seed)
    vocabulary = AutoConfig.from_pretrained(folder).vocab_size
    AutoModel.from_config(
        AutoConfig.for_model(family, vocab_size=vocabulary, pad_token_id=0, **_SHAPES[family])
    ).save_pretrained(folder)
    return folder
