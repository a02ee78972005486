"""What there is to choose from: contenders, tasks, encoders and pipelines, told without loading a model."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from textgraft.comparison.contenders.base import Contender
from textgraft.comparison.contenders.registry import contenders_for
from textgraft.errors import OptionError, unknown
from textgraft.inference.pipelines.factory import PIPELINES, PURPOSES
from textgraft.inference.pipelines.shipped import BY_THEMSELVES, DEFAULTS, ON_ENCODER
from textgraft.models.encoders import BUNDLED, BUNDLED_HUB_ID, BUNDLED_PACKAGE
from textgraft.tasks.registry import TASKS, task_class

_PACKAGES = {"bundled": (BUNDLED_PACKAGE,), "generation": ("sacrebleu", "rouge_score")}
"""What an extra brings, as it is imported."""


@dataclass(frozen=True)
class Choice:
    """One thing that can be chosen by its name."""

    name: str
    what: str
    """What it is, in a few words."""
    default: str | None = None
    """Where it is taken unless another is named; None: nowhere."""
    extra: str | None = None
    """The extra of the package that it needs."""
    needs: str | None = None
    """What else it needs, as an option that must be given."""
    tasks: tuple[str, ...] = ()
    """The tasks that it is for; none where that is no question."""

    @property
    def is_installed(self) -> bool:
        """Whether the packages of its extra are there."""
        packages = _PACKAGES.get(self.extra or "", ())
        return all(importlib.util.find_spec(package) is not None for package in packages)


def choices(kind: str, task: str | None = None) -> list[Choice]:
    """Return what there is of a kind.

    Args:
        kind: "contenders", "tasks", "encoders" or "pipelines".
        task: Leaves only what is for this task.

    Raises:
        OptionError: There is no such kind or task, or the kind is the same for all tasks.
    """
    if kind not in _KINDS:
        raise unknown("kind", kind, _KINDS, where="list")
    if task is not None:
        task_class(task)  # known?
        if kind == "encoders":
            raise OptionError("every encoder is for all tasks", where="--task", fix="Leave --task out.")
    return [entry for entry in _KINDS[kind](task) if task is None or task in entry.tasks]


def _contenders(task: str | None) -> Iterator[Choice]:
    found: dict[str, Choice] = {}
    for name in TASKS if task is None else (task,):
        for entry in contenders_for(name).values():
            known = found.get(entry.name) or _contender(entry)
            # A contender may compete unnamed for one task alone.
            default = known.default or _contender(entry).default
            found[entry.name] = replace(known, default=default, tasks=(*known.tasks, name))
    yield from found.values()


def _contender(entry: Contender) -> Choice:
    where = [
        word
        for word, holds in (
            ("compare", entry.is_default),
            ("compare, few rows", entry.is_default_of_few and not entry.is_default),
            ("train", entry.is_default_of_train),
        )
        if holds
    ]
    needs = {"--language-model": entry.needs_language_model, "--llm": entry.is_remote}
    return Choice(
        entry.name,
        entry.title,
        default=", ".join(where) or None,
        extra="bundled" if entry.needs_encoder else None,
        needs=next((option for option, holds in needs.items() if holds), None),
    )


def _tasks(task: str | None) -> Iterator[Choice]:
    for name in TASKS if task is None else (task,):
        kind = task_class(name)
        what = (inspect.getdoc(kind) or "").partition("\n")[0]
        yield Choice(name, what, extra="generation" if kind.writes else None, tasks=(name,))


def _encoders(task: str | None) -> Iterator[Choice]:
    del task
    yield Choice(BUNDLED, f"{BUNDLED_HUB_ID}, as a package", default="everywhere", extra="bundled")
    yield Choice("FOLDER", "any encoder in the layout of Transformers, with safetensors weights")
    yield Choice("OWNER/NAME", "the same from the Hub, which alone reaches for the network")


def _pipelines(task: str | None) -> Iterator[Choice]:
    del task
    served: Mapping[str, list[str]] = {
        name: [task for task in TASKS if task_class(task).pipeline == name] for name in PIPELINES
    }
    for name in PIPELINES:
        model = DEFAULTS.get(name) or (BUNDLED if name in ON_ENCODER else None)
        yield Choice(
            name,
            PURPOSES[name],
            default=model and f"model {model}",
            extra="bundled" if model and name not in BY_THEMSELVES else None,
            needs=None if model else "a model",
            tasks=tuple(served[name]),
        )


_KINDS = {"contenders": _contenders, "tasks": _tasks, "encoders": _encoders, "pipelines": _pipelines}
KINDS = tuple(_KINDS)
"""Of what there is a choice."""
