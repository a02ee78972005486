"""Questions to spans of a text: the pipeline "question-answering", which Transformers 5 no longer has."""

from __future__ import annotations

import functools
import itertools
import math
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Unpack

import numpy as np
from pydantic import Field

from textgraft.data.dataset import Dataset
from textgraft.data.inputs import listed
from textgraft.data.read_options import TextColumns
from textgraft.data.words import cut_words
from textgraft.errors import OptionError
from textgraft.inference.pipelines.base import Pipeline
from textgraft.inference.pipelines.options import CallOptions, Count, Fraction, Options
from textgraft.tasks.spans.answer_spans import CANDIDATES, SpanPrediction
from textgraft.tasks.spans.question_answering import QuestionAnswering
from textgraft.tasks.spans.question_windows import QuestionFeatures
from textgraft.wording import counted

_EMPTY = {"start": 0, "end": 0, "answer": ""}


class QuestionAnsweringOptions(Options):
    """Options of :class:`QuestionAnsweringPipeline`."""

    top_k: Annotated[int, Field(ge=1, le=CANDIDATES)] = 1
    """How many answers, the most probable first."""
    handle_impossible_answer: bool = False
    """Whether the empty answer, from 0 to 0, is one of the candidates."""
    max_answer_len: Count = 15
    """Tokens of an answer at most."""
    doc_stride: Count = 128
    """Tokens that two neighbouring windows of a long context share; never more than a third of a window."""
    max_question_len: Count = 64
    """Tokens of a question at most; longer ones are cut."""
    max_seq_len: Count = 384
    """Tokens of a window at most, question included; never more than the model reads."""
    max_windows: Count | None = 128
    """Windows read of a context at most, about 130,000 characters: of a longer one those that share most rare
    words with the question, with a warning; None reads all, a tenth of a second each or more."""
    align_to_words: bool = True
    """Whether answers that begin or end within a word are widened to the whole word."""
    threshold: Fraction = 0.0
    """Answers of a lower score are left out; where none is left, the answer is the empty one."""


class QuestionAnsweringPipeline(Pipeline[QuestionAnsweringOptions]):
    """Find the span of a context that answers a question.

    Example::

        >>> answer = pipeline("question-answering")
        >>> answer(question="Who wrote it?", context="It was written by Ada.")
        {'score': 0.93, 'start': 18, 'end': 21, 'answer': 'Ada'}
        >>> answer(question="Who wrote it?", context="It was written by Ada.", top_k=2)
        [{'score': 0.93, 'start': 18, 'end': 21, 'answer': 'Ada'},
         {'score': 0.04, 'start': 15, 'end': 21, 'answer': 'by Ada'}]

    ``start`` and ``end`` count characters of the context, the end excluded. ``score`` is the probability
    among the best candidates, calibrated where the model is. As in Transformers 4, a single answer comes as a
    dict, several as a list, and a list of one question gives what the question alone does. A model with a
    threshold says of each question whether it ``needs_review``; where it does, a single answer is None.
    """

    task = "question-answering"
    auto_class = "AutoModelForQuestionAnswering"
    heads = ("question-answering",)
    options_class = QuestionAnsweringOptions
    takes = "a dict with a question and its context"
    keys = ("question", "context")

    def rows(self, inputs: Sequence[Any]) -> Dataset:
        """Take ``{"question": str, "context": str}``, or pairs of both."""
        return QuestionAnswering().rows(inputs)

    def read(self, path: str | Path, **columns: Unpack[TextColumns]) -> Dataset:
        """Read questions and contexts from SQuAD JSON or JSON Lines."""
        return QuestionAnswering.read(path, labelled=False, **columns)

    def __call__(
        self,
        inputs: Any = None,
        context: str | Sequence[str] | None = None,
        *,
        question: str | Sequence[str] | None = None,
        **options: Unpack[CallOptions],
    ) -> Any:
        """Answer questions.

        Args:
            inputs: ``{"question": …, "context": …}``, a list of them, or a generator; or the question.
            context: Of the question; with a list of questions one for all, or a list of as many.
            question: In place of ``inputs``, a question or a list of them.
            options: As the options class describes them.

        Raises:
            OptionError: A question or a context is missing or empty, the lists are of unequal length, or an
                option is wrong.
        """
        if isinstance(inputs, str):
            inputs, question = None, inputs
        if (inputs is None) != (question is not None and context is not None):
            raise OptionError(
                "a question and its context are needed",
                fix='Call with question="…", context="…", or with {"question": "…", "context": "…"}.',
            )
        if question is not None and context is not None:
            questions = _several(question, "question")
            contexts = (
                [context] * len(questions) if isinstance(context, str) else _several(context, "context")
            )
            if len(questions) != len(contexts):
                raise OptionError(
                    f"{counted(len(questions), 'question')} and {counted(len(contexts), 'context')}",
                    fix="Give one context for all, or as many as there are questions.",
                )
            inputs = list(zip(questions, contexts, strict=True))
        elif isinstance(inputs, tuple) and len(inputs) == 2 and all(isinstance(part, str) for part in inputs):
            inputs = [inputs]
        results = super().__call__(inputs, **options)
        return results[0] if isinstance(inputs, list | tuple) and len(inputs) == 1 else results

    def results(self, dataset: Dataset, options: QuestionAnsweringOptions) -> list[Any]:
        """Return the best answer to each question, or a list of the best ones."""
        task = QuestionAnswering(
            has_unanswerable=options.handle_impossible_answer,
            longest_answer=options.max_answer_len,
            longest_question=options.max_question_len,
            overlap=options.doc_stride,
        )
        length = min(options.max_seq_len, self.source.max_length)
        predictor = self.source.predictor_for(task, length)
        choose = functools.partial(_most_telling, most=options.max_windows) if options.max_windows else None
        features, decoded = predictor.outputs(dataset, choose=choose)
        predictions: list[SpanPrediction] = task.predictions(features, decoded, predictor.temperature)
        decided = self.source.decided(features, decoded)
        found: list[Any] = []
        for place, prediction in enumerate(predictions):
            answers = _aligned(prediction) if options.align_to_words else _answers(prediction)
            likely = [answer for answer in answers if answer["score"] >= options.threshold][: options.top_k]
            if not likely:
                likely = [{"score": answers[0]["score"] if answers else 0.0, **_EMPTY}]
            if decided:
                likely = [{**answer, "needs_review": decided[place].needs_review} for answer in likely]
                if options.top_k == 1 and decided[place].needs_review:
                    likely[0] |= {"start": None, "end": None, "answer": None}
            found.append(likely[0] if len(likely) == 1 else likely)
        return found


