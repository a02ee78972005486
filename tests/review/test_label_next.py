"""The rows to label next are unsure ones, and no two of a kind."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from scipy.sparse import csr_array
from typer.testing import CliRunner

from tests.tiny import topic_rows, write_topics
from textgraft.cli import app
from textgraft.comparison.train import train
from textgraft.review.label_next import choose_rows
from textgraft.review.store import ReviewStore


def _pool():
    """Make three groups of rows; of the first two a model is unsure, of the third it is certain."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3), 50, axis=0) + rng.normal(0, 0.02, (150, 3))
    unsure = np.tile([0.5, 0.5], (100, 1))
    return np.concatenate([unsure, np.tile([0.999, 0.001], (50, 1))]), vectors


@pytest.mark.parametrize("sparse", [False, True])
def test_unsure_rows_of_every_kind_come_first(sparse):
    probabilities, vectors = _pool()
    for seed in range(20):
        chosen = choose_rows(probabilities, csr_array(vectors) if sparse else vectors, 2, seed=seed)
        assert sorted(row // 50 for row in chosen) == [0, 1]


def test_no_row_is_chosen_twice_and_equal_rows_once():
    probabilities, vectors = _pool()
    assert len(set(choose_rows(probabilities, vectors, 150))) >= 140
    same = choose_rows(np.tile([0.6, 0.4], (30, 1)), np.ones((30, 4)), 10)
    assert len(same) == 1


def test_the_loop_closes(tmp_path, monkeypatch):
    monkeypatch.setattr("textgraft.review.out_of_fold.encoded", lambda *_: None)
    train(write_topics(tmp_path / "train.csv", 60), tmp_path / "model", contender="tfidf")
    pool = tmp_path / "pool.csv"
    texts = [text for text, _ in topic_rows(40, seed=5)]
    pool.write_text("text\n" + "\n".join([*texts, texts[0]]) + "\n")
    store = tmp_path / "reviews.db"
    command = ["label-next", str(tmp_path / "model"), str(pool), "--count", "8", "--review", str(store)]
    for _ in range(2):
        result = CliRunner().invoke(app, command)
        assert result.exception is None, result.output
    with ReviewStore(store) as opened:
        assert opened.stats().items["open"] == 16, "what is asked already is not chosen again"
        (lease,) = opened.lease("ann")
        assert lease.item.scores.keys() == {"food", "space", "sport"}
    result = CliRunner().invoke(app, [*command[:5], "-o", str(tmp_path / "next.csv")])
    assert result.exception is None, result.output
    with (tmp_path / "next.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert len({row["text"] for row in rows}) == 8
    assert {row["label"] for row in rows} == {""}
