"""What Python has of a finished comparison: tables, errors, curves, and what a notebook shows of it."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import textgraft
from tests.tiny import topic_rows
from textgraft.comparison.result import Comparison
from textgraft.errors import OptionError

UGLY = "<b>space</b> & more"
"""A label that must be shown as it is."""


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> Comparison:
    folder = tmp_path_factory.mktemp("result")
    texts, labels = zip(*topic_rows(150), strict=True)
    named = [UGLY if label == "space" else label for label in labels]
    # Some labels are wrong, so that something is to be found among the errors.
    named[::10] = named[5::10][: len(named[::10])]
    return textgraft.compare(
        list(texts), named, contenders="majority,tfidf", sizes="40,80", seeds=2, tuning=1,
        output=folder / "run",
    )  # fmt: skip


class Reader(HTMLParser):
    """Notes which elements there are, and fails where one is closed that is not open."""

    VOID = ("br", "line", "rect", "circle", "polygon", "polyline")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    assert reader.open == []
    return reader.seen


def test_the_table_has_every_score_with_its_interval(result):
    table = result.table()
    assert table.columns == ["contender", "size", "seeds", "metric", "value", "low", "high"]
    places = {(row["contender"], row["size"], row["metric"]) for row in table}
    assert places == {
        (name, size, metric)
        for name in ("majority", "tfidf")
        for size in (40, 80)
        for metric in result.verdict.metrics
    }
    at_size = {row["contender"]: row for row in table if row["size"] == 80 and row["metric"] == "macro_f1"}
    for standing in result.verdict.standings:
        row = at_size[standing.contender]
        assert (row["value"], row["low"], row["high"]) == pytest.approx(
            (standing.score.value, standing.score.low, standing.score.high)
        )
        assert row["seeds"] == 2


def test_errors_are_what_the_kept_models_answer_wrongly(result):
    wrong = result.errors("tfidf")
    answers = [prediction.label for prediction in result.best.predict(wrong.column("text"))]
    assert result.verdict.pick == "tfidf"
    assert answers == wrong.column("tfidf")
    assert all(row["tfidf"] != row["label"] for row in wrong)
    assert len(wrong) >= 1
    every = result.errors()
    assert {row["id"] for row in wrong} <= {row["id"] for row in every}
    hardest = [sum(row[name] != row["label"] for name in ("tfidf", "majority")) for row in every]
    assert hardest == sorted(hardest, reverse=True)
    with pytest.raises(OptionError, match="Did you mean 'tfidf'"):
        result.errors("tfid")


def test_curves_are_a_figure(result):
    plotly = pytest.importorskip("plotly.graph_objects")
    figure = result.plot()
    assert isinstance(figure, plotly.Figure)
    drawn = {trace.name: list(trace.x) for trace in figure.data if trace.name}
    assert drawn == {"majority": [40, 80], "tfidf": [40, 80]}


def test_frames_have_the_same_rows(result):
    pytest.importorskip("pandas")
    frame = result.to_pandas()
    assert frame.query("contender == 'tfidf' and size == 80 and metric == 'accuracy'")["value"].item() > 0.6
    assert list(result.verdict.to_pandas()["contender"]) == [s.contender for s in result.verdict.standings]


SHOWN = ("comparison", "verdict", "table", "errors", "check", "evaluation", "predictor", "predictions")


@pytest.mark.parametrize("what", SHOWN)
def test_a_notebook_shows_each_result_and_never_its_data_as_markup(result, what):
    errors = result.errors()
    shown = {
        "comparison": lambda: result,
        "verdict": lambda: result.verdict,
        "table": result.table,
        "errors": lambda: errors,
        "check": lambda: textgraft.check(errors.column("text"), errors.column("label")),
        "evaluation": lambda: textgraft.evaluate(result.best, errors.column("text"), errors.column("label")),
        "predictor": lambda: result.best,
        "predictions": lambda: textgraft.predict(result.best, errors.column("text")),
    }[what]()
    html = shown._repr_html_()
    seen = read(html)
    assert "table" in seen
    assert "b" not in seen
    assert "script" not in seen
    if what in ("errors", "predictor", "predictions"):
        assert "&lt;b&gt;space&lt;/b&gt; &amp; more" in html
    if what not in ("table", "errors"):
        assert re.fullmatch(r"<\w+ .*>", repr(shown))
        assert "\n" not in repr(shown)
    if what == "comparison":
        assert "svg" in seen
        assert result.verdict.sentences[0] in unescape(html)
        assert len(html) < 40_000


def test_predictors_are_asked_as_those_of_scikit_learn(result):
    best = result.best
    texts, labels = map(list, zip(*topic_rows(30, seed=7), strict=True))
    named = [UGLY if label == "space" else label for label in labels]
    probabilities = best.predict_proba(texts)
    assert best.classes_.tolist() == sorted(["food", "sport", UGLY])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    told = [prediction.label for prediction in best.predict(texts)]
    assert best.classes_[probabilities.argmax(axis=1)].tolist() == told
    right = np.mean([one == other for one, other in zip(told, named, strict=True)])
    assert best.score(texts, named, metric="accuracy") == pytest.approx(right)
    with pytest.raises(OptionError, match="label 1: no label: the field is empty"):
        best.score(texts[:2], [named[0], None])
    with pytest.raises(OptionError, match="30 inputs came with 2 labels"):
        best.score(texts, named[:2])


def test_answers_stand_beside_the_users_columns(result):
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame({"text": ["goal and team", "soup"], "label": ["sport", "food"]}, index=[7, 3])
    found = result.best.to_pandas(given)
    assert found.index.tolist() == [7, 3]
    assert list(found.columns[:4]) == ["text", "label", "label_predicted", "score"]
    assert found[f"score:{UGLY}"].between(0, 1).all()


def test_answers_keep_their_rows_whatever_the_index(result):
    """As after concat, where an index repeats, and after a shuffle, where it does not count from 0."""
    pandas = pytest.importorskip("pandas")
    texts = ["goal and team", "soup with bread", None, "goal and match"]
    given = pandas.DataFrame({"text": texts, "n": range(4)}, index=[5, 5, 1, 0])
    whole = given.dropna()
    told = [one.label for one in result.best.predict(whole["text"])]
    beside = result.best.to_pandas(whole)
    assert (beside.index.tolist(), beside["n"].tolist()) == ([5, 5, 0], [0, 1, 3])
    assert beside["label"].tolist() == told
    assert result.best.to_pandas(whole["text"]).index.tolist() == [5, 5, 0]
    found = textgraft.predict(result.best, given).to_pandas()
    assert (found.index.tolist(), found["label"].tolist()) == ([5, 5, 0], told)


def test_training_says_what_it_made(tmp_path: Path):
    texts, labels = zip(*topic_rows(60), strict=True)
    trained = textgraft.train(list(texts), tmp_path / "m", labels=list(labels), contender="tfidf")
    assert re.fullmatch(r"<Trained tfidf in .*: macro_f1 [01]\.\d{3}>", repr(trained))
    assert trained.table().column("metric")[0] == "macro_f1"
    assert "table" in read(trained._repr_html_())
