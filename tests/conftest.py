"""Fixtures shared by all tests."""

from __future__ import annotations

import copy
import functools
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

# Before a library reads them: tests run side by side, a thread each. More would get in one another's way, and
# figures would depend on how many run.
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[_name] = "1"
# As textgraft imports it; tests import it themselves, and it would fork the process at every conversion.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]

# While hundreds of modules are imported nothing is garbage, and looking for it takes a sixth of the time.
gc.disable()


def pytest_collection_finish() -> None:
    """Look for garbage again, but not among what was imported, and as seldom as the commands do."""
    gc.enable()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never read or fill the user's cache; they share one of their own."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    folder.mkdir(exist_ok=True)
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(folder))


@pytest.fixture(autouse=True)
def _audible_warnings() -> None:
    """Libraries under test raise the root logger's level; every test begins with it at its default."""
    logging.root.setLevel(logging.WARNING)


def _told_once(measure: Callable[..., Any]) -> Callable[..., Any]:
    """Measure what a contender costs once for all: tiny models of all tests cost about the same."""
    told: dict[str, Any] = {}

    @functools.wraps(measure)
    def tell(contender: Any, job: Any, *arguments: Any, **options: Any) -> Any:
        if contender.is_remote:
            return measure(contender, job, *arguments, **options)
        if contender.name not in told:
            told[contender.name] = measure(contender, job, *arguments, **options)
        return copy.deepcopy(told[contender.name])

    return tell


@pytest.fixture(scope="session", autouse=True)
def _little_beside_training() -> Iterator[None]:
    """Comparisons do less of what takes longer than tiny models do; what is left out has tests of its own."""
    running = "textgraft.comparison.running"
    with pytest.MonkeyPatch.context() as patch:
        # In a process of its own, which takes seconds.
        patch.setattr(f"{running}.memory.measure_memory", lambda models, *_: dict.fromkeys(models, 500.0))
        patch.setattr(f"{running}.memory.MemoryGauge.begin", lambda *_: None)
        # Among all that pytest and its plug-ins hold, looking for garbage takes half a second.
        patch.setattr(f"{running}.trial_jobs.gc", SimpleNamespace(collect=lambda: 0, freeze=lambda: None))
        patch.setattr(f"{running}.measuring.LATENCY_ROWS", 10)
        # Tiny models take no steps that are worth measuring twice.
        patch.setattr(f"{running}.probing.BRIEF", 0.0)
        # In comparison/running, which is about them, they are measured every time.
        from textgraft.comparison.running import costs

        for name in ("glance", "probe"):
            patch.setattr(costs, name, _told_once(getattr(costs, name)))
        # Nor among all that they hold is there much to give back to the system.
        patch.setattr("textgraft.training.loop.return_freed_memory", lambda: None)
        yield


def shared_data(name: str) -> Path:
    """Return the folder of a data set below $TEXTGRAFT_DATA or ../shared/data, or skip the test."""
    root = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    folder = root / name
    if not folder.is_dir():
        pytest.skip(f"data set {name} is not here: set TEXTGRAFT_DATA to the folder that holds it")
    return folder


def shared_case(name: str) -> Path:
    """Return a file of ``cases``, which stands beside the shared data, or skip the test."""
    root = Path(os.environ.get("TEXTGRAFT_DATA", Path(__file__).parents[2] / "shared" / "data"))
    path = root.parent / "cases" / name
    if not path.is_file():
        pytest.skip(f"{path} is not here: set TEXTGRAFT_DATA to the folder beside which cases stands")
    return path


_STOPPING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def heeded_signals():
    """Nothing is ignored, also where the tests run under nohup or in the background of a script."""
    before = {number: signal.getsignal(number) for number in _STOPPING}
    for number in _STOPPING:
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def topic_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A TF-IDF model of the three topics, saved as a model directory with golden outputs."""
    from tests.tiny import TOPICS, topic_rows
    from textgraft.data.dataset import Dataset
    from textgraft.inference.predictor import Predictor
    from textgraft.models.baselines.tfidf import fit_tfidf
    from textgraft.models.directory import save_model_directory
    from textgraft.models.fingerprint import Fingerprint
    from textgraft.models.manifest import Golden, Manifest
    from textgraft.tasks.text.classification import SingleLabelClassification

    labels = sorted(TOPICS)
    rows = topic_rows(200)
    texts = [text for text, _ in rows]
    model, tokenizer = fit_tfidf(texts, [labels.index(label) for _, label in rows], len(labels), c=10.0)
    task = SingleLabelClassification(labels)
    task.configure(model.config)
    predictions = Predictor(model, tokenizer, task, 512, 1.5).predict(texts[:2])
    manifest = Manifest(
        task="classification",
        task_settings=task.settings(),
        contender="tfidf",
        text_columns=["text"],
        label_column="label",
        max_length=512,
        temperature=1.5,
        data_source="topics.csv",
        data_hash="0" * 16,
        training={"rows": len(rows)},
        metrics={"macro_f1": 1.0},
        dev_score=1.0,
        golden=[
            Golden({"text": text}, given.numbers()) for text, given in zip(texts, predictions, strict=False)
        ],
    )
    path = tmp_path_factory.mktemp("model") / "best"
    known = Dataset(
        {"text": texts}, [label for _, label in rows], texts, list(range(1, len(rows) + 1)), "topics.csv"
    )
    fingerprint = Fingerprint.of(known, known.select([]))
    save_model_directory(path, model, tokenizer, manifest, "# card\n", fingerprint)
    return path
