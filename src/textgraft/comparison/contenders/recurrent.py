"""Recurrent networks: from random weights or word vectors, and from a language model."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from textgraft.comparison.contenders.base import (
    MAX_LENGTH,
    PAIRS,
    READING,
    TEXTS,
    Contender,
    Count,
    EpochSchedule,
    Fitted,
    Job,
    TrainedSettings,
    train_on_rows,
)
from textgraft.data.dataset import Dataset
from textgraft.data.words import spaced
from textgraft.embeddings.word_vectors import VectorSource, WordVectors
from textgraft.errors import OptionError
from textgraft.training.settings import Fraction

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from textgraft.models.recurrent.language_model import RecurrentForCausalLM

ADAPTATION_FRACTION = 1 / 3
"""Of a budget, what a language model may read the training texts for before the task is trained."""
LEAST_SECONDS = 1e-3
EPOCHS = EpochSchedule(rows=15_000, least=10, most=60)


class NetworkSettings(TrainedSettings):
    """Settings of a recurrent network and of its training."""

    embedding_size: Count = 128
    """Width of a word vector."""
    hidden_size: Count = 128
    """Width of one direction's state."""
    num_layers: Count = 1
    """Recurrent layers, each reading the states of the one below."""
    bidirectional: bool = True
    """Whether a second direction reads each text from its end; without it a text can be read as it comes."""
    dropout: Fraction = 0.4
    """Fraction of the states between layers and of the pooled vector set to zero in training."""
    embedding_dropout: Fraction = 0.3
    """The same for the word vectors."""


class RecurrentSettings(NetworkSettings):
    """Settings of a recurrent network that can begin with a file of word vectors."""

    vectors: str | None = None
    """Name and hash of the word vectors that it begins with; None: random ones."""


def training_words(rows: Dataset) -> PreTrainedTokenizerFast:
    """Learn the words of the rows."""
    from textgraft.tokenization.word_tokenizer import train_word_tokenizer

    # Where words are tagged, a token is a word of the user's.
    in_words = "words" in rows.columns
    in_pairs = len(rows.columns) > 1 and not in_words
    return train_word_tokenizer(
        spaced(rows) if in_words else rows.texts, whole_words=in_words, in_pairs=in_pairs
    )


def _recurrent(job: Job, settings: RecurrentSettings, **kind: Any) -> Fitted:
    """Train a network on random word vectors, or on those of the job."""
    vectors = _vectors(job.vectors, settings)
    return train_network(job, settings, lambda words: vectors, **kind)


def train_network(
    job: Job,
    settings: NetworkSettings,
    vectors: Callable[[Sequence[str]], WordVectors | None],
    **kind: Any,
) -> Fitted:
    """Train a network that reads in both directions, or in one, and pools by attention where it pools.

    Args:
        job: What it is trained on.
        settings: Of the network and its training.
        vectors: Given the words of the training rows; returns the vectors to begin with, or None for random
            ones.
        kind: Further arguments of its configuration, as ``cell``.
    """
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.embeddings.embedding_matrix import fill_embedding_matrix
    from textgraft.models.recurrent.encoder import RecurrentConfig

    tokenizer = training_words(job.train)
    config = RecurrentConfig(
        **kind,
        vocab_size=len(tokenizer),
        pooling="attention",
        pad_token_id=tokenizer.pad_token_id,
        **settings.model("vectors"),
    )
    job.task.configure(config)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    if (known := vectors(list(tokenizer.get_vocab()))) is not None:
        fill_embedding_matrix(model, tokenizer, known)
    return train_on_rows(job, model, tokenizer, job.max_length or MAX_LENGTH, settings)


def vectors_note(rows: Dataset, source: VectorSource) -> str:
    """Say how many of the words of training rows the word vectors know."""
    from textgraft.embeddings.embedding_matrix import words_with_vectors
    from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS

    tokenizer = training_words(rows)
    known = len(words_with_vectors(tokenizer, source.load()))
    return f"{known:,} of {len(tokenizer) - len(SPECIAL_TOKENS):,} words have a vector in {source.path.name}"


def _vectors(source: VectorSource | None, settings: RecurrentSettings) -> WordVectors | None:
    """Return the job's word vectors, if they are those that the settings speak of.

    Raises:
        OptionError: They are others.
    """
    if source is None and settings.vectors is None:
        return None
    if source is None:
        raise OptionError(
            f"the settings speak of the word vectors {settings.vectors!r}, and none are given",
            where="setting 'vectors'",
            fix="Name their file by --vectors, or leave the setting out.",
        )
    vectors = source.load()
    for name, value in (("vectors", source.name), ("embedding_size", vectors.size)):
        if getattr(settings, name) != value:
            raise OptionError(
                f"{name} is {getattr(settings, name)!r}, and the word vectors' is {value!r}",
                where=f"setting {name!r}",
                fix="Leave the setting out: the vectors decide it.",
            )
    return vectors


