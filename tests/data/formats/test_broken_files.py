"""Broken files: each is one clear error, or its bad rows are listed with line and reason; nothing is lost."""

from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textgraft.data.readers.reading import read_dataset
from textgraft.errors import DataError, OptionError
from textgraft.tasks.guessing import guess_task

GOOD = "text,label\none,a\ntwo,b\n"


def parquet(**columns) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


FILES_WITHOUT_A_USABLE_ROW = {
    "empty file": ("f.csv", b"", "the file is empty"),
    "byte order mark only": ("f.csv", b"\xef\xbb\xbf", "the file is empty"),
    "blank lines only": ("f.csv", b"\n\r\n  \n", "the file is empty"),
    "many blank lines only": ("f.csv", b"\n" * 5000, "blank lines only"),
    "header only": ("f.csv", b"text,label\n", "a header but no rows"),
    "empty JSON Lines": ("f.jsonl", b"", "the file is empty"),
    "no object in JSON Lines": ("f.jsonl", b"[1]\n[2]\nnope\n", "no line of this file is a JSON object"),
    "JSON of numbers": ("f.json", b"[1, 2, 3]", "this JSON document is no table"),
    "malformed JSON document": (
        "f.json",
        b'[{"text": "a"},\n {"text" "b"}]',
        "line 2, column 10: malformed JSON",
    ),
    "JSON objects without keys": ("f.jsonl", b"{}\n{}\n", "no line of this file is a JSON object"),
    "empty Parquet": ("f.parquet", b"", "not a readable Parquet file"),
    "cut Parquet": ("f.parquet", parquet(text=["a"], label=["b"])[:-9], "not a readable Parquet file"),
    "damaged Parquet": (
        "f.parquet",
        parquet(text=["a" * 99], label=["b"])[:8] + b"\xff" * 30 + parquet(text=["a" * 99], label=["b"])[38:],
        "not a readable Parquet file",
    ),
    "Parquet without rows": ("f.parquet", parquet(text=pa.array([], "string"), label=[]), "but no rows"),
    "Parquet of numbers": ("f.parquet", parquet(text=[1, 2], label=["a", "b"]), "not text: a number"),
    "Parquet of nested texts": (
        "f.parquet",
        parquet(text=[["a"], ["b"]], label=["a", "b"]),
        "not text: a list",
    ),
    "Parquet with nested labels": (
        "f.parquet",
        parquet(text=["a"], label=[{"x": 1, "y": 2}]),
        r"no column looks like the label.*'label\.x', 'label\.y'",
    ),
    "objects in lists": (
        "f.jsonl",
        b'{"messages": [{"role": "user", "content": "a"}]}\n' * 2,
        "no column looks like the label.*Columns found: 'messages'",
    ),
    "a title above the header": (
        "f.csv",
        b"Report,,\n\nid,text,label\n1,a b c,x\n2,d e f,y\n",
        "Columns found: 'Report'.*delete what stands above it",
    ),
    "an archive": ("f.zip", b"PK\x03\x04rest", "damaged or breaks off"),
    "Excel workbook named CSV": ("f.csv", b"PK\x03\x04rest", "ZIP archive or an Excel workbook"),
    "gzip named CSV": ("f.csv", b"\x1f\x8b\x08rest", "compressed with gzip"),
    "Parquet named CSV": ("f.csv", parquet(text=["a"], label=["b"]), "a Parquet file"),
    "cut Excel workbook": ("f.xlsx", b"PK\x03\x04rest", "the workbook cannot be read"),
    "locked Excel workbook": ("f.xlsx", b"\xd0\xcf\x11\xe0rest", "locked by a password"),
    "CSV named OpenDocument": ("f.ods", GOOD.encode(), "the workbook cannot be read"),
    "old Excel workbook": ("f.xls", b"\xd0\xcf\x11\xe0rest", "files ending in '.xls' are not read"),
    "no ending": ("rows", GOOD.encode(), "files ending in 'nothing' are not read"),
    "plain text with labels wanted": ("f.txt", b"one\ntwo\n", "one text a line and no labels"),
    "no text column": ("f.csv", b"price,size,label\n1,2,a\n", "no column looks like the text"),
    "no label column": ("f.csv", b"text,price,size\na,1,2\n", "no column looks like the label"),
    "no header": ("f.csv", b"I loved it,good,5\nI hated it,bad,1\n", "which column is the label.*'column 2'"),
    "unknown delimiter": ("f.csv", b"text^label\na^b\n", "no column looks like the label"),
    "header with an open quote": (
        "f.csv",
        b'"text,label\na,b\nc,d\n',
        "the header cannot be read: unclosed quote",
    ),
    "NUL bytes in the header": ("f.csv", b"te\0xt,label\na,b\n", "the header cannot be read: NUL byte"),
    "all texts empty": ("f.csv", b"text,label\n,a\n  ,b\n", "none of the 2 rows can be used.*empty text"),
    "all labels missing": ("f.csv", b"text,label\na,\nb,\n", "none of the 2 rows can be used.*no label"),
    "all rows ragged": ("f.csv", b"text,label\na\nb,c,d\n", "none of the 2 rows can be used.*ragged row"),
    "nothing but NUL": ("f.csv", b"\0" * 10_000, "NUL byte"),
}


