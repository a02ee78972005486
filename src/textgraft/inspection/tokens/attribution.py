"""Which words of a text a classifier's answer rests on, by occlusion and by integrated gradients."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from textgraft.errors import MissingExtraError, OptionError, unknown
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.inspection.subject import open_subject
from textgraft.wording import counted

if TYPE_CHECKING:
    from torch import Tensor

    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.inspection.subject import Subject

OCCLUSION, INTEGRATED = "occlusion", "integrated-gradients"
METHODS = (OCCLUSION, INTEGRATED)
POINTS = 50
"""At which gradients are taken between a text of padding and the text."""
AT_ONCE = 64
"""Texts, or points, that go through the model together."""
MOST_WORDS = 512
_TOLD = {
    OCCLUSION: "By how much the probability falls when the word alone is left out of the text.",
    INTEGRATED: "The word's part in the difference of the probability to that of a text of padding: "
    f"gradients at {POINTS} points between the two (Sundararajan, Taly and Yan 2017).",
}


class Attribution(msgspec.Struct, frozen=True):
    """What one method says."""

    method: str
    scores: list[float]
    """One a word: above 0 it speaks for the label, below against it, in units of probability."""
    missing: float | None = None
    """Of integrated gradients, how far their sum is from the difference that it must make up."""


class TokenAttributions(Result, frozen=True, kw_only=True):
    """What carries one answer."""

    model: str
    text: str
    words: list[str]
    label: str
    probability: float
    attributions: list[Attribution]
    notes: list[str] = msgspec.field(default_factory=list)

    def page(self) -> Page:
        """Show the words by each method."""
        sections = []
        for one in self.attributions:
            greatest = max(map(abs, one.scores)) or 1.0
            sections.append(
                Section(
                    one.method.replace("-", " "),
                    _TOLD[one.method] + " Warm colours speak for the label, cold ones against it.",
                    words=[
                        (word, score / greatest) for word, score in zip(self.words, one.scores, strict=True)
                    ],
                )
            )
        rows = [
            [word, *(f"{one.scores[at]:+.4f}" for one in self.attributions)]
            for at, word in enumerate(self.words)
        ]
        columns = ["word", *(one.method.replace("-", " ") for one in self.attributions)]
        sections.append(Section("All words", table=Table(columns, rows)))
        findings = list(self.notes)
        for one in self.attributions:
            order = np.argsort(-np.array(one.scores))[:3]
            carried = [f"“{self.words[at]}” {one.scores[at]:+.3f}" for at in order if one.scores[at] > 0]
            if carried:
                findings.append(f"By {one.method.replace('-', ' ')} it rests most on {', '.join(carried)}.")
            if one.missing is not None:
                findings.append(f"The integrated gradients add up to within {abs(one.missing):.4f}.")
        return Page(
            "tokens",
            self.text,
            self.model,
            f"{self.label}, probability {self.probability:.3f}",
            findings,
            sections,
        )


def words_of(text: str) -> list[tuple[int, int]]:
    """Return where the words of a text stand, which spaces part."""
    return [found.span() for found in re.finditer(r"\S+", text)]


def without(text: str, words: Sequence[tuple[int, int]], removed: Sequence[bool]) -> str:
    """Return a text without some of its words."""
    return " ".join(
        text[begin:end] for (begin, end), is_removed in zip(words, removed, strict=True) if not is_removed
    )


def check_methods(method: str | None) -> tuple[str, ...]:
    """Return the methods that are meant: all where none is named.

    Raises:
        OptionError: There is none of this name.
        MissingExtraError: captum is not installed.
    """
    if method is not None and method not in METHODS:
        raise unknown("method", method, METHODS, where="--method")
    try:
        import captum.attr  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("captum", "inspect", "telling which words carry an answer") from error
    return METHODS if method is None else (method,)


class Explainer:
    """Attributes the answers of a classifier to words.

    Args:
        model: A model directory, the name of a graft that comes with textgraft, or a loaded model.
        method: One of :data:`METHODS`; None for all that can look into the model.

    Raises:
        OptionError: The model's task is not classification, or there is no such method.
        MissingExtraError: captum is not installed.
    """

    def __init__(self, model: str | Path | RowPredictor, method: str | None) -> None:
        self.methods, self.notes = check_methods(method), list[str]()
        self.subject: Subject | None = None
        self.predictor: RowPredictor = _predictor(model)
        if method is None:
            self.methods, self.notes = usable(self.predictor)
        self.name = self.predictor.folder.name if self.predictor.folder else self.predictor.engine
        if self.predictor.task.name != "classification":
            raise OptionError(
                f"what carries an answer is told of classification; this model's task is "
                f"{self.predictor.task.name}",
                where=self.name,
                fix="Give a classifier, as sentiment or runs/<name>/best.",
            )
        if INTEGRATED in self.methods:
            self.subject = open_subject(self.predictor)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of every label for each text, [texts, labels]."""
        found = self.predictor.predict_rows(self.predictor.task.rows(list(texts)))
        return np.array([one.probabilities for one in found], dtype=np.float64)

    def attribute(self, text: str, label: int, method: str) -> Attribution:
        """Return what the words of a text have to do with the probability of a label.

        Args:
            text: Of at least one word.
            label: The label's place.
            method: One of :data:`METHODS`.
        """
        return self._occlusion(text, label) if method == OCCLUSION else self._integrated(text, label)

    def _occlusion(self, text: str, label: int) -> Attribution:
        import torch
        from captum.attr import FeatureAblation

        words = words_of(text)

        def forward(kept: Tensor) -> Tensor:
            texts = [without(text, words, (row == 0).tolist()) for row in kept]
            return torch.from_numpy(self.probabilities(texts)[:, label])

        found = FeatureAblation(forward).attribute(
            torch.ones(1, len(words)), baselines=0.0, perturbations_per_eval=AT_ONCE
        )
        return Attribution(OCCLUSION, [round(float(value), 6) for value in found[0]])

    def _integrated(self, text: str, label: int) -> Attribution:
        import torch
        from captum.attr import IntegratedGradients

        subject = self.subject
        assert subject is not None, "it was opened for this method"
        inputs = subject.inputs(text)
        ids = inputs["input_ids"]
        special = set(subject.tokenizer.all_special_ids) - {subject.tokenizer.unk_token_id}
        padded = ids.clone()
        pad = subject.tokenizer.pad_token_id or 0
        padded[0] = torch.tensor([token if token in special else pad for token in ids[0].tolist()])
        others = {name: value for name, value in inputs.items() if name != "input_ids"}

        def forward(vectors: Tensor) -> Tensor:
            given = {name: value.expand(len(vectors), -1) for name, value in others.items()}
            logits = subject.model(inputs_embeds=vectors, **given, return_dict=True).logits
            return (logits / self.predictor.temperature).softmax(dim=-1)[:, label]

        try:
            found, missing = IntegratedGradients(forward).attribute(
                subject.embeddings(ids),
                baselines=subject.embeddings(padded),
                n_steps=POINTS,
                internal_batch_size=AT_ONCE,
                return_convergence_delta=True,
            )
        except (TypeError, NotImplementedError, AttributeError, OptionError) as error:
            raise OptionError(
                f"a {subject.title} reads no word vectors that a gradient could reach",
                where="--method integrated-gradients",
                fix="Take --method occlusion, which asks any classifier.",
            ) from error
        by_token = found.sum(dim=-1)[0].detach().numpy()
        scores = _by_word(subject, text, by_token, ids[0].tolist())
        return Attribution(INTEGRATED, scores, round(float(missing), 6))