class PretrainedSettings(TrainedSettings):
    """Settings of fine-tuning a recurrent language model."""

    adaptation_epochs: Count = 2
    """Epochs over the training texts as a language model, before the task is trained."""
    dropout: Fraction = 0.4
    """As in a recurrent network."""
    embedding_dropout: Fraction = 0.4
    """Likewise."""


def _pretrained(job: Job, settings: PretrainedSettings) -> Fitted:
    """Fine-tune a recurrent language model by the recipe of ULMFiT (Howard and Ruder 2018).

    It first reads the training texts as a language model, with their words added to its own. Then a head on
    the last, greatest and mean states is trained, and with every epoch one layer more.
    """
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.models.encoders import load_encoder
    from textgraft.models.quiet import quiet_transformers
    from textgraft.models.recurrent.encoder import RecurrentConfig
    from textgraft.pretraining.adaptation import adapt
    from textgraft.tokenization.encode import ask_for
    from textgraft.tokenization.word_tokenizer import with_words_of

    assert job.language_model is not None, "compare() and train() ask for one"
    start = time.perf_counter()
    loaded, tokenizer = load_encoder(job.language_model, "AutoModelForCausalLM")
    language_model = cast("RecurrentForCausalLM", loaded)
    tokenizer = with_words_of(tokenizer, job.train.texts)
    if len(job.train.columns) > 1:
        ask_for(tokenizer, "token_type_ids")
    with quiet_transformers():
        language_model.resize_token_embeddings(len(tokenizer))
    length = job.max_length or MAX_LENGTH
    adapted = adapt(
        language_model,
        tokenizer,
        job.train.texts,
        job.dev.texts,
        epochs=settings.adaptation_epochs,
        max_length=length,
        seed=job.seed,
        max_seconds=job.max_seconds and ADAPTATION_FRACTION * job.max_seconds,
        folder=job.folder and job.folder / "language-model",
        on_step=job.on_step,
    )
    kept = language_model.config.to_dict()
    changed = settings.model("adaptation_epochs")
    config = RecurrentConfig.from_dict({**kept, **changed, "pooling": "concat", "architectures": None})
    job.task.configure(config)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    model.base_model.load_state_dict(language_model.base_model.state_dict())
    if job.max_seconds:
        # Where reading the texts took all of it, the task still gets the step that the loop never leaves out.
        left = job.max_seconds - (time.perf_counter() - start)
        job = replace(job, max_seconds=max(LEAST_SECONDS, left))
    fitted = train_on_rows(job, model, tokenizer, length, settings)
    return replace(fitted, cut=fitted.cut or adapted.cut, begun_from=job.language_model)


_BASE = RecurrentSettings(embedding_size=128, hidden_size=128, num_layers=1, batch_size=32, max_tokens=8192)
_GRID = (
    _BASE.but(learning_rate=2e-3, dropout=0.5, embedding_dropout=0.5),
    _BASE.but(learning_rate=5e-3, dropout=0.5, embedding_dropout=0.5),
    _BASE.but(learning_rate=1e-3, dropout=0.3, embedding_dropout=0.3),
)
_CELLS: tuple[tuple[Literal["rnn", "gru", "lstm"], str, str, str], ...] = (
    ("rnn", "Elman RNN, both directions", "#cc79a7", "triangle-down"),
    ("gru", "BiGRU", "#0072b2", "triangle-up"),
    ("lstm", "BiLSTM", "#009e73", "diamond"),
)

CONTENDERS = (
    *(
        Contender(
            name=cell,
            title=title,
            recipe=functools.partial(_recurrent, cell=cell),
            grid=_GRID,
            tasks=READING,
            colour=colour,
            marker=marker,
            is_default=cell == "lstm",
            saving="baseline" if cell == "lstm" else None,
            epochs=EPOCHS,
            takes_vectors=True,
        )
        for cell, title, colour, marker in _CELLS
    ),
    Contender(
        name="lstm-crf",
        title="BiLSTM-CRF with characters",
        recipe=functools.partial(_recurrent, cell="lstm", crf=True, characters="cnn"),
        grid=_GRID,
        tasks=("token-classification",),
        colour="#cc79a7",
        marker="diamond-x",
        is_default=True,
        epochs=EPOCHS,
        takes_vectors=True,
    ),
    Contender(
        name="lstm-pretrained",
        title="LSTM pre-trained as a language model",
        recipe=_pretrained,
        grid=tuple(
            PretrainedSettings(
                adaptation_epochs=2,
                learning_rate=rate,
                layer_decay=1 / 2.6,
                gradual_unfreezing=True,
                dropout=dropout,
                embedding_dropout=dropout,
                batch_size=32,
                max_tokens=8192,
            )
            for rate, dropout in ((1e-2, 0.4), (5e-3, 0.4), (1e-2, 0.2))
        ),
        tasks=(*TEXTS, *PAIRS),
        colour="#e69f00",
        marker="bowtie",
        epochs=EPOCHS,
        needs_language_model=True,
    ),
)
