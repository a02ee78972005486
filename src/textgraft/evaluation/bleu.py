"""BLEU as sacreBLEU computes it (Papineni et al. 2002; Post 2018), under any weighting of the rows.

BLEU is no mean of rows: the n-gram counts of all rows are added up before precisions are taken. Each row
therefore keeps its ten counts, and a weighting of the rows is one product.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textgraft.errors import MissingExtraError

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

TITLES = {"bleu": "BLEU"}
"""How people call it."""
ORDER = 4
"""Longest n-grams counted."""
_REMEMBERED = 2**16
"""Rows whose counts are kept: a comparison scores the same answers several times."""
_BY_CHARACTERS = ("ja", "th", "lo", "km", "my")


def tokenizer_for(language: str | None) -> str:
    """Return the name of sacreBLEU's tokenizer for a target language, as "de" or "zh_TW".

    "zh" splits Chinese characters; other scripts without spaces are counted by characters; "13a", the
    tokenizer of the WMT evaluations, does for the rest.
    """
    code = (language or "").lower().replace("-", "_").split("_")[0]
    return "zh" if code == "zh" else "char" if code in _BY_CHARACTERS else "13a"


@functools.lru_cache(maxsize=8)
def _metric(tokenizer: str) -> BLEU:
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError as error:
        raise MissingExtraError("sacrebleu", "generation", "BLEU") from error
    # The effective order concerns the score of a sentence, which is not used, and not the counts, which are.
    return BLEU(tokenize=tokenizer, effective_order=True)


@functools.lru_cache(maxsize=_REMEMBERED)
def _counts(references: tuple[str, ...], answer: str, tokenizer: str) -> tuple[int, ...]:
    """Return the lengths of answer and nearest reference, matching n-grams, and n-grams of the answer."""
    score = _metric(tokenizer).sentence_score(answer, references)
    return (score.sys_len, score.ref_len, *score.counts, *score.totals)


def weighted_bleu(
    references: Sequence[Sequence[str]],
    answers: Sequence[str],
    weights: NDArray[np.float32],
    tokenizer: str = "13a",
) -> NDArray[np.float64]:
    """Return BLEU with exponential smoothing under each weighting, 0 to 1, [resamples].

    sacreBLEU prints the same number times 100.

    Args:
        references: One or several for each row.
        answers: One for each row; it may be empty.
        weights: How often each row counts, [rows, resamples].
        tokenizer: One of sacreBLEU's.

    Raises:
        MissingExtraError: ``sacrebleu`` is not installed.
    """
    rows = [
        _counts(tuple(texts), answer, tokenizer) for texts, answer in zip(references, answers, strict=True)
    ]
    sums = np.array(rows, dtype=np.float64).reshape(-1, 2 + 2 * ORDER).T @ weights.astype(np.float64)
    answer_length, reference_length = sums[:2]
    right, total = sums[2 : 2 + ORDER], sums[2 + ORDER :]
    scored = (right.sum(axis=0) > 0) & (total > 0).all(axis=0)
    total, answer_length = np.maximum(total, 1), np.maximum(answer_length, 1)
    # The first order without a match counts half a match, the second a quarter, …
    missing = right == 0
    smoothed = 1 / (2.0 ** np.cumsum(missing, axis=0) * total)
    precisions = np.where(missing, smoothed, right / total)
    brevity = np.minimum(1.0, np.exp(1 - reference_length / answer_length))
    return np.where(scored, brevity * np.exp(np.log(precisions).mean(axis=0)), 0.0)


def bleu_signature(references: int, tokenizer: str = "13a") -> str:
    """Return sacreBLEU's signature, which tells how a score was computed.

    Args:
        references: Of each row; 0 where their number varies.
        tokenizer: One of sacreBLEU's.
    """
    import sacrebleu

    how = f"case:mixed|eff:no|tok:{tokenizer}|smooth:exp"
    return f"nrefs:{references or 'var'}|{how}|version:{sacrebleu.__version__}"
