"""Compressed files are read as if they were not; damaged ones are one clear error wherever they are read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import textgraft
from textgraft.cli import app
from textgraft.data.formats.compressed import open_bytes
from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, TextgraftError
from textgraft.pretraining.corpus.corpus import read_corpus

ROWS = "text,label\n" + "".join(f"text number {n * 7919 % 1000},{'ab'[n % 2]}\n" for n in range(3000))


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def packed(path: Path, content: bytes) -> bytes:
    if path.suffix == ".zip":
        return zipped({path.stem: content})
    if path.suffix in PACKERS:
        return PACKERS[path.suffix](content)
    return pa.compress(content, codec="zstd", asbytes=True)


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ".xz", ".zip"])
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


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz"])
def test_streams_one_after_the_other_are_one_file(tmp_path, ending):
    path = tmp_path / f"rows.csv{ending}"
    half = ROWS.index("\n", len(ROWS) // 2)
    padding = bytes(8) if ending == ".xz" else b""
    parts = [PACKERS[ending](part.encode()) for part in (ROWS[:half], ROWS[half:])]
    path.write_bytes(padding.join(parts) + padding)
    with open_bytes(path) as handle:
        assert handle.read() == ROWS.encode()
    assert len(read_dataset(path)) == 3000


def test_a_zip_is_read_as_the_file_inside(tmp_path):
    path = tmp_path / "reviews.zip"
    path.write_bytes(zipped({"rows.jsonl": b'{"text": "a b", "label": "x"}\n{"text": "c", "label": "y"}\n'}))
    assert read_dataset(path).texts == ["a b", "c"]
    by_the_way = {"data/": b"", "__MACOSX/._rows.csv": b"\0", "data/.DS_Store": b"\0"}
    path.write_bytes(zipped({**by_the_way, "data/rows.csv": ROWS.encode()}, zipfile.ZIP_STORED))
    assert len(read_dataset(path)) == 3000


def test_a_zip_of_several_files_asks_which(tmp_path):
    path = tmp_path / "my rows.zip"
    path.write_bytes(zipped({"train.csv": ROWS.encode(), "test it.csv": ROWS.encode()}))
    for command in (["check", str(path)], ["encode", str(path), "-o", str(tmp_path / "a.npy")]):
        result = CliRunner().invoke(app, command)
        assert isinstance(result.exception, DataError), result.output
        assert "2 files, and one is read: train.csv, test it.csv" in str(result.exception)
        assert f"unzip -p '{path}' train.csv | textgraft" in str(result.exception)
    path.write_bytes(zipped({"data/": b""}))
    with pytest.raises(DataError, match="holds no file"):
        read_dataset(path)


def test_what_a_zip_may_hide_is_refused(tmp_path):
    path = tmp_path / "rows.zip"
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path.write_bytes(zipped({"rows.csv": ROWS.encode()}, method))
        with pytest.raises(DataError, match="not read here"):
            read_dataset(path)
    data = bytearray(zipped({"rows.csv": ROWS.encode()}))
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match="password"):
        read_dataset(path)
    path.write_bytes(zipped({"rows.parquet": b"PAR1"}))
    with pytest.raises(DataError, match="not compressed once more"):
        read_dataset(path)


def test_nothing_is_unpacked_but_what_is_asked_for(tmp_path, monkeypatch):
    """A file that unpacks to a thousand times its size, and an .xz that asks for much memory."""
    zeros = bytes(1 << 25)
    for ending in (".gz", ".zst", ".bz2", ".xz", ".zip"):
        path = tmp_path / f"rows.csv{ending}"
        path.write_bytes(packed(path, zeros))
        assert path.stat().st_size < 1 << 17
        raw = open_bytes(path)
        tracemalloc.start()
        with raw as handle:
            assert handle.read(1000) == zeros[:1000]
            most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < 1 << 24, ending
    monkeypatch.setattr("textgraft.data.formats.compressed.XZ_MEMORY", 1 << 20)
    with pytest.raises(DataError, match="emory"):
        open_bytes(tmp_path / "rows.csv.xz").read(1)


@pytest.mark.parametrize("ending", [".gz", ".zst", ".bz2", ".xz", ".zip"])
def test_a_file_without_the_ending_says_which_one_it_needs(tmp_path, ending):
    path = tmp_path / "rows.csv"
    path.write_bytes(packed(Path(f"rows.csv{ending}"), ROWS.encode()))
    with pytest.raises(DataError, match=rf"\{ending}"):
        read_dataset(path)


def test_plain_texts_and_corpora_may_be_compressed(tmp_path, topic_model):
    texts = "the rocket and the moon\nsoup with cheese\n"
    for ending in (".gz", ".xz", ".zip"):
        path = tmp_path / f"new.txt{ending}"
        path.write_bytes(packed(path, texts.encode()))
        assert [answer["label"] for answer in textgraft.predict(topic_model, path)] == ["space", "food"]
    (tmp_path / "several.zip").write_bytes(zipped({"a.txt": b"a", "b.txt": b"b"}))
    corpus = read_corpus(tmp_path)
    assert [path.name for path in corpus.files] == ["new.txt.gz", "new.txt.xz", "new.txt.zip"]
    assert len(list(corpus)) == 1  # the same text three times
