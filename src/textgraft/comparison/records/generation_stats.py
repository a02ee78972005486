"""What a trial tells of a model that writes, besides the scores of what it wrote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from textgraft.inference.attention_maps import AttentionMap, attention_maps

if TYPE_CHECKING:
    from textgraft.data.dataset import Dataset
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.tasks.generation.base import GeneratedText


class Writing(msgspec.Struct, frozen=True, kw_only=True):
    """How fast a model writes, how likely it finds the true targets, and where it looks."""

    tokens_per_second: float
    """Written over the whole test set in batches, end tokens included; reading the sources is in the time."""
    perplexity: float | None
    """Of the targets of the test rows, a token; None for baselines, which have no probabilities."""
    token_accuracy: float | None
    """Share of the targets' tokens that are the likeliest after the true ones before them; None likewise."""
    oracle: float | None = None
    """The main metric of who knows the targets and can answer no more than the model, as the sentences of a
    document; None where it could write anything."""
    signatures: dict[str, str]
    """Of each metric that needs it, how exactly it was computed."""
    attentions: list[AttentionMap]
    """Of some test rows; none for models without attention."""


def observe_writing(
    predictor: RowPredictor, test: Dataset, predictions: Sequence[GeneratedText], seconds: float
) -> Writing | None:
    """Look at a trained model of a task whose answers are written; None for other tasks.

    Args:
        predictor: The model.
        test: The test rows.
        predictions: Its answers to them.
        seconds: That these took.
    """
    from textgraft.inference.predictor import Predictor

    if not predictor.task.writes or not isinstance(predictor, Predictor):
        return None
    forced = predictor.forced(test)
    scores = forced[0].metrics(predictor.task.targets(test), forced[1]) if forced else {}
    task, gold = predictor.task, predictor.task.targets(test)
    known = task.oracle(predictor.windows(test), gold)
    return Writing(
        tokens_per_second=sum(prediction.tokens for prediction in predictions) / seconds,
        perplexity=scores.get("perplexity"),
        token_accuracy=scores.get("token_accuracy"),
        oracle=None if known is None else task.metrics(gold, known)[task.main_metric],
        signatures=task.signatures(gold),
        attentions=attention_maps(predictor, test),
    )
