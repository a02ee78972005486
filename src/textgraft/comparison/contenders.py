"""Who competes. A new contender is one entry in CONTENDERS: a name, the settings tried, and how it is fitted.

Every contender gets the same rows, the same number of settings to try on the same dev rows, and early
stopping by the same rule, so that none is a strawman.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from transformers import AutoModelForSequenceClassification

from textgraft.data.dataset import Dataset
from textgraft.errors import unknown
from textgraft.inference.encode import Encoder
from textgraft.models.encoders import EncoderSource, encoder_max_length, load_encoder
from textgraft.models.graft import GraftConfig, GraftForSequenceClassification
from textgraft.models.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.recurrent import RecurrentConfig, RecurrentForSequenceClassification
from textgraft.models.tfidf import fit_tfidf
from textgraft.models.word_tokenizer import train_word_tokenizer
from textgraft.tasks.classification import SingleLabelClassification
from textgraft.training.loop import Progress, TrainingResult, fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.shallow import fit_shallow

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

RECURRENT_MAX_LENGTH = 512
ENCODING_SAMPLE = 256


@dataclass(frozen=True)
class Job:
    """What a contender is fitted on."""

    train: Dataset
    dev: Dataset
    task: SingleLabelClassification
    seed: int
    encoder: EncoderSource | None
    """For the BERT contenders; None where none of them competes."""
    max_length: int | None = None
    """Tokens a text is cut to; None leaves each contender its own limit."""
    max_seconds: float | None = None
    on_step: Callable[[Progress], None] | None = None

    def targets(self, dataset: Dataset) -> list[int]:
        """Return the label indices of a labelled data set."""
        return self.task.targets(dataset)


@dataclass(frozen=True)
class Fitted:
    """A trained contender."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerFast
    max_length: int
    epochs: float = 1.0
    stopped_by: str = "closed form"
    history: list[dict[str, float]] = field(default_factory=list)
    cached_seconds: float = 0.0
    """Seconds of work that a cache saved and that training from raw text would have cost."""


Settings = dict[str, Any]
Fit = Callable[[Job, Settings], Fitted]


@dataclass(frozen=True)
class Contender:
    """One entry of a comparison."""

    name: str
    title: str
    grid: tuple[Settings, ...]
    """The settings tried, most promising first; the tuning budget says how many of them."""
    fit: Fit
    needs_encoder: bool = False
    expected_epochs: float = 1.0
    """How long a typical run is before early stopping ends it, for the plan's estimate."""


def _majority(job: Job, settings: Settings) -> Fitted:
    del settings
    counts = np.bincount(job.targets(job.train), minlength=len(job.task.labels))
    config = MajorityConfig(label_counts=counts.tolist(), num_labels=len(counts))
    tokenizer = train_word_tokenizer(job.train.texts)
    return Fitted(MajorityForSequenceClassification(config), tokenizer, RECURRENT_MAX_LENGTH)


def _tfidf(job: Job, settings: Settings) -> Fitted:
    model, tokenizer = fit_tfidf(
        job.train.texts, job.targets(job.train), len(job.task.labels), **settings
    )
    # A bag of words has no length limit; the tokenizer's own guards against absurd inputs.
    return Fitted(model, tokenizer, job.max_length or tokenizer.model_max_length)


def _train(
    job: Job, model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, length: int, settings: Settings
) -> Fitted:
    """Run the one training loop and wrap up its result."""
    result: TrainingResult = fit(
        model,
        job.task,
        job.task.features(job.train, tokenizer, length),
        job.task.features(job.dev, tokenizer, length),
        TrainingSettings(**settings, seed=job.seed, max_seconds=job.max_seconds),
        pad_token_id=tokenizer.pad_token_id,
        on_step=job.on_step,
    )
    return Fitted(model, tokenizer, length, result.epochs, result.stopped_by, result.history)


ARCHITECTURE = ("embedding_size", "hidden_size", "num_layers", "dropout", "embedding_dropout")
"""Settings that describe a recurrent network; the others describe its training."""


def _recurrent(job: Job, settings: Settings, *, cell: str) -> Fitted:
    tokenizer = train_word_tokenizer(job.train.texts)
    config = RecurrentConfig(
        cell=cell,
        vocab_size=len(tokenizer),
        bidirectional=True,
        pooling="attention",
        num_labels=len(job.task.labels),
        pad_token_id=tokenizer.pad_token_id,
        **{name: value for name, value in settings.items() if name in ARCHITECTURE},
    )
    training = {name: value for name, value in settings.items() if name not in ARCHITECTURE}
    length = job.max_length or RECURRENT_MAX_LENGTH
    return _train(job, RecurrentForSequenceClassification(config), tokenizer, length, training)


def _source(job: Job) -> EncoderSource:
    assert job.encoder is not None, "compare() resolves an encoder for every contender that needs one"
    return job.encoder


