"""Every mistake a user can make ends in one clear message, exit code 2, and nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.tiny import save_tiny_bert, topic_rows, write_topics
from textgraft.cli import app
from textgraft.errors import TextgraftError

GOOD = "text,label\n" + "".join(f"{text},{label}\n" for text, label in topic_rows(60))


def _file(name: str, content: bytes | str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return [str(path)]

    return make


def _options(*options: str) -> Callable[[Path], list[str]]:
    return lambda folder: [*_file("good.csv", GOOD)(folder), *options]


def _own_test(content: str) -> Callable[[Path], list[str]]:
    def make(folder: Path) -> list[str]:
        return [*_file("good.csv", GOOD)(folder), "--test", *_file("test.csv", content)(folder)]

    return make


def _folder(folder: Path) -> list[str]:
    (folder / "data").mkdir()
    return [str(folder / "data")]


def _output_is_a_file(folder: Path) -> list[str]:
    return [*_file("good.csv", GOOD)(folder), "--output", *_file("taken", "x")(folder)]


def _output_below_a_file(folder: Path) -> list[str]:
    return [*_file("good.csv", GOOD)(folder), "--output", _file("taken", "x")(folder)[0] + "/run"]


def _encoder(make: Callable[[Path], Path]) -> Callable[[Path], list[str]]:
    return lambda folder: [*_file("good.csv", GOOD)(folder), "--encoder", str(make(folder))]


def _without_weights(folder: Path) -> Path:
    path = save_tiny_bert(folder / "encoder")
    (path / "model.safetensors").unlink()
    return path


def _with_broken_weights(folder: Path) -> Path:
    path = save_tiny_bert(folder / "encoder")
    (path / "model.safetensors").write_bytes(b"not weights")
    return path


def _empty_folder(folder: Path) -> Path:
    (folder / "encoder").mkdir()
    return folder / "encoder"


def _one_group(folder: Path) -> list[str]:
    rows = "".join(f"{text},{label},me\n" for text, label in topic_rows(60))
    return [*_file("a.csv", "text,label,author\n" + rows)(folder), "--group", "author"]


CASES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing file": (lambda folder: [str(folder / "absent.csv")], "no such file"),
    "missing folder": (lambda folder: [str(folder / "nowhere" / "a.csv")], "no such folder"),
    "a folder": (_folder, "folder"),
    "empty file": (_file("a.csv", ""), "empty"),
    "only blank lines": (_file("a.csv", "\n\n\n"), "empty"),
    "header only": (_file("a.csv", "text,label\n"), "no rows"),
    "no header": (_file("a.csv", "good film,pos\nbad film,neg\n"), "--text"),
    "one label": (_file("a.csv", "text,label\n" + "a b c,x\n" * 60), "one label"),
    "one row a label": (_file("a.csv", "text,label\n" + "".join(f"t {i},{i}\n" for i in range(60))), "label"),
    "three rows": (_file("a.csv", "text,label\na,x\nb,y\nc,x\n"), "rows"),
    "no text column": (_file("a.csv", "number,label\n1,a\n"), "column"),
    "all texts empty": (_file("a.csv", "text,label\n" + ",x\n,y\n" * 30), "empty"),
    "all labels empty": (_file("a.csv", "text,label\n" + "hello there,\n" * 30), "label"),
    "unknown format": (_file("a.docx", b"PK\x03\x04"), "not read"),
    "plain text has no labels": (_file("a.txt", "one\ntwo\n"), "no labels"),
    "an Excel file named csv": (_file("a.csv", b"PK\x03\x04" + bytes(range(256)) * 40), "a.csv"),
    "NUL bytes only": (_file("a.csv", b"\x00" * 4096), "a.csv"),
    "broken Parquet": (_file("a.parquet", b"PAR1 but not really"), "Parquet"),
    "JSON Lines of no JSON": (_file("a.jsonl", "not json\n" * 5), "JSON"),
    "JSON Lines of lists": (_file("a.jsonl", "[1, 2]\n" * 5), "a.jsonl"),
    "duplicate header": (_file("a.csv", "text,text,label\n" + "a,b,x\nc,d,y\n" * 30), "times in the header"),
    "two candidates for text": (_file("a.csv", "plot,review,label\n" + "a,b,x\nc,d,y\n" * 30), "--text"),
    "missing text column": (_options("--text", "plot"), "unknown column 'plot'"),
    "columns joined by a comma": (_options("--text", "text, label"), "the option once for each"),
    "misspelt label column": (_options("--label", "lable"), "Did you mean 'label'"),
    "missing id column": (_options("--id", "uid"), "unknown column 'uid'"),
    "missing group column": (_options("--group", "author"), "unknown column 'author'"),
    "text is the label": (_options("--text", "label", "--label", "label"), "twice"),
    "one group": (_one_group, "group"),
    "two texts repeated": (_file("a.csv", "text,label\n" + "a b,x\nc d,y\n" * 30), "too few rows"),
    "unknown contender": (_options("--contenders", "lstn"), "Did you mean 'lstm'"),
    "no contender": (_options("--contenders", ","), "no contender"),
    "sizes are no numbers": (_options("--sizes", "100,many"), "'many'"),
    "size of one": (_options("--sizes", "1,20"), "--sizes"),
    "sizes beyond the data": (_options("--sizes", "5000,9000"), "rows can be trained on"),
    "no seeds": (_options("--seeds", "0"), "--seeds"),
    "seeds are no number": (_options("--seeds", "three"), "--seeds"),
    "no tuning": (_options("--tuning", "0"), "--tuning"),
    "budget of nothing": (_options("--budget", "0m"), "no duration"),
    "budget is no time": (_options("--budget", "soon"), "no duration"),
    "budget far too small": (_options("--budget", "0.1s", "--contenders", "lstm,tfidf"), "too small"),
    "negative latency limit": (_options("--max-latency-ms", "-3"), "never be kept"),
    "unknown preference": (_options("--prefer", "beauty"), "'beauty'"),
    "length limit of one": (_options("--max-length", "1"), "--max-length"),
    "unknown option": (_options("--contender", "lstm"), "--contenders"),
    "output is a file": (_output_is_a_file, "taken"),
    "output below a file": (_output_below_a_file, "taken"),
    "missing encoder": (_options("--encoder", "./no/such/encoder"), "encoder"),
    "encoder is an empty folder": (_encoder(_empty_folder), "config.json"),
    "encoder without weights": (_encoder(_without_weights), "safetensors"),
    "encoder with broken weights": (_encoder(_with_broken_weights), "cannot be loaded"),
    "own test file is missing": (_options("--test", "absent.csv"), "absent.csv"),
    "own test file lacks the column": (_own_test("body,label\na,sport\n"), "'text'"),
    "own test file has other labels": (_own_test("text,label\n" + "a b,music\n" * 9), "music"),
}


@pytest.mark.parametrize("case", CASES)
def test_compare_refuses(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make, expected = CASES[case]
    home = tmp_path / "cwd"
    home.mkdir()
    monkeypatch.chdir(home)
    arguments = make(tmp_path)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    result = CliRunner().invoke(app, ["compare", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        assert isinstance(result.exception, TextgraftError), result.exception
        message = str(result.exception)
    else:
        assert result.exit_code == 2
        message = result.output
    assert expected in message, message
    after = {path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".lock")}
    assert not [path for path in after - before if path.name in {"comparison.json", "report.html"}]
    assert not list(tmp_path.rglob("best"))


def test_the_process_says_it_in_one_message_with_code_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "textgraft", "compare", str(tmp_path / "absent.csv")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["absent", "new.csv"], "no such model directory"),
        (["empty", "new.csv"], "holds no textgraft.json"),
        (["damaged", "new.csv"], "damaged"),
    ],
)
def test_predict_refuses(arguments: list[str], expected: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "textgraft.json").write_text("{")
    write_topics(tmp_path / "new.csv", 5)
    model, source = arguments
    result = CliRunner().invoke(app, ["predict", str(tmp_path / model), str(tmp_path / source)])
    assert isinstance(result.exception, TextgraftError)
    assert expected in str(result.exception)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full to stand for a full disk")
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from textgraft.files import write_json

    def full(descriptor: int) -> None:
        with open("/dev/full", "wb", buffering=0) as handle:  # noqa: PTH123
            handle.write(b"x")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TextgraftError, match="No space left"):
        write_json(tmp_path / "plan.json", {"a": 1})
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_output_is_said_before_any_training(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        locked = "/proc/textgraft"
    else:
        (tmp_path / "locked").mkdir(mode=0o500)
        locked = str(tmp_path / "locked" / "run")
    source = write_topics(tmp_path / "a.csv", 60)
    result = CliRunner().invoke(app, ["compare", str(source), "--output", locked, "--contenders", "majority"])
    assert isinstance(result.exception, TextgraftError)
    assert "cannot write" in str(result.exception)
