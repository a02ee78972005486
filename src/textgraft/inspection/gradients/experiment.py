"""How far do a network and its gradient reach back? Accuracy by distance, and gradient beside it.

Each network is trained at the shortest distance first and goes on from there to the next one, as long as its
part of the time lasts: from random weights none would find anything at a thousand steps within minutes.
Time that a network saves at a distance it has mastered goes to its longer ones.

Time is that of one processor core, not of the clock: a busy neighbour changes nothing of what is learned.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from textgraft.errors import OptionError, unknown
from textgraft.evaluation.intervals import Score, score_interval
from textgraft.inspection.figures import COLOURS, lines
from textgraft.inspection.gradients.synthetic import TASKS, SyntheticTask
from textgraft.inspection.page import Page, Result, Section, Table
from textgraft.wording import duration, interval, listing, parse_seconds, score

CELLS = ("rnn", "lstm", "gru", "transformer")
TITLES = {"rnn": "Elman RNN", "lstm": "LSTM", "gru": "GRU", "transformer": "Transformer"}
STEPS = (10, 50, 200, 1000)
LONGEST = 5_000
BUDGET = "90s"
MASTERED = 0.99
"""Accuracy from which on a distance is taken for mastered, and training goes on to the next one."""
LEARNED = 0.5
"""How much of the way from chance to perfection counts as having learned a distance at all."""
TESTED, MEASURED = 256, 8
"""Sequences that accuracy and gradients are measured on."""
ROUND, ROUND_OF_LONG = 50, 20
"""Optimizer steps between looks at the accuracy; and of sequences of more than :data:`LONG` steps."""
LONG = 100
KINDS = {"rnn": "hidden", "lstm": "cell", "gru": "hidden", "transformer": "input"}
"""What the gradient is shown of: what carries the past from step to step; a Transformer reads it directly."""
POINTS = 60
"""Places kept of a gradient over many steps."""


class Gradient(msgspec.Struct, frozen=True):
    """The norm of a gradient over the distance that it has come."""

    of: str
    """"hidden", "cell" or "input"."""
    distances: list[int]
    """Steps back from the last one."""
    norms: list[float]
    """Mean over sequences, relative to that at the last step."""
    reach: float | None
    """What it is multiplied by a step back, on average; None where nothing arrives."""


class Stage(msgspec.Struct, frozen=True):
    """One network at one distance."""

    cell: str
    steps: int
    accuracy: Score
    trained_steps: int
    """Optimizer steps at this distance."""
    seconds: float
    """Of a core."""
    before: list[Gradient]
    """With the random weights that it began with."""
    after: list[Gradient]

    def gradient(self, *, trained: bool = True) -> Gradient:
        """Return the gradient of what carries the past."""
        return next(one for one in (self.after if trained else self.before) if one.of == KINDS[self.cell])


class Reach(Result, frozen=True, kw_only=True):
    """What several networks have learned at several distances."""

    task: str
    title: str
    chance: float
    budget: float
    """Seconds for all."""
    seed: int
    stages: list[Stage]

    def of(self, cell: str) -> list[Stage]:
        """Return the stages of a network, the shortest distance first."""
        return [stage for stage in self.stages if stage.cell == cell]

    def page(self) -> Page:
        """Draw accuracy by distance beside gradient by distance."""
        cells = list(dict.fromkeys(stage.cell for stage in self.stages))
        steps = sorted({stage.steps for stage in self.stages})
        colours = {TITLES[cell]: COLOURS[at] for at, cell in enumerate(CELLS)}
        accuracy = {
            TITLES[cell]: (
                [one.steps for one in self.of(cell)],
                [one.accuracy.value for one in self.of(cell)],
            )
            for cell in cells
        }
        accuracy["chance"] = (steps, [self.chance] * len(steps))
        arriving = {
            TITLES[cell]: (
                [one.steps for one in self.of(cell)],
                [one.gradient().norms[-1] for one in self.of(cell)],
            )
            for cell in cells
        }
        figures = {
            "accuracy": lines(
                accuracy, "steps", "accuracy", log_x=True, colours={**colours, "chance": "#7f7f7f"},
                dashes={"chance": "dot"}, y_range=(0, 1.03),
            ),
            "arriving": lines(
                arriving, "steps", "gradient at the first step", log_x=True, log_y=True, colours=colours
            ),
        }  # fmt: skip
        sections = [
            Section(
                "Accuracy by distance",
                f"On {TESTED} new sequences, by the steps between what is asked and where it stands.",
                plot="accuracy",
                plot_width=480,
            ),
            Section(
                "Gradient by distance",
                "How much of the loss's gradient arrives at the first step, after training: of the hidden "
                "state of the Elman RNN and the GRU, the cell state of the LSTM, and the word vector of the "
                "Transformer, which is one step of attention away from all others.",
                plot="arriving",
                plot_width=480,
            ),
        ]
        for at in steps:
            figures[f"flow{at}"] = self._flow(at, cells, colours)
            sections.append(
                Section(
                    f"On the way back over {at:,} steps",
                    "Solid after training, dashed with random weights. A straight line is a constant factor "
                    "a step: it falls where the gradient vanishes and rises where it explodes.",
                    plot=f"flow{at}",
                    plot_width=480,
                )
            )
        sections.insert(2, Section("Figures", self._columns(), table=self._table()))
        return Page(
            "gradients",
            f"{self.title[0].upper()}{self.title[1:]}, {steps[0]:,} to {steps[-1]:,} steps",
            f"{listing([TITLES[cell] for cell in cells])} · {duration(self.budget)} of processor "
            f"time for training, seed {self.seed}",
            self._headline(cells),
            [self._sentence(cell) for cell in cells],
            sections,
            figures,
        )

    def _flow(self, steps: int, cells: Sequence[str], colours: dict[str, str]) -> dict[str, object]:
        series, shown, dashes = {}, {}, {}
        for stage in self.stages:
            if stage.steps != steps:
                continue
            for gradient, name in (
                (stage.gradient(), TITLES[stage.cell]),
                (stage.gradient(trained=False), f"{TITLES[stage.cell]}, untrained"),
            ):
                series[name] = (gradient.distances, list(gradient.norms))
                shown[name] = colours[TITLES[stage.cell]]
                dashes[name] = "dash" if name.endswith("untrained") else "solid"
        return lines(series, "steps back", "norm, last step = 1", log_y=True, colours=shown, dashes=dashes)

    @staticmethod
    def _columns() -> str:
        return (
            "The factor is what the gradient is multiplied by a step back, on average; then what is left of "
            "it at the first step, and how many optimizer steps the network was trained for at this distance."
        )

    def _table(self) -> Table:
        rows = []
        for stage in self.stages:
            factors = [stage.gradient(trained=trained).reach for trained in (False, True)]
            rows.append(
                [
                    TITLES[stage.cell],
                    f"{stage.steps:,}",
                    f"{score(stage.accuracy.value)} ({interval(stage.accuracy)})",
                    *(f"{factor:.3f}" if factor is not None else "0" for factor in factors),
                    f"{stage.gradient().norms[-1]:.2g}",
                    f"{stage.trained_steps:,}",
                    duration(stage.seconds),
                ]
            )
        columns = [
            "network", "steps", "accuracy", "factor untrained", "factor trained", "at first step",
            "trained for", "time",
        ]  # fmt: skip
        return Table(columns, rows)

    def farthest(self, cell: str) -> int | None:
        """Return the largest distance that a network has learned; None if none."""
        least = self.chance + LEARNED * (1 - self.chance)
        return max((one.steps for one in self.of(cell) if one.accuracy.value >= least), default=None)

    def _headline(self, cells: Sequence[str]) -> str:
        reached = {cell: self.farthest(cell) or 0 for cell in cells}
        most = max(reached.values())
        if not most:
            return "No network learned the shortest distance in its time"
        best = [TITLES[cell] for cell in cells if reached[cell] == most]
        return f"{listing(best)} reach{'es' if len(best) == 1 else ''} farthest: {most:,} steps"

    def _sentence(self, cell: str) -> str:
        reached, last = self.farthest(cell), self.of(cell)[-1]
        told = f"learned {reached:,} steps" if reached else "learned no distance"
        gradient = last.gradient()
        factor = "nothing arrives" if gradient.reach is None else f"times {gradient.reach:.3f} a step"
        what = {"hidden": "hidden state", "cell": "cell state", "input": "word vector"}[gradient.of]
        return (
            f"{TITLES[cell]}: {told}; over {last.steps:,} steps the gradient of its {what} becomes "
            f"{gradient.norms[-1]:.2g} of what it was ({factor})."
        )


def gradient_reach(
    task: str = "recall",
    *,
    cells: Sequence[str] | str = CELLS,
    steps: Sequence[int] | str = STEPS,
    budget: str | float = BUDGET,
    seed: int = 0,
    on_progress: Callable[[str], None] | None = None,
) -> Reach:
    """Train small networks on a task of long range, and measure how far they and their gradients reach.

    Args:
        task: "recall" (of the first token), "copy" (of the first five) or "adding" (of two marked numbers).
        cells: Of "rnn", "lstm", "gru" and "transformer", in a list or joined by commas.
        steps: Distances, likewise; each network goes from the shortest to the longest.
        budget: Processor time to train all together in, as "2m" or in seconds; shared evenly. Measuring the
            gradients comes on top.
        seed: Of weights and sequences.
        on_progress: Called with what is being trained.

    Raises:
        OptionError: There is no such task or network, or a distance is out of range.
    """
    if task not in TASKS:
        raise unknown("task", task, TASKS, where="--task")
    names = [part.strip() for part in cells.split(",")] if isinstance(cells, str) else list(cells)
    for name in names:
        if name not in CELLS:
            raise unknown("network", name, CELLS, where="--cells")
    distances = _distances(steps)
    seconds = parse_seconds(budget) if isinstance(budget, str) else float(budget)
    if not seconds > 0:
        raise OptionError(f"{budget} is no time", where="--budget", fix="Write it as 90s or 10m.")
    stages: list[Stage] = []
    with _one_thread():
        for name in dict.fromkeys(names):
            stages += _climb(TASKS[task], name, distances, seconds / len(set(names)), seed, on_progress)
    return Reach(
        task=task,
        title=TASKS[task].title,
        chance=TASKS[task].chance,
        budget=seconds,
        seed=seed,
        stages=stages,
    )


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Compute on one thread: networks this small gain nothing from more, and its time can be told."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _distances(steps: Sequence[int] | str) -> list[int]:
    given = [part.strip() for part in steps.split(",")] if isinstance(steps, str) else list(map(str, steps))
    for part in given:
        if not part.isdigit() or not 2 <= int(part) <= LONGEST:
            raise OptionError(
                f"{part!r} is no number of steps",
                where="--steps",
                fix=f"Give numbers from 2 to {LONGEST:,}, as 10,50,200.",
            )
    return sorted(set(map(int, given)))


def _climb(
    task: SyntheticTask,
    name: str,
    distances: Sequence[int],
    seconds: float,
    seed: int,
    on_progress: Callable[[str], None] | None,
) -> list[Stage]:
    """Train one network from the shortest distance to the longest."""
    from textgraft.inspection.gradients.networks import (
        SyntheticObjective,
        as_batch,
        gradient_norms,
        make_network,
        run,
    )
    from textgraft.training.loop import fit
    from textgraft.training.settings import TrainingSettings

    model = make_network(name, task, distances[-1] + 8, seed)
    samples = {at: task.draw(MEASURED, at, np.random.default_rng([seed, at, 0])) for at in distances}
    before = {at: gradients_of(gradient_norms(model, task, sample)) for at, sample in samples.items()}
    stages, left = [], seconds
    for place, distance in enumerate(distances):
        if on_progress is not None:
            on_progress(f"{TITLES[name]} at {distance:,} steps")
        share = left / (len(distances) - place)
        objective = SyntheticObjective(task, distance, seed)
        rows, at_once = (32, ROUND) if distance <= LONG else (16, ROUND_OF_LONG)
        began, trained, rounds, reached = time.process_time(), 0, 0, 0.0
        while reached < MASTERED and time.process_time() - began < share:
            result = fit(
                model,
                objective,
                TrainingSettings(
                    learning_rate=2e-3 if name != "transformer" else 1e-3,
                    epochs=None,
                    max_steps=at_once,
                    batch_size=rows,
                    warmup_fraction=0.0,
                    schedule="constant",
                    weight_decay=0.0,
                    precision="fp32",
                    seed=seed * 1_000_003 % 2**20 + 1_000 * place + rounds,
                ),
            )
            trained, rounds = trained + result.steps, rounds + 1
            reached = result.dev_metrics["accuracy"]
        used = time.process_time() - began
        left -= used
        tested = as_batch(task.draw(TESTED, distance, np.random.default_rng([seed, distance, 1])))
        stages.append(
            Stage(
                cell=name,
                steps=distance,
                accuracy=mean_score(task.right(run(model, tested, rows), tested["targets"])),
                trained_steps=trained,
                seconds=round(used, 2),
                before=before[distance],
                after=gradients_of(gradient_norms(model, task, samples[distance])),
            )
        )
    return stages


def gradients_of(norms: dict[str, list[float]]) -> list[Gradient]:
    """Return gradients by the distance that they have come, relative to the last step, at some places."""
    found = []
    for name, values in norms.items():
        last = values[-1] or 1.0
        back = [value / last for value in reversed(values)]
        places = np.unique(np.linspace(0, len(back) - 1, POINTS).round().astype(int)).tolist()
        reach = back[-1] ** (1 / (len(back) - 1)) if back[-1] > 0 else None
        found.append(Gradient(name, places, [back[at] for at in places], reach))
    return found


def mean_score(right: np.ndarray) -> Score:
    """Return the mean of what was right of each sequence, 0 to 1, with its 95% interval."""
    left_out = (right.sum() - right) / (len(right) - 1)
    return score_interval([float(right.mean())], left_out[None], len(right))