def _bert_finetuned(job: Job, settings: Settings) -> Fitted:
    source = _source(job)
    _, tokenizer = load_encoder(source)
    model = AutoModelForSequenceClassification.from_pretrained(
        source.path, num_labels=len(job.task.labels), dtype=torch.float32
    )
    length = job.max_length or encoder_max_length(source)
    return _train(job, model, tokenizer, length, settings)


@functools.lru_cache(maxsize=2)
def _frozen_encoder(source: EncoderSource, max_length: int | None) -> Encoder:
    return Encoder.from_source(source, max_length=max_length, cache=True)


@functools.lru_cache(maxsize=2)
def _encoding_rate(encoder: Encoder, sample: tuple[str, ...]) -> float:
    """Seconds of encoding a character, measured once without the cache on a sample of the user's texts."""
    fresh = encoder.without_cache()
    fresh.encode(sample[:8])
    start = time.perf_counter()
    fresh.encode(sample)
    return (time.perf_counter() - start) / max(1, sum(map(len, sample)))


def _bert_frozen(job: Job, settings: Settings) -> Fitted:
    source = _source(job)
    encoder = _frozen_encoder(source, job.max_length)
    start = time.perf_counter()
    train, dev = encoder.encode(job.train.texts), encoder.encode(job.dev.texts)
    spent = time.perf_counter() - start
    layers = fit_shallow(
        train,
        job.targets(job.train),
        dev,
        job.targets(job.dev),
        len(job.task.labels),
        seed=job.seed,
        **settings,
    )
    config = GraftConfig(
        encoder=source.name,
        encoder_sha256=source.sha256,
        revision=source.revision,
        pooling=encoder.pooling,
        normalize=encoder.normalize,
        hidden_sizes=[len(bias) for _, bias in layers[:-1]],
        num_labels=len(job.task.labels),
    )
    model = GraftForSequenceClassification.from_layers(config, layers)
    sample = tuple(job.train.texts[:ENCODING_SAMPLE])
    characters = sum(map(len, job.train.texts)) + sum(map(len, job.dev.texts))
    saved = max(0.0, _encoding_rate(encoder, sample) * characters - spent)
    _, tokenizer = load_encoder(source)
    return Fitted(model, tokenizer, encoder.max_length, cached_seconds=saved)


_RECURRENT_BASE: Settings = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_layers": 1,
    "dropout": 0.4,
    "embedding_dropout": 0.3,
    "epochs": 20,
    "patience": 4,
    "batch_size": 32,
}
_RECURRENT_GRID: tuple[Settings, ...] = (
    {**_RECURRENT_BASE, "learning_rate": 2e-3},
    {**_RECURRENT_BASE, "learning_rate": 5e-3, "embedding_dropout": 0.5},
    {**_RECURRENT_BASE, "learning_rate": 1e-3, "dropout": 0.2, "embedding_dropout": 0.1},
)
_FINETUNING_BASE: Settings = {"epochs": 8, "patience": 2, "batch_size": 16}

CONTENDERS: Mapping[str, Contender] = {
    contender.name: contender
    for contender in (
        Contender("majority", "most frequent label", ({},), _majority),
        Contender("tfidf", "TF-IDF + logistic regression", ({"c": 10.0}, {"c": 100.0}, {"c": 1.0}), _tfidf),
        Contender(
            "rnn", "Elman RNN", _RECURRENT_GRID, functools.partial(_recurrent, cell="rnn"), expected_epochs=12
        ),
        Contender(
            "gru", "BiGRU with attention", _RECURRENT_GRID, functools.partial(_recurrent, cell="gru"), expected_epochs=12
        ),
        Contender(
            "lstm", "BiLSTM with attention", _RECURRENT_GRID, functools.partial(_recurrent, cell="lstm"), expected_epochs=12
        ),
        Contender(
            "bert-frozen",
            "BERT encodings + shallow network",
            ({"c": 10.0}, {"c": 1.0}, {"hidden_size": 128}),
            _bert_frozen,
            needs_encoder=True,
        ),
        Contender(
            "bert-finetuned",
            "BERT fine-tuned",
            (
                {**_FINETUNING_BASE, "learning_rate": 1e-4},
                {**_FINETUNING_BASE, "learning_rate": 3e-4},
                {**_FINETUNING_BASE, "learning_rate": 3e-5},
            ),
            _bert_finetuned,
            needs_encoder=True,
            expected_epochs=5,
        ),
    )
}
DEFAULT_CONTENDERS = ("tfidf", "lstm", "bert-frozen", "bert-finetuned")


def choose_contenders(names: Sequence[str]) -> list[Contender]:
    """Return the contenders of these names, in order and once each.

    Raises:
        OptionError: A name is unknown.
    """
    for name in names:
        if name not in CONTENDERS:
            raise unknown("contender", name, CONTENDERS, where="--contenders")
    return [CONTENDERS[name] for name in dict.fromkeys(names)]
