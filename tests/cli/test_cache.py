"""The cache folder: shown, cleared, and replaced by a passing one where it cannot be written."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from typer.testing import CliRunner

from textgraft.cached import cached, clear_cache
from textgraft.cli import app
from textgraft.errors import OptionError
from textgraft.files import cache_folder
from textgraft.inference.row_store import RowStore


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(folder))
    RowStore(folder / "predictions" / "a.sqlite3", 1).put({b"k": b"v" * 1000})
    RowStore(folder / "encodings.sqlite3", 1).put({b"k": b"v"})
    (folder / "engines" / "key").mkdir(parents=True)
    (folder / "engines" / "key" / "graph.bin").write_bytes(b"x" * 3_000_000)
    (folder / "letters.txt").write_text("mine, not textgraft's")
    return folder


def test_the_command_shows_kinds_with_size_and_age(folder: Path) -> None:
    result = CliRunner().invoke(app, ["cache"])
    assert result.exit_code == 0, result.output
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}
    assert "3.0 MB" in rows["engines"]
    assert {"predictions", "encodings", "all"} <= rows.keys()
    assert "letters" not in result.stdout
    assert cached()[0].name == "engines"
    assert {kind.name: kind.entries for kind in cached()} == {"engines": 1, "predictions": 1, "encodings": 1}


def test_one_kind_or_all_of_ours_is_cleared_and_nothing_else(folder: Path) -> None:
    assert CliRunner().invoke(app, ["cache", "--clear", "encodings"]).exit_code == 0
    assert {kind.name for kind in cached()} == {"engines", "predictions"}
    assert clear_cache() > 3_000_000
    assert [path.name for path in folder.iterdir()] == ["letters.txt"]
    assert CliRunner().invoke(app, ["cache"]).exit_code == 0
    with pytest.raises(OptionError, match="Did you mean 'engines'"):
        clear_cache("engine")


def test_a_folder_that_cannot_be_written_is_said_once_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TEXTGRAFT_CACHE", str(tmp_path / "file" / "cache"))
    with caplog.at_level(logging.WARNING):
        first, second = cache_folder(), cache_folder()
    assert first == second
    (first / "it-is-writable").write_text("yes")
    assert len(caplog.records) == 1
    assert "nothing is cached beyond this run" in caplog.text
    assert CliRunner().invoke(app, ["cache"]).exit_code == 0


def test_without_a_home_there_is_a_cache_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TEXTGRAFT_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/proc/no-such-home")
    assert cache_folder().is_dir()


def test_a_store_that_can_no_longer_be_written_is_given_up_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = RowStore(tmp_path / "a.sqlite3", 1)
    store.put({b"k": b"v"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "_connection", _full)
        store.put({b"l": b"w"})
        store.put({b"m": b"x"})
        assert store.get([b"k"]) == {}
    assert len([record for record in caplog.records if "Work goes on" in record.getMessage()]) == 1


def _full() -> None:
    raise OSError(28, "No space left on device")
