"""A pre-trained encoder as a scikit-learn transformer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from textgraft.sklearn.texts import as_texts

if TYPE_CHECKING:
    from textgraft.inference.encode import Encoder, Encodings


class TextEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Texts to vectors, for any estimator on numbers.

    The encoder stays as it is: ``fit`` opens it and learns nothing. With ``cache=True``, texts that come
    again, as in the folds of a cross-validation, are computed once.

    Args:
        encoder: "bundled", a local directory or a Hub id.
        revision: Of a Hub id.
        prompt: What stands before every text; "" for none, None for the encoder's default.
        engine: "auto", "torch", "openvino" or "ctranslate2".
        precision: "auto", "fp32", "bf16" or "int8".
        pooling: "mean" or "max" over the tokens, or "cls" for the first one.
        normalize: Whether vectors are scaled to length one.
        max_length: Tokens read of a text; the encoder's own limit if None.
        threads: Threads to compute on; None leaves it to the engine.
        cache: Keep encodings on disk: True in the cache folder, or the path of a database file.

    Attributes:
        dimension_: Numbers in an encoding.
    """

    def __init__(
        self,
        encoder: str | Path = "bundled",
        *,
        revision: str | None = None,
        prompt: str | None = None,
        engine: str = "auto",
        precision: str = "auto",
        pooling: str = "mean",
        normalize: bool = True,
        max_length: int | None = None,
        threads: int | None = None,
        cache: Path | bool = False,
    ) -> None:
        self.encoder = encoder
        self.revision = revision
        self.prompt = prompt
        self.engine = engine
        self.precision = precision
        self.pooling = pooling
        self.normalize = normalize
        self.max_length = max_length
        self.threads = threads
        self.cache = cache

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803  scikit-learn's own name
        """Open the encoder.

        Args:
            X: Texts.
            y: Not looked at.

        Raises:
            OptionError: A parameter has an unknown value, or an entry is no text.
            ModelError: The encoder cannot be found or is damaged.
        """
        del y
        as_texts(X)
        self._opened: Encoder | None = self._open()
        self.dimension_: int = self._opened.dimension
        return self

    def transform(self, X: Any) -> Encodings:  # noqa: N803
        """Encode texts: float32 [texts, dimension].

        Raises:
            NotFittedError: ``fit`` was not called.
            OptionError: An entry is no text.
        """
        check_is_fitted(self, "dimension_")
        texts = as_texts(X)
        if self._opened is None:
            self._opened = self._open()
        return self._opened.encode(texts)

    @property
    def _n_features_out(self) -> int:
        return self.dimension_

    def _open(self) -> Encoder:
        from textgraft.inference.encode import Encoder

        return Encoder(
            self.encoder,
            revision=self.revision,
            prompt=self.prompt,
            engine=self.engine,
            precision=self.precision,
            pooling=self.pooling,
            normalize=self.normalize,
            max_length=self.max_length,
            threads=self.threads,
            cache=self.cache,
        )

    def __getstate__(self) -> dict[str, Any]:
        # What a graph is compiled into stays in its process: a copy opens the encoder for itself.
        state = dict(super().__getstate__())
        return state | {"_opened": None} if "_opened" in state else state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.transformer_tags.preserves_dtype = []
        return tags
