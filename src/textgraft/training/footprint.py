"""What a training would take, memory and time: told by some steps of it that are thrown away."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, cast

from torch import Tensor
from transformers import PreTrainedModel

from textgraft.training.allocations import Gauge, allocations, tensor_bytes
from textgraft.training.gradient import accumulate
from textgraft.training.loop import Run, fit
from textgraft.training.objective import Objective
from textgraft.training.settings import TrainingSettings
from textgraft.wording import duration

MEGABYTE = 1e6
_LEAST_STEPS = 3
"""That are timed, besides the first one, which is slow."""
_EVALUATION_SHARE = 0.5
"""Cost of evaluating a token against training on it, at most: the forward pass is a third."""


@dataclass(frozen=True)
class BatchFootprint:
    """What the forward pass of a batch keeps for the backward pass, on one process."""

    rows: int
    tokens: int
    """Of a row, padding included."""
    bytes: int


@dataclass(frozen=True)
class Footprint:
    """Memory of one process, in bytes, and time."""

    processes: int
    precision: str
    """"fp32" or "bf16"."""
    weights: int
    """With buffers, and the best weights so far, which are kept beside them."""
    gradients: int
    optimizer: int
    """AdamW's moments."""
    batches: tuple[BatchFootprint, ...]
    """Of an epoch the one with most tokens, the one with the longest rows and the one with most rows; the
    largest first."""
    step: int
    """What the most demanding of these takes at its peak, gradients included, beside weights and moments."""
    tokens_per_second: float
    """Of all processes."""
    epoch_tokens: int
    epoch_steps: int
    evaluation_tokens: int
    """Held out, and read at each evaluation."""
    evaluations_per_epoch: int

    @property
    def peak(self) -> int:
        """Bytes of all tensors at once, at most."""
        return self.weights + self.optimizer + self.step

    @property
    def epoch_seconds(self) -> float:
        """Training on all rows once."""
        return self.epoch_tokens / self.tokens_per_second

    @property
    def evaluation_seconds(self) -> float:
        """Evaluations of an epoch, at most; each process makes all of them by itself."""
        tokens = self.evaluation_tokens * self.evaluations_per_epoch
        return _EVALUATION_SHARE * tokens * self.processes / self.tokens_per_second

    def memory_lines(self) -> list[tuple[str, str]]:
        """Return each figure of the memory with its name, for people to read."""
        batches = [
            (f"activations, {batch.rows:,} × {batch.tokens:,} tokens", _megabytes(batch.bytes))
            for batch in self.batches
        ]
        each = f", each of {self.processes} processes" if self.processes > 1 else ""
        return [
            ("weights", _megabytes(self.weights)),
            ("gradients", _megabytes(self.gradients)),
            ("moments of AdamW", _megabytes(self.optimizer)),
            *batches,
            ("memory", f"{_megabytes(self.peak)} of tensors at most{each}, {self.precision}"),
        ]

    def time_lines(self) -> list[tuple[str, str]]:
        """Return each figure of an epoch's time with its name, likewise."""
        return [
            (
                "an epoch",
                f"{duration(self.epoch_seconds)} for {self.epoch_tokens:,} tokens in {self.epoch_steps:,} "
                f"steps, and {duration(self.evaluation_seconds)} of evaluation at most",
            ),
        ]


def _megabytes(count: int) -> str:
    return f"{count / MEGABYTE:,.1f} MB" if count < 100 * MEGABYTE else f"{count / MEGABYTE:,.0f} MB"