def _several(given: Any, name: str) -> list[Any]:
    """Return a text, or those of a list, as a list."""
    if isinstance(given, str):
        return [given]
    if isinstance(given, bytes | int | float):
        raise OptionError(
            f"the {name} is {type(given).__name__}", where=name, fix="Give a text, or a list of texts."
        )
    return listed(given)


def _most_telling(features: list[QuestionFeatures], most: int) -> list[QuestionFeatures]:
    """Keep of each row the windows that share most with its question, weighted by how rare it is among them.

    Rows of no more than ``most`` windows keep all. What is left out is said in a warning.
    """
    chosen: list[QuestionFeatures] = []
    for _, group in itertools.groupby(features, key=lambda feature: feature["row"]):
        windows = list(group)
        if len(windows) > most:
            warnings.warn(
                f"a context has {len(windows):,} windows, and the {most} that share most with the question "
                "are read: max_windows=None reads all of it",
                stacklevel=2,
            )
            windows = [windows[place] for place in sorted(_by_shared_tokens(windows)[:most])]
        chosen += windows
    return chosen


def _by_shared_tokens(windows: Sequence[QuestionFeatures]) -> list[int]:
    """Return the places of windows, those first that share most with the question, by TF-IDF's weights."""
    tokens = []
    for window in windows:
        start = window["context_start"]
        question = set(window["input_ids"][:start])
        tokens.append(question & set(window["input_ids"][start : start + len(window["offsets"])]))
    frequency = Counter(token for found in tokens for token in found)
    shared = [sum(math.log(len(windows) / frequency[token]) for token in found) for found in tokens]
    return sorted(range(len(windows)), key=lambda place: -shared[place])


def _answers(prediction: SpanPrediction) -> list[dict[str, Any]]:
    return [
        {"score": answer.score, "start": answer.start, "end": answer.end, "answer": answer.text}
        for answer in prediction.top(CANDIDATES)
    ]


def _aligned(prediction: SpanPrediction) -> list[dict[str, Any]]:
    """Widen the answers to whole words; those that become one add up, as different ways to be right."""
    words = np.array(cut_words(prediction.context), dtype=np.int64).reshape(-1, 2)
    scores: dict[tuple[int, int], float] = {}
    for answer in prediction.top(CANDIDATES):
        start, end = answer.start, answer.end
        # The word that the answer begins in is the first to end behind its start, and so on.
        first = int(np.searchsorted(words[:, 1], start, side="right"))
        last = int(np.searchsorted(words[:, 0], end, side="left")) - 1
        if answer.text and first <= last:
            start, end = min(start, int(words[first, 0])), max(end, int(words[last, 1]))
        scores[start, end] = scores.get((start, end), 0.0) + answer.score
    return [
        {"score": score, "start": start, "end": end, "answer": prediction.context[start:end]}
        for (start, end), score in sorted(scores.items(), key=lambda item: -item[1])
    ]
