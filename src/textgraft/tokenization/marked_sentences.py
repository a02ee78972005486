"""Documents as token ids in which every sentence has a beginning and an end: what extractive models read.

Liu and Lapata 2019, "Text summarization with pretrained encoders" (section 3.1): each sentence stands between
special tokens of its own, in BERT between [CLS] and [SEP].
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tokenizers import Tokenizer

from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN, TextFrame, token_ids
from textgraft.tokenization.sentences import split_sentences

SENTENCES = "sentences"
"""The input that a tokenizer names whose model reads documents in this form."""


@dataclass(frozen=True)
class MarkedDocument:
    """A document, sentence by sentence."""

    ids: list[list[int]]
    """Of each sentence, special tokens included."""
    sentences: list[str]
    """Their texts: each is what its ids were made of."""
    lost: int
    """Tokens beyond what is read, estimated by characters where the text was not tokenized."""


def marked_documents(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int, longest: int
) -> list[MarkedDocument]:
    """Cut documents into sentences and tokenize each by itself.

    A sentence that is too long is cut into pieces of about as many words each. A document without a word is
    one empty sentence.

    Args:
        tokenizer: Of the ``tokenizers`` library.
        texts: The documents.
        max_length: Tokens read of a document, special ones included; sentences beyond are left out, but for
            the first.
        longest: Most tokens of a sentence, special ones included.
    """
    limit = CHARACTERS_PER_TOKEN * max_length
    frame = TextFrame.of(tokenizer, "a")
    marks = {*frame.before[:1], *frame.after[-1:]}
    room = max(1, longest - frame.size)
    cut = [split_sentences(text[:limit]) or [""] for text in texts]
    lengths = iter(token_ids(tokenizer, [sentence for own in cut for sentence in own], longest).lengths)
    pieces = [
        [
            piece
            for sentence in own
            for piece in in_pieces(sentence, math.ceil((next(lengths) - frame.size) / room))
        ]
        for own in cut
    ]
    rows = token_ids(tokenizer, [piece for own in pieces for piece in own], longest)
    found, start = [], 0
    for text, own in zip(texts, pieces, strict=True):
        # A text may happen to name a special token, which begins or ends nothing there.
        ids = [
            [*row[:1], *(token for token in row[1:-1] if token not in marks), *row[1:][-1:]]
            for row in rows.ids[start : start + len(own)]
        ]
        total = sum(rows.lengths[start : start + len(own)]) * max(1.0, len(text) / limit)
        kept = max(1, sum(read <= max_length for read in accumulate(map(len, ids))))
        found.append(MarkedDocument(ids[:kept], own[:kept], round(total) - sum(map(len, ids[:kept]))))
        start += len(own)
    return found


def in_pieces(sentence: str, count: int) -> list[str]:
    """Cut a sentence into so many pieces, or as many as it has words."""
    if count <= 1:
        return [sentence]
    words = sentence.split()
    each = max(1, math.ceil(len(words) / count))
    return [" ".join(words[start : start + each]) for start in range(0, len(words), each)]


def split_at(ids: Sequence[int], start: int) -> list[list[int]]:
    """Cut a document before every token that begins a sentence; one that holds none is one sentence."""
    begins = [place for place, token in enumerate(ids) if token == start]
    if not begins or begins[0]:
        begins = [0, *begins]
    return [list(ids[begin:end]) for begin, end in zip(begins, [*begins[1:], len(ids)], strict=True)]
