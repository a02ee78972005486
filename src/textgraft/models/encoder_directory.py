"""The folder of an encoder of ours: what Transformers and sentence-transformers expect, under a seal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textgraft.files import atomic_folder, write_json
from textgraft.integrity import seal
from textgraft.models.encoders import POOLINGS
from textgraft.models.quiet import quiet_transformers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_MODULES = "sentence_transformers.models"


def save_encoder(
    path: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    max_length: int,
    card: str,
    pooling: str = "mean",
    beside: Mapping[str, str] | None = None,
) -> None:
    """Write an encoder atomically; one that stood there before is replaced.

    Args:
        path: The folder to write.
        model: With a head or without.
        tokenizer: Saved beside it.
        max_length: Tokens read of a text, special tokens included.
        card: The model card, saved as README.md.
        pooling: "mean", "cls" or "max": how hidden states become one vector.
        beside: Further files by name, as the record of a training.

    Raises:
        OutputError: The folder cannot be written. Nothing is left behind.
    """
    with atomic_folder(path) as folder:
        with quiet_transformers():
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
        width = getattr(model.config, "state_size", model.config.hidden_size)
        _write_sentence_transformers_files(folder, width, max_length, pooling)
        for name, content in {**(beside or {}), "README.md": card}.items():
            (folder / name).write_text(content)
        seal(folder)


def _write_sentence_transformers_files(folder: Path, width: int, max_length: int, pooling: str) -> None:
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
