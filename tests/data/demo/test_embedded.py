"""The embedded data: real, large enough, the same every time, and not given away."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections import Counter

import pytest

from textgraft.data.demo.chapters import CHAPTERS
from textgraft.data.demo.embedded import (
    LARGEST_CHAPTER,
    LONGEST_TEXT,
    SHORT_CHAPTER,
    SHORT_TEXT,
    _own_names,
    clean_docstring,
    demo_dataset,
    docstrings_dataset,
)
from textgraft.errors import DataError


@pytest.fixture(scope="module")
def dataset():
    return docstrings_dataset()


def test_size_and_labels(dataset):
    counts = Counter(dataset.labels)
    assert 2000 <= len(dataset) <= 3500
    assert len(counts) >= 8
    assert set(counts) <= set(CHAPTERS)
    assert 100 <= min(counts.values()) <= max(counts.values()) == LARGEST_CHAPTER


def test_texts_are_clean_and_different(dataset):
    assert len(set(dataset.ids)) == len(set(map(str.lower, dataset.texts))) == len(dataset)
    for text in dataset.texts:
        assert len(text.split()) >= 6
        assert len(text) <= LONGEST_TEXT
        assert not re.search(r"`|>>>|:param|\n|\b[a-z]\w*\.[a-z]\w*\.[a-z]", text), text


def test_a_demonstration_has_fewer_and_shorter_ones(dataset):
    demo = demo_dataset()
    counts = Counter(demo.labels)
    assert set(counts) == set(dataset.labels)
    assert max(counts.values()) == SHORT_CHAPTER
    assert len(set(map(str.lower, demo.texts))) == len(demo) >= 900
    assert max(map(len, demo.texts)) <= SHORT_TEXT
    whole = dict(zip(dataset.ids, dataset.texts, strict=True))
    assert all(
        whole[name].startswith(text) for name, text in zip(demo.ids, demo.texts, strict=True) if name in whole
    )


def test_no_text_names_its_own_module(dataset):
    for name, text in zip(dataset.ids, dataset.texts, strict=True):
        top = name.partition(".")[0].removeprefix("_py").strip("_")
        assert top.lower() not in re.findall(r"\w+", text.lower()), (name, text)


def test_the_same_in_another_process_and_nothing_is_imported(dataset):
    program = (
        "import sys; from textgraft.data.demo.embedded import docstrings_dataset as d; "
        "print(d().hash, {'mailbox', 'xmlrpc.client', 'unittest.mock', 'webbrowser'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{dataset.hash} set()"


@pytest.mark.parametrize(
    ("docstring", "text"),
    [
        ("Open a :class:`~tarfile.TarFile` for reading.", "Open a for reading."),
        ("add(name, recursive=True) -> None\n\nAdd ``name`` to *this* archive.", "Add name to this archive."),
        ("Read it.\n\nSee `mode' and tarfile.open().\n\nThird paragraph.", "Read it. See mode and."),
        ("Extract all.\n\n>>> extract()\n1\n\nMore.", "Extract all."),
        ("Do it.\n\n:param x: the x\n.. versionadded:: 3.9\n", "Do it."),
        ("The TarFile, a tarfile in TARFILE form.", "The, a in form."),
        ("snake_case and __dunder__ stay.", "snake_case and __dunder__ stay."),
    ],
)
def test_what_is_taken_out(docstring, text):
    assert clean_docstring(docstring, _own_names(("tarfile",))) == text


def test_long_docstrings_end_at_a_word():
    text = clean_docstring("word " * 300, _own_names(("os",)))
    assert len(text) <= LONGEST_TEXT
    assert text.endswith("word")


def test_duplicates_and_ambiguous_texts(tmp_path, monkeypatch):
    (tmp_path / "gzip.py").write_text(
        'def a():\n    "The same words stand under two chapters."\n'
        'def b():\n    "These words stand twice in one chapter."\n'
        'def c():\n    "THESE words stand twice in one chapter."\n'
        "if True:\n    class D:\n        'A class with words enough to count.'\n"
    )
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "__init__.py").write_text('"""The same words stand under two chapters."""')
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    dataset = docstrings_dataset()
    assert len(dataset) == 2
    assert "gzip.D" in dataset.ids
    assert set(dataset.labels) == {"Data Compression and Archiving"}


def test_a_python_without_sources(tmp_path, monkeypatch):
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match="sources of the standard library"):
        docstrings_dataset()
