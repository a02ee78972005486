"""The answer to a question is a span of a context, or there is none (Rajpurkar et al. 2016 and 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from textgraft.data.dataset import Dataset
from textgraft.data.formats.given import Source
from textgraft.data.inputs import given_inputs
from textgraft.data.read_options import ReadOptions, read_options
from textgraft.data.readers.squad import answers_fit, find_questions, read_squad
from textgraft.errors import DataError, OptionError
from textgraft.evaluation.question_answering import (
    METRICS,
    answer_scores,
    fit_confidence,
    normalize_answer,
    weighted_metrics,
)
from textgraft.tasks.base import Task, padded_inputs
from textgraft.tasks.sketch import Evidence, Guess, Sketch
from textgraft.tasks.spans.answer_spans import CANDIDATES, SpanPrediction, best_answers
from textgraft.tasks.spans.question_windows import (
    QuestionFeatures,
    TokenizedText,
    pair_frame,
    question_ids,
    tokenize_each,
    window_starts,
)
from textgraft.tokenization.encode import takes_token_types

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerFast

_NOWHERE = (0, 0)
"""Start and end of an answer that a window does not hold: its first token, [CLS] in BERT."""


class QuestionAnswering(Task[QuestionFeatures]):
    """Find the span of a context that answers a question.

    A model scores every token of a window as start and as end of the answer. Contexts longer than the model
    are read in overlapping windows; a window without the whole answer is taught to point at its first token.

    Args:
        has_unanswerable: Whether a question may have no answer in its context. Only then is "no answer"
            ever predicted: where the first token outscores the best span.
        longest_answer: Tokens of an answer at most.
        longest_question: Tokens of a question at most, and never more than half of a window; longer questions
            are cut.
        overlap: Tokens that neighbouring windows share, and never more than a third of the context in them.
    """

    name = "question-answering"
    main_metric = "f1"
    metric_names = METRICS
    metric_titles: ClassVar[Mapping[str, str]] = {"f1": "F1"}
    auto_class = "AutoModelForQuestionAnswering"
    pipeline = "question-answering"
    typed_columns = ("question",)
    quality_title = "F1"
    answer_fields = ("answer", "start", "end")
    has_offsets = True
    labels = ("start", "end")

    def __init__(
        self,
        has_unanswerable: bool = False,
        longest_answer: int = 30,
        longest_question: int = 64,
        overlap: int = 128,
    ) -> None:
        self.has_unanswerable = has_unanswerable
        self.longest_answer = longest_answer
        self.longest_question = longest_question
        self.overlap = overlap

    @classmethod
    def read(cls, source: Source, **columns: Unpack[ReadOptions]) -> Dataset:
        """Read SQuAD JSON or a table, as :func:`textgraft.data.readers.squad.read_squad` describes."""
        return read_squad(source, **read_options(columns))

    @classmethod
    def recognise(cls, sketch: Sketch) -> Guess | None:
        """Take SQuAD JSON, and tables of questions whose answers stand in their contexts."""
        if sketch.is_squad:
            return Guess(cls.name, "the file is SQuAD JSON", Evidence.FORM)
        found = find_questions(sketch.sample, sketch.wanted)
        if found is None or found.answers is None or not answers_fit(sketch.sample, found):
            return None
        if not sketch.allows([found.question, found.context], [found.answers]):
            return None
        named = f"{found.question!r} and {found.context!r}"
        return Guess(cls.name, f"{found.answers!r} stands beside {named}", Evidence.FITS)

    @classmethod
    def fitted_to(cls, train: Dataset) -> Self:
        """See whether any training question is unanswerable."""
        answers = _answers(train)
        if not any(answers):
            raise DataError(
                "no training question has an answer", where=train.source, fix="There is nothing to learn."
            )
        return cls(has_unanswerable=not all(answers))

    def settings(self) -> dict[str, Any]:
        """Return what the task was made with."""
        return {
            "has_unanswerable": self.has_unanswerable,
            "longest_answer": self.longest_answer,
            "longest_question": self.longest_question,
            "overlap": self.overlap,
        }

    def rows(self, inputs: Iterable[Any]) -> Dataset:
        """Take ``{"question": str, "context": str}``, or pairs of question and context."""
        pairs = [_pair(position, entry) for position, entry in enumerate(given_inputs(inputs))]
        return Dataset.unlabelled(
            {"question": [question for question, _ in pairs], "context": [context for _, context in pairs]}
        )

    def targets(self, dataset: Dataset) -> list[list[str]]:
        """Return the texts of all right answers of each row; none for an unanswerable question."""
        return [[answer["text"] for answer in answers] for answers in _answers(dataset)]

    def features(
        self, dataset: Dataset, tokenizer: PreTrainedTokenizerFast, max_length: int
    ) -> list[QuestionFeatures]:
        """Cut every context into windows beside its question.

        ``labels`` are the places of the first and the last token of the answer, the first one where several
        are right.

        Raises:
            OptionError: ``max_length`` leaves no room for a token of each.
        """
        contexts = tokenize_each(tokenizer, dataset.columns["context"])
        frame = pair_frame(tokenizer, contexts)
        half = (max_length - frame.size) // 2
        if half < 1:
            raise OptionError(
                f"a length of {max_length} tokens has no room for a question and a context",
                where="max_length",
                fix=f"Give at least {frame.size + 2}: special tokens take {frame.size}.",
            )
        questions = question_ids(tokenizer, dataset.columns["question"], min(half, self.longest_question))
        has_types = takes_token_types(tokenizer)
        before, between, _ = frame.ids
        gold = None if dataset.labels is None else self.targets(dataset)
        windows: list[QuestionFeatures] = []
        for row, (question, context) in enumerate(zip(questions, dataset.columns["context"], strict=True)):
            tokens = contexts[context]
            context_start = len(before) + len(question) + len(between)
            room = max_length - frame.size - len(question)
            span = _token_span(tokens, dataset.labels[row]) if dataset.labels else None
            for start in window_starts(len(tokens.ids), room, self.overlap):
                part = tokens.ids[start : start + room]
                ids, types = frame.around(question, part)
                window: QuestionFeatures = {
                    "input_ids": ids,
                    "row": row,
                    "context": context,
                    "context_start": context_start,
                    "offsets": tokens.offsets[start : start + room],
                }
                if has_types:
                    window["token_type_ids"] = types
                if gold is not None:
                    window["labels"] = _NOWHERE
                    if span and start <= span[0] and span[1] < start + len(part):
                        window["labels"] = (span[0] - start + context_start, span[1] - start + context_start)
                    window["gold"] = gold[row]
                windows.append(window)
        return windows

    def collate(self, features: Sequence[QuestionFeatures], pad_token_id: int) -> dict[str, torch.Tensor]:
        """Make a batch: the inputs [batch, time], and start_positions and end_positions [batch] if known."""
        import torch

        batch = padded_inputs(features, pad_token_id)
        if "labels" in features[0]:
            positions = torch.tensor([feature["labels"] for feature in features])
            batch["start_positions"], batch["end_positions"] = positions.unbind(dim=1)
        return batch

    def decode(self, outputs: Any, features: Sequence[QuestionFeatures]) -> list[NDArray[np.float32]]:
        """Keep of each window the logits of its first token and of the context's, [2, 1 + tokens].

        Starts stand in the first row, ends in the second.
        """
        sides = (outputs[name].float().cpu().numpy() for name in ("start_logits", "end_logits"))
        logits = np.stack(list(sides), axis=2)
        return [self.of_tokens(row, feature) for row, feature in zip(logits, features, strict=True)]

    def of_tokens(self, logits: NDArray[np.float32], feature: QuestionFeatures) -> NDArray[np.float32]:
        """Keep of a window's logits [time, 2] those that :meth:`decode` does, [2, 1 + tokens]."""
        first = feature["context_start"]
        context = logits[first : first + len(feature["offsets"])]
        return np.concatenate([logits[:1], context]).T

    def predictions(
        self, features: Sequence[QuestionFeatures], decoded: Sequence[Any], temperature: float = 1.0
    ) -> list[SpanPrediction]:
        """Take the best span of all windows of a row, or none."""
        windows = zip(features, decoded, strict=True)
        return [
            best_answers(
                list(group),
                has_no_answer=self.has_unanswerable,
                longest=self.longest_answer,
                temperature=temperature,
            )
            for _, group in groupby(windows, key=lambda window: window[0]["row"])
        ]

    def weighted_metrics(
        self, gold: Sequence[Sequence[str]], answers: Sequence[str], weights: NDArray[np.float32]
    ) -> Mapping[str, NDArray[np.float64]]:
        """Score by the rules of SQuAD, 2.0's where questions are unanswerable."""
        return weighted_metrics(gold, answers, weights)

    def is_right(self, gold: Sequence[str], answer: str) -> bool:
        """Return whether an answer matches one of the right ones exactly, as the score says how often."""
        given = normalize_answer(answer)
        return given in [normalize_answer(text) for text in gold] or not (gold or given)

    def qualities(self, gold: Sequence[Sequence[str]], answers: Sequence[str]) -> NDArray[np.float64]:
        """Return the F1 of each answer's words."""
        return answer_scores(gold, answers)[0]

    def show(self, answer: Any) -> str:
        """Write an answer, or the right ones of a row, for people to read."""
        given = answer if isinstance(answer, str) else " | ".join(dict.fromkeys(answer))
        return given or "no answer"

    def temperature(
        self, gold: Sequence[Sequence[str]], features: Sequence[QuestionFeatures], decoded: Sequence[Any]
    ) -> float:
        """Fit temperature scaling, so that a score says how often an answer of that score matches exactly."""
        predictions = self.predictions(features, decoded)
        logits = np.full((len(predictions), CANDIDATES), -np.inf)
        with np.errstate(divide="ignore"):
            for row, prediction in zip(logits, predictions, strict=True):
                row[: len(prediction.probabilities)] = np.log(prediction.probabilities)
        _, exact = answer_scores(gold, [prediction.answer for prediction in predictions])
        has_answer = np.isfinite(logits[:, 0])
        return fit_confidence(logits[has_answer], exact[has_answer] == 1)


