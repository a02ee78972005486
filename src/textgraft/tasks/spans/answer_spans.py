"""From the scores of starts and ends to answers: the best spans over all windows of a context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.special import softmax

from textgraft.tasks.spans.question_windows import QuestionFeatures

CANDIDATES = 20
"""Spans of a context that are kept, and among which probability is shared."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A span of a context, or no answer."""

    text: str
    """As it stands in the context; empty for no answer."""
    start: int
    """Its first character in the context."""
    end: int
    """The character after its last."""
    score: float
    """Its probability among the candidates, 0 to 1."""

    def to_dict(self) -> dict[str, Any]:
        """Return answer, score, start and end."""
        return {"answer": self.text, "score": round(self.score, 6), "start": self.start, "end": self.end}


@dataclass(frozen=True, slots=True)
class SpanPrediction:
    """The answers to one question, the best first."""

    context: str
    spans: NDArray[np.int64]
    """First character of each candidate and the one after its last, [candidates, 2]; both 0 for no answer."""
    probabilities: NDArray[np.float64]
    """Of each candidate, falling, [candidates]; sums to one."""

    def top(self, count: int) -> list[Answer]:
        """Return the ``count`` best answers, or as many as there are."""
        return [
            Answer(self.context[start:end], start, end, float(score))
            for (start, end), score in zip(
                self.spans[:count].tolist(), self.probabilities[:count], strict=True
            )
        ]

    @property
    def best(self) -> Answer:
        """The best answer; none where the context has no token."""
        return next(iter(self.top(1)), Answer("", 0, 0, 0.0))

    @property
    def text(self) -> str:
        """The best answer as it stands in the context; empty for no answer."""
        return self.best.text

    @property
    def answer(self) -> str:
        """The same: what is compared with the gold answers."""
        return self.best.text

    @property
    def start(self) -> int:
        """First character of the best answer."""
        return self.best.start

    @property
    def end(self) -> int:
        """The character after its last."""
        return self.best.end

    @property
    def score(self) -> float:
        """Probability of the best answer, 0 to 1."""
        return self.best.score

    def to_dict(self) -> dict[str, Any]:
        """Return answer, score, start and end of the best answer."""
        return self.best.to_dict()

    def numbers(self) -> list[float]:
        """Return the probability of the best answer."""
        return [self.score]


def best_answers(
    windows: Sequence[tuple[QuestionFeatures, NDArray[np.float32]]],
    *,
    has_no_answer: bool,
    longest: int,
    temperature: float,
) -> SpanPrediction:
    """Find the best answers to a question.

    A span scores the sum of its start's and its end's logits, in the window where that is largest; no answer
    scores the sum of both logits of the first token, in the window where that is least (Devlin et al. 2019).

    Args:
        windows: The windows of the context, each with its logits [2, 1 + tokens] as
            :meth:`~textgraft.tasks.spans.question_answering.QuestionAnswering.decode` keeps them.
        has_no_answer: Whether no answer is a candidate.
        longest: Tokens of an answer at most.
        temperature: Divides the scores before they become probabilities.
    """
    context = windows[0][0]["context"]
    found = [_best_spans(logits[:, 1:], feature["offsets"], longest) for feature, logits in windows]
    scores = np.concatenate([score for score, _ in found])
    spans = np.concatenate([span for _, span in found])
    if has_no_answer:
        scores = np.append(scores, min(float(logits[:, 0].sum()) for _, logits in windows))
        spans = np.append(spans, [[0, 0]], axis=0)
    order = np.argsort(-scores, kind="stable")
    # Windows overlap: of equal spans the first in this order is the best.
    _, firsts = np.unique(spans[order], axis=0, return_index=True)
    order = order[np.sort(firsts)[:CANDIDATES]]
    probabilities = softmax(scores[order] / temperature) if len(order) else np.zeros(0)
    return SpanPrediction(context, spans[order], probabilities)


def _best_spans(
    logits: NDArray[np.float32], offsets: NDArray[np.int32], longest: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the scores [spans] of the best spans of a window, and their characters [spans, 2]."""
    starts, ends = logits.astype(np.float64)
    if not len(starts):
        return np.zeros(0), np.zeros((0, 2), dtype=np.int64)
    beyond = np.full(longest - 1, -np.inf)
    # Row i, column k: the span from token i to token i + k.
    scores = starts[:, None] + sliding_window_view(np.concatenate([ends, beyond]), longest)
    flat = scores.ravel()
    best = np.argpartition(-flat, min(CANDIDATES, flat.size) - 1)[:CANDIDATES]
    best = best[np.isfinite(flat[best])]
    first, more = np.divmod(best, longest)
    spans = np.stack([offsets[first, 0], offsets[first + more, 1]], axis=1).astype(np.int64)
    has_text = spans[:, 0] < spans[:, 1]  # some tokens stand for white space only
    return flat[best][has_text], spans[has_text]