@pytest.mark.parametrize("case", FILES_WITHOUT_A_USABLE_ROW)
def test_one_clear_error(tmp_path, case):
    name, content, message = FILES_WITHOUT_A_USABLE_ROW[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"(?s){message}") as error:
        read_dataset(path)
    assert str(path) in error.value.where
    assert error.value.fix


def test_duplicate_headers(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("text,text,label\na,b,c\n")
    with pytest.raises(OptionError, match="stands 2 times"):
        read_dataset(path)
    path.write_text("text,other,other,label\na,b,c,d\n")
    assert read_dataset(path).texts == ["a"]


def test_paths_that_are_no_file(tmp_path):
    (tmp_path / "train.csv").write_text(GOOD)
    with pytest.raises(DataError, match=r"(?s)no such file.*Did you mean '.*train\.csv'"):
        read_dataset(tmp_path / "trian.csv")
    with pytest.raises(DataError, match="no such folder"):
        read_dataset(tmp_path / "nowhere" / "deeper" / "train.csv")
    (tmp_path / "old.csv").symlink_to("gone.csv")
    with pytest.raises(DataError, match=r"old\.csv: this is a link to 'gone\.csv', where no file is"):
        read_dataset(tmp_path / "old.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"(?s)pipe\.csv: this is a pipe.*Give - for standard input"):
        guess_task(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match=r"(?s)an address, and no file.*Download"):
        read_dataset("https://example.com/rows.csv")
    with pytest.raises(DataError, match=rf"(?s)no such file.*Write '{Path.home()}/rows\.csv'"):
        read_dataset("~/rows.csv")
    with pytest.raises(DataError, match=r"(?s)a folder.*It holds: train\.csv"):
        read_dataset(tmp_path)


def test_a_missing_relative_file_is_not_taken_for_a_hub_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="no such folder"):
        read_dataset("data/train.csv")
    Path("data").mkdir()
    with pytest.raises(DataError, match="no such file"):
        read_dataset("data/train")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text(GOOD)
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read"):
        read_dataset(path)


BAD_ROWS = {
    # name: (file, content, texts that remain, (line, kind) of the rejected rows)
    "ragged rows": (
        "f.csv",
        b"text,label\none,a\nshort\ntwo,b\nx,y,z\n",
        ["one", "two"],
        [(3, "ragged row"), (5, "ragged row")],
    ),
    "empty cells at the end": ("f.csv", b'text,label\none,a,,\n"two",b, ,\n', ["one", "two"], []),
    "empty row of a spreadsheet": (
        "f.csv",
        b"text,label\none,a\n,\ntwo,b\n",
        ["one", "two"],
        [(3, "empty text")],
    ),
    "missing label": ("f.csv", b"text,label\none,a\nx, \ntwo,b\n", ["one", "two"], [(3, "no label")]),
    "quote that swallows the rest": (
        "f.csv",
        b'text,label\none,a\n"open,b\ntwo,a\nthree,b\n',
        ["one", "two", "three"],
        [(3, "unclosed quote")],
    ),
    "quote closed by another row's quote": (
        "f.csv",
        b'text,label\n"open,b\ntwo,a\n"three, four",b\nfive,a\n',
        ["two", "three, four", "five"],
        [(2, "unclosed quote")],
    ),
    "quote closed by a quote much later": (
        "f.csv",
        b'text,label\n"open,b\n' + b"row,a\n" * 9 + b'last,"b"\nmore " here",b\n',
        ["row"] * 9 + ["last", 'more " here"'],
        [(2, "unclosed quote")],
    ),
    "a text of many lines with a comma in each": (
        "f.csv",
        b'text,label\none,a\n"open' + b"\nfirst , then second" * 9 + b'\nlast , end",b\ntwo,a\n',
        ["one", "open" + "\nfirst , then second" * 9 + "\nlast , end", "two"],
        [],
    ),
    "quote closed much later where spaces follow the delimiter": (
        "f.csv",
        b'text, label\n"open, b\n' + b"row, a\n" * 9 + b'last", b\n',
        ["row"] * 9 + ['last"'],
        [(2, "unclosed quote")],
    ),
    "two open quotes": (
        "f.csv",
        b'text,label\n"open,a\none,a\n"open,b\ntwo,b\n',
        ["one", "two"],
        [(2, "unclosed quote"), (4, "unclosed quote")],
    ),
    "quotes that were not doubled": (
        "f.csv",
        b'text,label\n"the "best" film",a\n"a "very, very" bad one",b\ntwo,b\n',
        ['"the "best" film"', "two"],
        [(3, "stray quote")],
    ),
    "NUL bytes": ("f.csv", b"text,label\none,a\nx\0y,b\ntwo,b\n", ["one", "two"], [(3, "NUL byte")]),
    "NUL inside a quoted field": (
        "f.csv",
        b'text,label\none,a\n"x\ny\0z",b\ntwo,b\n',
        ["one", "two"],
        [(3, "NUL byte")],
    ),
    "broken UTF-8 in one line": (
        "f.csv",
        "text,label\né,a\nè,b\n".encode() + b"caf\xe9,b\n" + "ü,a\n".encode(),
        ["é", "è", "ü"],
        [(4, "broken UTF-8")],
    ),
    "broken UTF-8 in JSON": (
        "f.jsonl",
        '{"text":"é","label":"a"}\n'.encode() * 2 + b'{"text":"\xff","label":"b"}\n',
        ["é", "é"],
        [(3, "broken UTF-8")],
    ),
    "odd byte at the end of UTF-16": (
        "f.csv",
        "text,label\none,a\ntwo,b\n".encode("utf-16") + b"x",
        ["one", "two"],
        [(4, "broken UTF-16")],
    ),
    "row of 50 MB": (
        "f.csv",
        b'text,label\none,a\n"' + b"x" * 50_000_000 + b'",b\ntwo,b\n',
        ["one", "two"],
        [(3, "too long")],
    ),
    "JSON line of 50 MB": (
        "f.jsonl",
        b'{"text":"one","label":"a"}\n{"text":"'
        + b"x" * 50_000_000
        + b'","label":"a"}\n{"text":"two","label":"a"}',
        ["one", "two"],
        [(2, "too long")],
    ),
    "quoted field with a line of 50 MB": (
        "f.csv",
        b'text,label\none,a\n"start\n' + b"x" * 50_000_000 + b'\nend",b\ntwo,b\n',
        ["one", "two"],
        [(3, "too long")],
    ),
    "quote closed within a line of 50 MB": (
        "f.csv",
        b'text,label\none,a\n"start\n' + b"x" * 25_000_000 + b'",b' + b" " * 25_000_000 + b"\ntwo,b\n",
        ["one", "two"],
        [(3, "too long")],
    ),
    "malformed JSON lines": (
        "f.jsonl",
        b'{"text":"one","label":"a"}\n{"text":"x","label":\n[1]\n"x"\n{"text":NaN,"label":"a"}\n'
        b'{"text":"\\ud800","label":"a"}\n'
        + b'{"text":'
        + b"[" * 9000
        + b"\n"
        + b'{"text":"two","label":"a"}\n',
        ["one", "two"],
        [
            *((line, "malformed JSON") for line in (2, 3, 4)),
            (5, "empty text"),
            (6, "broken Unicode"),
            (7, "malformed JSON"),
        ],
    ),
    "nulls and wrong types in JSON": (
        "f.jsonl",
        b'{"text":"one","label":"a"}\n{"text":null,"label":"a"}\n{"text":"x","label":null}\n'
        b'{"text":5,"label":"a"}\n{"text":["x"],"label":"a"}\n{"text":"x","label":{"a":1}}\n'
        b'{"label":"a"}\n{"text":"x"}\n{"text":true,"label":"a"}\n',
        ["one"],
        [
            (2, "empty text"),
            (3, "no label"),
            (4, "not text"),
            (5, "not text"),
            (6, "no label"),
            (7, "empty text"),
            (8, "no label"),
            (9, "not text"),
        ],
    ),
    "nulls in Parquet": (
        "f.parquet",
        parquet(text=["one", None, "x"], label=["a", "b", None]),
        ["one"],
        [(2, "empty text"), (3, "no label")],
    ),
    "bytes in Parquet": (
        "f.parquet",
        parquet(text=[b"one", b"\xff"], label=[b"a", b"b"]),
        ["one"],
        [(2, "not text")],
    ),
    "old Mac line ends": ("f.csv", b"text,label\rone,a\rtwo,b\r", ["one", "two"], []),
    "no newline at the end": ("f.csv", b"text,label\none,a\ntwo,b", ["one", "two"], []),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rows_are_listed(tmp_path, case):
    name, content, texts, rejected = BAD_ROWS[case]
    path = tmp_path / name
    path.write_bytes(content)
    dataset = read_dataset(path)
    assert dataset.texts == texts
    assert [(bad.line, bad.kind) for bad in dataset.rejected] == rejected
    assert dataset.notes.total_rows == len(texts) + len(rejected)
    for bad in dataset.rejected:
        assert len(bad.excerpt) <= 200
        bad.excerpt.encode()


def test_ids_must_be_present_and_unique(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("id,text,label\n1,one,a\n,two,a\n1,three,b\n2,four,b\n")
    dataset = read_dataset(path, id_column="id")
    assert list(dataset.ids) == ["1", "2"]
    assert [(bad.line, bad.reason) for bad in dataset.rejected] == [
        (3, "no id: the field is empty"),
        (4, "repeated id: '1' stands on line 2 already"),
    ]


def test_groups_must_be_present(tmp_path):
    path = tmp_path / "f.csv"
    path.write_text("author,text,label\nx,one,a\n,two,a\n")
    assert [bad.kind for bad in read_dataset(path, group="author").rejected] == ["no group"]


@pytest.mark.parametrize("opening", [b'"', b""])
def test_memory_stays_bounded_by_the_longest_row(tmp_path, opening):
    path = tmp_path / "f.csv"
    with path.open("wb") as handle:
        handle.write(b"text,label\none,a\n" + opening)
        for _ in range(60):
            handle.write(b"x" * 1_000_000)
    tracemalloc.start()
    try:
        assert read_dataset(path).texts == ["one"]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15_000_000
