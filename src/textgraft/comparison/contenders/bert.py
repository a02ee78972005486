"""BERT: frozen under a shallow network, with a low-rank adapter, fine-tuned, and from random weights."""

from __future__ import annotations

import functools
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

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
    KeepingStates,
    RecipeSettings,
    TrainedSettings,
    train_on_rows,
)
from textgraft.comparison.contenders.shared import answering
from textgraft.data.dataset import Dataset
from textgraft.errors import OptionError
from textgraft.models.encoders import (
    EncoderSource,
    encoder_config,
    encoder_depth,
    encoder_max_length,
    load_encoder_tokenizer,
)
from textgraft.training.settings import Fraction, Positive

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedConfig, PreTrainedModel

    from textgraft.models.graft.base import GraftConfig
    from textgraft.tasks.text.texts import TextTask

logger = logging.getLogger(__name__)

WINDOWS = 16
"""With 256 tokens each, a text of ten pages."""
TRAINED_WINDOWS = 8
"""Fewer, since each is read, and learned from, in every epoch."""
EPOCHS = EpochSchedule(rows=8_000, least=4, most=20, shortest=0.2)
"""Pre-trained weights need few steps, so their training may be shortened further than another."""


class EncodingsSettings(RecipeSettings):
    """Settings of a shallow network on encodings."""

    c: Positive | None = None
    """Inverse strength of the L2 penalty of one linear layer, as in scikit-learn's LogisticRegression; None:
    the one of five that is best in cross-validation over the training rows."""
    hidden_size: int = Field(default=0, ge=0)
    """Width of a hidden layer; 0 for one linear layer."""
    windows: Count = WINDOWS
    """Windows of the encoder's length that are read of a long text at most, and their encodings averaged.
    Where a length limit is given, a text is cut there instead; of a pair each text is cut to one."""


def _encodings(job: Job, settings: EncodingsSettings) -> Fitted:
    """Encode every text once with the frozen encoder and fit a shallow network on the encodings.

    Of a pair each text is encoded by itself, and the network reads what compares the two.
    """
    import torch

    from textgraft.models.baselines.softmax_regression import Clock
    from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
    from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
    from textgraft.models.pairs import pair_features, siamese_tokenizer
    from textgraft.tasks.text.pairs import PairTexts
    from textgraft.training.shallow import fit_shallow

    clock = Clock(job.max_seconds)
    source, task = job.needed_encoder(), cast("TextTask", job.task)
    in_pairs = isinstance(task, PairTexts)
    windows = 1 if in_pairs or job.max_length else settings.windows
    shared = job.shared.encoder(source, job.max_length, windows)
    encoder, before = shared.encoder, shared.owed

    def encodings(rows: Dataset) -> Tensor:
        sides = rows.columns.values() if in_pairs else [rows.texts]
        vectors = [torch.from_numpy(shared.encode(list(texts))) for texts in sides]
        return pair_features(*vectors) if in_pairs else vectors[0]

    config_class = PairGraftConfig if in_pairs else GraftConfig
    model_class: Any = PairGraftForSequenceClassification if in_pairs else GraftForSequenceClassification
    config = config_class.on(source, pooling=encoder.pooling, normalize=encoder.normalize)
    if windows > 1:
        config.window, config.window_frame = encoder.max_length, list(encoder.frame)
    task.configure(config)
    train, dev = encodings(job.train), encodings(job.dev)
    cached = shared.owed - before
    layers = fit_shallow(
        train.numpy(),
        task.loss_targets(job.train),
        dev.numpy(),
        task.loss_targets(job.dev),
        len(task.labels),
        problem_type=config.problem_type,
        seed=job.seed,
        clock=clock,
        hidden_size=settings.hidden_size,
        c=settings.c,
    )
    config.hidden_sizes = [len(bias) for _, bias in layers[:-1]]
    model = model_class.from_layers(config, layers)
    tokenizer = siamese_tokenizer(load_encoder_tokenizer(source)) if in_pairs else shared.tokenizer

    return Fitted(
        model,
        tokenizer,
        encoder.longest,
        stopped_by=clock.stopped_by,
        cut=clock.was_over,
        cached_seconds=cached,
        begun_from=source,
        outputs=answering(model, encodings, task, tokenizer, encoder.longest),
        is_head_alone=True,
    )


