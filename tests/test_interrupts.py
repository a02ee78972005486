"""Being stopped: one exception for all signals, held back once in training, and a word from every command."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tests.tiny import write_topics
from textgraft.cli import app
from textgraft.cli.stopping import stoppable
from textgraft.files import locked
from textgraft.interrupts import Stopped, deferred_interrupt, exit_code, stop_signals

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_stop_is_held_back_and_the_second_acts_at_once(number, capfd):
    with stop_signals(), deferred_interrupt() as interrupt:
        assert not interrupt.requested
        signal.raise_signal(number)
        assert interrupt.requested
        assert "once more stops at once" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt) as caught:
            signal.raise_signal(number)
    assert exit_code(caught.value) == 128 + number
    assert exit_code(interrupt.stop()) == 128 + number


def test_handlers_are_put_back_and_ignored_signals_stay_ignored():
    before = [signal.getsignal(number) for number in SIGNALS]
    ignored = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with stop_signals(), deferred_interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)  # as under nohup
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, ignored)
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_outside_the_main_thread_nothing_is_touched():
    seen = []

    def work() -> None:
        with stop_signals(), deferred_interrupt() as interrupt:
            seen.append(interrupt.requested)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_stopped_command_says_what_is_kept_and_leaves_no_lock(number, tmp_path):
    def command(folder: Path) -> None:
        with locked(folder / ".lock"):
            signal.raise_signal(number)
            time.sleep(5)

    own = typer.Typer()
    own.command()(stoppable(command, lambda folder: f"All of {folder.name} is kept: go on."))
    result = CliRunner().invoke(own, [str(tmp_path)])
    assert result.exit_code == 128 + number
    assert f"stopped. All of {tmp_path.name} is kept: go on." in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [name.name for name in app.registered_commands])
def test_every_command_has_last_words(command):
    """Stopped at its very first step, whatever it is asked to do."""
    arguments = {
        "compare": ["rows.csv"], "train": ["rows.csv", "-o", "m"], "evaluate": ["m", "rows.csv"],
        "predict": ["runs/m", "rows.csv"], "check": ["rows.csv"], "encode": ["rows.csv", "-o", "a.npy"],
        "demo": [], "pretrain": ["corpus", "-o", "m"], "vectors": ["corpus", "-o", "v.txt"],
        "distill": ["bundled", "corpus", "-o", "m"], "cache": [], "list": ["tasks"], "learn": [],
        "threshold": ["m", "rows.csv", "--precision", "0.9"], "label-errors": ["rows.csv"],
        "export": ["m", "-o", "e"], "stream": ["m"], "early-decisions": ["m", "rows.csv"],
        "benchmark": ["glue", "--data", "."],
        "cascade": ["small", "large", "rows.csv", "-o", "m"],
        "label-next": ["m", "rows.csv"], "monitor": ["old.csv", "new.csv"], "serve": [],
    }[command]  # fmt: skip

    def stop(*given, **named) -> None:
        raise Stopped(signal.SIGTERM)

    with pytest.MonkeyPatch.context() as patch:
        first = {
            "evaluate": "textgraft.inference.evaluate.evaluate",
            "predict": "textgraft.models.manifest.read_manifest",
            "list": "textgraft.comparison.catalogue.choices",
            "learn": "textgraft.lessons.lessons",
            "cache": "textgraft.cached.cached",
            "threshold": "textgraft.inference.thresholds.threshold",
        }
        module = command.replace("-", "_")
        patch.setattr(first.get(command, f"textgraft.cli.{module}.open_console"), stop)
        result = CliRunner().invoke(app, [command, *arguments])
    assert result.exit_code == 143, result.output
    assert "stopped. " in result.stderr


def test_another_process_finds_the_lock_held_and_then_gone(tmp_path):
    path = tmp_path / "a.lock"
    with locked(path), pytest.raises(TimeoutError), locked(path, wait=False):
        pass
    assert not path.exists()
    with locked(path, wait=False):
        assert path.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGHUP, marks=pytest.mark.slow)])
def test_a_comparison_that_is_ended_goes_on(number, tmp_path):
    source = write_topics(tmp_path / "topics.csv", 120)
    command = [
        sys.executable, "-m", "textgraft", "compare", str(source), "-c", "majority,tfidf,lstm",
        "--sizes", "60", "--seeds", "1", "--tuning", "1", "-o", str(tmp_path / "out"),
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    trials = tmp_path / "out" / "trials"
    deadline = time.monotonic() + 120
    while not list(trials.glob("*.json")):
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert "run the same command again to resume" in errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "out").rglob("*.lock"))
