"""Packed columns answer as lists do, and take little memory."""

from __future__ import annotations

import random
import tracemalloc
from array import array
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgraft.data.check import check_dataset
from textgraft.data.packed import Coded, Codes, JoinedColumns, PackedTexts, StackedColumns
from textgraft.data.readers.reading import Form, read_dataset
from textgraft.data.spellings import merge_spellings
from textgraft.data.splits import make_splits
from textgraft.data.values import every_text
from textgraft.tasks.checking import check_rows
from textgraft.tasks.named import RowSettings

TEXTS = st.lists(st.text(max_size=6), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None)
@given(TEXTS, st.data())
def test_columns_answer_as_lists_do(texts, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), max_size=8))
    cut = data.draw(st.slices(len(texts)))
    packed, some = PackedTexts(texts), [texts[row] for row in rows]
    names = Codes()
    for text in texts:
        names.append(text)
    stacked = StackedColumns([packed, packed.select(array("q", rows)), []])
    columns = {
        "packed": (packed, texts),
        "picked": (packed.select(array("q", rows)), some),
        "picked twice": (packed.select(array("q", rows)).select(array("i", range(len(rows)))), some),
        "joined": (JoinedColumns([packed, texts]), [f"{text}\n{text}" for text in texts]),
        "coded": (names.coded(), texts),
        "coded, picked": (names.coded().select(array("q", rows)), some),
    }
    for name, (column, expected) in columns.items():
        assert (list(column), len(column)) == (expected, len(expected)), name
        assert [column[place] for place in range(-len(expected), len(expected))] == expected * 2, name
        assert list(column[cut]) == expected[cut], name
        with pytest.raises(IndexError):
            column[len(expected)]
    both = texts + some
    assert (list(stacked), [stacked[place] for place in range(len(both))]) == (both, both)
    assert stacked[::2] == both[::2]
    picked = names.coded().select(array("q", rows))
    assert list(picked.counts().items()) == list(Counter(some).items())
    assert list(Coded([1, 1], array("i", [1, 0])).counts().items()) == [(1, 2)]


def noisy_file(path, rows=400):
    """Rows that repeat, resemble and contradict each other, some unusable, labels in several spellings."""
    draw = random.Random(0)
    lines = ["first,second,label"]
    for row in range(rows):
        text = f"the {draw.choice('abcdefgh') * 7} of number {draw.randrange(rows)} is été"
        again = draw.choice(lines).partition(",")[0]
        first = draw.choice([text, text, again, again + "!", "" if row % 50 == 7 else text])
        lines.append(
            f"{first},and then {row % 5},{draw.choice(['x', 'x', 'X', 'y', 'z' if row == 9 else 'y'])}"
        )
    path.write_text("\n".join([*lines, "lonely", ",,x"]) + "\n")
    return path


@pytest.mark.parametrize("text", ["first", ("first", "second")])
def test_a_check_finds_the_same_in_packed_rows(tmp_path, text):
    path = noisy_file(tmp_path / "rows.csv")
    found, splits = [], []
    for packed in (False, True):
        dataset = read_dataset(path, text=text, label="label", packed=packed)
        splits.append(make_splits(dataset))
        found += [check_dataset(dataset, splits[-1]).to_dict(), check_dataset(dataset).to_dict()]
        (merged,), _ = merge_spellings([dataset])
        found.append(make_splits(merged).train.labels)
    assert found[:2] == found[3:5]
    assert list(found[2]) == list(found[5])
    assert found[0]["repeated"]["rows"] > 0 < found[0]["contradictions"]["texts"]
    for side in ("train", "dev", "test"):
        plain, packed = (getattr(split, side) for split in splits)
        assert (list(plain.texts), list(plain.labels)) == (list(packed.texts), list(packed.labels))
        assert list(plain.ids) == list(packed.ids)
    assert splits[0].train.hash == splits[1].train.hash


def test_the_command_packs_rows_of_text(tmp_path, monkeypatch):
    """The rows that check_dataset is given of a file are packed ones."""
    given = []
    monkeypatch.setattr(
        "textgraft.tasks.checking.check_dataset", lambda _, splits, **__: given.append(splits)
    )
    settings = RowSettings(text=["first"], label=["label"], task="classification")
    check_rows(str(noisy_file(tmp_path / "rows.csv")), settings)
    assert isinstance(given[0].train.labels, Coded)
    assert not isinstance(given[0].train.texts, list)


def test_packed_rows_take_little_memory(tmp_path):
    """Beside its letters a row takes 20 bytes; in lists it would take 90."""
    rows = 5_000
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"number {row:033},{row % 3}\n" for row in range(rows)))
    tracemalloc.start()
    dataset = read_dataset(path, text="text", label="label", form=Form(every_text), packed=True)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.reset_peak()
    splits = make_splits(dataset)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(splits.train) + len(splits.dev) + len(splits.test) == rows
    assert held / rows < 40 + 30
    assert (peak - held) / rows < 50
