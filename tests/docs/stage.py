"""A stage for the pages: their files in place, their names made, the servers that they ask running."""

from __future__ import annotations

import functools
import importlib
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import textgraft
from tests.docs.files import FILES, LETTER, MOODS, ROWS, tiny_bundled
from tests.tiny import topic_rows
from textgraft.models.encoders import EncoderSource, resolve_encoder


def _checkpoint(path: str) -> Any:
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(path)


def _tokenizer(path: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(path)


@dataclass(frozen=True)
class _OnFile:
    """Makes what a name stands for from one of the files, which is provided first."""

    path: str
    make: Callable[[str], Any]

    def __call__(self) -> Any:
        return self.make(self.path)


def _frame() -> Any:
    import pandas as pd

    rows = topic_rows(ROWS)
    return pd.DataFrame({"review": [text for text, _ in rows], "mood": [MOODS[label] for _, label in rows]})


def _named(module: str, name: str) -> Callable[[], Any]:
    return lambda: getattr(importlib.import_module(module), name)


_ENTRIES = "textgraft.comparison.contenders"

NAMES: dict[str, Callable[[], Any]] = {
    "textgraft": lambda: textgraft,
    "model": _OnFile("model", textgraft.load),
    "frame": _frame,
    "texts": lambda: [text for text, _ in topic_rows(ROWS)],
    "labels": lambda: [label for _, label in topic_rows(ROWS)],
    "text": lambda: "the goal of the team",
    "source": lambda: "the goal of the team",
    "letter": lambda: LETTER,
    "document": lambda: LETTER,
}
"""Names that the Python of the pages presumes, and what makes them."""
NAMES_OF: dict[str, dict[str, Callable[[], Any]]] = {
    "pipelines": {
        "model": _OnFile("./my-bert", _checkpoint),
        "tokenizer": _OnFile("./my-bert", _tokenizer),
        "pipeline": lambda: textgraft.pipeline,
        "numpy": lambda: np,
        "classify": lambda: textgraft.pipeline("sentiment-analysis"),
        "ner": lambda: textgraft.pipeline("ner"),
        "answer": lambda: textgraft.pipeline("question-answering"),
        "choose": _OnFile("runs/exams/best", lambda path: textgraft.pipeline("multiple-choice", path)),
        "fill": lambda: textgraft.pipeline("fill-mask"),
        "goes_on": _OnFile("runs/bert", lambda path: textgraft.pipeline("next-sentence", path)),
    },
    # An entry stands in its family's file, among what that imports.
    "contributing": {
        "RecipeSettings": _named(f"{_ENTRIES}.base", "RecipeSettings"),
        "Contender": _named(f"{_ENTRIES}.base", "Contender"),
        "Fitted": _named(f"{_ENTRIES}.base", "Fitted"),
        "Job": _named(f"{_ENTRIES}.base", "Job"),
        "Positive": _named(f"{_ENTRIES}.baselines", "Positive"),
    },
}
"""Those of one page."""


class Stage:
    """Makes what pages presume, models once for all of them.

    Args:
        store: A folder for what is made once.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._running = ExitStack()
        self.page = ""
        """The page that is run."""

    def provide(self, name: str) -> None:
        """Put a file where a page reads it, if pages presume one of this name and none is there."""
        name = name.rstrip("/")
        maker = FILES.get(f"{self.page}: {name}") or FILES.get(name)
        if maker is None or Path(name).exists():
            return
        made = self._store / f"{id(maker)}{Path(name).suffix}"
        if not made.exists():
            maker(made)
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if made.is_dir() else shutil.copy)(made, name)

    @functools.cached_property
    def tiny_bundled(self) -> EncoderSource:
        """A tiny encoder that is called as the bundled one."""
        folder = self._store / "bundled"
        tiny_bundled(folder)
        return replace(resolve_encoder(folder), name="bundled")

    @functools.cached_property
    def url(self) -> str:
        """The address of a service of encodings, labels and entities, which runs from now on."""
        from tests.serving.running import running
        from textgraft.serving.loading import Named, load_models

        self.provide("model")
        models = load_models([Named.of(name) for name in ("bundled", "model", "ner")])
        return self._running.enter_context(running(models)).url

    @functools.cached_property
    def endpoint(self) -> str:
        """The address of a stand-in for a large language model."""
        from tests.inference.prompting.stand_in import stand_in

        return self._running.enter_context(stand_in()).url

    def close(self) -> None:
        """End what runs."""
        self._running.close()

    def names(self) -> dict[str, Callable[[], Any]]:
        """Return what makes the names that the Python of the page uses and does not make."""
        makers = {**NAMES, **NAMES_OF.get(self.page, {})}
        return {name: functools.partial(self._made, maker) for name, maker in makers.items()}

    def _made(self, maker: Callable[[], Any]) -> Any:
        if isinstance(maker, _OnFile):
            self.provide(maker.path)
        return maker()
