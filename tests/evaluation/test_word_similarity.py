from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from tests.conftest import shared_data
from textgraft.data.readers.word_sets import is_analogies, read_analogies, read_rated_pairs
from textgraft.errors import DataError
from textgraft.evaluation import word_similarity
from textgraft.evaluation.word_similarity import WordScore, analogy_scores, similarity_score


def unit(size=40, width=8, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(size, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def find(word):
    return int(word) if word.isdigit() else None


def test_the_correlation_is_scipys_over_the_pairs_that_are_known():
    vectors, generator = unit(), np.random.default_rng(1)
    rows = generator.integers(0, 40, (30, 2))
    ratings = generator.integers(0, 6, 30).astype(float)
    pairs = [(str(a), str(b), rating) for (a, b), rating in zip(rows, ratings, strict=True)]
    score = similarity_score(vectors, find, [*pairs, ("x", "1", 5.0), ("2", "y", 0.0)])
    cosines = (vectors[rows[:, 0]] * vectors[rows[:, 1]]).sum(axis=1)
    assert score.value == pytest.approx(spearmanr(ratings, cosines).statistic)
    assert (score.judged, score.total) == (30, 32)
    assert score.coverage == 30 / 32


def test_nothing_known_scores_nothing():
    assert similarity_score(unit(), find, [("x", "y", 1.0)]) == WordScore(0.0, 0, 1)
    assert WordScore(0.0, 0, 0).coverage == 0.0


def test_analogies_are_answered_as_one_by_one(monkeypatch):
    monkeypatch.setattr(word_similarity, "_QUERIES", 7)
    vectors, generator = unit(), np.random.default_rng(2)
    questions = [tuple(map(str, row)) for row in generator.integers(0, 40, (50, 4))]

    def answer(a, b, c):
        cosines = vectors @ (vectors[int(b)] - vectors[int(a)] + vectors[int(c)])
        cosines[[int(a), int(b), int(c)]] = -2
        return str(cosines.argmax())

    # Every other question gets its right answer.
    questions = [(a, b, c, answer(a, b, c) if at % 2 else d) for at, (a, b, c, d) in enumerate(questions)]
    right = [answer(*question[:3]) == question[3] for question in questions]
    sections = {"towns": questions[:20], "gram1": questions[20:], "gram2": [("x", "1", "2", "3")]}
    scores = analogy_scores(vectors, find, sections)
    assert list(scores) == ["towns", "gram1", "gram2", "semantic", "syntactic", "all"]
    assert scores["towns"].value == scores["semantic"].value == np.mean(right[:20])
    assert scores["gram1"].value == np.mean(right[20:]) == scores["syntactic"].value
    assert (scores["syntactic"].judged, scores["syntactic"].total) == (30, 31)
    assert scores["gram2"] == WordScore(0.0, 0, 1)
    assert scores["all"].value == pytest.approx(np.mean(right))


def test_word_sets_in_their_forms(tmp_path):
    (tmp_path / "a.tsv").write_text("word1\tword2\tscore\ncat\tdog\t7.5\nsun moon 3\n")
    (tmp_path / "b.csv").write_text("cat,dog,7.5\n")
    assert read_rated_pairs(tmp_path / "a.tsv") == [("cat", "dog", 7.5), ("sun", "moon", 3.0)]
    assert read_rated_pairs(tmp_path / "b.csv") == [("cat", "dog", 7.5)]
    (tmp_path / "q.txt").write_text(": towns\nParis France Rome Italy\n: gram\na b c d\n")
    assert is_analogies(tmp_path / "q.txt")
    assert not is_analogies(tmp_path / "b.csv")
    questions = {"towns": [("Paris", "France", "Rome", "Italy")], "gram": [("a", "b", "c", "d")]}
    assert read_analogies(tmp_path / "q.txt") == questions


@pytest.mark.parametrize(
    ("read", "content", "message"),
    [
        (read_rated_pairs, "a b 1\nc d\n", "line 2: two words and a number"),
        (read_rated_pairs, "a b 1\nc d nan\n", "line 2: two words and a number"),
        (read_rated_pairs, "", "is empty"),
        (read_analogies, "a b c d\n", "line 1: four words of a section"),
        (read_analogies, ": s\na b c d\na b c\n", "line 3: four words"),
    ],
)
def test_other_lines_are_refused_by_number(tmp_path, read, content, message):
    (tmp_path / "set").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "set")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path / "none")


def test_the_published_sets_are_read_whole():
    folder = shared_data("word_similarity")
    sizes = {"ws-353-all": 353, "simlex-999": 999, "men-tr-3k": 3000}
    assert {name: len(read_rated_pairs(folder / f"{name}.tsv")) for name in sizes} == sizes
    sections = read_analogies(shared_data("analogies") / "questions-words.txt")
    assert len(sections) == 14
    assert sum(map(len, sections.values())) == 19_544
