"""Flipped labels are found, and go to people."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from typer.testing import CliRunner

from tests.tiny import TOPICS, topic_rows
from textgraft.cli import app
from textgraft.data.dataset import Dataset
from textgraft.errors import DataError
from textgraft.review.label_errors import find_label_errors
from textgraft.review.out_of_fold import FOLDS, folds
from textgraft.review.store import ReviewStore


def _dataset(rows):
    texts, labels = zip(*rows, strict=True)
    numbers = [str(number) for number in range(len(rows))]
    return Dataset({"text": list(texts)}, list(labels), numbers, range(len(rows)), "made")


@pytest.fixture(scope="module")
def flipped():
    rows = topic_rows(300)
    rng = np.random.default_rng(1)
    places = set(rng.choice(300, 15, replace=False).tolist())
    names = list(TOPICS)
    return [
        (text, names[(names.index(label) + 1) % 3] if place in places else label)
        for place, (text, label) in enumerate(rows)
    ], places


def test_flipped_labels_are_found_and_the_right_ones_suggested(flipped):
    rows, places = flipped
    truth = [label for _, label in topic_rows(300)]
    found = find_label_errors(_dataset(rows), None)
    first = found.doubted[: 2 * len(places)]
    right = [one for one in first if one.row in places and one.suggested == truth[one.row]]
    assert len(right) >= 0.7 * len(places)
    assert [one.margin for one in found.doubted] == sorted(one.margin for one in found.doubted)


def test_a_family_that_knows_nothing_does_not_hide_them(flipped):
    rows, places = flipped
    noise = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    found = find_label_errors(_dataset(rows), noise)
    assert found.families == ("words", "encodings")
    assert len({one.row for one in found.doubted[: 2 * len(places)]} & places) >= 0.7 * len(places)


def test_equal_texts_are_in_one_fold_and_labels_in_all():
    texts = [f"text {number // 2}" for number in range(200)]
    given = np.repeat([0, 1], 100)
    fold = folds(texts, given)
    assert (fold[::2] == fold[1::2]).all()
    assert all(np.bincount(fold[given == label], minlength=FOLDS).min() >= 18 for label in (0, 1))


def test_rare_labels_are_not_doubted_for_being_rare(flipped):
    rows, _ = flipped
    found = find_label_errors(_dataset([*rows, ("goal team match", "rare")]), None)
    assert found.unjudged == {"rare": 1}
    assert all(one.label != "rare" for one in found.doubted)
    with pytest.raises(DataError, match="fewer than two labels"):
        find_label_errors(_dataset(rows[:3]), None)


def test_they_are_written_and_asked_about(tmp_path, flipped, monkeypatch):
    rows, _ = flipped
    monkeypatch.setattr("textgraft.review.out_of_fold.encoded", lambda *_: None)
    source = tmp_path / "rows.csv"
    with source.open("w", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows])
    store = tmp_path / "reviews.db"
    result = CliRunner().invoke(
        app, ["label-errors", str(source), "-o", str(tmp_path / "d.csv"), "--review", str(store)]
    )
    assert result.exception is None, result.output
    with (tmp_path / "d.csv").open() as handle:
        written = list(csv.DictReader(handle))
    assert f"{len(written)} of 300" in result.output
    with ReviewStore(store) as opened:
        (lease,) = opened.lease("ann")
    assert lease.item.text == written[0]["text"], "the most doubtful first"
    assert (lease.item.given, lease.item.prediction) == (written[0]["label"], written[0]["suggested"])