SHAPE_SIZE, SHAPES_HIDDEN = 16, 128
"""Of a head that labels words on an encoder that reads no capitals: dimensions that tell how one is written,
and the width of the hidden layer above them and the encoder's states."""


class HeadSettings(TrainedSettings):
    """Settings of a shallow network on the hidden states of a frozen encoder."""

    hidden_size: int = Field(default=0, ge=0)
    """Width of its hidden layer; 0 for one linear layer. Where words are labelled and the encoder reads no
    capitals, it has one always."""


def _frozen(job: Job, settings: HeadSettings) -> Fitted:
    """Train a shallow network on the hidden states of the frozen encoder, which are computed once."""
    from textgraft.models.graft.heads import GraftConfig

    sizes = [settings.hidden_size] if settings.hidden_size else []
    return _graft(job, GraftConfig.on(job.needed_encoder(), normalize=False, hidden_sizes=sizes), settings)


FrozenLayers = Annotated[int, Field(ge=0)] | Literal["half"]


def frozen_layers(source: EncoderSource, wanted: int | Literal["half"]) -> int:
    """Return how many of an encoder's layers, from the lowest, training is to leave as they are.

    Args:
        source: The encoder.
        wanted: Their number, or "half": the lower half, none where its layers cannot be told apart.

    Raises:
        OptionError: There are no so many layers below the highest, or they cannot be told apart.
    """
    from textgraft.models.graft.encoder_layers import STACKS

    config = encoder_config(source)
    kind, layers = config.get("model_type"), encoder_depth(source)
    if wanted == "half":
        return (layers or 0) // 2 if kind in STACKS else 0
    if wanted and (kind not in STACKS or (layers is not None and wanted >= layers)):
        raise OptionError(
            f"freeze_layers cannot be {wanted}: "
            + (
                f"the encoder has {layers} layers, and one at least is to be trained"
                if kind in STACKS
                else f"the layers of the model type {kind!r} cannot be told apart"
            ),
            where="--freeze-layers",
            fix="Give fewer, or 0 to train all.",
        )
    return wanted


class AdapterSettings(TrainedSettings):
    """Settings of a low-rank adapter and of its training."""

    freeze_layers: FrozenLayers = 0
    """Lower layers that it leaves as they are: a number, or "half" of them."""
    lora_rank: Count = 16
    """Rank of what is added to each weight matrix (Hu et al. 2022, "LoRA")."""
    lora_alpha: Count | None = None
    """What is added is scaled by ``lora_alpha / lora_rank``; None: twice the rank."""
    lora_dropout: Fraction = 0.0
    """Of the adapter's inputs."""
    windows: Count = TRAINED_WINDOWS
    """Windows of the encoder's length that are read of a long text at most, and their encodings averaged.
    Where a length limit is given, a text is cut there instead; pairs and the texts of other tasks are read as
    these tasks read them."""


def _adapter(job: Job, settings: AdapterSettings) -> Fitted:
    """Train a low-rank adapter and a head on the encoder, which stays as it is."""
    from textgraft.models.graft.heads import GraftConfig

    config = GraftConfig.on(
        job.needed_encoder(),
        normalize=False,
        lora_layers=upper_layers(job.needed_encoder(), settings.freeze_layers),
        lora_rank=settings.lora_rank,
        lora_alpha=settings.lora_alpha or 2 * settings.lora_rank,
        lora_dropout=settings.lora_dropout,
    )
    return _graft(job, config, settings, settings.windows)