def _predictor(model: str | Path | RowPredictor) -> RowPredictor:
    from textgraft.inference.predictor import load
    from textgraft.inference.row_predictor import RowPredictor

    return model if isinstance(model, RowPredictor) else load(model)


def _by_word(subject: Subject, text: str, by_token: NDArray[Any], ids: Sequence[int]) -> list[float]:
    """Add up the tokens of each word; words beyond what the model reads have 0."""
    encoding = subject.tokenizer.backend_tokenizer.encode(text)
    offsets = [span for span, _ in zip(encoding.offsets, ids, strict=False)]
    words = words_of(text)
    scores = np.zeros(len(words))
    at = 0
    for (begin, end), value, is_special in zip(offsets, by_token, encoding.special_tokens_mask, strict=False):
        if is_special or begin == end:
            continue
        while at + 1 < len(words) and begin >= words[at][1]:
            at += 1
        scores[at] += value
    return [round(float(value), 6) for value in scores]


def token_attributions(
    model: str | Path | RowPredictor, text: str, *, label: str | None = None, method: str | None = None
) -> TokenAttributions:
    """Return which words of a text carry a classifier's answer.

    Args:
        model: A model directory, the name of a graft that comes with textgraft, or a loaded model.
        text: Of at least one word and at most :data:`MOST_WORDS`.
        label: The label that is asked about; the model's answer if left out.
        method: "occlusion" or "integrated-gradients"; both if left out, or the first alone where the model
            has no word vectors.

    Raises:
        OptionError: The model is no classifier, or the method cannot look into it; no such label; no words.
        MissingExtraError: captum is not installed.
    """
    explainer = Explainer(model, method)
    words = words_of(text)
    if not 0 < len(words) <= MOST_WORDS:
        raise OptionError(
            f"the text has {counted(len(words), 'word')}",
            where="TEXT",
            fix=f"Give one of 1 to {MOST_WORDS} words.",
        )
    labels = explainer.predictor.task.labels
    probabilities = explainer.probabilities([text])[0]
    if label is not None and label not in labels:
        raise unknown("label", label, labels, where="--label")
    place = int(probabilities.argmax()) if label is None else labels.index(label)
    return TokenAttributions(
        model=explainer.name,
        text=text,
        words=[text[begin:end] for begin, end in words],
        label=labels[place],
        probability=round(float(probabilities[place]), 6),
        attributions=[explainer.attribute(text, place, each) for each in explainer.methods],
        notes=explainer.notes,
    )


WITHOUT_VECTORS = ("tfidf", "majority", "static")
"""Models that count words, or average their vectors: there is nothing that a gradient could show."""


def usable(predictor: RowPredictor) -> tuple[tuple[str, ...], list[str]]:
    """Return the methods that can look into a model, and why not the other one."""
    network = getattr(predictor, "model", None)
    kind = "a prompt" if network is None else str(network.config.model_type)
    if network is None or kind in WITHOUT_VECTORS:
        return (OCCLUSION,), [f"Occlusion alone: {kind} reads no word vectors that a gradient could reach."]
    return METHODS, []
