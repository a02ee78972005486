"""Full disks, missing folders and devices: one clear error, in the first second where it can be told."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from textgraft.cli import app, main
from textgraft.errors import OutputError
from textgraft.files import check_output, refuse_to_replace, write_atomic

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@needs_full
@pytest.mark.parametrize("arguments", [["--help"], ["cache"]])
def test_standard_output_that_is_full(arguments: list[str], tmp_path: Path) -> None:
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "textgraft", *arguments], stdout=full, stderr=subprocess.PIPE,
            text=True, check=False, env={**os.environ, "TEXTGRAFT_CACHE": str(tmp_path)},
        )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.strip().splitlines()[-1].startswith("error: standard output: ")
    assert "No space left" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_terminal_without_the_letters_of_a_name_shows_their_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "".join(f"text number {i} of some,{'好差'[i % 2]}\n" for i in range(30))
    (tmp_path / "f.csv").write_text(f"text,标签\n{lines}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["textgraft", "check", "f.csv"])
    written = {name: io.BytesIO() for name in ("stdout", "stderr")}
    for name, target in written.items():
        monkeypatch.setattr(sys, name, io.TextIOWrapper(target, encoding="ascii", write_through=True))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    said = b" ".join(target.getvalue() for target in written.values())
    assert rb"'\u6807\u7b7e' the label" in b" ".join(said.split())


@needs_full
def test_a_device_is_never_replaced() -> None:
    for overwrite in (False, True):
        with pytest.raises(OutputError, match="a device"):
            refuse_to_replace(FULL, overwrite=overwrite)
    assert FULL.is_char_device()


@pytest.mark.parametrize("name", ["absent/a.npy", "file/a.npy"])
@pytest.mark.parametrize("command", ["encode", "predict"])
def test_a_folder_that_cannot_take_the_output_is_said_first(tmp_path: Path, name: str, command: str) -> None:
    (tmp_path / "file").write_text("")
    output = tmp_path / name
    arguments = ["encode", "absent.csv"] if command == "encode" else ["predict", "absent", "absent.csv"]
    output = output if command == "encode" else output.with_suffix(".csv")
    result = CliRunner().invoke(app, [*arguments, "-o", str(output)])
    assert isinstance(result.exception, OutputError)
    assert result.exception.where == str(output)
    assert "--output" in str(result.exception)


@pytest.mark.skipif(os.geteuid() == 0, reason="a superuser may write anywhere")
def test_a_read_only_folder_is_said_first(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="Permission denied"):
            check_output(tmp_path / "a.csv", (".csv",), overwrite=False)
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        write_atomic(tmp_path / "a.csv", "text")
    assert not list(tmp_path.iterdir())


def test_help_loads_nothing_that_takes_long() -> None:
    code = (
        "import sys\n"
        "from textgraft.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = ('numpy', 'pydantic', 'rich', 'torch', 'transformers')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "predict" in done.stdout
