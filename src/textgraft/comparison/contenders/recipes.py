"""How each kind of contender is fitted, from raw rows to a trained model."""

from __future__ import annotations

import functools
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
import transformers
from transformers import AutoConfig, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

import textgraft.models.auto  # noqa: F401  registers our architectures
from textgraft.comparison.contenders.base import Fitted, Job, Settings
from textgraft.data.dataset import Dataset
from textgraft.data.words import spaced
from textgraft.embeddings.word_table import fill_word_table, words_with_vectors
from textgraft.embeddings.word_vectors import VectorSource, WordVectors
from textgraft.errors import OptionError
from textgraft.inference.encode import Encoder
from textgraft.models.baselines.majority import MajorityConfig, MajorityForSequenceClassification
from textgraft.models.baselines.tfidf import fit_tfidf
from textgraft.models.encoders import EncoderSource, encoder_max_length, load_encoder
from textgraft.models.graft.heads import GraftConfig, GraftForSequenceClassification
from textgraft.models.graft.pairs import PairGraftConfig, PairGraftForSequenceClassification
from textgraft.models.pairs import pair_features, siamese_tokenizer
from textgraft.models.quiet import quiet_transformers
from textgraft.models.recurrent.encoder import RecurrentConfig
from textgraft.pretraining.adaptation import adapt
from textgraft.tasks.text.pairs import PairTexts
from textgraft.tokenization.word_tokenizer import SPECIAL_TOKENS, train_word_tokenizer, with_words_of
from textgraft.training.frozen import fit_upper_layers
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings
from textgraft.training.shallow import fit_shallow
from textgraft.training.task_rows import TaskRows

if TYPE_CHECKING:
    from textgraft.models.recurrent.language_model import RecurrentForCausalLM
    from textgraft.tasks.text.texts import TextTask

RECURRENT_MAX_LENGTH = 512
LEAST_SECONDS = 1e-3
ADAPTATION_SHARE = 1 / 3
"""Of a budget, what a language model may read the training texts for before the task is trained."""


def majority(job: Job, settings: Settings) -> Fitted:
    """Count the training labels; the floor that every other contender must clear."""
    del settings
    counts = np.bincount(job.targets(job.train), minlength=len(job.task.labels))
    config = MajorityConfig(label_counts=counts.tolist())
    job.task.configure(config)
    tokenizer = train_word_tokenizer(job.train.texts)
    return Fitted(MajorityForSequenceClassification(config), tokenizer, RECURRENT_MAX_LENGTH)


def tfidf(job: Job, settings: Settings) -> Fitted:
    """Fit logistic regression (ridge regression for numbers) on TF-IDF weighted words and word pairs."""
    shape = PreTrainedConfig()
    job.task.configure(shape)
    model, tokenizer = fit_tfidf(
        job.train.texts,
        cast("TextTask", job.task).loss_targets(job.train),
        len(job.task.labels),
        problem_type=shape.problem_type,
        **settings,
    )
    job.task.configure(model.config)
    # A bag of words has no length limit; the tokenizer's own guards against absurd inputs.
    return Fitted(model, tokenizer, job.max_length or tokenizer.model_max_length)


def train_on_rows(
    job: Job,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    length: int,
    settings: Settings,
    freeze_layers: int = 0,
) -> Fitted:
    """Run the one training loop and wrap up its result."""
    train, dev = (job.task.features(rows, tokenizer, length) for rows in (job.train, job.dev))
    wanted = TrainingSettings(**{"seed": job.seed, "max_seconds": job.max_seconds, **settings})
    run = functools.partial(
        fit_upper_layers if freeze_layers else fit,
        model,
        TaskRows(job.task, train, dev, pad_token_id=tokenizer.pad_token_id),
        wanted,
        folder=job.folder,
        on_step=job.on_step,
    )
    if freeze_layers:
        # A cache of its own for every run: training time is to include what fills it.
        with tempfile.TemporaryDirectory() as folder:
            result = run(freeze_layers=freeze_layers, cache_folder=Path(folder))
    else:
        result = run()
    return Fitted(model, tokenizer, length, result.epochs, result.stopped_by, result.history, cut=result.cut)


ARCHITECTURE = ("embedding_size", "hidden_size", "num_layers", "dropout", "embedding_dropout")
"""Settings that describe a recurrent network; the others, but for its word vectors, describe its training."""


