"""From texts to token ids, at a cost that a single huge text cannot blow up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CHARACTERS_PER_TOKEN = 20
"""No tokenizer in use yields fewer than one token for this many characters of ordinary text, so a text cut to
this many characters a token still fills the length limit. Tokenizers work through all of a text before they
truncate it: 10 MB took 13 s and 1.7 GB."""


@dataclass(frozen=True)
class TokenIds:
    """Token ids of many texts, and what the length limit cost."""

    ids: list[list[int]]
    """Special tokens included, at most max_length each."""
    lengths: list[int]
    """Tokens each text has without the limit (estimated by characters for texts cut before tokenizing)."""

    @property
    def truncated_share(self) -> float:
        """Share of all tokens lost to the limit, 0 to 1."""
        total = sum(self.lengths)
        return 1.0 - sum(len(row) for row in self.ids) / total if total else 0.0


def token_ids(tokenizer: Tokenizer, texts: Sequence[str], max_length: int) -> TokenIds:
    """Tokenize texts to at most ``max_length`` ids each.

    Args:
        tokenizer: Of the ``tokenizers`` library, as ``backend_tokenizer`` of a PreTrainedTokenizerFast.
            Truncation and padding that are baked into its file are switched off.
        texts: Raw strings.
        max_length: Ids kept of a text, special tokens included.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    limit = CHARACTERS_PER_TOKEN * max_length
    closing = tokenizer.encode("").ids[-1:]
    ids, lengths = [], []
    for text, encoding in zip(
        texts, tokenizer.encode_batch_fast([text[:limit] for text in texts]), strict=True
    ):
        row = encoding.ids
        lengths.append(round(len(row) * max(1.0, len(text) / limit)))
        if len(row) > max_length:
            # The closing special token, as [SEP], stays last.
            row = row[: max_length - 1] + closing if row[-1:] == closing else row[:max_length]
        ids.append(row)
    return TokenIds(ids=ids, lengths=lengths)
