"""The tokenizer of a graft that is stored without one: its encoder's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerFast

from textgraft.models.encoders import prompted, resolve_encoder
from textgraft.models.loading import load_config, load_tokenizer
from textgraft.models.manifest import MANIFEST, read_manifest
from textgraft.tokenization.encode import ask_for
from textgraft.tokenization.word_shapes import WORD_SHAPES


class GraftTokenizer(PreTrainedTokenizerFast):
    """Finds the tokenizer of a graft's encoder, so that a small graft need not hold the vocabulary once more.

    ``AutoTokenizer`` comes to it for a graft whose folder names no tokenizer of its own.
    """

    @classmethod
    def from_pretrained(  # type: ignore[override]  # hands all arguments on
        cls, path: Any, *args: Any, **options: Any
    ) -> PreTrainedTokenizerFast:
        """Load the tokenizer of the encoder that a graft names; it cuts texts where the graft does.

        Raises:
            ModelError: The encoder cannot be found, or has no fast tokenizer.
        """
        folder = Path(path)
        if (folder / "tokenizer.json").is_file():
            options.pop("trust_remote_code", None)
            return super().from_pretrained(path, *args, trust_remote_code=False, **options)
        config = load_config(folder)
        tokenizer = load_tokenizer(resolve_encoder(config.encoder, config.revision).path)
        if config.word_shapes:
            ask_for(tokenizer, WORD_SHAPES)
        if (folder / MANIFEST).is_file():
            manifest = read_manifest(folder)
            tokenizer.model_max_length = manifest.max_length
            tokenizer = prompted(tokenizer, manifest.prompt)
        return tokenizer
