"""From texts to token ids, at a cost that a single huge text cannot blow up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from tokenizers.models import WordLevel

from textgraft.errors import OptionError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

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
    def truncated_fraction(self) -> float:
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
    ids, lengths = [], []
    for text, encoding in zip(
        texts, tokenizer.encode_batch_fast([text[:limit] for text in texts]), strict=True
    ):
        # GPT puts nothing around a text; no model reads less than a token.
        row = encoding.ids or [min(tokenizer.get_added_tokens_decoder(), default=0)]
        lengths.append(round(len(row) * max(1.0, len(text) / limit)))
        if len(row) > max_length:
            # The closing special token, as [SEP], stays last.
            closing = tokenizer.encode("").ids[-1:]
            row = row[: max_length - 1] + closing if row[-1:] == closing else row[:max_length]
        ids.append(row)
    return TokenIds(ids=ids, lengths=lengths)


@dataclass(frozen=True)
class PairIds(TokenIds):
    """Token ids of many pairs of texts, and what the length limit cost."""

    type_ids: list[list[int]]
    """For each id the text it belongs to, 0 or 1, as the tokenizer's template says it; 0 throughout where the
    template does not tell them apart."""


def pair_token_ids(
    tokenizer: Tokenizer, firsts: Sequence[str], seconds: Sequence[str], max_length: int
) -> PairIds:
    """Tokenize pairs of texts to at most ``max_length`` ids each, special tokens as the tokenizer puts them.

    Of a pair that is too long the longer text is cut until it is as long as the other, then both alike
    ("longest first"). A text that stands in several pairs is tokenized once.

    Args:
        tokenizer: As for :func:`token_ids`.
        firsts: First text of each pair.
        seconds: Second text of each pair.
        max_length: Ids kept of a pair, special tokens included.

    Raises:
        OptionError: ``max_length`` leaves no room for a token of each text.
    """
    tokenizer.no_truncation()
    tokenizer.no_padding()
    limit = CHARACTERS_PER_TOKEN * max_length
    texts = list(dict.fromkeys(chain(firsts, seconds)))
    encodings = tokenizer.encode_batch_fast([text[:limit] for text in texts], add_special_tokens=False)
    tokens = {text: encoding.ids for text, encoding in zip(texts, encodings, strict=True)}
    frame = PairFrame.of(tokenizer, next((text[:limit] for text, ids in tokens.items() if ids), ""))
    room = max_length - frame.size
    if room < 2:
        raise OptionError(
            f"a length of {max_length} tokens has no room for two texts",
            where="max_length",
            fix=f"Give at least {frame.size + 2}: special tokens take {frame.size}.",
        )
    rows, types, lengths = [], [], []
    for first, second in zip(firsts, seconds, strict=True):
        a, b = tokens[first], tokens[second]
        full = (len(ids) * max(1.0, len(text) / limit) for ids, text in ((a, first), (b, second)))
        lengths.append(frame.size + round(sum(full)))
        if len(a) + len(b) > room:
            half = room // 2 if len(a) <= len(b) else room - room // 2
            kept = min(len(a), max(half, room - len(b)))
            a, b = a[:kept], b[: room - kept]
        ids, of_type = frame.around(a, b)
        rows.append(ids)
        types.append(of_type)
    return PairIds(rows, lengths, types)


@dataclass(frozen=True)
class TextFrame:
    """The special tokens that a tokenizer puts before and after a text."""

    before: list[int]
    after: list[int]

    @property
    def size(self) -> int:
        """Special tokens of a text."""
        return len(self.before) + len(self.after)

    @classmethod
    def of(cls, tokenizer: Tokenizer, sample: str) -> TextFrame:
        """Read the frame off a text with at least one token; of one without any, all stand before it."""
        encoding = tokenizer.encode(sample)
        first, end = _span(encoding.sequence_ids, 0)
        return cls(encoding.ids[:first], encoding.ids[end:])


def _span(owners: Sequence[int | None], text: int) -> tuple[int, int]:
    """Return where a text's tokens begin and end among those of an encoding; the end where it has none."""
    if text not in owners:
        return len(owners), len(owners)
    return owners.index(text), len(owners) - owners[::-1].index(text)


@dataclass(frozen=True)
class PairFrame:
    """The special tokens that a tokenizer puts before, between and after two texts."""

    ids: tuple[list[int], list[int], list[int]]
    """Before the first text, between the two, after the second."""
    types: tuple[list[int], list[int], list[int]]
    """Their token types."""
    text_types: tuple[int, int]
    """Token types of the two texts."""

    @property
    def size(self) -> int:
        """Special tokens of a pair."""
        return sum(map(len, self.ids))

    @classmethod
    def of(cls, tokenizer: Tokenizer, sample: str) -> PairFrame:
        """Read the frame off a pair of ``sample``, a text with at least one token if there is any."""
        pair = tokenizer.encode(sample, sample)
        ids, types, owners = pair.ids, pair.type_ids, pair.sequence_ids
        if 1 not in owners:  # no text has any token, so all order is alike
            return cls((ids, [], []), (types, [], []), (0, 0))
        (first, end), (second, last) = _span(owners, 0), _span(owners, 1)
        return cls(
            (ids[:first], ids[end:second], ids[last:]),
            (types[:first], types[end:second], types[last:]),
            (types[first], types[second]),
        )

    def around(self, a: list[int], b: list[int]) -> tuple[list[int], list[int]]:
        """Return ids and types of the pair of two tokenized texts."""
        (before, between, after), (types_before, types_between, types_after) = self.ids, self.types
        of_a, of_b = self.text_types
        return (
            [*before, *a, *between, *b, *after],
            [*types_before, *([of_a] * len(a)), *types_between, *([of_b] * len(b)), *types_after],
        )


def takes_token_types(tokenizer: PreTrainedTokenizerFast) -> bool:
    """Return whether the tokenizer's models want to be told which token belongs to which text of a pair."""
    # Recurrent models take a pair apart by its types, which the word tokenizer did not always name.
    is_word_level = isinstance(tokenizer.backend_tokenizer.model, WordLevel)
    return is_word_level or "token_type_ids" in tokenizer.model_input_names


def ask_for(tokenizer: PreTrainedTokenizerFast, name: str) -> None:
    """Have a tokenizer say that its model takes an input of this name, also once it is saved and loaded."""
    if name not in tokenizer.model_input_names:
        tokenizer.model_input_names = [*tokenizer.model_input_names, name]
        # What is saved is what it was made with.
        tokenizer.init_kwargs["model_input_names"] = tokenizer.model_input_names
