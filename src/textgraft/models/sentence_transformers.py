"""The files that make an encoder's folder one of sentence-transformers."""

from __future__ import annotations

from pathlib import Path

from textgraft.files import write_json
from textgraft.models.encoders import POOLINGS

_MODULES = "sentence_transformers.models"


def write_sentence_transformers_files(
    folder: Path, *, width: int, max_length: int, pooling: str = "mean"
) -> None:
    """Tell sentence-transformers, and our own encoding, how hidden states become one vector.

    Args:
        folder: Holds an encoder and its tokenizer.
        width: Of the hidden states.
        max_length: Tokens read of a text, special tokens included.
        pooling: "mean", "cls" or "max".
    """
    modes = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}
    parts = [("", "Transformer"), ("1_Pooling", "Pooling")]
    write_json(
        folder / "modules.json",
        [
            {"idx": number, "name": str(number), "path": path, "type": f"{_MODULES}.{kind}"}
            for number, (path, kind) in enumerate(parts)
        ],
    )
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": width,
            **{f"pooling_mode_{modes[name]}": name == pooling for name in POOLINGS},
        },
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
