"""Why a claim holds on a set or does not, as far as the figures suggest: a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from textgraft.benchmarking.claims import (
    CLAIMED_CEILING,
    CLAIMED_SCORE,
    ClaimsOfContender,
    ClaimsOfPair,
    ClaimsOfSet,
)
from textgraft.wording import about, count, score

FEW_A_LABEL = 30
"""Training rows of a label below which labels are short of examples."""
NEAR = 0.05
"""What of a score is called little."""


def reasons(one: ClaimsOfSet) -> Iterator[str]:
    """Say why, for the first pre-trained contender of a set and the LSTM without word vectors."""
    if not one.contenders:
        return
    contender = one.contenders[0]
    yield _why_reached(one, contender)
    if contender.pairs:
        pair = contender.pairs[0]
        yield _why_below(one, pair)
        yield _why_saved(contender, pair)


def _why_reached(one: ClaimsOfSet, contender: ClaimsOfContender) -> str:
    last = contender.last
    told = f"{contender.contender} has {score(last.score.value)} with {count(last.size)} labels"
    words = one.words.score.value if one.words else None
    if contender.reaches == "holds":
        if words is not None and words >= CLAIMED_SCORE - NEAR:
            return f"{told}; so has TF-IDF, nearly or more ({score(words)}): words alone tell these labels."
        return f"{told}: what its encodings hold of a text's meaning is what the labels are about."
    if one.encoder_warning:
        return f"{told}: the encoder does not read the language of these texts."
    if one.floor and last.score.value - one.floor.score.value < 2 * NEAR:
        return f"{told}, little more than what ignores the text: one vector a text does not hold this."
    earlier = contender.levels[-2] if len(contender.levels) > 1 else None
    parts = [told]
    if words is not None and words > last.score.value:
        parts.append(f"less than TF-IDF ({score(words)}): the labels go by words more than by meaning")
    if one.rows_a_label < FEW_A_LABEL:
        parts.append(f"{about(one.rows_a_label)} rows a label are few")
    if earlier and last.score.value - earlier.score.value > NEAR:
        parts.append(f"it is still rising ({score(earlier.score.value)} with {count(earlier.size)})")
    if len(parts) == 1 and words is not None:
        parts.append(f"more than TF-IDF ({score(words)}), and far from it all the same")
    return "; ".join(parts) + "."


def _why_below(one: ClaimsOfSet, pair: ClaimsOfPair) -> str:
    highest = pair.highest
    told = f"{pair.baseline} comes to {score(highest.score.value)} (with {count(highest.size)} labels)"
    if pair.stays_below == "holds":
        if one.floor and highest.score.value - one.floor.score.value < 2 * NEAR:
            return f"{told}, little more than what ignores the text ({score(one.floor.score.value)})."
        if one.rows_a_label < FEW_A_LABEL:
            return f"{told}: it learns its words from scratch, from {about(one.rows_a_label)} rows a label."
        return f"{told}: it learns its words from scratch."
    if one.words and one.words.score.value > CLAIMED_CEILING:
        return f"{told}: single words tell the label (TF-IDF {score(one.words.score.value)})."
    return f"{told}."


def _why_saved(contender: ClaimsOfContender, pair: ClaimsOfPair) -> str:
    target = f"{pair.baseline}'s {score(pair.baseline_score)} with {count(pair.baseline_labels)} labels"
    if pair.labels is None:
        return f"There are too few sizes to compare with {target}."
    if pair.labels.value is None:
        return f"{contender.contender} never reaches {target}: it saves nothing."
    need = pair.baseline_labels / pair.labels.value
    bound = "at most " if pair.labels.at_least else ""
    return f"{contender.contender} needs {bound}{about(need)} labels for {target}."
