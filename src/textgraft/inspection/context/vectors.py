"""The vector of a word where it stands: mean of its tokens' hidden states."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import OptionError
from textgraft.inspection.subject import read_by
from textgraft.models.encoders import EncoderSource, load_encoder, resolve_encoder

if TYPE_CHECKING:
    from pathlib import Path

BATCH = 64
Place = tuple[int, int]
"""First character, and one past the last."""


class WordReader:
    """Encodes words in their sentences.

    Args:
        encoder: "bundled", a folder or a Hub id; a model directory of a fine-tuned encoder as well.

    Raises:
        ModelError: There is no such encoder.
    """

    def __init__(self, encoder: str | Path) -> None:
        self.source: EncoderSource = resolve_encoder(encoder, prompt="")
        self.model, self.tokenizer = load_encoder(self.source)

    def vectors(self, sentences: Sequence[str], places: Sequence[Place]) -> NDArray[np.float32]:
        """Return the vector of the word at a place of each sentence, of length one, [sentences, size].

        Args:
            sentences: Texts; what the encoder does not read of one must not hold the word.
            places: Of one word in each.

        Raises:
            OptionError: A word lies beyond what the encoder reads, or has no token.
        """
        import torch

        vectors = np.zeros((len(sentences), 0), dtype=np.float32)
        order = sorted(range(len(sentences)), key=lambda at: len(sentences[at]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = self.tokenizer(
                [sentences[row] for row in rows],
                truncation=True,
                max_length=self.tokenizer.model_max_length,
                padding=True,
                return_offsets_mapping=True,
                return_tensors="pt",
            )
            offsets = batch.pop("offset_mapping")
            at = torch.tensor([places[row] for row in rows])
            begins, ends = offsets.unbind(dim=-1)
            of_word = (begins < at[:, 1:]) & (ends > at[:, :1]) & (ends > begins)
            for row, found in zip(rows, of_word.any(dim=1).tolist(), strict=True):
                if not found:
                    begin, end = places[row]
                    raise OptionError(
                        f"the encoder does not read {sentences[row][begin:end]!r}: it stands beyond its "
                        f"first {self.tokenizer.model_max_length} tokens, or has none",
                        where=sentences[row][:60],
                        fix="Give a shorter sentence.",
                    )
            with torch.inference_mode():
                states = self.model(**read_by(self.model, dict(batch))).last_hidden_state.float()
            weights = of_word.float() / of_word.sum(dim=1, keepdim=True)
            found_vectors = torch.einsum("bt,bth->bh", weights, states)
            if not vectors.shape[1]:
                vectors = np.zeros((len(sentences), found_vectors.shape[1]), dtype=np.float32)
            vectors[rows] = torch.nn.functional.normalize(found_vectors, dim=-1).numpy()
        return vectors


def place_of(word: str, sentence: str) -> Place:
    """Return where a word first stands in a sentence, as a whole word, in upper or lower case.

    Raises:
        OptionError: It does not.
    """
    found = re.search(rf"(?<!\w){re.escape(word)}(?!\w)", sentence, re.IGNORECASE)
    if found is None:
        raise OptionError(
            f"the word {word!r} does not stand in it",
            where=sentence[:80],
            fix="Name one that all sentences have.",
        )
    return found.span()


def shared_word(sentences: Sequence[str]) -> str:
    """Return the longest word that all sentences have, the first of those in the first one.

    Raises:
        OptionError: There is none.
    """
    words = [re.findall(r"\w+", sentence.lower()) for sentence in sentences]
    shared = set(words[0]).intersection(*words[1:])
    if not shared:
        raise OptionError("the sentences share no word", where="TEXT", fix="Give sentences that do.")
    # Function words are short: what is asked about is seldom one of them.
    return max(words[0], key=lambda word: (word in shared, len(word)))
