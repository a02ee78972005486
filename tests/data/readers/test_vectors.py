"""Vectors and their texts from arrays and tables."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from textgraft.data.readers.feature_vectors import read_vectors
from textgraft.data.splits import make_splits
from textgraft.errors import DataError

VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
TEXTS = ["a dot", "a line", "a box", "a ball"]


def table(folder, **columns):
    path = folder / "a.csv"
    names = list(columns)
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(names), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def saved(folder, vectors=VECTORS):
    np.save(folder / "v.npy", vectors)
    return folder / "v.npy"


def sources(folder):
    """Write the same rows in every form."""
    np.savez(folder / "a.npz", vectors=VECTORS, captions=np.array(TEXTS))
    rows = [{"vector": row, "caption": text} for row, text in zip(VECTORS.tolist(), TEXTS, strict=True)]
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    lists = pa.table({"image": pa.array(VECTORS.tolist(), pa.list_(pa.float32())), "caption": TEXTS})
    pyarrow.parquet.write_table(lists, folder / "a.parquet")
    (folder / "t.txt").write_text("\n".join(TEXTS) + "\n")
    captions = table(folder, number=range(4), caption=TEXTS)
    vectors = saved(folder)
    return [
        folder / "a.npz",
        folder / "a.jsonl",
        folder / "a.parquet",
        f"{vectors},{captions}",
        f"{vectors},{folder / 't.txt'}",
    ]


def test_every_form_gives_the_same_rows(tmp_path):
    for source in sources(tmp_path):
        found = read_vectors(source)
        assert list(found.columns.values()) == [VECTORS.tolist()], source
        assert found.labels == [[text] for text in TEXTS], source
    (column,) = read_vectors(tmp_path / "v.npy", labelled=False).columns.values()
    assert column == VECTORS.tolist()


def test_images_are_flattened_and_whole_numbers_stay(tmp_path):
    images = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    found = read_vectors(f"{saved(tmp_path, images)},{table(tmp_path, caption=TEXTS)}")
    assert found.columns["vector"][1] == images[1].ravel().tolist()


def test_targets_may_be_numbers(tmp_path):
    np.savez(tmp_path / "a.npz", x=VECTORS, y=np.array([3, 1, 4, 1]))
    assert read_vectors(tmp_path / "a.npz").labels == [["3"], ["1"], ["4"], ["1"]]


def test_bad_vectors_are_listed_and_nothing_is_lost(tmp_path):
    vectors = [[1, 2, 3], [1, float("nan"), 3], [1, 2], [], "x", [1, "two", 3], [4, 5, 6], [7, 8, 9], None]
    rows = [{"vector": vector, "caption": "a"} for vector in vectors]
    rows[7]["caption"] = " "
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row).replace("NaN", "null") + "\n" for row in rows))
    found = read_vectors(path)
    assert found.columns["vector"] == [[1, 2, 3], [4, 5, 6]]
    assert [(row.line, row.kind) for row in found.rejected] == [
        (2, "not finite"),
        (3, "unequal length"),
        (4, "empty vector"),
        (5, "no vector"),
        (6, "no vector"),
        (8, "empty target"),
        (9, "no vector"),
    ]
    assert len(found) + len(found.rejected) == found.notes.total_rows


def test_nan_in_an_array_is_listed(tmp_path):
    spoilt = VECTORS.copy()
    spoilt[2, 1] = np.nan
    found = read_vectors(f"{saved(tmp_path, spoilt)},{table(tmp_path, caption=TEXTS)}")
    assert len(found) == 3
    assert [(row.line, row.reason) for row in found.rejected] == [(4, "not finite: number 2 of 3 is nan")]


@pytest.mark.parametrize("count", [3, 5])
def test_vectors_and_texts_must_be_equally_many(tmp_path, count):
    captions = table(tmp_path, caption=[f"text {number}" for number in range(count)])
    with pytest.raises(DataError, match=f"4 vectors came with {count} texts"):
        read_vectors(f"{saved(tmp_path)},{captions}")


def test_arrays_of_unequal_length_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", vectors=VECTORS, captions=np.array(TEXTS[:3]))
    with pytest.raises(DataError, match="vectors 4, captions 3"):
        read_vectors(tmp_path / "a.npz")


def test_files_that_hold_no_arrays_are_named(tmp_path):
    (tmp_path / "a.npy").write_text("no array")
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / "a.npy", labelled=False)
    np.save(tmp_path / "b.npy", np.array([{"pickled": 1}], dtype=object))
    with pytest.raises(DataError, match="cannot be read"):
        read_vectors(tmp_path / "b.npy", labelled=False)
    with pytest.raises(DataError, match="no texts"):
        read_vectors(saved(tmp_path))


def test_equal_vectors_stay_on_one_side(tmp_path):
    twins = np.repeat(np.random.default_rng(0).normal(size=(30, 4)), 2, axis=0)
    captions = [f"text {number}" for number in range(60)]
    splits = make_splits(read_vectors(f"{saved(tmp_path, twins)},{table(tmp_path, caption=captions)}"))
    sides = [set(map(tuple, side.columns["vector"])) for side in (splits.train, splits.dev, splits.test)]
    assert len(set.union(*sides)) == sum(map(len, sides))
    assert len(splits.train) + len(splits.dev) + len(splits.test) == 60
