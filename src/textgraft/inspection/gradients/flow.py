"""The gradient of a model's loss with respect to every earlier step, on the user's own text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from textgraft.errors import OptionError
from textgraft.inspection.figures import heatmap, lines
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.inspection.subject import (
    CLASSIFIER,
    LANGUAGE_MODEL,
    MASKED,
    Subject,
    label_number,
    only,
    open_subject,
)

if TYPE_CHECKING:
    from torch import Tensor

    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.inspection.unrolled import Step

WORD_VECTORS = "word vectors"
VANISHING, EXPLODING = 0.9, 1.1
"""What a gradient is multiplied by from a step to the one before it, where it is said to vanish or explode:
0.9 leaves a thousandth after 66 steps."""


class Norms(msgspec.Struct, frozen=True):
    """How strongly the loss depends on something at every step."""

    name: str
    """As "hidden state, layer 1, rightward", "cell state, layer 1, rightward", or :data:`WORD_VECTORS`."""
    norms: list[float]
    """Euclidean norm of the gradient of the loss, one for each token, in the order of the text."""
    reach: float | None = None
    """Of a recurrent layer, what the norm is multiplied by from a step to the one before it, on average."""


class GradientFlow(Result, frozen=True, kw_only=True):
    """The gradients of one loss."""

    model: str
    network: str
    text: str
    tokens: list[str]
    target: str
    """What the loss is of, as "the label positive"."""
    loss: float
    series: list[Norms]
    pooled: bool = False
    """Whether the loss reads the states of all tokens, by pooling, and not the last one alone."""
    lost_tokens: bool = False
    """Whether the text was cut."""

    def page(self) -> Page:
        """Draw norms over tokens, relative to the largest of their kind."""
        words = self.named(WORD_VECTORS)
        greatest = max(words.norms) or 1.0
        recurrent = [one for one in self.series if one.reach is not None]
        layers = [one for one in self.series if one.name != WORD_VECTORS and one.reach is None]
        findings = [
            f"{one.name}: {told_reach(one.reach)}"
            for one in recurrent
            if one.reach is not None and not self.pooled
        ]
        if self.pooled:
            findings.append(
                "Pooling reads the states of all tokens, so that the gradient enters at each: its norm "
                "says what a state is worth, not what becomes of the gradient on the way back."
            )
        if self.lost_tokens:
            findings.append("The text is longer than the model reads: its end is left out.")
        sections = [
            Section(
                "What the loss depends on",
                "Each token by the norm of the gradient with respect to its word vector.",
                words=[
                    (token, norm / greatest) for token, norm in zip(self.tokens, words.norms, strict=True)
                ],
            )
        ]
        figures = {}
        if recurrent:
            figures["flow"] = lines(
                {one.name: (range(len(self.tokens)), one.norms) for one in (*recurrent, words)},
                "token",
                "norm of the gradient",
                log_y=True,
                ticks=self.tokens,
                dashes={one.name: "dash" for one in recurrent if one.name.startswith("cell")},
            )
            sections.append(
                Section(
                    "Through the steps",
                    "How much the loss would change with the state after each token, all later steps "
                    "included. A straight line is a constant factor a step.",
                    plot="flow",
                    plot_width=max(0, 22 * len(self.tokens)),
                )
            )
        if layers:
            figures["layers"] = heatmap(
                [[norm / (max(one.norms) or 1.0) for norm in one.norms] for one in layers],
                [one.name for one in layers],
                self.tokens,
                ("layer", "token"),
                most=1.0,
            )
            sections.append(
                Section(
                    "Layer by layer",
                    "How much the loss depends on what each layer hands on at each token, against the most "
                    "of that layer. Where the head reads the first token alone, so does the last layer.",
                    plot="layers",
                    plot_width=max(0, 22 * len(self.tokens) + 160),
                )
            )
        rows = [
            [f"{at}", token, *(f"{one.norms[at]:.3g}" for one in self.series)]
            for at, token in enumerate(self.tokens)
        ]
        columns = ["", "token", *(one.name for one in self.series)]
        sections.append(Section("Norms", table=Table(columns, rows, 2), folded=len(self.series) > 4))
        return Page(
            "gradients",
            self.text,
            f"{self.model} · {self.network} · loss of {self.target}: {self.loss:.4f}",
            f"The loss depends most on “{self.tokens[words.norms.index(max(words.norms))]}”",
            findings,
            sections,
            figures,
        )

    def named(self, name: str) -> Norms:
        """Return the norms of a name."""
        return next(one for one in self.series if one.name == name)


def told_reach(reach: float) -> str:
    """Say what becomes of a gradient on its way back."""
    kind = "vanishes" if reach < VANISHING else "explodes" if reach > EXPLODING else "holds"
    return f"the gradient {kind}: times {reach:.3g} a step back"


def reach_of(norms: list[float]) -> float | None:
    """Return the mean factor a step from the last of some norms to the first; None where there is none."""
    if len(norms) < 2 or norms[-1] <= 0:
        return None
    return float((norms[0] / norms[-1]) ** (1 / (len(norms) - 1)))


def gradient_flow(
    model: str | Path | RowPredictor, text: str, *, label: str | None = None, max_length: int | None = None
) -> GradientFlow:
    """Return the gradient of a model's loss with respect to every token and every step.

    Of a classifier the loss is that of its own answer, or of another label; of a language model that of the
    last token after all those before it; of a masked language model that of the last token, masked.

    Args:
        model: As :func:`~textgraft.inspection.subject.open_subject` takes it.
        text: Any text of two tokens or more.
        label: Of a classifier, the label whose loss is taken.
        max_length: Tokens that are read at most.

    Raises:
        OptionError: The model has no such loss or no word vectors, or the text is too short.
        ModelError: There is no such model.
    """
    subject = open_subject(model)
    only(subject, (CLASSIFIER, LANGUAGE_MODEL, MASKED), "gradients")
    wanted = label_number(subject, label)
    inputs = subject.inputs(text, max_length)
    ids = inputs["input_ids"]
    if ids.shape[1] < 2:
        raise OptionError("one token has nothing before it", where="TEXT", fix="Give a longer text.")
    if subject.is_recurrent:
        found = _through_steps(subject, inputs, wanted)
    else:
        found = _through_layers(subject, inputs, wanted)
    return GradientFlow(
        model=subject.name,
        network=subject.title,
        text=text,
        tokens=subject.tokens(ids)[: len(found.series[0].norms)],
        target=found.target,
        loss=found.loss,
        series=found.series,
        pooled=getattr(subject.model.config, "pooling", "last") != "last" and subject.kind == CLASSIFIER,
        lost_tokens=subject.is_cut(text, ids.shape[1]),
    )


class _Found(NamedTuple):
    target: str
    loss: float
    series: list[Norms]


def _through_steps(subject: Subject, inputs: dict[str, Tensor], wanted: int | None) -> _Found:
    """Take the gradients of a recurrent model, through all steps of every layer."""
    import torch

    from textgraft.inspection.unrolled import unrolled

    model, layers = unrolled(subject.model)
    words = subject.embeddings(inputs["input_ids"]).double().requires_grad_()
    if subject.kind == LANGUAGE_MODEL:
        # The last token is what is to be told: it is not read.
        words = words[:, :-1].detach().requires_grad_()
        logits = model(inputs_embeds=words).logits[:, -1]
    else:
        logits = model(inputs_embeds=words, attention_mask=inputs["attention_mask"]).logits
    target, loss = _loss(subject, logits, inputs, wanted)
    names: list[str] = []
    backward: list[bool] = []
    tensors: list[list[Tensor]] = []
    for (depth, direction), layer in layers.items():
        if not layer.steps:
            continue
        for kind, chosen in (("hidden", [step.h for step in layer.steps]), ("cell", _cells(layer.steps))):
            if chosen:
                names.append(f"{kind} state, layer {depth}, {direction}")
                tensors.append(chosen)
                backward.append(direction == "leftward")
    flat = [words, *(tensor for chosen in tensors for tensor in chosen)]
    gradients = torch.autograd.grad(loss, flat, allow_unused=True)
    norms = gradients[0]
    assert norms is not None, "every loss depends on the words"
    series = [Norms(WORD_VECTORS, norms.norm(dim=-1)[0].tolist())]
    at = 1
    for name, chosen, is_leftward in zip(names, tensors, backward, strict=True):
        part = gradients[at : at + len(chosen)]
        at += len(chosen)
        by_step = [0.0 if one is None else float(one.norm()) for one in part]
        reach = reach_of(by_step)
        in_text = by_step[::-1] if is_leftward else by_step
        series.append(Norms(name, in_text, reach))
    return _Found(target, float(loss.detach()), series)


def _cells(steps: Sequence[Step]) -> list[Tensor]:
    return [step.c for step in steps if step.c is not None]


def _through_layers(subject: Subject, inputs: dict[str, Tensor], wanted: int | None) -> _Found:
    """Take the gradients of a Transformer, at the output of every layer."""
    import torch

    ids = inputs["input_ids"]
    given = dict(inputs)
    masked = _masked(subject, ids) if subject.kind == MASKED else ids
    try:
        words = subject.embeddings(masked).requires_grad_()
        del given["input_ids"]
        outputs = subject.model(**given, inputs_embeds=words, output_hidden_states=True, return_dict=True)
    except (AttributeError, NotImplementedError, OptionError, TypeError) as error:
        raise OptionError(
            f"a {subject.title} reads no word vectors that a gradient could reach",
            where=subject.name,
            fix="Recurrent networks, BERT's kin and grafts on them do; textgraft inspect tokens --method "
            "occlusion takes every classifier.",
        ) from error
    logits = outputs.logits[:, _last(subject, ids)] if subject.kind == MASKED else outputs.logits
    target, loss = _loss(subject, logits, inputs, wanted)
    states = list(outputs.hidden_states or ())[1:]
    gradients = torch.autograd.grad(loss, [words, *states], allow_unused=True)
    names = [WORD_VECTORS, *(f"layer {at}" for at in range(1, len(states) + 1))]
    series = [
        Norms(name, [0.0] * ids.shape[1] if one is None else one.norm(dim=-1)[0].tolist())
        for name, one in zip(names, gradients, strict=True)
    ]
    return _Found(target, float(loss.detach()), series)


def _last(subject: Subject, ids: Tensor) -> int:
    """Return the place of the last token that is no special one."""
    special = set(subject.tokenizer.all_special_ids)
    places = [at for at, token in enumerate(ids[0].tolist()) if token not in special]
    if not places:
        raise OptionError("there is no word in this text", where="TEXT", fix="Give a text of some words.")
    return places[-1]


def _masked(subject: Subject, ids: Tensor) -> Tensor:
    masked = ids.clone()
    masked[0, _last(subject, ids)] = subject.tokenizer.mask_token_id
    return masked


def _loss(
    subject: Subject, logits: Tensor, inputs: dict[str, Tensor], wanted: int | None
) -> tuple[str, Tensor]:
    """Return what the loss is of, and the loss.

    Args:
        subject: The model.
        logits: Of the one thing that is predicted, [1, outputs].
        inputs: What it has read.
        wanted: A label's place, or None for the model's own answer.
    """
    from torch.nn import functional

    ids = inputs["input_ids"]
    if subject.kind == CLASSIFIER:
        assert subject.predictor is not None, "a classifier was trained on a task"
        place = int(logits.argmax()) if wanted is None else wanted
        name = f"the label {subject.predictor.task.labels[place]}"
    else:
        place = int(ids[0, _last(subject, ids) if subject.kind == MASKED else -1])
        name = f"the token “{subject.tokenizer.convert_ids_to_tokens(place)}”"
        name += ", masked" if subject.kind == MASKED else " after those before it"
    loss = functional.cross_entropy(logits, logits.new_tensor([place]).long())
    return name, loss