def _reading(job: Job, config: Any, windows: int) -> int:
    """Have a model read long texts in windows, where the task lets it.

    Args:
        job: Its encoder says how long a window is; where it limits the length, a text is cut there instead.
        config: Of the model, changed in place. One that goes on from a checkpoint may have said otherwise.
        windows: Of a text at most.

    Returns:
        Tokens that are read of a text.
    """
    from textgraft.models.windows import longest
    from textgraft.tokenization.encode import TextFrame

    source = job.needed_encoder()
    size = job.max_length or encoder_max_length(source)
    if windows == 1 or job.max_length or not job.task.takes_windows:
        if getattr(config, "window", 0):
            config.window = 0
        return size
    frame = TextFrame.of(load_encoder_tokenizer(source).backend_tokenizer, "a")
    config.window, config.window_frame = size, [len(frame.before), len(frame.after)]
    return longest(size, windows, frame.size)


def upper_layers(source: EncoderSource, freeze_layers: FrozenLayers) -> list[int]:
    """Return the layers above those that are frozen; none means all."""
    frozen = frozen_layers(source, freeze_layers)
    return list(range(frozen, encoder_depth(source) or 0)) if frozen else []


def _graft(job: Job, config: GraftConfig, settings: TrainedSettings, windows: int = 1) -> Fitted:
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.tasks.spans.token_classification import TokenClassification
    from textgraft.tokenization.encode import ask_for
    from textgraft.tokenization.word_shapes import WORD_SHAPES, hides_case

    source = job.needed_encoder()
    tokenizer = load_encoder_tokenizer(source)
    job.task.configure(config)
    if isinstance(job.task, TokenClassification) and hides_case(tokenizer.backend_tokenizer):
        config.word_shapes = SHAPE_SIZE
        # What capitals say of a word depends on the word: one linear layer could only add both up.
        config.hidden_sizes = config.hidden_sizes or [SHAPES_HIDDEN]
        ask_for(tokenizer, WORD_SHAPES)
    length = _reading(job, config, windows)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    fitted = train_on_rows(job, model, tokenizer, length, settings, keeping_states(model.frozen_layers))
    return replace(fitted, begun_from=source)


def keeping_states(freeze_layers: int) -> KeepingStates | None:
    """Return what trains and runs all but the lowest layers; None where none of them is frozen."""
    from textgraft.inference.encoder_states import open_states
    from textgraft.training.frozen import fit_upper_layers, run_upper_layers

    if not freeze_layers:
        return None
    return KeepingStates(
        functools.partial(fit_upper_layers, freeze_layers=freeze_layers, open_states=open_states),
        functools.partial(run_upper_layers, freeze_layers=freeze_layers, open_states=open_states),
    )


class ScratchSettings(TrainedSettings):
    """Settings of training from random weights."""

    windows: Count = TRAINED_WINDOWS
    """Windows of the encoder's length that are read of a long text at most, and their logits averaged, as in
    fine-tuning."""


def _from_scratch(job: Job, settings: ScratchSettings) -> Fitted:
    """Train the encoder's architecture from random weights: fine-tuning shows what pre-training is worth."""
    import torch
    import transformers

    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.models.loading import load_config

    source = job.needed_encoder()
    config = load_config(source.path)
    job.task.configure(config)
    length = _reading(job, config, settings.windows)
    model = getattr(transformers, job.task.auto_class).from_config(config, dtype=torch.float32)
    return train_on_rows(job, model, load_encoder_tokenizer(source), length, settings)


class FineTuningSettings(TrainedSettings):
    """Settings of fine-tuning."""

    freeze_layers: FrozenLayers = 0
    """Lower layers that stay as they are, so that what they compute is computed once: a number, or "half"."""
    windows: Count = TRAINED_WINDOWS
    """Windows of the encoder's length that are read of a long text at most, and their logits averaged, in
    training as in what is served. Where a length limit is given, a text is cut there instead; pairs and the
    texts of other tasks are read as these tasks read them."""


