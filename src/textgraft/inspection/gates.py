"""The gates of a recurrent network over a text, and what the forget gate keeps of every step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from textgraft.errors import OptionError
from textgraft.inspection.figures import chosen_heatmap, heatmap, lines
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.inspection.subject import LONGEST, open_subject

if TYPE_CHECKING:
    from textgraft.inference.row_predictor import RowPredictor
    from textgraft.inspection.unrolled import UnrolledLayer

KEEPING = {"lstm": "forget", "gru": "update"}
"""The gate of each cell that says how much of the old state stays."""
OPEN, CLOSED = 0.9, 0.1
"""From where on a gate counts as open or closed (Karpathy, Johnson and Fei-Fei 2016, section 4.2)."""


class Gate(msgspec.Struct, frozen=True):
    """One gate over a text, in the order of the text."""

    name: str
    mean: list[float]
    """Over the units of the layer, 0 to 1."""
    open: list[float]
    """Share of the units above :data:`OPEN`."""
    closed: list[float]
    """Share of the units below :data:`CLOSED`."""


class LayerGates(msgspec.Struct, frozen=True):
    """The gates of one layer in one direction."""

    layer: int
    direction: str
    gates: list[Gate]
    kept: list[list[float]]
    """[written, later]: of what the state held after a token, the part that the keeping gates of all tokens
    read since have let stand, mean over units; 0 for tokens that were read before it."""

    @property
    def name(self) -> str:
        """As "layer 1, rightward"."""
        return f"layer {self.layer}, {self.direction}"

    @property
    def at_end(self) -> list[float]:
        """What is kept of each token when the whole text has been read."""
        last = 0 if self.direction == "leftward" else len(self.kept) - 1
        return [row[last] for row in self.kept]


class GateActivations(Result, frozen=True, kw_only=True):
    """All gates of a model over a text."""

    model: str
    network: str
    text: str
    tokens: list[str]
    keeping: str
    """Name of the gate that keeps: "forget" or "update"."""
    layers: list[LayerGates]

    def page(self) -> Page:
        """Draw every layer."""
        figures, sections, findings = {}, [], []
        width = 22 * len(self.tokens) + 160
        for at, layer in enumerate(self.layers):
            kept = layer.at_end
            findings.append(
                f"{layer.name}: {half_life(layer, self.keeping)}; of the token read first "
                f"{kept[-1 if layer.direction == 'leftward' else 0]:.1%} is kept at the end"
            )
            figures[f"gates{at}"] = chosen_heatmap(
                {
                    "mean activation": [gate.mean for gate in layer.gates],
                    f"share of units above {OPEN}": [gate.open for gate in layer.gates],
                    f"share of units below {CLOSED}": [gate.closed for gate in layer.gates],
                },
                [f"{gate.name} gate" for gate in layer.gates],
                self.tokens,
                ("", "token"),
                most=1.0,
            )
            figures[f"kept{at}"] = heatmap(
                layer.kept, self.tokens, self.tokens, ("written at", "kept when this is read"), most=1.0
            )
            sections += [
                Section(
                    f"Gates, {layer.name}",
                    "Open lets through, closed holds back.",
                    plot=f"gates{at}",
                    plot_width=width,
                ),
                Section(
                    f"What the {self.keeping} gate keeps, {layer.name}",
                    f"Of what the state held after a token, the product of the {self.keeping} gates of all "
                    "tokens read since, mean over units. Words by what is kept of them at the end.",
                    words=list(zip(self.tokens, kept, strict=True)),
                    plot=f"kept{at}",
                    plot_width=width,
                ),
            ]
        figures["end"] = lines(
            {layer.name: (range(len(self.tokens)), layer.at_end) for layer in self.layers},
            "token",
            "kept at the end",
            ticks=self.tokens,
            y_range=(0, 1.02),
        )
        sections.append(
            Section("Kept at the end", plot="end", plot_width=width, table=self._table(), folded=False)
        )
        return Page(
            "gates",
            self.text,
            f"{self.model} · {self.network}",
            f"What the {self.keeping} gates keep over {len(self.tokens)} tokens",
            findings,
            sections,
            figures,
        )

    def _table(self) -> Table:
        columns = ["token"]
        for layer in self.layers:
            columns += [f"{gate.name}, {layer.name}" for gate in layer.gates]
            columns.append(f"kept at the end, {layer.name}")
        rows = []
        for at, token in enumerate(self.tokens):
            row = [token]
            for layer in self.layers:
                row += [f"{gate.mean[at]:.3f}" for gate in layer.gates]
                row.append(f"{layer.at_end[at]:.3f}")
            rows.append(row)
        return Table(columns, rows)


def half_life(layer: LayerGates, keeping: str) -> str:
    """Say how long the keeping gate of a layer holds what it has, from its mean over the text."""
    import math

    (gate,) = (one for one in layer.gates if one.name == keeping)
    mean = sum(gate.mean) / len(gate.mean)
    if mean >= 0.9999:
        return f"the {keeping} gate is {mean:.3f} open on average and forgets nothing"
    steps = math.log(0.5) / math.log(max(mean, 1e-9))
    return (
        f"the {keeping} gate is {mean:.3f} open on average: a unit at that value keeps half for {steps:.1f} "
        "steps"
    )


def gate_activations(
    model: str | Path | RowPredictor, text: str, *, max_length: int = LONGEST
) -> GateActivations:
    """Return the gates of an LSTM or GRU over a text.

    Args:
        model: As :func:`~textgraft.inspection.subject.open_subject` takes it.
        text: Any text.
        max_length: Tokens that are read at most.

    Raises:
        OptionError: The model has no gates.
        ModelError: There is no such model.
    """
    import torch

    from textgraft.inspection.unrolled import unrolled

    subject = open_subject(model)
    cell = str(getattr(subject.model.config, "cell", ""))
    if cell not in KEEPING:
        raise OptionError(
            f"this is an Elman RNN, which has no gates: {subject.title}"
            if cell == "rnn"
            else f"gates are in LSTMs and GRUs; this is a {subject.title}",
            where=subject.name,
            fix="Give a model of the contender lstm, or of textgraft pretrain --arch lstm.",
        )
    inputs = subject.inputs(text, max_length)
    copied, layers = unrolled(subject.model)
    with torch.inference_mode():
        copied(**inputs)
    found = [
        _layer(depth, direction, layer, KEEPING[cell])
        for (depth, direction), layer in layers.items()
        if layer.steps
    ]
    return GateActivations(
        model=subject.name,
        network=subject.title,
        text=text,
        tokens=subject.tokens(inputs["input_ids"]),
        keeping=KEEPING[cell],
        layers=found,
    )


def _layer(depth: int, direction: str, layer: UnrolledLayer, keeping: str) -> LayerGates:
    import torch

    steps = layer.steps[::-1] if direction == "leftward" else layer.steps
    gates = []
    for name in steps[0].gates:
        values = torch.stack([step.gates[name][0] for step in steps])
        gates.append(
            Gate(
                name,
                values.mean(dim=1).tolist(),
                (values > OPEN).double().mean(dim=1).tolist(),
                (values < CLOSED).double().mean(dim=1).tolist(),
            )
        )
    # In the order of reading: the sum of logarithms since a step is the logarithm of what is left of it.
    logs = torch.stack([step.gates[keeping][0] for step in layer.steps]).clamp_min(1e-300).log().cumsum(dim=0)
    since = (logs[None, :, :] - logs[:, None, :]).exp().mean(dim=2)  # [written, later]
    kept = torch.triu(since)
    if direction == "leftward":
        kept = kept.flip(0, 1)
    return LayerGates(depth, direction, gates, kept.tolist())
