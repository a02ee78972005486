"""Trials as jobs: what a process that has nothing of a comparison needs to know to run one.

It reads and splits the rows again, from the same file with the same choices, and refuses to run a trial whose
identity comes out as another one. It writes the model; the result goes back to whoever gave the job, who
alone writes the records.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from textgraft.comparison.contenders.base import Job
from textgraft.comparison.preparing import Material
from textgraft.comparison.records.trials import Trial
from textgraft.comparison.running.kept_models import KeptModels
from textgraft.comparison.running.pace import Lap, Taken
from textgraft.comparison.running.trials import TrialSpec, run_trial, save_model, share_trained
from textgraft.comparison.set_up import choose_entrants, read_material
from textgraft.comparison.settings import CompareSettings
from textgraft.errors import DataError
from textgraft.training.progress import Progress

JOB = "textgraft.comparison.running.trial_jobs:run_job"
LEAST_TRAINED = 0.65
"""Of the shortest training: a trial that the clock ended sooner is no result."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a trial."""

    trial: Trial
    trained: float
    """Share of its training that it had time for, 0 to 1."""
    is_result: bool
    """Whether that was enough."""
    computing: Taken
    """What it took, without the saving."""
    in_steps: float
    """Seconds of that, in the loops of training."""
    shared: float
    """Seconds of that, on what is computed for all trials."""
    saving: float
    """Seconds to write its model, which waits for the disk."""

    @property
    def seconds(self) -> float:
        """All that it took, wall-clock."""
        return self.computing.wall + self.saving


class SetUp(msgspec.Struct, frozen=True, kw_only=True):
    """What every trial of a comparison draws on, as another process finds it again."""

    source: str
    settings: dict[str, Any]
    """The user's choices."""
    data_hash: str
    answered: int | None
    """Test rows that contenders answer; None: all."""
    folder: str
    """Of the comparison."""
    working: str
    """The folder that relative paths are meant from."""


class TrialOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One trial to run."""

    set_up: SetUp
    id: str
    """Of the trial, unless the clock cuts it."""
    contender: str
    windows: int
    """Of a text that the contender reads at most; 0: as many as usual."""
    size: int
    seed: int
    shots: int | None
    configurations: list[dict[str, Any]]
    times_briefly: bool
    seconds: float | None
    """When the clock ends it; None: never."""
    keeps_model: bool
    """Whether the verdict may hand its model over."""


def perform(
    spec: TrialSpec,
    model_path: Callable[[Trial], Path | None],
    on_configuration: Callable[[int], None] | None = None,
) -> Outcome:
    """Run a trial, and write its model if it is wanted.

    Args:
        spec: The trial.
        model_path: Returns where its model is to be written; None where nobody needs it.
        on_configuration: Called with the position of each configuration as it begins.
    """
    # What the last trial left behind; what is here for good need not be looked through ever again.
    gc.collect()
    gc.freeze()
    lap, loops, shared = Lap(), _Loops(spec.job.on_step), spec.job.shared.spent
    spec = replace(spec, job=replace(spec.job, on_step=loops))
    trial, attempt = run_trial(spec, on_configuration)
    trained = share_trained(spec, attempt)
    epochs = spec.contender.epochs
    is_result = trained >= LEAST_TRAINED * (epochs.shortest if epochs else 1.0)
    computing = lap.taken()
    start = time.perf_counter()
    if is_result and (path := model_path(trial)) is not None:
        save_model(path, spec, trial, attempt)
    saving = time.perf_counter() - start
    return Outcome(
        trial=trial,
        trained=trained,
        is_result=is_result,
        computing=computing,
        in_steps=loops.seconds,
        shared=spec.job.shared.spent - shared,
        saving=saving,
    )


class _Loops:
    """Adds up what the loops of training take, one after the other.

    Args:
        told: Told of every step as well.
    """

    def __init__(self, told: Callable[[Progress], None] | None) -> None:
        self._told = told
        self._before = self._last = 0.0

    def __call__(self, progress: Progress) -> None:
        if progress.seconds < self._last:
            self._before += self._last
        self._last = progress.seconds
        if self._told is not None:
            self._told(progress)

    @property
    def seconds(self) -> float:
        return self._before + self._last


def run_job(order: bytes) -> bytes:
    """Run a trial.

    Args:
        order: A :class:`TrialOrder` as MessagePack.

    Returns:
        Its :class:`Outcome`, likewise.

    Raises:
        DataError: This process finds other rows, another encoder or another version than where the job was
            given out.
    """
    found = msgspec.msgpack.decode(order, type=TrialOrder)
    spec = _spec(found, _material(msgspec.msgpack.encode(found.set_up)))
    models = KeptModels(Path(found.set_up.folder))
    outcome = perform(spec, lambda trial: models.path(trial) if found.keeps_model else None)
    return msgspec.msgpack.encode(outcome)


@functools.lru_cache(maxsize=1)
def _material(set_up: bytes) -> Material:
    given = msgspec.msgpack.decode(set_up, type=SetUp)
    with contextlib.suppress(OSError):  # all paths may be absolute
        os.chdir(given.working)
    settings = CompareSettings.model_validate(given.settings)

    def say_nothing(text: str) -> None:
        del text

    entrants = choose_entrants(given.source, settings, say_nothing)
    material = read_material(given.source, entrants, settings, say_nothing)
    if material.data_hash != given.data_hash:
        raise DataError(
            "the rows are others here than where the comparison was begun",
            where=given.source,
            fix="Put the same files under the same path.",
        )
    return material.answering(given.answered)


def _spec(order: TrialOrder, material: Material) -> TrialSpec:
    contenders = {contender.name: contender for contender in material.entrants.contenders}
    contender = contenders[order.contender]
    if order.windows:
        contender = contender.reading(order.windows)
    train, dev = material.rows(order.size, order.seed, order.shots)
    job: Job = material.job(contender, train, dev, order.seed, max_seconds=order.seconds)
    spec = TrialSpec(
        contender=contender,
        job=job,
        test=material.test,
        configurations=tuple(contender.configured(given) for given in order.configurations),
        data_hash=material.data_hash,
        shots=order.shots,
        times_briefly=order.times_briefly,
    )
    if spec.id != order.id:
        raise DataError(
            f"{order.contender} on {order.size:,} rows is another trial here than where it was given out",
            where=order.set_up.source,
            fix="Have the same textgraft, encoder and files on every machine.",
        )
    return spec


def order_of(set_up: SetUp, spec: TrialSpec, windows: int, *, keeps_model: bool) -> TrialOrder:
    """Return what another process needs to know of a trial.

    Args:
        set_up: Of the comparison.
        spec: The trial; its job says how long it may take.
        windows: Of a text that its contender reads at most; 0: as many as usual.
        keeps_model: Whether its model is written.
    """
    return TrialOrder(
        set_up=set_up,
        id=replace(spec, job=replace(spec.job, max_seconds=None)).id,
        contender=spec.contender.name,
        windows=windows,
        size=len(spec.job.train),
        seed=spec.job.seed,
        shots=spec.shots,
        configurations=[settings.given() for settings in spec.configurations],
        times_briefly=spec.times_briefly,
        seconds=spec.job.max_seconds,
        keeps_model=keeps_model,
    )
