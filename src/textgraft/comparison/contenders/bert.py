"""BERT: frozen under a shallow network, with a low-rank adapter, fine-tuned, and from random weights."""

from __future__ import annotations

import functools
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from textgraft.comparison.contenders.base import (
    PAIRS,
    READING,
    TEXTS,
    Contender,
    Count,
    EpochSchedule,
    Fitted,
    Job,
    RecipeSettings,
    TrainedSettings,
    train_on_rows,
)
from textgraft.data.dataset import Dataset
from textgraft.models.encoders import EncoderSource, encoder_max_length
from textgraft.training.settings import Fraction, Positive

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedConfig, PreTrainedModel

    from textgraft.inference.encode import Encoder
    from textgraft.models.graft.base import GraftConfig
    from textgraft.tasks.text.texts import TextTask

logger = logging.getLogger(__name__)

EPOCHS = EpochSchedule(rows=8_000, least=4, most=20)


class EncodingsSettings(RecipeSettings):
    """Settings of a shallow network on encodings."""

    c: Positive = 1.0
    """Inverse strength of the L2 penalty of one linear layer, as in scikit-learn's LogisticRegression."""
    hidden_size: int = Field(default=0, ge=0)
    """Width of a hidden layer; 0 for one linear layer."""


@functools.lru_cache(maxsize=2)
def frozen_encoder(source: EncoderSource, identity: str, max_length: int | None) -> Encoder:
    """Return an encoder that keeps nothing on disk.

    How texts meet in batches moves their encodings by a rounding error. What is kept on disk was computed in
    other company, so a trial would depend on what ran before it.

    Args:
        source: The encoder.
        identity: Its identity: the files may change while the process lives.
        max_length: Tokens that a text is cut to.
    """
    from textgraft.inference.encode import Encoder

    del identity
    encoder = Encoder(source, max_length=max_length)
    encoder.open()
    return encoder


@functools.lru_cache(maxsize=4)
def _encoded(encoder: Encoder, texts: tuple[str, ...]) -> tuple[np.ndarray, float]:
    """Encode texts, once for all configurations of a trial; return the seconds that it took, too."""
    start = time.perf_counter()
    return encoder.encode(texts), time.perf_counter() - start


def _encodings(job: Job, settings: EncodingsSettings) -> Fitted:
    """Encode every text once with the frozen encoder and fit a shallow network on the encodings.

    Of a pair each text is encoded by itself, and the network reads what compares the two.
    """
    import torch

    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.encoders import load_encoder
    from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
    from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
    from textgraft.models.pairs import pair_features, siamese_tokenizer
    from textgraft.tasks.text.pairs import PairTexts
    from textgraft.training.shallow import fit_shallow

    clock = Clock(job.max_seconds)
    source, task = job.needed_encoder(), cast("TextTask", job.task)
    in_pairs = isinstance(task, PairTexts)
    encoder = frozen_encoder(source, source.identity, job.max_length)
    seconds = 0.0

    def encodings(rows: Dataset) -> np.ndarray:
        nonlocal seconds
        sides = rows.columns.values() if in_pairs else [rows.texts]
        computed = [_encoded(encoder, tuple(texts)) for texts in sides]
        seconds += sum(taken for _, taken in computed)
        if not in_pairs:
            return computed[0][0]
        first, second = (torch.from_numpy(vectors) for vectors, _ in computed)
        return pair_features(first, second).numpy()

    config_class = PairGraftConfig if in_pairs else GraftConfig
    model_class: Any = PairGraftForSequenceClassification if in_pairs else GraftForSequenceClassification
    config = config_class.on(source, pooling=encoder.pooling, normalize=encoder.normalize)
    task.configure(config)
    start = time.perf_counter()
    train, dev = encodings(job.train), encodings(job.dev)
    spent = time.perf_counter() - start
    layers = fit_shallow(
        train,
        task.loss_targets(job.train),
        dev,
        task.loss_targets(job.dev),
        len(task.labels),
        problem_type=config.problem_type,
        seed=job.seed,
        clock=clock,
        **settings.given(),
    )
    config.hidden_sizes = [len(bias) for _, bias in layers[:-1]]
    model = model_class.from_layers(config, layers)
    _, tokenizer = load_encoder(source)
    return Fitted(
        model,
        siamese_tokenizer(tokenizer) if in_pairs else tokenizer,
        encoder.max_length,
        stopped_by=clock.stopped_by,
        cut=clock.was_over,
        cached_seconds=max(0.0, seconds - spent),
        begun_from=source,
    )


class HeadSettings(TrainedSettings):
    """Settings of a shallow network on the hidden states of a frozen encoder."""

    hidden_size: int = Field(default=0, ge=0)
    """Width of its hidden layer; 0 for one linear layer."""


def _frozen(job: Job, settings: HeadSettings) -> Fitted:
    """Train a shallow network on the hidden states of the frozen encoder, which are computed once."""
    from textgraft.models.graft.heads import GraftConfig

    sizes = [settings.hidden_size] if settings.hidden_size else []
    return _graft(job, GraftConfig.on(job.needed_encoder(), normalize=False, hidden_sizes=sizes), settings)


class AdapterSettings(TrainedSettings):
    """Settings of a low-rank adapter and of its training."""

    lora_rank: Count = 16
    """Rank of what is added to each weight matrix (Hu et al. 2022, "LoRA")."""
    lora_alpha: Count | None = None
    """What is added is scaled by ``lora_alpha / lora_rank``; None: twice the rank."""
    lora_dropout: Fraction = 0.0
    """Of the adapter's inputs."""