def _answers(dataset: Dataset) -> Sequence[list[dict[str, Any]]]:
    if dataset.labels is None:
        raise DataError(
            "these questions have no answers", where=dataset.source, fix="Give a file with answers."
        )
    return dataset.labels


def _token_span(tokens: TokenizedText, answers: list[dict[str, Any]]) -> tuple[int, int] | None:
    """Return the first and the last token of the first answer; None where there is no answer."""
    if not answers:
        return None
    text, start = answers[0]["text"], answers[0]["start"]
    stripped = text.strip()
    start += text.index(stripped)
    return tokens.token_span(start, start + len(stripped))


def _pair(position: int, entry: Any) -> tuple[str, str]:
    if isinstance(entry, Mapping):
        for key in ("question", "context"):
            if key not in entry:
                raise OptionError(f"input {position} has no {key!r}", fix="Each needs question and context.")
        pair = (entry["question"], entry["context"])
    elif isinstance(entry, Sequence) and not isinstance(entry, str) and len(entry) == 2:
        pair = (entry[0], entry[1])
    else:
        raise OptionError(
            f"input {position} is {type(entry).__name__}, not a question with its context",
            fix='Give {"question": "…", "context": "…"} or (question, context).',
        )
    for part, value in zip(("question", "context"), pair, strict=True):
        if not isinstance(value, str):
            raise OptionError(f"the {part} of input {position} is {type(value).__name__}, not a string")
        if not value.strip():
            raise OptionError(f"the {part} of input {position} is empty")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise OptionError(
                f"the {part} of input {position} holds half a surrogate pair, at character {error.start + 1}",
                fix="Decode the text from its source again; UTF-16 was cut in the middle of a character.",
            ) from error
    return pair
