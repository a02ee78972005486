"""How many windows texts have, and what part of them so many windows hold."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

from textgraft.comparison.contenders.base import Job, RecipeSettings
from textgraft.comparison.records.reading import Reading
from textgraft.models.encoders import EncoderSource, encoder_max_length, load_tokenizer

if TYPE_CHECKING:
    from tokenizers import Tokenizer

STEP = 0.05
"""Fewer windows are worth a try where they leave out so large a share of the tokens more."""


def readings(job: Job, settings: RecipeSettings) -> list[Reading]:
    """Return what a contender reads of the training rows with as many windows as it is set to, or with fewer.

    Args:
        job: Its training rows are looked at.
        settings: Of the contender.

    Returns:
        The most windows first; nothing where texts are not read in windows.
    """
    from textgraft.models.windows import longest
    from textgraft.tokenization.encode import TextFrame, token_ids

    own: Any = settings
    if "windows" not in type(settings).model_fields or job.max_length or not job.task.takes_windows:
        return []
    source, rows = job.needed_encoder(), job.train.texts
    if not rows or not (source.path / "tokenizer.json").is_file():
        return []
    tokenizer = _tokenizer(source, source.identity)
    size, special = encoder_max_length(source), TextFrame.of(tokenizer, "a").size
    room = size - special
    lengths = token_ids(tokenizer, rows, longest(size, own.windows, special)).lengths
    content = np.maximum(1, np.array(lengths) - special)
    windows = np.ceil(content / room)
    found: list[Reading] = []
    for most in range(own.windows, 0, -1):
        tokens = float(np.minimum(content, most * room).sum() / content.sum())
        if not found or tokens <= found[-1].tokens - STEP:
            read = float(np.minimum(windows, most).mean())
            found.append(Reading(most=most, read=read, whole=float(windows.mean()), tokens=tokens))
    return found


@functools.lru_cache(maxsize=4)
def _tokenizer(source: EncoderSource, identity: str) -> Tokenizer:
    """Load the tokenizer of an encoder once for all trials: that of a hundred languages takes a second."""
    del identity  # tells files that have changed since
    return load_tokenizer(source)
