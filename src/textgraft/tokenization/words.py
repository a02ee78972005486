"""Words as the tokens that a model's own tokenizer makes of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textgraft.errors import OptionError
from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN, TextFrame

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_CHUNK = 10_000
"""Words tokenized at once: enough for all cores, while the tokenizer's own records stay small."""
NO_LABEL = -100
"""Label of tokens that have none, here as in Transformers: special ones, and all of a word but its first."""


class Subwords:
    """Tokens of words that are tokenized one by one, each as it stands behind a space.

    So a word has the same tokens in raw text, where a comma follows it at once, as among words that were cut
    for the model before. Every word has at least one token; one of no known character is the unknown token.

    Args:
        tokenizer: Of the model.
        max_length: Most tokens that the model reads.
        words: All that will be asked for; one that stands there often costs no more than another.

    Raises:
        OptionError: ``max_length`` leaves no room for a word beside the special tokens.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerFast, max_length: int, words: Iterable[str] = ()
    ) -> None:
        backend = tokenizer.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        frame = TextFrame.of(backend, " a")
        self.before: list[int] = frame.before
        """Special tokens in front of a text."""
        self.after: list[int] = frame.after
        """Special tokens behind it."""
        self.room = max_length - frame.size
        """Tokens of words that a window has room for."""
        if self.room < 1:
            raise OptionError(
                f"max_length {max_length} leaves no room for a word",
                where="max_length",
                fix=f"This tokenizer adds {max_length - self.room} special tokens: give more than that.",
            )
        unknown = tokenizer.pad_token_id if tokenizer.unk_token_id is None else tokenizer.unk_token_id
        # A word never fills more than half a window, so that there is room for its neighbours.
        most = max(1, self.room // 2)
        self._ids: dict[str, list[int]] = {}
        different = list(dict.fromkeys(words))
        for start in range(0, len(different), _CHUNK):
            chunk = different[start : start + _CHUNK]
            # The tokenizer works through all of a text before anything can be cut.
            texts = [" " + word[: CHARACTERS_PER_TOKEN * most] for word in chunk]
            encodings = backend.encode_batch_fast(texts, add_special_tokens=False)
            for word, encoding in zip(chunk, encodings, strict=True):
                self._ids[word] = encoding.ids[:most] or [unknown]

    def __getitem__(self, word: str) -> list[int]:
        return self._ids[word]
