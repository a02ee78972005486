"""Pre-trained word vectors as the initial embedding matrix of a recurrent network."""

from __future__ import annotations

from typing import cast

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from textgraft.embeddings.word_vectors import WordVectors
from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS


def words_with_vectors(tokenizer: PreTrainedTokenizerFast, vectors: WordVectors) -> dict[int, int]:
    """Return the rows of ``vectors`` that words of a word tokenizer have, by the words' ids."""
    found = {
        index: vectors.find(word)
        for word, index in tokenizer.get_vocab().items()
        if index >= len(SPECIAL_TOKENS)
    }
    return {index: row for index, row in sorted(found.items()) if row is not None}


@torch.no_grad()
def fill_embedding_matrix(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, vectors: WordVectors
) -> None:
    """Give every word of the vocabulary its vector; training goes on from there.

    Words without one keep their random vectors, brought to the same standard deviation, so that they speak
    neither louder nor lower than the others. Padding stays zero.

    Args:
        model: A recurrent network whose ``embedding_size`` is that of the vectors.
        tokenizer: Its word tokenizer.
        vectors: The vectors.
    """
    table = cast("nn.Embedding", model.get_input_embeddings()).weight
    rows = words_with_vectors(tokenizer, vectors)
    if len(rows) > 1:
        known = torch.from_numpy(vectors.matrix[list(rows.values())])
        table *= known.std() / table.std()
        table[list(rows)] = known
