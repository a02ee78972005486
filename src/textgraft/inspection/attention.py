"""Where a model looks: the attention of every layer and head, or the weights of attention pooling."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from textgraft.errors import OptionError
from textgraft.inspection.figures import chosen_heatmap
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.inspection.subject import LONGEST, Subject, open_subject

if TYPE_CHECKING:
    from torch import Tensor

    from textgraft.inference.row_predictor import RowPredictor

POOLING, SELF, CROSS = "pooling", "self", "cross"
_TOLD = {
    POOLING: "How much of each state the pooled vector of the text is made of; the weights sum to 1.",
    SELF: "Each row is a token that looks, each column one that is looked at; rows sum to 1. Attention says "
    "where values come from, not what an answer rests on: for that see textgraft inspect tokens.",
    CROSS: "Each row is a token of the answer, each column one of the source that was looked at when it was "
    "written; mean over heads and layers.",
}


class Map(msgspec.Struct, frozen=True):
    """One matrix of attention."""

    name: str
    """As "layer 1, head 2", "layer 1, mean", or "rollout"."""
    weights: list[list[float]]
    """[looking, looked at]."""


class Attention(Result, frozen=True, kw_only=True):
    """All attention of a model on a text."""

    model: str
    network: str
    text: str
    kind: str
    """"self", "cross" or "pooling"."""
    looking: list[str]
    """Tokens that look; for pooling, one name."""
    tokens: list[str]
    """Tokens that are looked at."""
    maps: list[Map]

    def page(self) -> Page:
        """Draw the maps, one at a time."""
        summary = self.maps[0].weights
        received = [sum(row[at] for row in summary) / len(summary) for at in range(len(self.tokens))]
        greatest = max(received) or 1.0
        figures = {
            "attention": chosen_heatmap(
                {one.name: one.weights for one in self.maps},
                self.looking,
                self.tokens,
                ("looks" if self.kind != POOLING else "", "is looked at"),
            )
        }
        told = sorted(zip(received, self.tokens, strict=True), reverse=True)[:3]
        return Page(
            "attention",
            self.text,
            f"{self.model} · {self.network} · {len(self.maps)} map{'s' if len(self.maps) != 1 else ''}",
            f"Most attention goes to {', '.join(f'“{token}”' for _, token in told)}",
            [],
            [
                Section(
                    "Attention", _TOLD[self.kind], plot="attention", plot_width=22 * len(self.tokens) + 160
                ),
                Section(
                    f"Attention received: {self.maps[0].name}",
                    words=[
                        (token, value / greatest) for token, value in zip(self.tokens, received, strict=True)
                    ],
                    table=Table(
                        ["token", "attention"],
                        [[token, f"{value:.3f}"] for token, value in zip(self.tokens, received, strict=True)],
                    ),
                ),
            ],
            figures,
        )


def attention(model: str | Path | RowPredictor, text: str, *, max_length: int = LONGEST) -> Attention:
    """Return the attention of a model on a text.

    Of a Transformer that is every head of every layer, their means, and the rollout of all layers (Abnar and
    Zuidema 2020); of a recurrent network its attention pooling; of a model that writes, its cross-attention.

    Args:
        model: As :func:`~textgraft.inspection.subject.open_subject` takes it.
        text: Any text.
        max_length: Tokens that are read at most.

    Raises:
        OptionError: The model has no attention.
        ModelError: There is no such model.
    """
    import torch

    from textgraft.models.asked import observable

    subject = open_subject(model)
    if subject.predictor is not None and subject.predictor.task.auto_class == "AutoModelForSeq2SeqLM":
        return _of_writing(subject, text)
    inputs = subject.inputs(text, max_length)
    if getattr(subject.model.config, "cell", None) and subject.kind == "language model":
        raise _has_none(subject)
    try:
        with torch.inference_mode(), observable(subject.model):
            outputs = subject.model(**inputs, output_attentions=True, return_dict=True)
    except (OptionError, TypeError) as error:
        raise _has_none(subject) from error
    layers = outputs.get("attentions")
    if not layers or layers[0] is None:
        raise _has_none(subject)
    tokens = subject.tokens(inputs["input_ids"])
    if layers[0].dim() == 2:
        pooled = [_rounded(layers[0][0].tolist())]
        return Attention(
            model=subject.name, network=subject.title, text=text, kind=POOLING,
            looking=["text"], tokens=tokens, maps=[Map("attention pooling", pooled)],
        )  # fmt: skip
    weights = torch.cat(list(layers)).double()  # [layers, heads, looking, looked at]
    maps = [Map("rollout", _matrix(rollout(weights)))]
    maps += [Map(f"layer {at + 1}, mean", _matrix(layer.mean(dim=0))) for at, layer in enumerate(weights)]
    maps += [
        Map(f"layer {at + 1}, head {head + 1}", _matrix(matrix))
        for at, layer in enumerate(weights)
        for head, matrix in enumerate(layer)
    ]
    return Attention(
        model=subject.name,
        network=subject.title,
        text=text,
        kind=SELF,
        looking=tokens,
        tokens=tokens,
        maps=maps,
    )


def rollout(weights: Tensor) -> Tensor:
    """Return what the last layer's tokens are made of, through all layers (Abnar and Zuidema 2020).

    A layer adds what it attends to to what was there, so that half of each token is taken to be itself.

    Args:
        weights: [layers, heads, time, time].

    Returns:
        [time, time]; rows sum to 1.
    """
    import torch

    mixed = torch.eye(weights.shape[-1], dtype=weights.dtype)
    for layer in weights.mean(dim=1):
        mixed = (layer + torch.eye(len(layer), dtype=layer.dtype)) / 2 @ mixed
    return mixed


def _matrix(matrix: Tensor) -> list[list[float]]:
    return [_rounded(row) for row in matrix.tolist()]


def _rounded(row: list[float]) -> list[float]:
    return [round(value, 4) for value in row]


def _of_writing(subject: Subject, text: str) -> Attention:
    from textgraft.inference.attention_maps import attention_maps

    assert subject.predictor is not None, "what writes was trained on a task"
    found = attention_maps(subject.predictor, subject.predictor.task.rows([text]), 1)
    if not found:
        raise OptionError(
            "there is no attention to show: the model attends to nothing, or text or answer is too long",
            where=subject.name,
            fix="Give a text of at most 40 tokens, and a model with attention.",
        )
    (one,) = found
    return Attention(
        model=subject.name, network=subject.title, text=text, kind=CROSS,
        looking=one.target, tokens=one.source, maps=[Map("mean of all layers", one.weights)],
    )  # fmt: skip


def _has_none(subject: Subject) -> OptionError:
    return OptionError(
        f"this model has no attention: {subject.title}",
        where=subject.name,
        fix="Transformers have it, grafts on them, and recurrent classifiers with pooling='attention'.",
    )