def training_words(rows: Dataset) -> PreTrainedTokenizerFast:
    """Learn the words of the rows."""
    # Where words are tagged, a token is a word of the user's.
    in_words = "words" in rows.columns
    return train_word_tokenizer(spaced(rows) if in_words else rows.texts, whole_words=in_words)


def recurrent(job: Job, settings: Settings, **kind: Any) -> Fitted:
    """Train a bidirectional recurrent network; it pools by attention where it pools.

    It begins with random weights but for its word table, which the job may have vectors for.
    """
    tokenizer = training_words(job.train)
    config = RecurrentConfig(
        **kind,
        vocab_size=len(tokenizer),
        bidirectional=True,
        pooling="attention",
        pad_token_id=tokenizer.pad_token_id,
        **{name: value for name, value in settings.items() if name in ARCHITECTURE},
    )
    job.task.configure(config)
    training = {name: value for name, value in settings.items() if name not in (*ARCHITECTURE, "vectors")}
    length = job.max_length or RECURRENT_MAX_LENGTH
    model = getattr(transformers, job.task.auto_class).from_config(config)
    if job.vectors is not None:
        fill_word_table(model, tokenizer, _vectors(job.vectors, settings))
    return train_on_rows(job, model, tokenizer, length, training)


def word_table_note(rows: Dataset, source: VectorSource) -> str:
    """Say how many of the words of training rows the word vectors know."""
    tokenizer = training_words(rows)
    known = len(words_with_vectors(tokenizer, source.load()))
    return f"{known:,} of {len(tokenizer) - len(SPECIAL_TOKENS):,} words have a vector in {source.path.name}"


def _vectors(source: VectorSource, settings: Settings) -> WordVectors:
    """Return the job's word vectors, if they are those that the settings speak of."""
    vectors = source.load()
    for name, value in (("vectors", source.name), ("embedding_size", vectors.size)):
        if settings[name] != value:
            raise OptionError(
                f"{name} is {settings[name]!r}, and the word vectors' is {value!r}",
                where=f"setting {name!r}",
                fix="Leave the setting out: the vectors decide it.",
            )
    return vectors


def lstm_pretrained(job: Job, settings: Settings) -> Fitted:
    """Fine-tune a recurrent language model by the recipe of ULMFiT (Howard and Ruder 2018).

    It first reads the training texts as a language model, with their words added to its own. Then a head on
    the last, greatest and mean states is trained, and with every epoch one layer more.
    """
    assert job.language_model is not None, "compare() and train() ask for one"
    start = time.perf_counter()
    loaded, tokenizer = load_encoder(job.language_model, "AutoModelForCausalLM")
    language_model = cast("RecurrentForCausalLM", loaded)
    tokenizer = with_words_of(tokenizer, job.train.texts)
    with quiet_transformers():
        language_model.resize_token_embeddings(len(tokenizer))
    length = job.max_length or RECURRENT_MAX_LENGTH
    adapted = adapt(
        language_model,
        tokenizer,
        job.train.texts,
        job.dev.texts,
        epochs=settings["adaptation_epochs"],
        max_length=length,
        seed=job.seed,
        max_seconds=job.max_seconds and ADAPTATION_SHARE * job.max_seconds,
        folder=job.folder and job.folder / "language-model",
        on_step=job.on_step,
    )
    kept = language_model.config.to_dict()
    changed = {name: settings[name] for name in ARCHITECTURE if name in settings}
    config = RecurrentConfig.from_dict({**kept, **changed, "pooling": "concat", "architectures": None})
    job.task.configure(config)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    model.base_model.load_state_dict(language_model.base_model.state_dict())
    training = {
        name: value for name, value in settings.items() if name not in (*ARCHITECTURE, "adaptation_epochs")
    }
    if job.max_seconds:
        # Where reading the texts took all of it, the task still gets the step that the loop never leaves out.
        left = job.max_seconds - (time.perf_counter() - start)
        job = replace(job, max_seconds=max(LEAST_SECONDS, left))
    fitted = train_on_rows(job, model, tokenizer, length, training)
    return replace(fitted, cut=fitted.cut or adapted.cut)


def encoder_of(job: Job) -> EncoderSource:
    """Return the encoder of a contender that needs one."""
    assert job.encoder is not None, "compare() resolves an encoder for every contender that needs one"
    return job.encoder


