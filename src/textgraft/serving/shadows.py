"""Challengers: models that answer beside those that are served, to see how often they agree.

A challenger computes only while nothing else waits, its answers are compared and thrown away, and what it
cannot keep up with is left out: whoever asks notices nothing of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from textgraft.serving.answering import Answering, prepare_rows
from textgraft.serving.batcher import Batcher
from textgraft.serving.metrics import Metrics
from textgraft.serving.pool import Pool
from textgraft.serving.queueing import Lane
from textgraft.serving.refusals import RefusalError
from textgraft.serving.registry import ServedModel

SECONDS = 60.0
"""For which a challenger's turn is waited for."""


@dataclass(frozen=True)
class Background:
    """A lane whose turn comes when nothing else waits."""

    lane: Lane
    background: bool = True

    @property
    def key(self) -> Any:
        """Apart from the lane's own: what shares a batch shares its turn."""
        return ("background", self.lane.key)

    def run(self, batches: Any) -> Any:
        """Run batches as the lane does."""
        return self.lane.run(batches)


@dataclass
class Shadows:
    """The challengers of a service, by the name of the model that each challenges."""

    challengers: Mapping[str, ServedModel]
    most: int = 64
    """Requests that wait for challengers at a time; what comes then is not compared."""
    _waiting: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def compare(
        self,
        model: ServedModel,
        inputs: list[Any],
        answers: list[Any],
        batcher: Batcher,
        pool: Pool,
        metrics: Metrics,
    ) -> None:
        """Have the challenger of a model, if there is one, answer the same rows some time.

        Args:
            model: Which has answered.
            inputs: The rows.
            answers: Its predictions.
            batcher: Computes the challenger's.
            pool: Makes them ready.
            metrics: Where agreement is counted.
        """
        challenger = self.challengers.get(model.name)
        if challenger is None or challenger.answering is None:
            return
        with self._lock:
            if self._waiting >= self.most:
                return
            self._waiting += 1
        names = (model.name, challenger.name)
        answering: Answering = challenger.answering

        def ask() -> None:
            prepared = prepare_rows(answering, inputs, truncate=True, lane=Background(answering.lane))
            ticket = batcher.submit(
                prepared.lane, prepared.payloads, prepared.tokens, time.monotonic() + SECONDS
            )
            ticket.future.add_done_callback(lambda done: count(done, prepared.finish))

        def count(done: Future[list[Any]], finish: Any) -> None:
            self._leave()
            if done.cancelled() or done.exception() is not None:
                metrics.shadow_failed.labels(*names).inc(len(inputs))
                return
            found = finish(done.result())
            agreed = sum(shown(a) == shown(b) for a, b in zip(answers, found, strict=True))
            metrics.compared.labels(*names).inc(len(inputs))
            metrics.agreed.labels(*names).inc(agreed)

        def made(done: Future[None]) -> None:
            if done.cancelled() or done.exception() is not None:
                self._leave()
                metrics.shadow_failed.labels(*names).inc(len(inputs))

        try:
            pool.submit(ask, 0).add_done_callback(made)
        except RefusalError:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._waiting -= 1


def shown(prediction: Any) -> Any:
    """Return a prediction's answer by its name: labels of two models may stand in another order."""
    while hasattr(prediction, "prediction"):  # whether or not it is held back, and with what beside it
        prediction = prediction.prediction
    label = getattr(prediction, "label", None)
    labels = getattr(prediction, "labels", None)
    if label is not None:
        return label
    if labels is not None and isinstance(prediction.answer, list):
        return sorted(labels[place] for place in prediction.answer)
    return prediction.answer
