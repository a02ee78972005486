"""Who competes. A new contender is one entry in ALL_CONTENDERS: a name, the settings tried, and its recipe.

Every contender gets the same rows, the same number of settings to try on the same dev rows, and early
stopping by the same rule, so that none is a strawman.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from textgraft.comparison.contenders.base import Contender, EpochSchedule, Settings
from textgraft.comparison.contenders.writing_contenders import WRITING_CONTENDERS
from textgraft.embeddings.word_vectors import VectorSource
from textgraft.errors import OptionError, unknown
from textgraft.models.encoders import EncoderSource, encoder_width, resolve_language_model

_RECURRENT_BASE: Settings = {
    "embedding_size": 128,
    "hidden_size": 128,
    "num_layers": 1,
    "batch_size": 32,
    "max_tokens": 8192,
}
_RECURRENT_GRID: tuple[Settings, ...] = (
    {**_RECURRENT_BASE, "learning_rate": 2e-3, "dropout": 0.5, "embedding_dropout": 0.5},
    {**_RECURRENT_BASE, "learning_rate": 5e-3, "dropout": 0.5, "embedding_dropout": 0.5},
    {**_RECURRENT_BASE, "learning_rate": 1e-3, "dropout": 0.3, "embedding_dropout": 0.3},
)
_RECURRENT_EPOCHS = EpochSchedule(rows=15_000, least=10, most=60)
_STATED_WIDTH = 384
"""Of the bundled encoder, for which the learning rates of fine-tuning are stated."""
_FINETUNING_GRID: tuple[Settings, ...] = (
    # The new head starts from nothing and has far to go; with many labels it needs a rate of its own.
    {"learning_rate": 1e-4, "head_learning_rate": 1e-3, "batch_size": 16},
    {"learning_rate": 3e-4, "head_learning_rate": 3e-3, "batch_size": 16},
    {"learning_rate": 3e-5, "head_learning_rate": 1e-3, "batch_size": 16},
)
_SCRATCH_GRID: tuple[Settings, ...] = tuple(
    {"learning_rate": rate, "batch_size": 16} for rate in (5e-4, 1e-3, 2e-4)
)
_FINETUNING_EPOCHS = EpochSchedule(rows=8_000, least=4, most=20)
_ADAPTER_GRID: tuple[Settings, ...] = (
    # Low rank wants a higher rate than the whole of the weights.
    {"lora_rank": 16, "learning_rate": 1e-3, "head_learning_rate": 1e-3, "batch_size": 16},
    {"lora_rank": 16, "learning_rate": 3e-3, "head_learning_rate": 3e-3, "batch_size": 16},
    {"lora_rank": 16, "learning_rate": 3e-4, "head_learning_rate": 1e-3, "batch_size": 16},
)
_HEAD_GRID: tuple[Settings, ...] = (
    {"learning_rate": 3e-3, "batch_size": 32, "hidden_size": 256},
    {"learning_rate": 1e-2, "batch_size": 32, "hidden_size": 256},
    {"learning_rate": 1e-3, "batch_size": 32, "hidden_size": 256},
)
_HEAD_EPOCHS = EpochSchedule(rows=60_000, least=5, most=30)

_PRETRAINED_GRID: tuple[Settings, ...] = tuple(
    {
        "adaptation_epochs": 2,
        "learning_rate": rate,
        "layer_decay": 1 / 2.6,
        "gradual_unfreezing": True,
        "dropout": dropout,
        "embedding_dropout": dropout,
        "batch_size": 32,
        "max_tokens": 8192,
    }
    for rate, dropout in ((1e-2, 0.4), (5e-3, 0.4), (1e-2, 0.2))
)
"""The recipe of Howard and Ruder 2018 (ULMFiT)."""

LABELS = ("classification",)
"""Tasks of one label a text."""
TEXTS = (*LABELS, "multi-label", "regression")
"""Tasks on whole texts."""
PAIRS = ("pairs", "similarity")
READING = (*TEXTS, *PAIRS, "token-classification", "question-answering", "multiple-choice")
"""Tasks whose answer is chosen or found."""
ALL_CONTENDERS = (
    Contender("majority", "most frequent label", "majority", ({},), tasks=LABELS),
    Contender(
        "tfidf",
        "TF-IDF + logistic regression",
        "tfidf",
        ({"c": 10.0}, {"c": 100.0}, {"c": 1.0}),
        tasks=TEXTS,
    ),
    *(
        Contender(
            cell,
            title,
            "recurrent",
            _RECURRENT_GRID,
            {"cell": cell},
            tasks=READING,
            epochs=_RECURRENT_EPOCHS,
        )
        for cell, title in (("rnn", "Elman RNN, both directions"), ("gru", "BiGRU"), ("lstm", "BiLSTM"))
    ),
    Contender(
        "lstm-crf",
        "BiLSTM-CRF with characters",
        "recurrent",
        _RECURRENT_GRID,
        {"cell": "lstm", "crf": True, "characters": "cnn"},
        tasks=("token-classification",),
        epochs=_RECURRENT_EPOCHS,
    ),
    Contender(
        "lstm-pretrained",
        "LSTM pre-trained as a language model",
        "lstm_pretrained",
        _PRETRAINED_GRID,
        needs_language_model=True,
        tasks=(*TEXTS, *PAIRS),
        epochs=_RECURRENT_EPOCHS,
    ),
    Contender(
        "bert-frozen",
        "BERT encodings + shallow network",
        "bert_encodings",
        ({"c": 10.0}, {"c": 1.0}, {"hidden_size": 128}),
        needs_encoder=True,
        tasks=TEXTS,
    ),
    Contender(
        "bert-frozen",
        "BERT encodings of both texts + shallow network",
        "bert_encodings",
        ({"c": 1.0}, {"c": 0.1}, {"c": 10.0}),
        needs_encoder=True,
        tasks=PAIRS,
    ),
    Contender(
        "bert-frozen",
        "frozen BERT + shallow network",
        "bert_frozen",
        _HEAD_GRID,
        needs_encoder=True,
        tasks=("token-classification", "question-answering", "multiple-choice"),
        epochs=_HEAD_EPOCHS,
    ),
    Contender(
        "bert-adapter",
        "BERT with a LoRA adapter",
        "bert_adapter",
        _ADAPTER_GRID,
        model_settings=("lora_alpha", "lora_dropout"),
        needs_encoder=True,
        tasks=READING,
        epochs=_FINETUNING_EPOCHS,
    ),
    Contender(
        "bert-scratch",
        "BERT's architecture from random weights",
        "bert_finetuned",
        _SCRATCH_GRID,
        {"pretrained": False},
        needs_encoder=True,
        tasks=READING,
        epochs=_RECURRENT_EPOCHS,
    ),
    Contender(
        "bert-finetuned",
        "BERT fine-tuned",
        "bert_finetuned",
        _FINETUNING_GRID,
        needs_encoder=True,
        rate_follows_width=True,
        tasks=READING,
        epochs=_FINETUNING_EPOCHS,
    ),
    *WRITING_CONTENDERS,
)
"""Every contender; those of one name do different tasks."""
DEFAULT_CONTENDERS = (
    "tfidf", "lstm", "lstm-crf", "bert-frozen", "bert-finetuned",
    "lead", "copy", "nearest", "lstm-seq2seq", "lstm-attention", "transformer", "bert-to-bert",
    "lstm-captioner",
)  # fmt: skip


def contenders_for(task: str) -> dict[str, Contender]:
    """Return the contenders that can do a task, by name."""
    return {entry.name: entry for entry in ALL_CONTENDERS if not entry.tasks or task in entry.tasks}


def choose_contenders(names: Sequence[str] | None, task: str) -> list[Contender]:
    """Return the contenders of these names, in order and once each; the usual ones of the task for None.

    Raises:
        OptionError: A name is unknown, or not one for this task.
    """
    able = contenders_for(task)
    if names is None:
        return [able[name] for name in DEFAULT_CONTENDERS if name in able]
    for name in names:
        if name not in able and name in {entry.name for entry in ALL_CONTENDERS}:
            raise OptionError(
                f"the contender {name!r} cannot do the task {task}",
                where="--contenders",
                fix=f"For this task there are {', '.join(able)}.",
            )
        if name not in able:
            raise unknown("contender", name, able, where="--contenders")
    return [able[name] for name in dict.fromkeys(names)]


def needed_language_model(contenders: Sequence[Contender], path: str | Path | None) -> EncoderSource | None:
    """Return the recurrent language model that a contender begins with; None where none of them does.

    Raises:
        ModelError: It cannot be found, or is something else.
        OptionError: None is named and one is needed, or the other way round.
    """
    needing = [contender.name for contender in contenders if contender.needs_language_model]
    if not needing and path is None:
        return None
    if not needing:
        raise OptionError(
            f"none of {', '.join(contender.name for contender in contenders)} begins with a language model",
            where="--language-model",
            fix="Name lstm-pretrained, or leave the language model out.",
        )
    if path is None:
        raise OptionError(
            f"the contender {needing[0]!r} begins with a recurrent language model, and none is named",
            where="--language-model",
            fix="Give the folder of one, as textgraft pretrain --arch lstm writes it.",
        )
    return resolve_language_model(path)


def with_vectors(contenders: Sequence[Contender], vectors: VectorSource | None) -> list[Contender]:
    """Let the recurrent contenders begin with pre-trained word vectors, as a part of all their settings.

    Raises:
        DataError: The vectors cannot be read.
        OptionError: There is no recurrent contender.
    """
    if vectors is None:
        return list(contenders)
    if not any(contender.recipe == "recurrent" for contender in contenders):
        raise OptionError(
            f"none of {', '.join(contender.name for contender in contenders)} begins with word vectors",
            where="--vectors",
            fix="Name rnn, gru, lstm or lstm-crf, or leave the vectors out.",
        )
    own: Settings = {"embedding_size": vectors.load().size, "vectors": vectors.name}
    return [
        replace(
            contender,
            title=f"{contender.title} on word vectors",
            grid=tuple({**settings, **own} for settings in contender.grid),
        )
        if contender.recipe == "recurrent"
        else contender
        for contender in contenders
    ]


def scaled_to(contenders: Sequence[Contender], encoder: EncoderSource | None) -> list[Contender]:
    """Fit the learning rates of contenders that fine-tune a whole encoder to its width.

    Under Adam the rate that suits a matrix falls with the number of its inputs (Yang et al. 2022, "Tensor
    programs V", table 3). The rates of the table above are those for the bundled encoder; BERT-base then is
    trained at 5e-5 and BERT-tiny at 3e-4, which lie in the ranges that their authors searched. From random
    weights the narrow ones learned less at a higher rate, so theirs stays.

    Raises:
        ModelError: The encoder does not state its width.
    """
    if encoder is None:
        return list(contenders)
    factor = _STATED_WIDTH / encoder_width(encoder)
    return [
        replace(contender, grid=tuple(_faster(settings, factor) for settings in contender.grid))
        if contender.rate_follows_width
        else contender
        for contender in contenders
    ]


def _faster(settings: Settings, factor: float) -> Settings:
    return {**settings, "learning_rate": float(f"{factor * settings['learning_rate']:.2g}")}
