"""Compressed files are read as if they were not; damaged ones are one clear error wherever they are read."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from textgraft.cli import app
from textgraft.data.formats.compressed import open_bytes
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, TextgraftError

ROWS = "text,label\n" + "".join(f"text number {n * 7919 % 1000},{'ab'[n % 2]}\n" for n in range(3000))


def packed(path: Path, content: bytes) -> bytes:
    if path.suffix == ".gz":
        return gzip.compress(content)
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_a_whole_file_is_read_and_a_cut_one_refused(tmp_path, ending):
    path = tmp_path / f"rows.csv{ending}"
    data = packed(path, ROWS.encode())
    path.write_bytes(data)
    assert len(read_dataset(path)) == 3000
    with open_bytes(path) as handle:
        assert handle.read() == ROWS.encode()
    for damaged in (data[: len(data) // 2], data[: len(data) // 2] + bytes(64) + data[len(data) // 2 + 64 :]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match="damaged or breaks off") as error:
            read_dataset(path)
        assert error.value.where == str(path)
        assert "-t" in str(error.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv.gz", ROWS),
        (
            "rows.jsonl.gz",
            "".join(json.dumps({"text": f"t {n}", "label": "ab"[n % 2]}) + "\n" for n in range(3000)),
        ),
        ("rows.conll.gz", "".join(f"word{n} O\n{'' if n % 7 else chr(10)}" for n in range(5000))),
        ("rows.txt.gz", "".join(f"text number {n}\n" for n in range(5000))),
    ],
)
@pytest.mark.parametrize("command", ["check", "predict", "encode"])
def test_every_command_says_that_a_file_is_cut(tmp_path, name, content, command):
    path = tmp_path / name
    data = gzip.compress(content.encode())
    path.write_bytes(data[: len(data) // 2])
    arguments = {
        "check": [str(path)],
        "predict": [str(tmp_path / "model"), str(path)],
        "encode": [str(path), "-o", str(tmp_path / "a.npy")],
    }[command]
    result = CliRunner().invoke(app, [command, *arguments])
    assert isinstance(result.exception, TextgraftError), result.output
    assert result.exception.what
