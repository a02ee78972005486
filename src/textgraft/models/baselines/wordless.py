"""What models without word vectors say to those who ask for them."""

from __future__ import annotations

from typing import Any

from torch import nn


class WithoutWordVectors:
    """Beside PreTrainedModel, among the bases of a model that reads ids themselves."""

    def _refuse(self) -> NotImplementedError:
        return NotImplementedError(
            f"{type(self).__name__} has no word vectors: it looks its texts up by their token ids. "
            "To change its vocabulary, fit it anew."
        )

    def get_input_embeddings(self) -> nn.Module:
        """Refuse to.

        Raises:
            NotImplementedError: Always: so Transformers knows as well.
        """
        raise self._refuse()

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Refuse to, likewise."""
        raise self._refuse()

    def resize_token_embeddings(self, *args: Any, **kwargs: Any) -> nn.Embedding:
        """Refuse to, likewise."""
        raise self._refuse()