def _adapter(job: Job, settings: AdapterSettings) -> Fitted:
    """Train a low-rank adapter and a head on the encoder, which stays as it is."""
    from textgraft.models.graft.heads import GraftConfig

    config = GraftConfig.on(
        job.needed_encoder(),
        normalize=False,
        lora_layers=_upper_layers(job),
        lora_rank=settings.lora_rank,
        lora_alpha=settings.lora_alpha or 2 * settings.lora_rank,
        lora_dropout=settings.lora_dropout,
    )
    return _graft(job, config, settings)


def _upper_layers(job: Job) -> list[int]:
    """Return the layers above those that the user freezes; none means all."""
    from textgraft.models.loading import load_config

    if not job.freeze_layers:
        return []
    layers = load_config(job.needed_encoder().path).num_hidden_layers
    return list(range(job.freeze_layers, layers))


def _graft(job: Job, config: GraftConfig, settings: TrainedSettings) -> Fitted:
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.models.encoders import load_encoder

    source = job.needed_encoder()
    job.task.configure(config)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    _, tokenizer = load_encoder(source)
    length = job.max_length or encoder_max_length(source)
    fitted = train_on_rows(job, model, tokenizer, length, settings, model.frozen_layers)
    return replace(fitted, begun_from=source)


class FineTuningSettings(TrainedSettings):
    """Settings of fine-tuning; all are those of the training loop."""


def _finetuned(job: Job, settings: FineTuningSettings, *, pretrained: bool = True) -> Fitted:
    """Fine-tune the encoder, all of it or its upper layers, with a new head.

    With ``pretrained=False`` all weights begin at random: the difference is what pre-training is worth.
    """
    import torch
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.models.encoders import load_encoder
    from textgraft.models.loading import load_config

    source = job.needed_encoder()
    _, tokenizer = load_encoder(source)
    config = load_config(source.path)
    job.task.configure(config)
    model = (
        _with_head(source, job.task.auto_class, config)
        if pretrained
        else getattr(transformers, job.task.auto_class).from_config(config, dtype=torch.float32)
    )
    length = job.max_length or encoder_max_length(source)
    fitted = train_on_rows(job, model, tokenizer, length, settings, job.freeze_layers if pretrained else 0)
    return replace(fitted, begun_from=source if pretrained else None)


def _with_head(source: EncoderSource, auto_class: str, config: PreTrainedConfig) -> PreTrainedModel:
    """Load an encoder under the head that a task needs.

    A head that the checkpoint has goes on where it fits; one for other labels is made anew, which is said.
    """
    import torch

    from textgraft.models.loading import load_under_head

    model, is_new = load_under_head(auto_class, source.path, config=config, dtype=torch.float32)
    if is_new:
        _tell_new_head(source.name, len(config.id2label or ()))
    return model


@functools.cache
def _tell_new_head(name: str, outputs: int) -> None:
    """Say it once, not at every trial."""
    logger.warning(
        "the encoder %r comes with a head for other labels than the %d of this task: a new one is trained",
        name,
        outputs,
    )


_FROZEN = Contender(
    name="bert-frozen",
    title="BERT encodings + shallow network",
    recipe=_encodings,
    grid=(EncodingsSettings(c=10.0), EncodingsSettings(c=1.0), EncodingsSettings(hidden_size=128)),
    tasks=TEXTS,
    colour="#56b4e9",
    marker="circle",
    is_default=True,
    saving="claimed",
    train_option="--freeze all",
    needs_encoder=True,
)

CONTENDERS = (
    _FROZEN,
    replace(
        _FROZEN,
        title="BERT encodings of both texts + shallow network",
        grid=tuple(EncodingsSettings(c=c) for c in (1.0, 0.1, 10.0)),
        tasks=PAIRS,
    ),
    replace(
        _FROZEN,
        title="frozen BERT + shallow network",
        recipe=_frozen,
        grid=tuple(
            HeadSettings(learning_rate=rate, batch_size=32, hidden_size=256) for rate in (3e-3, 1e-2, 1e-3)
        ),
        tasks=("token-classification", "question-answering", "multiple-choice"),
        epochs=EpochSchedule(rows=60_000, least=5, most=30),
    ),
    Contender(
        name="bert-adapter",
        title="BERT with a LoRA adapter",
        recipe=_adapter,
        grid=tuple(
            # Low rank wants a higher rate than the whole of the weights.
            AdapterSettings(lora_rank=16, learning_rate=rate, head_learning_rate=head_rate, batch_size=16)
            for rate, head_rate in ((1e-3, 1e-3), (3e-3, 3e-3), (3e-4, 1e-3))
        ),
        tasks=READING,
        colour="#cc79a7",
        marker="pentagon",
        train_option="--adapter lora",
        epochs=EPOCHS,
        needs_encoder=True,
    ),
    Contender(
        name="bert-scratch",
        title="BERT's architecture from random weights",
        recipe=functools.partial(_finetuned, pretrained=False),
        grid=tuple(FineTuningSettings(learning_rate=rate, batch_size=16) for rate in (5e-4, 1e-3, 2e-4)),
        tasks=READING,
        colour="#0072b2",
        marker="star-open",
        epochs=EpochSchedule(rows=15_000, least=10, most=60),
        needs_encoder=True,
    ),
    Contender(
        name="bert-finetuned",
        title="BERT fine-tuned",
        recipe=_finetuned,
        grid=tuple(
            # The new head starts from nothing and has far to go; with many labels it needs a rate of its own.
            FineTuningSettings(learning_rate=rate, head_learning_rate=head_rate, batch_size=16)
            for rate, head_rate in ((1e-4, 1e-3), (3e-4, 3e-3), (3e-5, 1e-3))
        ),
        tasks=READING,
        colour="#d55e00",
        marker="star",
        is_default=True,
        is_default_of_train=True,
        saving="measured",
        epochs=EPOCHS,
        needs_encoder=True,
        rate_follows_width=True,
    ),
)
