import multiprocessing
import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textgraft.errors import OutputError
from textgraft.inference.encoding_cache import EncodingCache, Entry, entry_keys


def entries(count, start=0):
    return {
        f"key {index}".encode(): Entry(np.full(4, index, "f"), tokens=index, lost=index // 2)
        for index in range(start, start + count)
    }


def test_what_was_put_comes_back(tmp_path):
    put = entries(1200)
    EncodingCache(tmp_path / "cache.db").put(put)
    found = EncodingCache(tmp_path / "cache.db").get([*put, b"never put"])
    assert set(found) == set(put)
    for key, entry in put.items():
        np.testing.assert_array_equal(found[key].vector, entry.vector)
        assert (found[key].tokens, found[key].lost) == (entry.tokens, entry.lost)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True))
def test_keys_tell_texts_and_settings_apart(texts):
    keys = entry_keys({"pooling": "mean"}, texts)
    assert len(set(keys)) == len(texts)
    assert not set(keys) & set(entry_keys({"pooling": "max"}, texts))
    assert keys == entry_keys({"pooling": "mean"}, texts)


def _fill(path, start):
    cache = EncodingCache(path)
    for offset in range(0, 100, 10):
        cache.put(entries(10, start + offset))


def test_processes_share_it(tmp_path):
    path = tmp_path / "cache.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(path, start)) for start in (0, 50, 100)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(EncodingCache(path).get(list(entries(200)))) == 200


def test_foreign_files_are_told_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_text("my notes, for years\n" * 100)
    with pytest.raises(OutputError, match="none of our caches"):
        EncodingCache(text)
    foreign = tmp_path / "shop.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE orders (id)")
    with pytest.raises(OutputError, match="something else"):
        EncodingCache(foreign)
    assert text.read_text().startswith("my notes")


def test_a_damaged_file_is_begun_anew_and_says_so(tmp_path, caplog):
    path = tmp_path / "cache.db"
    EncodingCache(path).put(entries(5000))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\x00" * 20_000 + content[24_096:])
    cache = EncodingCache(path)
    cache.get(list(entries(5000)))
    assert [record.message.count(str(path)) for record in caplog.records] == [1]
    cache.put(entries(5000))
    assert len(cache.get(list(entries(5000)))) == 5000


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        EncodingCache(tmp_path / "file" / "cache.db")
    with pytest.raises(OutputError, match="cannot be used"):
        EncodingCache(tmp_path)
