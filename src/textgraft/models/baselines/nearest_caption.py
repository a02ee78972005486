"""The caption of the nearest training vector: the baseline of captions.

Devlin et al. 2015, "Exploring nearest neighbor approaches for image captioning".
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from textgraft.models.baselines.lookup import LookupBaseline, LookupConfig, looked_up
from textgraft.models.recurrent.captioner import VectorEncoder


class NearestCaptionConfig(LookupConfig):
    """Describes a nearest-neighbour captioner.

    Args:
        rows: Training vectors.
        vector_size: Width of a vector.
        longest: Tokens of the longest caption.
    """

    model_type = "nearest-caption"

    rows: int = 1
    vector_size: int = 1
    longest: int = 1


class _Neighbours(nn.Module):
    """Gives the caption of the training vector that is nearest when all dimensions vary alike."""

    main_input_name = "vectors"

    def __init__(self, config: NearestCaptionConfig) -> None:
        super().__init__()
        self.scale = VectorEncoder(config.vector_size, dropout=0.0)
        self.known: Tensor
        self.captions: Tensor
        self.register_buffer("known", torch.zeros(config.rows, config.vector_size))
        self.register_buffer(
            "captions", torch.full((config.rows, config.longest + 1), config.eos_token_id, dtype=torch.int64)
        )

    @can_return_tuple
    def forward(
        self,
        vectors: Tensor,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
    ) -> BaseModelOutput:
        """Look up a batch of vectors [batch, vector_size]; generate() passes the rest to all encoders."""
        del output_attentions, output_hidden_states
        asked, known = (self.scale(given).pooler_output.float() for given in (vectors, self.known))
        distances = torch.cdist(asked, known)
        return looked_up(self.captions[distances.argmin(dim=1)])


class NearestCaptionForSeq2SeqLM(LookupBaseline):
    """Writes the caption of the nearest training vector.

    Args:
        config: Its description.
    """

    config_class = NearestCaptionConfig
    main_input_name = "vectors"

    def __init__(self, config: NearestCaptionConfig) -> None:
        super().__init__(config)
        self.encoder = _Neighbours(config)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VectorEncoder):
            module.initialize()
        elif isinstance(module, _Neighbours):
            init.zeros_(module.known)
            init.constant_(module.captions, self.config.eos_token_id)

    @classmethod
    def of(
        cls, vectors: Tensor, captions: Sequence[Sequence[int]], vocab_size: int
    ) -> NearestCaptionForSeq2SeqLM:
        """Build the baseline.

        Args:
            vectors: Of the training rows, [rows, vector_size].
            captions: Their captions as ids.
            vocab_size: Entries of the vocabulary.
        """
        rows, width = vectors.shape
        config = NearestCaptionConfig(
            vocab_size=vocab_size, rows=rows, vector_size=width, longest=max(map(len, captions))
        )
        model = cls(config)
        model.encoder.scale.fit(vectors)
        model.encoder.known.copy_(vectors)
        for place, caption in zip(model.encoder.captions, captions, strict=True):
            place[: len(caption)] = torch.tensor(caption)
        return model
