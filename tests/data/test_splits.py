"""Splits: fixed, stratified, whole groups, never the same text on two sides."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textgraft.data.dataset import Dataset
from textgraft.data.near_duplicates import normalise
from textgraft.data.readers.tagged import read_tagged
from textgraft.data.splits import make_splits, nested_shots, nested_subsets
from textgraft.errors import DataError, OptionError
from textgraft.tasks.spans.token_classification import TokenClassification


def dataset(rows, groups=None, source="train.csv") -> Dataset:
    texts, labels = map(list, zip(*rows, strict=True))
    numbers = list(range(1, len(texts) + 1))
    return Dataset({"text": texts}, labels, list(map(str, numbers)), numbers, source, groups)


def many(count=1000, labels="abcd"):
    # Label a has half of the rows, b a quarter, and so on.
    return [
        (f"text number {i}", labels[min(len(labels) - 1, (i + 1 & -(i + 1)).bit_length() - 1)])
        for i in range(count)
    ]


def sides(splits):
    return {text: name for name in ("train", "dev", "test") for text in getattr(splits, name).texts}


def test_shares_are_kept_within_every_label():
    rows = many()
    splits = make_splits(dataset(rows))
    assert (len(splits.test), len(splits.dev)) == (pytest.approx(200, abs=4), pytest.approx(100, abs=4))
    total = Counter(label for _, label in rows)
    for part, share in ((splits.test, 0.2), (splits.dev, 0.1), (splits.train, 0.7)):
        for label, count in Counter(part.labels).items():
            assert count == pytest.approx(total[label] * share, abs=1.01)


def test_the_split_depends_on_content_alone():
    rows = many(300)
    shuffled = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    assert sides(make_splits(dataset(rows))) == sides(make_splits(dataset(shuffled)))


def test_added_rows_move_few_others():
    rows = many(1000)
    before = sides(make_splits(dataset(rows)))
    after = sides(make_splits(dataset([*rows, *((f"a new text {i}", "a") for i in range(100))])))
    assert sum(before[text] != after[text] for text in before) < 10


@pytest.mark.parametrize("count", [3, 4, 5, 7])
def test_three_rows_of_a_label_reach_every_side(count):
    splits = make_splits(dataset([*many(100), *((f"rare {i}", "rare") for i in range(count))]))
    for part in (splits.train, splits.dev, splits.test):
        assert "rare" in part.labels


def test_labels_too_rare_to_split_stay_in_training():
    splits = make_splits(dataset([*many(100), ("rare 1", "rare"), ("rare 2", "rare")]))
    assert Counter(splits.train.labels)["rare"] == 2
    assert "rare" not in splits.test.labels + splits.dev.labels


case = st.tuples(
    st.lists(
        st.tuples(st.integers(0, 40).map("Text  {}".format), st.sampled_from("abc")),
        min_size=30,
        max_size=120,
    ),
    st.sampled_from(["upper", "lower"]),
)


@settings(deadline=None, max_examples=100)
@given(case)
def test_the_same_text_is_never_on_two_sides(case):
    rows, change = case
    rows = [(getattr(text, change)() if i % 2 else text, label) for i, (text, label) in enumerate(rows)]
    try:
        splits = make_splits(dataset(rows))
    except DataError:
        return
    seen = [{normalise(text) for text in part.texts} for part in (splits.train, splits.dev, splits.test)]
    assert len(set.union(*seen)) == sum(map(len, seen))
    parts = (splits.train, splits.dev, splits.test)
    assert sum(len(part) + len(part.rejected) for part in parts) == len(rows)
    assert set(splits.test.labels) | set(splits.dev.labels) <= set(splits.train.labels)


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 25), st.sampled_from("ab")), min_size=40, max_size=150))
def test_groups_stay_whole(rows):
    groups = [f"group {group}" for group, _ in rows]
    data = dataset([(f"text {i}", label) for i, (_, label) in enumerate(rows)], groups)
    try:
        splits = make_splits(data)
    except DataError:
        return
    seen = [set(part.groups) for part in (splits.train, splits.dev, splits.test)]
    assert len(set.union(*seen)) == sum(map(len, seen))


def test_one_large_group_does_not_take_the_test_share():
    groups = ["large"] * 500 + [f"g{i}" for i in range(500)]
    splits = make_splits(dataset(many(1000), groups))
    assert "large" in splits.train.groups
    assert len(splits.test) == pytest.approx(200, abs=20)


def test_dev_does_not_take_what_test_has():
    groups = [f"{label}{group}" for label in "ab" for group in (0, *[1] * 10, *[2] * 10, *[3] * 10)]
    rows = [(f"text {i}", group[0]) for i, group in enumerate(groups)]
    splits = make_splits(dataset(rows, groups), test_fraction=0.06, dev_fraction=0.06)
    assert set(splits.test.labels) == set(splits.dev.labels) == {"a", "b"}


def test_own_test_and_dev_files():
    train = dataset(many(100))
    own = dataset([("x", "a"), ("y", "b"), ("z", "unheard of")], source="test.csv")
    splits = make_splits(train, test=own)
    assert splits.test.texts == ["x", "y"]
    assert [(bad.line, bad.kind) for bad in splits.test.rejected] == [(3, "unseen label")]
    assert len(splits.train) + len(splits.dev) == 100
    splits = make_splits(train, test=own, dev=dataset([("v", "a"), ("w", "b")], source="dev.csv"))
    assert sorted(splits.train.texts) == sorted(train.texts)
    assert splits.dev.texts == ["v", "w"]


@pytest.mark.parametrize(
    ("rows", "own", "message"),
    [
        ([("x", "a"), ("y", "a"), ("z", "a")], None, "same label"),
        ([("x", "a"), ("y", "b"), ("z", "c")], None, "too few"),
        ([("x", "a"), ("X ", "a"), ("x", "b"), (" x", "b")] * 5, None, "too few"),
        (many(50), dataset([("x", "A"), ("y", "B")]), "no label of the test file occurs"),
        (many(50), dataset(many(50)), "the test rows are the training rows"),
        (many(50), Dataset({"plot": ["x"]}, ["a"], ["1"], [2], "t.csv"), "has the text columns"),
        (many(50), Dataset({"text": ["x"]}, None, ["1"], [2], "t.csv"), "no labels"),
    ],
)
def test_data_that_cannot_be_split(rows, own, message):
    with pytest.raises(DataError, match=message) as error:
        make_splits(dataset(rows), test=own)
    assert error.value.where
    assert error.value.fix


@pytest.mark.parametrize("shares", [(0.0, 0.1), (0.9, 0.1), (0.2, -1), (1.5, 0.1)])
def test_impossible_shares(shares):
    with pytest.raises(OptionError, match="leave no rows"):
        make_splits(dataset(many(50)), test_fraction=shares[0], dev_fraction=shares[1])


labelled = st.lists(st.sampled_from("aaaaabbcd"), min_size=1, max_size=200)


@settings(deadline=None, max_examples=200)
@given(labels=labelled, seed=st.integers(0, 5), data=st.data())
def test_subsets_are_nested_and_stratified(labels, seed, data):
    sizes = data.draw(st.lists(st.integers(1, len(labels)), min_size=1, max_size=4))
    subsets = nested_subsets(labels, sizes, seed)
    kinds = set(labels)
    for size in sizes:
        rows = subsets[size]
        assert len(rows) == size == len(set(rows))
        drawn = Counter(labels[row] for row in rows)
        if size >= len(kinds):
            assert set(drawn) == kinds
        for label in kinds:
            share = size * labels.count(label) / len(labels)
            assert abs(drawn[label] - share) <= len(kinds)
    ordered = sorted(subsets)
    for small, large in itertools.pairwise(ordered):
        assert subsets[large][:small] == subsets[small]


def test_subsets_depend_on_the_seed_alone():
    labels = list("ab" * 50)
    assert nested_subsets(labels, [10], 1) == nested_subsets(labels, [10], 1)
    assert nested_subsets(labels, [10], 1) != nested_subsets(labels, [10], 2)


def test_subsets_take_group_after_group():
    groups = [f"g{i // 10}" for i in range(100)]
    labels = ["ab"[i // 50] for i in range(100)]
    rows = nested_subsets(labels, [35], 0, groups)[35]
    whole = Counter(groups[row] for row in rows)
    assert sorted(whole.values()) == [5, 10, 10, 10]
    assert {labels[row] for row in rows[:20]} == {"a", "b"}


@pytest.mark.parametrize("size", [0, -1, 11])
def test_impossible_sizes(size):
    with pytest.raises(OptionError, match="cannot draw"):
        nested_subsets(["a", "b"] * 5, [5, size], 0)


def label_sets(count=300, seed=0):
    """Make rows with sets of common and rare labels."""
    generator = np.random.default_rng(seed)
    shares = {"common": 0.7, "frequent": 0.3, "scarce": 0.05, "lone": 0.004}
    labels = [
        tuple(name for name, share in shares.items() if generator.random() < share) for _ in range(count)
    ]
    return dataset([(f"text {row}", label) for row, label in enumerate(labels)])


@pytest.mark.parametrize("seed", range(5))
def test_sets_of_labels_are_split_by_their_rarest(seed):
    rows = label_sets(seed=seed)
    splits = make_splits(rows)
    assert not any(side.rejected for side in (splits.train, splits.dev, splits.test))
    assert len(splits.train) + len(splits.dev) + len(splits.test) == len(rows)
    in_training = {name for label in splits.train.labels for name in label}
    for side in (splits.dev, splits.test):
        names = [name for label in side.labels for name in label]
        assert set(names) <= in_training
        assert "scarce" in names
        assert () in side.labels


def test_rows_of_ones_own_with_an_unseen_label_in_their_set_are_listed():
    test = dataset([("x", ("common",)), ("y", ("common", "novel")), ("z", ())], source="test.csv")
    splits = make_splits(label_sets(), test=test)
    assert splits.test.labels == [("common",), ()]
    assert [bad.reason for bad in splits.test.rejected] == ["unseen label: no training row has 'novel'"]


def test_targets_that_are_no_names_are_split_all_the_same():
    rows = dataset([(f"text {row}", row / 7) for row in range(100)])
    splits = make_splits(rows)
    assert (len(splits.train), len(splits.dev), len(splits.test)) == (70, 10, 20)


@pytest.mark.parametrize("seed", range(5))
def test_a_type_of_tags_that_is_too_rare_to_split_stays_in_training(tmp_path, seed):
    names = [f"RARE{number}" for number in range(8)] + ["TWO"] * 2 + ["PER"] * 60
    rng = np.random.default_rng(seed)
    rng.shuffle(names)
    path = tmp_path / "a.conll"
    path.write_text("\n\n".join(f"w{n} B-{name}\nsaw O" for n, name in enumerate(names)) + "\n")
    splits = make_splits(read_tagged(path))
    trained = {name for row in splits.train.names for name in row}
    assert trained == set(names)
    for part in (splits.dev, splits.test):
        assert {name for row in part.names for name in row} == {"PER"}
        assert not part.rejected
    task = TokenClassification.fitted_to(splits.train)
    assert len(task.targets(splits.test)) == len(splits.test)


def test_sentences_of_a_test_file_with_a_type_that_is_not_trained_are_set_aside(tmp_path):
    (tmp_path / "a.conll").write_text("\n\n".join(f"w{n} B-PER\nsaw O" for n in range(20)) + "\n")
    (tmp_path / "b.conll").write_text("Ann B-PER\n\nRome B-LOC\nand O\nBo B-PER\n")
    splits = make_splits(read_tagged(tmp_path / "a.conll"), test=read_tagged(tmp_path / "b.conll"))
    assert splits.test.labels == [["B-PER"]]
    assert [row.reason for row in splits.test.rejected] == ["unseen label: no training row has 'LOC'"]


def test_dev_rows_that_are_test_rows_are_refused_in_whatever_order():
    rows = [(f"another text {number}", "ab"[number % 2]) for number in range(40)]
    test, dev = dataset(rows, source="test.csv"), dataset(rows[::-1], source="dev.csv")
    for part in (test, dev, dataset(rows[5:15], source="dev.csv")):
        with pytest.raises(DataError, match="the dev rows are the test rows"):
            make_splits(dataset(many(50)), test=test, dev=part)
    other = dataset([*rows[:5], ("one of its own", "a")], source="dev.csv")
    assert len(make_splits(dataset(many(50)), test=test, dev=other).dev) == 6
    shuffled = dataset(many(50)[::-1], source="test.csv")
    with pytest.raises(DataError, match="the test rows are the training rows"):
        make_splits(dataset(many(50)), test=shuffled)


@pytest.mark.parametrize("seed", [0, 1])
def test_shots_are_so_many_rows_of_every_label_and_nested(seed):
    labels = ["a"] * 30 + ["b"] * 5 + ["c"] * 12
    drawn = nested_shots(labels, [8, 1, 4], seed)
    for shots, rows in drawn.items():
        assert len(set(rows)) == len(rows)
        counts = Counter(labels[row] for row in rows)
        assert counts == {"a": min(shots, 30), "b": min(shots, 5), "c": min(shots, 12)}
    assert drawn[8][: len(drawn[4])] == drawn[4]
    assert drawn[4][: len(drawn[1])] == drawn[1]
    assert drawn[4] != nested_shots(labels, [4], seed + 1)[4]