def footprint(run: Run, seconds: float) -> Footprint:
    """Train for some seconds and measure; all processes of a run do so together.

    Args:
        run: A training that has not begun. Its weights are changed, so it can only be thrown away.
        seconds: How long the speed is measured.
    """
    steps = run.steps(0)
    run.trained.train()
    run.step(steps)  # makes the moments
    everything = [*run.trained.parameters(), *run.trained.buffers()]
    learned = [parameter for parameter in run.parameters if parameter.requires_grad]
    moments = [tensor for state in run.optimizer.state.values() for tensor in state.values()]
    known = [*everything, *moments]
    if run.is_sharded and run.device.type == "cpu":
        everything += [*run.model.parameters(), *run.model.buffers()]  # the whole model beside its shards
    found: list[BatchFootprint] = []
    step = 0
    for group in _demanding(run.objective, steps):
        with allocations(run.device, known) as gauge:
            watched = _Watched(run.objective, gauge)
            accumulate(
                run.replica,
                cast("Objective", watched),
                group,
                entropy=(run.settings.seed, run.at.step),
                processes=run.processes,
                precision=run.precision,
            )
            step = max(step, gauge.peak)
        found += watched.found
        run.optimizer.zero_grad()
    speed = _tokens_per_second(run, steps, seconds)
    batches = sorted(set(found), key=lambda batch: batch.bytes, reverse=True)[:3]
    best = tensor_bytes(learned) if run.device.type == "cpu" else 0
    return Footprint(
        processes=run.processes.num_processes,
        precision=run.precision,
        weights=tensor_bytes(everything) + run.put_aside + best,
        gradients=tensor_bytes(learned),
        optimizer=tensor_bytes(moments),
        batches=tuple(batches),
        step=step,
        tokens_per_second=speed,
        epoch_tokens=sum(map(run.objective.tokens, chain(*steps))),
        epoch_steps=len(steps),
        evaluation_tokens=run.objective.held_out_tokens(),
        evaluations_per_epoch=run.settings.evaluations_per_epoch,
    )


class Rehearsed(Exception):  # noqa: N818  no error: the end of a training that was only to be measured
    """Ends a training in its beginning."""


def rehearse(
    model: PreTrainedModel, objective: Objective, settings: TrainingSettings, seconds: float
) -> Footprint:
    """Tell what :func:`fit` with the same arguments would take; neither model nor objective are changed.

    Args:
        model: A copy of it is trained.
        objective: What to learn from.
        settings: All choices.
        seconds: How long the speed is measured.
    """
    found: list[Footprint] = []

    def on_begin(run: Run) -> None:
        found.append(footprint(run, seconds))
        raise Rehearsed

    with contextlib.suppress(Rehearsed):
        fit(copy.deepcopy(model), objective, settings, on_begin=on_begin)
    return found[0]


def _demanding(
    objective: Objective, steps: Sequence[Sequence[Sequence[int]]]
) -> list[Sequence[Sequence[int]]]:
    """Return the steps whose batches may take most memory, each once."""
    places = [(step, rows) for step, group in enumerate(steps) for rows in group]
    tokens = [objective.tokens(rows) for _, rows in places]
    sizes = [len(rows) for _, rows in places]
    every = range(len(places))
    chosen = [
        max(every, key=lambda place: tokens[place]),
        max(every, key=lambda place: tokens[place] / sizes[place]),
        max(every, key=lambda place: (sizes[place], tokens[place])),
    ]
    return [steps[step] for step in dict.fromkeys(places[place][0] for place in chosen)]


class _Watched:
    """An objective, and what its forward passes leave alive."""

    def __init__(self, objective: Objective, gauge: Gauge) -> None:
        self._objective, self._gauge = objective, gauge
        self.found: list[BatchFootprint] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._objective, name)

    def losses(self, model: PreTrainedModel, batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        before = self._gauge.current
        terms = self._objective.losses(model, batch)
        shapes = [tuple(tensor.shape) for tensor in batch.values() if tensor.ndim > 1] or [(0, 0)]
        rows, tokens = shapes[0][0], shapes[0][1]
        self.found.append(BatchFootprint(rows, tokens, self._gauge.current - before))
        return terms


def _tokens_per_second(run: Run, steps: Sequence[Sequence[Sequence[int]]], seconds: float) -> float:
    """Train on, and return how fast it goes: as many steps as the time has room for."""
    done, tokens, started = 0, run.at.tokens, run.clock()
    while done < _LEAST_STEPS or run.clock() - started < seconds:
        if run.at.step_in_epoch == len(steps):
            run.at.epoch, run.at.step_in_epoch = run.at.epoch + 1, 0
            steps = run.steps(run.at.epoch)
        run.step(steps)
        done += 1
    return (run.at.tokens - tokens) / max(run.clock() - started, 1e-9)
