"""One training loop for every model, task and pre-training objective.

What a step does depends on nothing but the weights, the optimizer's state, what the objective carries and its
number: the order of an epoch's batches is drawn from (seed, epoch), the masking and dropout of a batch from
(seed, step, its place in the step). So a run that was killed goes on from its last checkpoint bit by bit as
if it had never stopped, and finding its place costs nothing.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypedDict, cast

import torch
from accelerate.utils import broadcast, gather_object
from torch import Tensor, nn
from transformers import PreTrainedModel

from textgraft.errors import OptionError
from textgraft.files import content_hash, output_errors, write_atomic
from textgraft.forks import computing
from textgraft.interrupts import Interrupt, deferred_interrupt
from textgraft.training.checkpoint import load_checkpoint, save_checkpoint
from textgraft.training.first_token import only_first_token
from textgraft.training.gradient import accumulate
from textgraft.training.memory import return_freed_memory
from textgraft.training.objective import Objective, Steps
from textgraft.training.optimizer import (
    build_optimizer,
    changed,
    optimizer_tensors,
    restore_optimizer,
    set_rate,
    trainable,
)
from textgraft.training.placement import place
from textgraft.training.precision import resolve_precision
from textgraft.training.processes import join_processes, replicate
from textgraft.training.progress import DivergenceError, Progress, TrainingResult
from textgraft.training.schedule import SETTLED, budgeted_progress, evaluation_points, rate_factor
from textgraft.training.settings import TrainingSettings
from textgraft.training.sharding import put, sharded, whole
from textgraft.training.words_in_use import only_words_in_use

_DIVERGED = 100.0
"""A loss this many times the first one, or this large itself, will not come back."""
_EVALUATION_SHARE = 0.5
"""Cost of evaluating a token against training on it, at most: the forward pass is a third."""

_CHECKPOINT_SHARE = 0.05
"""Of the time, that checkpoints take at most: of 250 million parameters one has 4 GB."""
_NOTICED = 1.0
"""Seconds that a checkpoint may take as often as is asked for."""


class FitOptions(TypedDict, total=False):
    """Keywords of :func:`fit`, which says what they are, for what trains through it and hands them on."""

    folder: Path | None
    on_step: Callable[[Progress], None] | None
    on_begin: Callable[[Run], None] | None


def fit(
    model: PreTrainedModel,
    objective: Objective,
    settings: TrainingSettings,
    *,
    folder: Path | None = None,
    on_step: Callable[[Progress], None] | None = None,
    on_begin: Callable[[Run], None] | None = None,
) -> TrainingResult:
    """Train ``model`` and leave its best weights on the held-out examples in it.

    Parameters with ``requires_grad=False`` stay as they are. The model is moved to the device that accelerate
    chooses, and left in evaluation mode. Under ``torchrun`` every process trains on its part of each step.

    Args:
        model: A model whose forward takes the objective's batches.
        objective: What to learn from, and what decides which weights are best and when to stop.
        settings: All choices; see :class:`TrainingSettings`.
        folder: Where checkpoints and metrics.jsonl go. If it holds checkpoints of this very run, training
            goes on from the newest that is whole. None: nothing is written to disk.
        on_step: Called after every optimizer step.
        on_begin: Called with the run before its first step, as to see what it would take.

    Raises:
        DivergenceError: The loss ran away.
        OptionError: The folder holds another run.
        ModelError: Every checkpoint in the folder is damaged.
        OutputError: The folder cannot be written.
        KeyboardInterrupt: Ctrl-C; with a folder, after a checkpoint of the last whole step.
    """
    computing(torch.get_num_threads())
    with only_words_in_use(model, objective) as put_aside, only_first_token(model):
        run = Run(model, objective, settings, folder, put_aside)
        devices = [run.device] if run.device.type == "cuda" else []
        interrupts = deferred_interrupt() if folder else contextlib.nullcontext(Interrupt())
        with torch.random.fork_rng(devices), interrupts as interrupt:
            if on_begin is not None:
                on_begin(run)
            return run.to_the_end(on_step, interrupt)


@dataclass
class _Position:
    """All of a run's state that is not a tensor, as stored in a checkpoint."""

    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    tokens: int = 0
    """Trained on so far, by all processes."""
    seconds: float = 0.0
    training_seconds: float = 0.0
    """Of them without evaluations and checkpoints."""
    first_loss: float = 0.0
    loss_sum: float = 0.0
    """Since the last evaluation."""
    loss_steps: int = 0
    best: list[float] = field(default_factory=list)
    """Main dev metric and negated dev loss of the best weights, compared in this order; empty before any."""
    best_metrics: dict[str, float] = field(default_factory=dict)
    stale: int = 0
    """Evaluations since the best."""
    history: list[dict[str, float]] = field(default_factory=list)
    stopped_by: str = ""
    evaluation_seconds: float | None = None
    """What the last evaluation took."""
    cut: bool = False
    """Whether the clock has shaped a step so far, or ended the training."""


