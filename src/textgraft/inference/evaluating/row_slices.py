"""By what the rows of an evaluation are told apart: what is known of each without its answer."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.languages import language_name, text_languages
from textgraft.data.slicing import column_slices, name_slices, number_slices
from textgraft.evaluation.slices import Slice
from textgraft.inference.predictor import Predictor
from textgraft.inference.row_predictor import RowPredictor
from textgraft.models.fingerprint import Fingerprint, hashes, text_words
from textgraft.tasks.base import token_counts
from textgraft.tokenization.encode import CHARACTERS_PER_TOKEN

CUT = "text cut off"
"""The dimension of how much of a row's text the model does not read."""
LANGUAGE_NAMES = ("language", "lang", "locale")
"""Columns that say it; where there is one, no language is told from texts."""
_CHUNK = 10_000


def row_slices(
    predictor: RowPredictor,
    rows: Dataset,
    fingerprint: Fingerprint | None,
    side: Mapping[str, Sequence[Any]],
) -> list[Slice]:
    """Return every slice to look at, but for those by what is cut off.

    Args:
        predictor: The model.
        rows: What it answered.
        fingerprint: What the model directory remembers of the training rows.
        side: Further columns of the file.
    """
    slices: list[Slice] = []
    has_text = any(isinstance(value, str) for column in rows.columns.values() for value in column[:1])
    if has_text:
        words = [text_words(text) for text in rows.texts]
        slices += number_slices("words in the text", [len(found) for found in words])
        slices += _new_words(predictor, words, fingerprint)
    slices += _label_rows(rows, fingerprint)
    for name, values in side.items():
        slices += column_slices(name, values)
    if has_text and not any(name.lower() in LANGUAGE_NAMES for name in side):
        told = text_languages(rows.texts)
        slices += name_slices("language", [None if code is None else language_name(code) for code in told])
    return slices


def _new_words(
    predictor: RowPredictor, words: Sequence[Sequence[str]], fingerprint: Fingerprint | None
) -> list[Slice]:
    """Tell rows apart by the share of their words that no training row has.

    Where the model directory does not know these, by the share that its tokenizer cuts up or does not know.
    """
    different = list(dict.fromkeys(word for row in words for word in row))
    if fingerprint is not None and len(fingerprint.words.hashes):
        found = hashes(different)
        judged = fingerprint.words.judges(found)
        new = judged & ~fingerprint.words.holds(found)
        dimension = "words that no training row has"
    elif isinstance(predictor, Predictor):
        judged = np.ones(len(different), dtype=np.bool_)
        new = _cut_up(predictor, different)
        dimension = "words that the tokenizer cuts up"
    else:
        return []
    place = {word: number for number, word in enumerate(different)}
    shares = []
    for row in words:
        at = [place[word] for word in row]
        known = int(judged[at].sum())
        shares.append(float(new[at].sum()) / known if known else math.nan)
    return number_slices(dimension, shares, unit="%")


def _cut_up(predictor: Predictor, words: Sequence[str]) -> NDArray[np.bool_]:
    """Return which words have several tokens, or the unknown one."""
    backend = predictor.tokenizer.backend_tokenizer
    unknown = predictor.tokenizer.unk_token_id
    found: list[bool] = []
    for start in range(0, len(words), _CHUNK):
        texts = [" " + word[: 64 * CHARACTERS_PER_TOKEN] for word in words[start : start + _CHUNK]]
        for encoding in backend.encode_batch_fast(texts, add_special_tokens=False):
            found.append(len(encoding.ids) != 1 or encoding.ids[0] == unknown)
    return np.array(found, dtype=np.bool_)


def _label_rows(rows: Dataset, fingerprint: Fingerprint | None) -> list[Slice]:
    """Tell rows apart by how many rows the rarest of their labels has."""
    if not any(rows.names):
        return []
    if fingerprint is not None and fingerprint.label_rows:
        counts, dimension = fingerprint.label_rows, "training rows of the label"
    else:
        counts = Counter(name for names in rows.names for name in set(names))
        dimension = "rows of the label"
    rarest = [min((counts.get(name, 0) for name in names), default=math.nan) for names in rows.names]
    return number_slices(dimension, rarest)


def cut_fractions(features: Sequence[Any], rows: int) -> NDArray[np.float64]:
    """Return the fraction of each row's tokens that no window holds, [rows]; all 0 where none is known."""
    windows: defaultdict[int, list[Any]] = defaultdict(list)
    for feature in features:
        if not isinstance(feature, dict):
            return np.zeros(rows)
        windows[feature["row"]].append(feature)
    fractions = np.zeros(rows)
    for row, own in windows.items():
        kept, lost = token_counts(own)
        fractions[row] = lost / (kept + lost) if lost else 0.0
    return fractions
