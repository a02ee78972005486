from __future__ import annotations

import gzip
import json
import threading

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from textgraft.errors import DataError
from textgraft.pretraining.corpus import corpus as corpus_module
from textgraft.pretraining.corpus.corpus import Document, read_corpus, shuffled

TEXTS = ["One is first. Two follows.", "Another document.\nOf two lines.", "Ein Ärgernis: “so”."]


def write_folder(folder):
    (folder / "deeper").mkdir(parents=True)
    (folder / "a.txt").write_text("One.\nTwo.\n\n\n  \nThree.\nFour.\n")
    (folder / "b.txt.gz").write_bytes(gzip.compress(b"Five.\n") + gzip.compress(b"\nSix.\n"))
    (folder / "c.jsonl").write_text(json.dumps({"text": "Seven. Eight.", "id": 1}) + "\n")
    lines = json.dumps({"content": "Nine."}) + "\nbroken\n" + json.dumps({"content": None}) + "\n"
    (folder / "d.jsonl.zst").write_bytes(pyarrow.compress(lines.encode(), codec="zstd", asbytes=True))
    pyarrow.parquet.write_table(
        pyarrow.table({"text": ["Ten.", "One.\nTwo."]}), folder / "deeper" / "e.parquet"
    )
    (folder / "SOURCE.md").write_text("not text")
    (folder / ".hidden.txt").write_text("not text")


def test_a_folder_of_all_formats_is_one_stream(tmp_path):
    write_folder(tmp_path)
    corpus = read_corpus(tmp_path)
    for _ in range(2):  # it may be read again
        documents = list(corpus)
        assert [document.text for document in documents] == [
            "One.\nTwo.",
            "Three.\nFour.",
            "Five.",
            "Six.",
            "Seven. Eight.",
            "Nine.",
            "Ten.",
        ]
        assert (corpus.duplicates, corpus.rejected) == (1, 2)
    assert corpus.first_rejected.startswith(f"{tmp_path / 'd.jsonl.zst'}, line 2: malformed JSON")
    assert documents[1].where == f"{tmp_path / 'a.txt'}, line 6"
    assert documents[4].sentences == ["Seven.", "Eight."]


def test_duplicates_are_found_whatever_their_white_space(tmp_path):
    (tmp_path / "a.txt").write_text("Same  text\nhere.\n\nOther.\n\nSame text here. \n")
    corpus = read_corpus(tmp_path)
    assert len(list(corpus)) == 2
    assert corpus.duplicates == 1


def test_documents_may_be_drawn_from_several_threads(tmp_path):
    write_folder(tmp_path)
    whole = list(read_corpus(tmp_path))
    documents = iter(read_corpus(tmp_path))
    drawn = []
    for _ in whole:
        thread = threading.Thread(target=lambda: drawn.append(next(documents)))
        thread.start()
        thread.join()
    assert drawn == whole


def test_a_text_file_may_be_one_document(tmp_path):
    (tmp_path / "a.txt").write_text("KING:\nGo.\n\nQUEEN:\nStay.\n")
    (document,) = read_corpus(tmp_path / "a.txt", documents="files")
    assert document.text == "KING:\nGo.\n\nQUEEN:\nStay."


def test_lines_that_are_sentences_stay_and_prose_is_cut(tmp_path):
    (tmp_path / "lines.txt").write_text("Mr. A. The came.\nNo. The end.\n" + "It rained.\n" * 40)
    (tmp_path / "prose.txt").write_text("It rained and\npoured. Then it\nwas dry. The end\ncame.\n")
    lines, prose = read_corpus(tmp_path)
    assert lines.sentences[:2] == ["Mr. A. The came.", "No. The end."]
    assert prose.sentences == ["It rained and poured.", "Then it was dry.", "The end came."]


def test_a_document_that_is_too_long_goes_on_as_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_module, "LONGEST_DOCUMENT", 10)
    (tmp_path / "a.txt").write_text("abcd\nefgh\nijkl\nmnop\n")
    assert [document.text for document in read_corpus(tmp_path)] == ["abcd\nefgh", "ijkl\nmnop"]


def test_a_column_may_be_named(tmp_path):
    (tmp_path / "a.jsonl").write_text(json.dumps({"title": "T", "prose": "The text."}) + "\n")
    (document,) = read_corpus(tmp_path, text="prose")
    assert document.text == "The text."


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.txt.gz", gzip.compress(b"One.\n" * 100, mtime=0)[:-4], "damaged or breaks off"),
        ("a.txt.gz", b"plain", "damaged or breaks off"),
        ("a.txt", b"", "the file is empty"),
        ("a.txt", b"\n \n" * 4000, "holds no text"),
        ("a.jsonl", b'{"text": ""}\n', "line 1: empty text"),
        ("a.jsonl", b'{"text": 3}\n', "line 1: no text"),
        ("a.parquet", b"not parquet", "not a readable Parquet"),
        ("a.pdf", b"%PDF", "not read as a corpus"),
        ("a.parquet.gz", b"", "not read as a corpus"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, name, content, problem):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=problem) as caught:
        list(read_corpus(tmp_path / name))
    assert str(tmp_path) in str(caught.value)


def test_paths_without_a_corpus(tmp_path):
    with pytest.raises(DataError, match="no file that can be read"):
        read_corpus(tmp_path)
    (tmp_path / "plays.txt").write_text("x")
    with pytest.raises(DataError, match=r"plays\.txt"):
        read_corpus(tmp_path / "play.txt")


def test_shuffling_keeps_every_document_and_holds_no_more_than_its_buffer():
    texts = [f"{number:04}" for number in range(500)]
    taken = 0

    def stream():
        nonlocal taken
        for text in texts:
            taken += 1
            yield Document(text, "")

    order = []
    for document in shuffled(stream(), np.random.default_rng(0), characters=80):
        assert taken - len(order) <= 21
        order.append(document.text)
    assert sorted(order) == texts
    assert order != texts
    again = [document.text for document in shuffled(stream(), np.random.default_rng(0), characters=80)]
    assert again == order


def test_the_identity_is_that_of_content_and_reading(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("One.")
    one, two = (read_corpus(tmp_path / name) for name in ("one", "two"))
    assert one.identity() == two.identity()
    assert one.identity() != read_corpus(tmp_path / "one", documents="files").identity()
    (tmp_path / "two" / "a.txt").write_text("Two.")
    assert one.identity() != read_corpus(tmp_path / "two").identity()
