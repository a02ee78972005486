"""Who competes where answers are written: sequence to sequence, and vector to sequence."""

from __future__ import annotations

from textgraft.comparison.contenders.base import Contender, EpochSchedule, Settings

WRITING = ("translation", "summarization", "text2text")
"""Tasks whose source and answer are texts, the latter written word by word."""

_WRITING_BASE: Settings = {"batch_size": 128, "max_tokens": 4096, "num_beams": 4}
"""Of all that learn to write from nothing."""
_SEQ2SEQ_BASE: Settings = {
    **_WRITING_BASE,
    "vocabulary_size": 8000,
    "embedding_size": 256,
    "hidden_size": 256,
    "learning_rate": 2e-3,
    "dropout": 0.3,
    "embedding_dropout": 0.3,
    "label_smoothing": 0.1,
}
_SEQ2SEQ_GRID: tuple[Settings, ...] = (
    _SEQ2SEQ_BASE,
    {**_SEQ2SEQ_BASE, "learning_rate": 1e-3, "num_layers": 2},
    {**_SEQ2SEQ_BASE, "learning_rate": 4e-3, "dropout": 0.5},
)
_SEQ2SEQ_EPOCHS = EpochSchedule(rows=300_000, least=10, most=60)
_TRANSFORMER_BASE: Settings = {
    **_WRITING_BASE,
    # It wants many steps: of Multi30k's first half pass it learned more in batches of 64 than of 128 pairs.
    "batch_size": 64,
    "max_tokens": 2048,
    "vocabulary_size": 8000,
    "hidden_size": 256,
    "num_layers": 3,
    "num_heads": 4,
    "feed_forward_size": 512,
    "learning_rate": 7e-4,
    "dropout": 0.2,
    "label_smoothing": 0.1,
}
_TRANSFORMER_GRID: tuple[Settings, ...] = (
    _TRANSFORMER_BASE,
    {**_TRANSFORMER_BASE, "learning_rate": 4e-4},
    {**_TRANSFORMER_BASE, "dropout": 0.3},
)
_BERT_TO_BERT_GRID: tuple[Settings, ...] = tuple(
    {"learning_rate": rate, "label_smoothing": 0.1, "batch_size": 32, "max_tokens": 2048, "num_beams": 4}
    for rate in (2e-4, 4e-4, 1e-4)
)
_CAPTIONER_GRID: tuple[Settings, ...] = tuple(
    {
        **_WRITING_BASE,
        "vocabulary_size": 2000,
        "embedding_size": 128,
        "hidden_size": 256,
        "injection": injection,
        "learning_rate": rate,
        "dropout": dropout,
        "embedding_dropout": dropout,
    }
    for injection, rate, dropout in (("state", 2e-3, 0.3), ("token", 2e-3, 0.3), ("state", 1e-3, 0.5))
)
_SEARCH = ("length_penalty", "no_repeat_ngram_size", "early_stopping")


WRITING_CONTENDERS = (
    Contender(
        "lead",
        "beginning of the document",
        "writing_recipes.lead",
        ({"length": 1.0}, {"length": 2.0}, {"length": 0.5}),
        model_settings=("vocabulary_size",),
        tasks=("summarization",),
    ),
    Contender(
        "copy",
        "the source as it is",
        "writing_recipes.lead",
        ({},),
        {"whole": True},
        model_settings=("vocabulary_size",),
        tasks=("translation", "text2text"),
    ),
    Contender(
        "nearest",
        "caption of the nearest vector",
        "writing_recipes.nearest",
        ({},),
        model_settings=("vocabulary_size",),
        tasks=("captioning",),
    ),
    *(
        Contender(
            name,
            title,
            "writing_recipes.recurrent",
            _SEQ2SEQ_GRID,
            {"attention": attention},
            model_settings=("cell", "num_layers", "input_feeding", "vocabulary", *_SEARCH),
            tasks=WRITING,
            epochs=_SEQ2SEQ_EPOCHS,
        )
        for name, title, attention in (
            ("lstm-seq2seq", "LSTM encoder–decoder, one vector between", "none"),
            ("lstm-attention", "LSTM encoder–decoder with attention", "luong"),
        )
    ),
    Contender(
        "transformer",
        "Transformer encoder–decoder",
        "writing_recipes.transformer",
        _TRANSFORMER_GRID,
        model_settings=("vocabulary", *_SEARCH),
        tasks=WRITING,
        epochs=EpochSchedule(rows=450_000, least=15, most=90),
    ),
    Contender(
        "bert-to-bert",
        "BERT encoder–decoder",
        "writing_recipes.bert_to_bert",
        _BERT_TO_BERT_GRID,
        model_settings=_SEARCH,
        needs_encoder=True,
        rate_follows_width=True,
        tasks=WRITING,
        epochs=EpochSchedule(rows=60_000, least=3, most=30),
    ),
    Contender(
        "lstm-captioner",
        "LSTM that begins with the vector",
        "writing_recipes.captioner",
        _CAPTIONER_GRID,
        model_settings=("cell", "num_layers", "label_smoothing", *_SEARCH),
        tasks=("captioning",),
        epochs=_SEQ2SEQ_EPOCHS,
    ),
)
"""The contenders of these tasks, and their baselines."""
