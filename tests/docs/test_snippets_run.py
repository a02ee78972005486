"""Every snippet of the pages runs: commands and Python, on files that the tests make.

What is run in another form than it is written, and what is not run, stands in tests/docs/tables.py with its
reason; what the pages presume, in tests/docs/files.py and stage.py.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs import shell, typed_python
from tests.docs.files import FILES
from tests.docs.pages import PAGES, Snippet, name_of, snippets
from tests.docs.stage import Stage
from tests.docs.tables import ENDPOINT, ENVIRONMENT, FORMS, SERVICE, SLOW, TINY_ENCODER, changed, reason
from textgraft.comparison.contenders.base import Contender, EpochSchedule
from textgraft.comparison.contenders.registry import choose_contenders

STORIES = ("tutorial", "writing_models")
"""Pages whose sections go on from one another; in others each begins in a folder of its own."""


def _parts() -> Iterator[Any]:
    """Yield the snippets of a section, or of a page that is one story, each marked slow where it is."""
    for page in PAGES:
        parts: dict[str, list[Snippet]] = {}
        for snippet in snippets(page):
            parts.setdefault("" if page.stem in STORIES else snippet.section, []).append(snippet)
        for section, part in parts.items():
            place = f"{name_of(page)} {section}"
            marks = [pytest.mark.slow] if re.match(SLOW, place) else []
            yield pytest.param(part, id=place, marks=marks)


def quick_contenders(names: Any, task: str) -> list[Contender]:
    """Of the contenders that compete unnamed, the first that needs no encoder."""
    chosen = choose_contenders(names, task)
    return chosen if names is not None else [next(entry for entry in chosen if not entry.needs_encoder)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Commands as they are written do less: a seed, a configuration, all rows, an epoch, a contender."""
    from textgraft.benchmarking import running
    from textgraft.comparison import compare

    run_comparison = compare.run_comparison

    def quick_comparison(source: Any, settings: Any, reporter: Any = None, started: Any = None) -> Any:
        less = {"seeds": 1, "tuning": 1, "budget": None}
        if settings.sizes is None and settings.shots is None:
            less["sizes"] = [compare.ALL]
        return run_comparison(source, settings.model_copy(update=less), reporter, started)

    monkeypatch.setattr(compare, "run_comparison", quick_comparison)
    monkeypatch.setattr(running, "run_comparison", quick_comparison)
    monkeypatch.setattr("textgraft.comparison.set_up.choose_contenders", quick_contenders)
    monkeypatch.setattr(EpochSchedule, "number", lambda self, size: 1)
    monkeypatch.setattr("textgraft.pretraining.pretrain.TRIAL_SECONDS", 0.0)
    monkeypatch.setattr("textgraft.comparison.train.TRIAL_SECONDS", 0.0)
    # Everything up to the first answer, and then the end of the service.
    monkeypatch.setattr("textgraft.serving.serve._run", _answer_nothing)
    return monkeypatch


async def _answer_nothing(server: Any, service: Any, listening: Any, reloading: Any, on_ready: Any) -> None:
    on_ready()
    service.stop(5)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """What the pages presume."""
    found = Stage(tmp_path_factory.mktemp("stage"))
    yield found
    found.close()


@pytest.mark.parametrize("part", _parts())
def test_every_snippet_runs(
    part: list[Snippet], stage: Stage, quick: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stage.page = part[0].page
    quick.chdir(tmp_path)
    failed = list(_failures(part, stage, quick))
    assert not failed, "\n\n".join(failed)


def _failures(section: list[Snippet], stage: Stage, patch: pytest.MonkeyPatch) -> Iterator[str]:
    known: dict[str, Any] = {}
    if re.match(TINY_ENCODER, f"{section[0].page} {section[0].section}"):
        patch.setattr("textgraft.models.encoders._bundled", lambda: stage.tiny_bundled)
    for snippet in section:
        try:
            _run(snippet, known, stage, patch)
        except Exception as error:
            last = traceback.format_exception(error)[-1] if not str(error) else str(error)
            where = traceback.extract_tb(error.__traceback__)[-1]
            yield f"{snippet}\n{type(error).__name__}: {last}\n(at {where.filename}:{where.lineno})"


def _run(snippet: Snippet, known: dict[str, Any], stage: Stage, patch: pytest.MonkeyPatch) -> None:
    if reason(snippet.text, is_whole=True):
        return
    for name, value in ENVIRONMENT.items():
        patch.setenv(name, value)
    addresses = {
        name: getattr(stage, name) if re.search(pattern, snippet.text) else ""
        for name, pattern in (("url", SERVICE), ("endpoint", ENDPOINT))
    }
    kept = "\n".join(line for line in snippet.text.splitlines() if reason(line) is None)
    text = changed(kept, **addresses)
    if snippet.is_python:
        for name in FILES:
            if re.search(rf"(?<!output=)[\"']{re.escape(name.rpartition(': ')[2])}[\"'/]", text):
                stage.provide(name.rpartition(": ")[2])
        typed_python.run(text, known, stage.names(), is_form=snippet.section in FORMS)
    else:
        shell.run(text, patch, stage.provide)
