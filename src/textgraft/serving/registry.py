"""The models of a service: found by name or by task, and exchanged while requests go on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from textgraft.errors import nearest
from textgraft.serving.answering import Answering
from textgraft.serving.encoding import ServedEncoder
from textgraft.serving.piping import ServedPipeline
from textgraft.serving.prepared import Prepared
from textgraft.serving.refusals import NotFoundError
from textgraft.serving.viewing import ServedView

T = TypeVar("T")


class Lazy(Generic[T]):
    """Something that is built when it is first asked for, as a pipeline.

    Args:
        build: Builds it; may take seconds.
    """

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._lock = threading.Lock()
        self._built: T | None = None

    def __call__(self) -> T:
        """Return it."""
        with self._lock:
            if self._built is None:
                self._built = self._build()
            return self._built


@dataclass(frozen=True)
class ServedModel:
    """One model, and all that can be asked of it."""

    name: str
    identity: str
    """Hash of everything that its answers depend on."""
    engine: str
    task: str | None = None
    """As textgraft calls what it was trained for; None for an encoder and for checkpoints of others."""
    labels: tuple[str, ...] = ()
    encoder: ServedEncoder | None = None
    answering: Answering | None = None
    pipelines: Mapping[str, Callable[[], ServedPipeline]] = field(default_factory=dict)
    """By their names."""
    view: Callable[[], ServedView] | None = None
    """Shows the inside of an encoder; None where there is no torch."""
    probe: Callable[[], Prepared] | None = None
    """Asks something small, to see whether it answers."""
    is_light: bool = False
    """Whether it answers without torch."""

    def described(self) -> dict[str, Any]:
        """Return what anyone may know of it."""
        return {
            "id": self.name,
            "sha256": self.identity,
            "engine": self.engine,
            "task": self.task,
            "labels": list(self.labels),
            "encodes": self.encoder is not None,
            "dimension": self.encoder.dimension if self.encoder else None,
            "max_length": self.encoder.max_length if self.encoder else None,
            "predicts": self.answering is not None,
            "pipelines": list(self.pipelines),
            "views": self.view is not None,
            "light": self.is_light,
        }


class Registry:
    """The models that are served now.

    Args:
        models: The first of those that can do something is asked where none is named.
    """

    def __init__(self, models: Iterable[ServedModel]) -> None:
        self._models = {model.name: model for model in models}

    def __iter__(self) -> Any:
        return iter(list(self._models.values()))

    def replace(self, models: Iterable[ServedModel]) -> None:
        """Exchange all models at once; requests under way end with those that they began with."""
        self._models = {model.name: model for model in models}

    def named(self, name: str) -> ServedModel:
        """Return a model.

        Raises:
            NotFoundError: There is none of this name.
        """
        found = self._models.get(name)
        if found is None:
            guess = nearest(name, self._models)
            raise NotFoundError(
                f"no served model has that name{f'; did you mean {guess!r}?' if guess else '.'} "
                f"Served: {', '.join(self._models)}."
            )
        return found

    def encoder(self, name: str | None) -> tuple[ServedModel, ServedEncoder]:
        """Return a model that encodes.

        Raises:
            NotFoundError: There is none, or none of this name.
        """
        for model in [self.named(name)] if name else self:
            if model.encoder is not None:
                return model, model.encoder
        raise NotFoundError(f"{self._what(name)} encodes texts: serve 'bundled' or another encoder, too")

    def answering(self, name: str | None) -> tuple[ServedModel, Answering]:
        """Return a model that predicts.

        Raises:
            NotFoundError: There is none, or none of this name.
        """
        for model in [self.named(name)] if name else self:
            if model.answering is not None:
                return model, model.answering
        raise NotFoundError(f"{self._what(name)} predicts: serve a model directory, too")

    def pipeline(self, task: str, name: str | None) -> tuple[ServedModel, Callable[[], ServedPipeline]]:
        """Return a model with a pipeline.

        Raises:
            NotFoundError: There is none, or none of this name.
        """
        for model in [self.named(name)] if name else self:
            if task in model.pipelines:
                return model, model.pipelines[task]
        loaded = sorted({task for model in self for task in model.pipelines})
        raise NotFoundError(f"{self._what(name)} has that pipeline; there are {', '.join(loaded) or 'none'}")

    def view(self, name: str | None) -> Callable[[], ServedView]:
        """Return what shows the inside of a model.

        Raises:
            NotFoundError: No model, or none of this name, can be looked into.
        """
        model, _ = self.encoder(name)
        if model.view is None:
            raise NotFoundError("only torch shows the inside of an encoder, and it is not installed here")
        return model.view

    def _what(self, name: str | None) -> str:
        return f"the model {name!r} is not one that" if name else "no served model"
