"""Static vectors: what an encoder makes of each token by itself. Where they answer, no encoder is needed."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from pydantic import Field

from textgraft.comparison.contenders import recurrent
from textgraft.comparison.contenders.base import (
    PAIRS,
    READING,
    TEXTS,
    Contender,
    Fitted,
    Job,
    RecipeSettings,
)
from textgraft.comparison.contenders.recurrent import NetworkSettings, train_network
from textgraft.embeddings.word_vectors import WordVectors
from textgraft.training.settings import Positive

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedTokenizerFast

    from textgraft.inference.token_vectors import TokenVectors
    from textgraft.models.encoders import EncoderSource
    from textgraft.tasks.text.texts import OneWindowTexts

MAX_TOKENS, MAX_SEQUENCES = 8192, 1024
"""Of a batch whose mean vectors are computed."""


class StaticSettings(RecipeSettings):
    """Settings of a shallow network on static vectors."""

    c: Positive = 10.0
    """Inverse strength of the L2 penalty of one linear layer, as in scikit-learn's LogisticRegression."""
    hidden_size: int = Field(default=0, ge=0)
    """Width of a hidden layer; 0 for one linear layer."""
    smoothing: Positive = 1e-3
    """The less, the less frequent tokens count in a mean, see
    :func:`textgraft.models.baselines.static.frequency_weights`."""


def _static(job: Job, settings: StaticSettings) -> Fitted:
    """Distil the encoder's tokens, which is done once, and fit a shallow network on the texts' mean vectors.

    Of a pair each text has its own mean, and the network reads what compares the two.
    """
    import numpy as np
    import torch

    from textgraft.inference.token_vectors import token_vectors
    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.baselines.static import (
        StaticConfig,
        StaticForSequenceClassification,
        frequency_weights,
    )
    from textgraft.tasks.base import Features
    from textgraft.tasks.text.pairs import PairTexts
    from textgraft.training.forward import in_batches
    from textgraft.training.shallow import fit_shallow

    clock = Clock(job.max_seconds)
    source, task = job.needed_encoder(), cast("OneWindowTexts", job.task)
    vectors = token_vectors(source, job.train.texts)
    tokenizer = _tokenizer(source, vectors, in_pairs=isinstance(task, PairTexts))
    length = job.max_length or tokenizer.model_max_length
    train, dev = (task.features(rows, tokenizer, length) for rows in (job.train, job.dev))
    matrix = np.zeros((len(tokenizer), vectors.matrix.shape[1]), dtype=np.float32)
    matrix[: len(vectors.matrix)] = vectors.matrix
    config = StaticConfig(
        vocab_size=len(matrix),
        embedding_size=matrix.shape[1],
        stored_precision="float16",
        pad_token_id=tokenizer.pad_token_id,
    )
    task.configure(config)
    model = StaticForSequenceClassification(config).eval()
    model.fill(matrix * frequency_weights(len(matrix), settings.smoothing)[:, None])

    def encodings(rows: list[Features]) -> np.ndarray:
        found = np.empty((len(rows), model.layers[0].in_features), dtype=np.float32)

        def forward(members: Sequence[int], batch: dict[str, torch.Tensor]) -> None:
            inputs = (batch["input_ids"], batch["attention_mask"], batch.get("token_type_ids"))
            found[list(members)] = model.features(*inputs).numpy()

        in_batches(
            [len(row["input_ids"]) for row in rows],
            lambda members: task.collate([rows[row] for row in members], tokenizer.pad_token_id or 0),
            forward,
            max_tokens=MAX_TOKENS,
            max_sequences=MAX_SEQUENCES,
            precision="fp32",
            device=torch.device("cpu"),
        )
        return found

    model.set_layers(
        fit_shallow(
            encodings(train),
            task.loss_targets(job.train),
            encodings(dev),
            task.loss_targets(job.dev),
            len(task.labels),
            problem_type=config.problem_type,
            seed=job.seed,
            clock=clock,
            hidden_size=settings.hidden_size,
            c=settings.c,
        )
    )
    return Fitted(
        model, tokenizer, length, stopped_by=clock.stopped_by, cut=clock.was_over, begun_from=source
    )


def _seconds_to_distil(job: Job) -> float:
    """Estimate what distilling the encoder's tokens takes, which is done once."""
    from textgraft.inference.token_vectors import seconds_to_distil

    return seconds_to_distil(job.needed_encoder(), job.train.texts)


def _tokenizer(source: EncoderSource, vectors: TokenVectors, *, in_pairs: bool) -> PreTrainedTokenizerFast:
    """Return the tokenizer of the tokens that have vectors, as a Transformers tokenizer."""
    from transformers import PreTrainedTokenizerFast

    from textgraft.models.baselines.static import MAX_LENGTH

    splits, special = _special_tokens(source, source.identity)
    return PreTrainedTokenizerFast(
        tokenizer_object=vectors.tokenizer,
        padding_side="right",
        truncation_side="right",
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", *(["token_type_ids"] if in_pairs else ()), "attention_mask"],
        split_special_tokens=splits,
        **special,
    )


@functools.lru_cache(maxsize=4)
def _special_tokens(source: EncoderSource, identity: str) -> tuple[bool, dict[str, str]]:
    """Return whether texts may hold special tokens as words, and these tokens by their names.

    Args:
        source: The encoder.
        identity: Its identity: the files may change while the process lives.
    """
    from textgraft.models.loading import load_tokenizer

    own = load_tokenizer(source.path)
    return own.split_special_tokens, dict(own.special_tokens_map)


class StaticNetworkSettings(NetworkSettings):
    """Settings of a recurrent network that begins with an encoder's static vectors."""


def _network(job: Job, settings: StaticNetworkSettings) -> Fitted:
    """Train an LSTM whose words begin with the mean vector of their tokens."""
    from textgraft.inference.token_vectors import token_vectors

    source = job.needed_encoder()
    tokens = token_vectors(source, job.train.texts)
    # The columns are principal components: the first ones say most.
    size = min(settings.embedding_size, tokens.matrix.shape[1])

    def vectors(words: Sequence[str]) -> WordVectors:
        means = tokens.means(words)
        # A word of which no token is known stays at random.
        found = [row for row, mean in enumerate(means) if mean.any()]
        return WordVectors([words[row] for row in found], means[found, :size])

    fitted = train_network(job, settings.but(embedding_size=size), vectors, cell="lstm")
    return replace(fitted, begun_from=source)


_LSTM = next(entry for entry in recurrent.CONTENDERS if entry.name == "lstm")

CONTENDERS = (
    Contender(
        name="static",
        title="static token vectors + shallow network",
        recipe=_static,
        grid=(
            StaticSettings(c=10.0, smoothing=1e-3),
            StaticSettings(c=10.0, smoothing=1e-4),
            StaticSettings(hidden_size=128, smoothing=1e-3),
        ),
        tasks=(*TEXTS, *PAIRS),
        colour="#cc79a7",
        marker="triangle-right",
        is_default=True,
        needs_encoder=True,
        first_use=_seconds_to_distil,
    ),
    Contender(
        name="lstm-static",
        title="BiLSTM on static token vectors",
        recipe=_network,
        grid=tuple(StaticNetworkSettings(**settings.given()) for settings in _LSTM.grid),
        tasks=READING,
        colour="#0072b2",
        marker="diamond-tall-open",
        epochs=_LSTM.epochs,
        needs_encoder=True,
        first_use=_seconds_to_distil,
    ),
)