def _finetuned(job: Job, settings: FineTuningSettings) -> Fitted:
    """Fine-tune the encoder, all of it or its upper layers, with a new head."""
    import textgraft.models.auto  # noqa: F401  registers our architectures
    from textgraft.models.loading import load_config

    source = job.needed_encoder()
    frozen = frozen_layers(source, settings.freeze_layers)
    config = load_config(source.path)
    job.task.configure(config)
    length = _reading(job, config, settings.windows)
    model = _with_head(source, job.task.auto_class, config)
    fitted = train_on_rows(
        job, model, load_encoder_tokenizer(source), length, settings, keeping_states(frozen)
    )
    return replace(fitted, begun_from=source)


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
    asked_about="BERT",
    title="BERT encodings + shallow network",
    recipe=_encodings,
    grid=(EncodingsSettings(), EncodingsSettings(hidden_size=128)),
    tasks=TEXTS,
    colour="#56b4e9",
    marker="circle",
    is_default=True,
    saving="claimed",
    train_option="--freeze-layers all",
    needs_encoder=True,
    windows=WINDOWS,
)

_ADAPTER = Contender(
    name="bert-adapter",
    asked_about="BERT",
    title="BERT with a LoRA adapter",
    recipe=_adapter,
    grid=tuple(
        # Low rank wants a higher rate than the whole of the weights.
        AdapterSettings(lora_rank=16, learning_rate=rate, head_learning_rate=head_rate, batch_size=16)
        for rate, head_rate in ((1e-3, 1e-3), (3e-3, 3e-3), (3e-4, 1e-3))
    ),
    tasks=TEXTS,
    colour="#cc79a7",
    marker="pentagon",
    train_option="--adapter lora",
    epochs=EPOCHS,
    needs_encoder=True,
    windows=TRAINED_WINDOWS,
)

_SCRATCH = Contender(
    name="bert-scratch",
    asked_about="BERT",
    title="BERT's architecture from random weights",
    recipe=_from_scratch,
    grid=tuple(ScratchSettings(learning_rate=rate, batch_size=16) for rate in (5e-4, 1e-3, 2e-4)),
    tasks=TEXTS,
    colour="#0072b2",
    marker="star-open",
    epochs=EpochSchedule(rows=15_000, least=10, most=60),
    needs_encoder=True,
    windows=TRAINED_WINDOWS,
)

_FINETUNED = Contender(
    name="bert-finetuned",
    asked_about="BERT",
    title="BERT fine-tuned",
    recipe=_finetuned,
    grid=(
        # The new head starts from nothing and has far to go; with many labels it needs a rate of its own.
        FineTuningSettings(learning_rate=2e-4, head_learning_rate=2e-3, batch_size=16, freeze_layers="half"),
        FineTuningSettings(learning_rate=1e-4, head_learning_rate=1e-3, batch_size=16),
        FineTuningSettings(learning_rate=3e-5, head_learning_rate=1e-3, batch_size=16),
    ),
    tasks=TEXTS,
    colour="#d55e00",
    marker="star",
    is_default=True,
    is_default_of_train=True,
    saving="measured",
    epochs=EPOCHS,
    needs_encoder=True,
    windows=TRAINED_WINDOWS,
    rate_follows_width=True,
)

_OTHER_TASKS = tuple(task for task in READING if task not in TEXTS)

CONTENDERS = (
    _FROZEN,
    replace(
        _FROZEN,
        title="BERT encodings of both texts + shallow network",
        windows=1,
        grid=tuple(EncodingsSettings(c=c) for c in (1.0, 0.1, 10.0)),
        tasks=PAIRS,
    ),
    replace(
        _FROZEN,
        title="frozen BERT + shallow network",
        windows=1,
        recipe=_frozen,
        grid=tuple(
            HeadSettings(learning_rate=rate, batch_size=32, hidden_size=256) for rate in (3e-3, 1e-2, 1e-3)
        ),
        tasks=("token-classification", "question-answering", "multiple-choice"),
        epochs=EpochSchedule(rows=60_000, least=5, most=30),
    ),
    _ADAPTER,
    replace(_ADAPTER, windows=1, tasks=_OTHER_TASKS),
    _SCRATCH,
    replace(_SCRATCH, windows=1, tasks=_OTHER_TASKS),
    _FINETUNED,
    replace(_FINETUNED, windows=1, tasks=_OTHER_TASKS),
)