def bert_finetuned(job: Job, settings: Settings, *, pretrained: bool = True) -> Fitted:
    """Fine-tune the encoder, all of it or its upper layers, with a new head.

    With ``pretrained=False`` all weights begin at random: the difference is what pre-training is worth.
    """
    source = encoder_of(job)
    _, tokenizer = load_encoder(source)
    config = AutoConfig.from_pretrained(source.path)
    job.task.configure(config)
    with quiet_transformers():
        auto_class = getattr(transformers, job.task.auto_class)
        model = (
            auto_class.from_pretrained(source.path, config=config, dtype=torch.float32)
            if pretrained
            else auto_class.from_config(config, dtype=torch.float32)
        )
    length = job.max_length or encoder_max_length(source)
    return train_on_rows(job, model, tokenizer, length, settings, job.freeze_layers if pretrained else 0)


ADAPTER = ("lora_rank", "lora_alpha", "lora_dropout")
"""Settings that describe an adapter."""


def bert_adapter(job: Job, settings: Settings) -> Fitted:
    """Train a low-rank adapter and a head on the encoder, which stays as it is."""
    adapter = {"lora_alpha": 2 * settings["lora_rank"], **settings}
    layers = AutoConfig.from_pretrained(encoder_of(job).path).num_hidden_layers
    config = GraftConfig.on(
        encoder_of(job),
        normalize=False,
        lora_layers=list(range(job.freeze_layers, layers)) if job.freeze_layers else [],
        **{name: adapter[name] for name in ADAPTER if name in adapter},
    )
    training = {name: value for name, value in settings.items() if name not in ADAPTER}
    return _graft(job, config, training)


def bert_frozen(job: Job, settings: Settings) -> Fitted:
    """Train a shallow network on the hidden states of the frozen encoder, which are computed once."""
    training = {name: value for name, value in settings.items() if name != "hidden_size"}
    config = GraftConfig.on(
        encoder_of(job),
        normalize=False,
        hidden_sizes=[settings["hidden_size"]] if settings.get("hidden_size") else [],
    )
    return _graft(job, config, training)


def _graft(job: Job, config: GraftConfig, settings: Settings) -> Fitted:
    source = encoder_of(job)
    job.task.configure(config)
    model = getattr(transformers, job.task.auto_class).from_config(config)
    _, tokenizer = load_encoder(source)
    length = job.max_length or encoder_max_length(source)
    return train_on_rows(job, model, tokenizer, length, settings, model.frozen_layers)


@functools.lru_cache(maxsize=2)
def _frozen_encoder(source: EncoderSource, identity: str, max_length: int | None) -> Encoder:
    """Return an encoder that keeps nothing on disk.

    How texts meet in batches moves their encodings by a rounding error. What is kept on disk was computed in
    other company, so a trial would depend on what ran before it.

    Args:
        source: The encoder.
        identity: Its identity: the files may change while the process lives.
        max_length: Tokens that a text is cut to.
    """
    del identity
    encoder = Encoder.from_source(source, max_length=max_length)
    encoder.open()
    return encoder


@functools.lru_cache(maxsize=4)
def _encodings(encoder: Encoder, texts: tuple[str, ...]) -> tuple[np.ndarray, float]:
    """Encode texts, once for all configurations of a trial; return the seconds that it took, too."""
    start = time.perf_counter()
    return encoder.encode(texts), time.perf_counter() - start


def bert_encodings(job: Job, settings: Settings) -> Fitted:
    """Encode every text once with the frozen encoder and fit a shallow network on the encodings.

    Of a pair each text is encoded by itself, and the network reads what compares the two.
    """
    source, task = encoder_of(job), cast("TextTask", job.task)
    in_pairs = isinstance(task, PairTexts)
    encoder = _frozen_encoder(source, source.identity, job.max_length)
    seconds = 0.0

    def encodings(rows: Dataset) -> np.ndarray:
        nonlocal seconds
        sides = rows.columns.values() if in_pairs else [rows.texts]
        computed = [_encodings(encoder, tuple(texts)) for texts in sides]
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
        **settings,
    )
    config.hidden_sizes = [len(bias) for _, bias in layers[:-1]]
    model = model_class.from_layers(config, layers)
    _, tokenizer = load_encoder(source)
    return Fitted(
        model,
        siamese_tokenizer(tokenizer) if in_pairs else tokenizer,
        encoder.max_length,
        cached_seconds=max(0.0, seconds - spent),
    )
