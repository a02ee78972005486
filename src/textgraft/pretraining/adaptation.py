"""A language model goes on learning on the texts of a task, before the task itself.

The second of the three stages of ULMFiT (Howard and Ruder 2018, "Universal language model fine-tuning for
text classification", section 3.2): labels are not looked at, layers learn the slower the lower they lie, and
the learning rate rises for a tenth of the steps and falls for the rest (the slanted triangle).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedTokenizerFast

from textgraft.files import content_hash
from textgraft.models.recurrent.language_model import RecurrentForCausalLM
from textgraft.pretraining.corpus.tokens import Tokens
from textgraft.pretraining.objectives.streams import Streams, boundary_ids
from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN
from textgraft.training.loop import fit
from textgraft.training.settings import TrainingSettings

if TYPE_CHECKING:
    from textgraft.training.progress import Progress, TrainingResult

DISCRIMINATIVE = 1 / 2.6
"""Learning rate of a layer, as a share of that of the layer above (section 3.2)."""
SEGMENT = 64
_STREAMS = 32
_STEPS = 16
"""An epoch has about as many at least: few texts are read in fewer streams."""
_LEARNING_RATE = 4e-3
"""As in the paper (section 4.1)."""


def texts_as_tokens(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str], max_length: int) -> Tokens:
    """Return texts as documents of at most ``max_length`` tokens, with the end of a text behind each."""
    _, end = boundary_ids(tokenizer)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    shortened = [text[: CHARACTERS_PER_TOKEN * max_length] for text in texts]
    encodings = backend.encode_batch_fast(shortened, add_special_tokens=False)
    documents = [[*encoding.ids[:max_length], end] for encoding in encodings]
    return Tokens(
        np.fromiter(chain(*documents), dtype=np.uint32),
        np.cumsum([0, *map(len, documents)]),
        np.arange(len(documents) + 1),
        content_hash([tokenizer.backend_tokenizer.to_str(), list(texts), max_length]),
    )


def adapt(
    model: RecurrentForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    train: Sequence[str],
    dev: Sequence[str],
    *,
    epochs: int,
    max_length: int,
    seed: int = 0,
    max_seconds: float | None = None,
    folder: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
) -> TrainingResult:
    """Train a language model further, on the texts of a task.

    Args:
        model: The language model, or the pair of them; changed in place.
        tokenizer: Its tokenizer.
        train: The texts of the training rows.
        dev: Those of the dev rows, by which the best weights are chosen.
        epochs: Passes over the texts.
        max_length: Tokens of a text that are read.
        seed: Of order and dropout.
        max_seconds: Budget.
        folder: Where checkpoints go.
        on_step: Called after every step.
    """
    learned, held_out = (texts_as_tokens(tokenizer, texts, max_length) for texts in (train, dev))
    objective = Streams(
        learned, held_out, start_id=boundary_ids(tokenizer)[0], bidirectional=model.config.bidirectional
    )
    streams = max(1, min(_STREAMS, len(learned.ids) // (SEGMENT * _STEPS)))
    settings = TrainingSettings(
        learning_rate=_LEARNING_RATE,
        layer_decay=DISCRIMINATIVE,
        epochs=epochs,
        batch_size=streams,
        max_tokens=streams * SEGMENT,
        patience=None,
        seed=seed,
        max_seconds=max_seconds,
    )
    return fit(model, objective, settings, folder=folder, on_step=on_step)
