"""What a word looks like: a vector made of its characters, which words never seen before have as well.

Capitals, affixes and digits tell much of a name. Two ways to read them: convolution and maximum (Ma and Hovy
2016, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF") or a small LSTM in both directions
(Lample et al. 2016, "Neural architectures for named entity recognition").

The characters are the bytes of a word's UTF-8 form: every script has them, there is no vocabulary to learn or
to save, and no character is unknown (Gillick et al. 2016, "Multilingual language processing from bytes").
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from textgraft.models.recurrent.fused import run_fused
from textgraft.models.recurrent.reversal import reorder, reversal_index

CHARACTERS = 257
"""Ids of characters: 0 for padding, and one more than each byte."""
LONGEST_WORD = 48
"""Bytes of a word that are read. What lies beyond, as in addresses of web pages, tells little."""


def character_ids(word: str) -> list[int]:
    """Return the ids of a word's first :data:`LONGEST_WORD` characters, each from 1 to 256."""
    return [byte + 1 for byte in word.encode("utf-8", "surrogatepass")[:LONGEST_WORD]]


class CharacterEncoder(nn.Module, ABC):
    """Makes a vector of the characters of each word.

    Args:
        embedding_size: Width of a character's vector.
    """

    def __init__(self, embedding_size: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(CHARACTERS, embedding_size, padding_idx=0)

    def forward(self, character_ids: Tensor) -> Tensor:
        """Read words.

        Args:
            character_ids: Right-padded with 0, [batch, time, characters]; a position without any is no word.

        Returns:
            [batch, time, output_size], zero where there is no word.
        """
        words = character_ids.flatten(0, 1)
        lengths = words.ne(0).sum(dim=1, keepdim=True)
        # What is no word is read as one padding character, and then wiped out.
        vectors = self.read(self.embedding(words), lengths.squeeze(1).clamp(min=1))
        return (vectors * lengths.ne(0)).unflatten(0, character_ids.shape[:2])

    @abstractmethod
    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Turn characters [words, characters, embedding_size] into words [words, output_size]."""


class CharacterCNN(CharacterEncoder):
    """The strongest answer of each filter of three characters, anywhere in the word (Ma and Hovy 2016).

    Args:
        embedding_size: Width of a character's vector.
        output_size: Width of a word's vector.
    """

    def __init__(self, embedding_size: int, output_size: int) -> None:
        super().__init__(embedding_size)
        self.convolution = nn.Conv1d(embedding_size, output_size, kernel_size=3, padding=1)

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Convolve, and take the maximum over the true characters."""
        answers = self.convolution(vectors.transpose(1, 2))
        is_padding = torch.arange(vectors.shape[1], device=lengths.device) >= lengths.unsqueeze(1)
        return answers.masked_fill(is_padding.unsqueeze(1), -torch.inf).amax(dim=2)


class CharacterLSTM(CharacterEncoder):
    """What an LSTM knows at the word's end and, read backwards, at its beginning (Lample et al. 2016).

    Args:
        embedding_size: Width of a character's vector.
        output_size: Width of a word's vector, half of it for each direction.
    """

    def __init__(self, embedding_size: int, output_size: int) -> None:
        super().__init__(embedding_size)
        self.rightward = nn.LSTM(embedding_size, output_size - output_size // 2, batch_first=True)
        self.leftward = nn.LSTM(embedding_size, output_size // 2, batch_first=True)

    def read(self, vectors: Tensor, lengths: Tensor) -> Tensor:
        """Run both directions, and take the state after the last character of each."""
        reversal = reversal_index(lengths, vectors.shape[1])
        rightward, _ = run_fused(self.rightward, vectors)
        leftward, _ = run_fused(self.leftward, reorder(vectors, reversal))
        rows = torch.arange(len(lengths), device=lengths.device)
        return torch.cat([states[rows, lengths - 1] for states in (rightward, leftward)], dim=-1)


CHARACTER_ENCODERS: dict[str, type[CharacterCNN | CharacterLSTM]] = {
    "cnn": CharacterCNN,
    "lstm": CharacterLSTM,
}