class Run:
    """A training run: what it works on, and how far it is."""

    def __init__(
        self,
        model: PreTrainedModel,
        objective: Objective,
        settings: TrainingSettings,
        folder: Path | None,
        put_aside: int = 0,
    ) -> None:
        self.put_aside = put_aside
        """Bytes of the word vectors that are not trained, which are kept beside the model meanwhile."""
        self.started = time.perf_counter()
        self.processes = join_processes()
        self.device = self.processes.device
        self.is_sharded = settings.shard_weights and self.processes.num_processes > 1
        self.model = model if self.is_sharded else model.to(self.device)
        place(self.model)
        self.trained = sharded(self.model, self.processes) if self.is_sharded else self.model
        """What the optimizer changes: the model, or a copy of it in shards."""
        self.replica = self.trained if self.is_sharded else replicate(self.model, self.processes)
        self.objective = objective
        self.settings = settings
        self.folder = folder
        self.precision = resolve_precision(settings.precision, self.device)
        self.parameters = list(trainable(self.trained).values())
        self.optimizer = build_optimizer(self.trained, settings)
        objective.begin(settings)
        self.at = _Position()
        self.best_tensors: dict[str, Tensor] = {}
        if folder is not None:
            with output_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            self.identity = self._identity()
            self._resume(folder)
        self.last_saved = self.at.seconds
        self.saving_seconds = 0.0
        """What the last checkpoint took."""

    def to_the_end(self, on_step: Callable[[Progress], None] | None, interrupt: Interrupt) -> TrainingResult:
        """Train until the epochs, the patience or the budget are used up; put the best weights back."""
        at = self.at
        while not at.stopped_by:
            groups = self.steps(at.epoch)
            points = evaluation_points(len(groups), self.settings.evaluations_per_epoch)
            self.trained.train()
            while at.step_in_epoch < len(groups) and not at.stopped_by:
                before = self.clock()
                loss = self.step(groups)
                at.training_seconds += self.clock() - before
                is_evaluated = (
                    at.step_in_epoch in points
                    or at.step == self.settings.max_steps
                    or at.seconds >= self._deadline()
                )
                if is_evaluated:
                    self._evaluate(len(groups))
                    self._settle(len(groups))
                if on_step is not None:
                    on_step(self._report(loss, len(groups)))
                self._checkpoint(is_evaluated, interrupt)
            if not at.stopped_by:
                at.epoch, at.step_in_epoch = at.epoch + 1, 0
        self._load(self.best_tensors, self.model)
        self.model.eval()
        return TrainingResult(
            dev_metrics=at.best_metrics,
            history=at.history,
            seconds=at.seconds,
            steps=at.step,
            epochs=self._epochs(len(self.steps(at.epoch))),
            tokens=at.tokens,
            stopped_by=at.stopped_by,
            cut=at.cut,
            precision=self.precision,
        )

    def steps(self, epoch: int) -> Steps:
        """Return the optimizer steps of an epoch."""
        return self.objective.steps(epoch, self.settings)

    def step(self, steps: Steps) -> float:
        """Make one optimizer step and return the mean loss of its batches, of all processes."""
        at, settings = self.at, self.settings
        done, by_clock = self._done(len(steps), 0.5)
        at.cut |= by_clock
        set_rate(self.optimizer, rate_factor(done, settings.schedule, settings.warmup_fraction), at.epoch)
        group = steps[at.step_in_epoch]
        value = accumulate(
            self.replica,
            self.objective,
            group,
            entropy=(settings.seed, at.step),
            processes=self.processes,
            precision=self.precision,
        )
        norm = whole(nn.utils.clip_grad_norm_(self.parameters, settings.clip_norm))
        if at.step == 0:
            at.first_loss = value
        if not (math.isfinite(norm) and value < _DIVERGED * max(1.0, at.first_loss)):
            raise self._divergence(f"the loss is {value:.4g}, the norm of its gradient {float(norm):.4g}")
        self.optimizer.step()
        self.optimizer.zero_grad()
        at.step += 1
        at.step_in_epoch += 1
        at.tokens += sum(map(self.objective.tokens, group))
        at.loss_sum += value
        at.loss_steps += 1
        return value

    def _divergence(self, sign: str) -> DivergenceError:
        kept = f" The last good checkpoint is kept in {self.folder}." if self.folder else ""
        return DivergenceError(
            f"training diverged at step {self.at.step + 1}: {sign}",
            where=f"learning_rate={self.settings.learning_rate:g}, precision={self.precision}",
            fix="Try a third of the learning rate, a longer warm-up (warmup_fraction) or precision='fp32'."
            + kept,
        )

    def clock(self) -> float:
        """Note and return the seconds used so far; all processes go by the first one's clock."""
        now = time.perf_counter()
        self.at.seconds += now - self.started
        self.started = now
        if self.processes.num_processes > 1:
            seconds = torch.tensor(self.at.seconds, dtype=torch.float64, device=self.device)
            self.at.seconds = float(broadcast(seconds, from_process=0))
        return self.at.seconds

    def _deadline(self) -> float:
        """Seconds at which training must end so that the last evaluation fits into the budget."""
        budget = self.settings.max_seconds
        if budget is None:
            return math.inf
        if self.at.evaluation_seconds is not None:
            return budget - self.at.evaluation_seconds
        if self.at.seconds < SETTLED * budget:
            return budget
        pace = self.at.training_seconds * self.processes.num_processes / max(1, self.at.tokens)
        return budget - _EVALUATION_SHARE * pace * self.objective.held_out_tokens()

    def _epochs(self, steps: int, ahead: float = 0.0) -> float:
        return self.at.epoch + (self.at.step_in_epoch + ahead) / steps

    def _done(self, steps: int, ahead: float = 0.0) -> tuple[float, bool]:
        """Return how much of the training is done ``ahead`` steps from here, 0 to 1.

        With it whether it is the clock that says so, which is then further than the steps are.
        """
        epochs, max_steps = self.settings.epochs, self.settings.max_steps
        shares = [] if epochs is None else [self._epochs(steps, ahead) / epochs]
        if max_steps is not None:
            shares.append((self.at.step + ahead) / max_steps)
        by_steps = max(shares, default=None)
        done = budgeted_progress(by_steps, self.at.seconds, self._deadline())
        return done, by_steps is None or done > by_steps

    def _evaluate(self, steps: int) -> None:
        """Score the weights on the held-out examples, and keep them if they are the best so far."""
        at = self.at
        before = self.clock()
        tensors = self._tensors()
        if self.is_sharded:
            self._load(tensors, self.model.to(self.device))
        metrics, loss = self.objective.evaluate(self.model, self.settings, self.precision)
        if self.is_sharded:
            cast("nn.Module", self.model).to("cpu")
        self.trained.train()
        return_freed_memory()
        if not math.isfinite(loss):
            raise self._divergence(f"the loss on held-out examples is {loss}")
        self.at.evaluation_seconds = self.clock() - before
        score = [metrics[self.objective.main_metric], -loss]
        at.stale += 1
        if score > at.best:
            at.best, at.best_metrics, at.stale = score, metrics, 0
            self.best_tensors = {name: tensor.cpu().clone() for name, tensor in tensors.items()}
        entry = {
            "epoch": self._epochs(steps),
            "step": at.step,
            "tokens": at.tokens,
            "train_loss": at.loss_sum / at.loss_steps,
            "dev_loss": loss,
            "dev_score": score[0],
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "seconds": at.seconds,
            **metrics,
        }
        at.history.append(entry)
        at.loss_sum, at.loss_steps = 0.0, 0
        if self.folder is not None and self.processes.is_main_process:
            lines = [json.dumps(entry) + "\n" for entry in at.history]
            write_atomic(self.folder / "metrics.jsonl", "".join(lines))

    def _settle(self, steps: int) -> None:
        """Decide whether this evaluation was the last."""
        at, settings = self.at, self.settings
        if at.step_in_epoch == steps and at.epoch + 1 == settings.epochs:
            at.stopped_by = "epochs"
        elif at.step == settings.max_steps:
            at.stopped_by = "steps"
        elif at.seconds >= self._deadline():
            at.stopped_by, at.cut = "budget", True
        elif settings.patience is not None and at.stale >= settings.patience:
            at.stopped_by = "patience"

    def _report(self, loss: float, steps: int) -> Progress:
        (done, _), at = self._done(steps), self.at
        return Progress(
            step=at.step,
            planned_steps=max(at.step, round(at.step / done)),
            epoch=self._epochs(steps),
            tokens=at.tokens,
            loss=loss,
            seconds=at.seconds,
            remaining_seconds=0.0 if at.stopped_by else at.seconds * (1 - done) / done,
        )

    def _tensors(self) -> dict[str, Tensor]:
        """Return what training changes, whole: trained parameters, and buffers."""
        return {name: whole(tensor) for name, tensor in changed(self.trained).items()}

    def _load(self, tensors: dict[str, Tensor], model: nn.Module) -> None:
        own = changed(model)
        for name, tensor in tensors.items():
            put(tensor, own[name])

    def _checkpoint(self, is_evaluated: bool, interrupt: Interrupt) -> None:
        """Save if it is time to, or the run is over or about to be interrupted."""
        if self.folder is None:
            return
        pause, at = self.settings.checkpoint_seconds, self.at
        if pause is not None and self.saving_seconds > _NOTICED:
            pause = max(pause, self.saving_seconds / _CHECKPOINT_SHARE)
        is_due = is_evaluated if pause is None else at.seconds - self.last_saved >= pause
        if is_due or at.stopped_by or interrupt.requested:
            begun = at.seconds if at.stopped_by else self.clock()
            carried = self.objective.carried()
            if self.processes.num_processes > 1:
                own = {name: tensor.cpu() for name, tensor in carried.items()}
                carried = self.objective.merged(gather_object([own]))
            tensors = {
                "model": self._tensors(),
                "optimizer": optimizer_tensors(self.trained, self.optimizer),
                "best": self.best_tensors,
                "carried": carried,
            }
            if self.processes.is_main_process:
                state = {"identity": self.identity, "position": asdict(at)}
                save_checkpoint(self.folder, at.step, state, tensors, self.settings.keep)
            self.last_saved = begun
            if not at.stopped_by:
                self.saving_seconds = self.clock() - begun
        if interrupt.requested:
            raise interrupt.stop()

    def _resume(self, folder: Path) -> None:
        checkpoint = load_checkpoint(folder)
        if checkpoint is None:
            return
        if checkpoint.state["identity"] != self.identity:
            raise OptionError(
                "this folder holds checkpoints of another run: another model, other rows or settings",
                where=str(folder),
                fix="Give another folder, or delete its checkpoints to train from the beginning.",
            )
        self.at = _Position(**checkpoint.state["position"])
        self._load(checkpoint.tensors["model"], self.trained)
        restore_optimizer(self.trained, self.optimizer, checkpoint.tensors["optimizer"])
        self.best_tensors = checkpoint.tensors["best"]
        self.objective.carry(
            {name: tensor.to(self.device) for name, tensor in checkpoint.tensors["carried"].items()}
        )

    def _identity(self) -> str:
        """Return a hash of what a run's result depends on, besides the values of its initial weights.

        How many processes there are is no part of it: one goes on with what several began.
        """
        shapes = {name: list(tensor.shape) for name, tensor in self._tensors().items()}
        settings = self.settings.model_dump(exclude={"checkpoint_seconds", "keep", "shard_weights"})
        return content_hash([self.objective.identity(), settings, shapes])
