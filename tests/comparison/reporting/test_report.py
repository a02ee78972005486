import json
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import plotly.graph_objects as go
import pytest

from tests.comparison.synthetic import FINETUNED, FROZEN, LSTM, TFIDF, Comparison, Curve
from textgraft.comparison.contenders.registry import CONTENDERS
from textgraft.comparison.judging.judge import judge
from textgraft.comparison.records.plan import load_plan, save_plan
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.records.trials import load_test_set, save_test_set
from textgraft.comparison.records.verdict import load_verdict, save_verdict
from textgraft.comparison.reporting.figures import decades, learning_curves, name_places, styles
from textgraft.comparison.reporting.report import write_report
from textgraft.comparison.reporting.sections import confident_errors, efforts, total_confusion
from textgraft.comparison.reporting.sketch import mark_svg
from textgraft.data.overlaps import Overlap
from textgraft.errors import ModelError, OptionError
from textgraft.evaluation.confusions import top_confusions
from textgraft.evaluation.intervals import Score
from textgraft.reporting.figures import MOST_LABELS, confusion_heatmap

EVIL = "<script>window.stolen = 1</script><img src=x onerror=window.stolen=1> & \"quoted\" 'single' </script>"


class Page(HTMLParser):
    """Collects the elements, what they point to, and the visible text of a report."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.links, self.text, self.ids = [], [], [], set()
        self._hidden = None
        self.feed(html)
        self.visible = re.sub(r"\s+", " ", " ".join(self.text))

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.ids |= {value for name, value in attrs if name == "id"}
        self.links += [value for name, value in attrs if name in ("src", "href", "onerror", "onclick")]
        if tag in ("script", "style"):
            self._hidden = tag

    def handle_endtag(self, tag):
        if tag == self._hidden:
            self._hidden = None

    def handle_data(self, data):
        if self._hidden is None:
            self.text.append(data)


def report(folder, comparison, **options):
    path = write_report(comparison.write(folder / "comparison", **options))
    assert path == folder / "comparison" / "report.html"
    return path.read_text()


def figures(html):
    found = re.search(r'<script type="application/json" id="figures">(.*?)</script>', html, re.DOTALL)
    return json.loads(found.group(1))


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    return report(tmp_path_factory.mktemp("usual"), Comparison(leaked=range(12)))


def test_rows_shared_by_two_sides_are_shown(tmp_path):
    folder = Comparison(sizes=(300,), seeds=1, rows=60).write(tmp_path / "comparison")
    test_set = load_test_set(folder)
    shared = Overlap(
        "dev", "test", [0, 3], 1, 40, True, [{"rows": ["dev.csv:2", "test.csv:9"], "text": "Oh?"}]
    )
    check = {**test_set.check, "overlaps": [shared.to_dict()], "warnings": [shared.warning]}
    save_test_set(folder, msgspec.structs.replace(test_set, check=check))
    shown = Page(write_report(folder).read_text()).visible
    assert "2 dev rows (5.0%) stand among the test rows too, 1 of them exactly" in shown
    assert "dev rows also in test 2 " in shown
    assert "Dev rows also in test: examples" in shown
    assert "dev.csv:2, test.csv:9" in shown


def test_the_report_stands_alone(usual):
    page = Page(usual)
    assert page.tags.count("script") == 3
    assert all(link.startswith("#") or link == "data:," for link in page.links)
    assert usual.count("plotly.js (cartesian - minified)") == 1
    assert len(usual.encode()) < 2e6


def test_the_verdict_comes_first_and_every_sentence_is_there(usual, tmp_path):
    page = Page(usual)
    verdict = load_verdict(Comparison(leaked=range(12)).write(tmp_path / "same"))
    assert page.visible.index("Use bert-finetuned") < page.visible.index("Results with 3,000")
    for sentence in verdict.sentences[1:]:
        assert sentence in page.visible


def test_every_section_has_its_figures(usual):
    visible = Page(usual).visible
    for name in ("tfidf", "lstm", "bert-frozen", "bert-finetuned"):
        assert visible.count(name) > 10
    for text in (
        "48 trials",
        "Are the differences real?",
        "Where curves cross",
        "What pre-training saves",
        "Most confused",
        "Most confident errors",
        "Hardly learnable",
        "48 times in all",
        "without leaked rows",
        "torch 2.13.0",
    ):
        assert text in visible


def test_figures_are_valid_plotly(usual):
    drawn = figures(usual)
    assert set(drawn) == {"curves", "training", "latency", "confusion"}
    for figure in drawn.values():
        go.Figure(figure)
    lines = [trace for trace in drawn["curves"]["data"] if trace.get("mode") == "lines+markers"]
    assert [line["name"] for line in lines][-1] == "bert-finetuned, predicted"
    assert max(lines[-1]["x"]) == 4 * 3000
    names = {trace["name"] for trace in drawn["latency"]["data"]}
    assert names == {"tfidf", "lstm", "bert-frozen", "bert-finetuned"}


def test_contenders_keep_their_colour_and_differ_in_symbol():
    names = {entry.name for entry in CONTENDERS}
    assert len({symbol for _, symbol in styles(list(names)).values()}) == len(names)
    assert styles(["mine", "lstm"])["lstm"] == styles(["lstm"])["lstm"]
    assert styles(["mine", "yours"])["mine"] != styles(["mine", "yours"])["yours"]


@pytest.mark.parametrize("count", [5, 20])
def test_hostile_texts_and_labels_stay_text(tmp_path, count):
    labels = tuple(f"{EVIL} {number}" for number in range(count))
    curves = (TFIDF, Curve("</script><script>", lambda _: 0.5))
    html = report(tmp_path, Comparison(curves, labels=labels, rows=200, sizes=(100,), texts=[EVIL] * 200))
    page = Page(html)
    assert page.tags.count("script") == 3
    assert "img" not in page.tags
    assert EVIL in page.visible
    ticks = figures(html)["confusion"]["layout"]["xaxis"]["ticktext"]
    assert all("<" not in tick for tick in ticks)


def test_an_interrupted_comparison_is_drawn_from_what_is_there(tmp_path):
    folder = Comparison().write(tmp_path / "comparison")
    for path in sorted((folder / "trials").glob("*.json"))[::2]:
        path.unlink()
    (folder / "comparison.json").unlink()
    assert "24 trials of 48 planned" in Page(write_report(folder).read_text()).visible


def test_trials_of_an_earlier_plan_are_left_out(tmp_path):
    folder = Comparison().write(tmp_path / "comparison")
    plan = load_plan(folder)
    others = {name: key for name, key in plan.results.items() if not name.startswith("lstm")}
    save_plan(folder, msgspec.structs.replace(plan, results=others))
    (folder / "comparison.json").unlink()
    assert "36 trials" in Page(write_report(folder).read_text()).visible


@pytest.mark.parametrize(("waited", "is_said"), [(45.0, True), (5.0, False)])
def test_times_that_a_busy_machine_made_long_are_said_to_be(tmp_path, waited, is_said):
    folder = Comparison(sizes=(300,), seeds=1, rows=60).write(tmp_path / "comparison")
    save_plan(folder, msgspec.structs.replace(load_plan(folder), spent=100.0, waited=waited))
    shown = Page(write_report(folder).read_text()).visible
    assert ("The machine was busy: trials had 55% of a core" in shown) == is_said


@pytest.mark.parametrize(
    ("comparison", "preferences"),
    [
        (Comparison(curves=(TFIDF,), sizes=(100,), seeds=1, rows=20), Preferences()),
        (Comparison(curves=(TFIDF, FROZEN), sizes=(100, 300), seeds=1), Preferences(max_latency_ms=5)),
        (Comparison(curves=(LSTM, FINETUNED), seeds=2), Preferences(max_size_mb=0.1)),
        (Comparison(labels=tuple(f"intent {n}" for n in range(77)), rows=770, sizes=(300,)), Preferences()),
        (
            Comparison(curves=(Curve("mine", lambda _: 2.0, seed_spread=0.0),), sizes=(10,), rows=5),
            Preferences(),
        ),
    ],
    ids=["one of everything", "latency limit", "no pick", "many labels", "unknown and perfect"],
)
def test_unusual_comparisons_are_drawn(tmp_path, comparison, preferences):
    html = report(tmp_path, comparison, preferences=preferences)
    for figure in figures(html).values():
        go.Figure(figure)
    assert "nan" not in Page(html).visible.lower().replace("finance", "")


def test_no_finished_trial_and_a_missing_plan_are_clear_errors(tmp_path):
    folder = Comparison(sizes=(100,)).write(tmp_path / "comparison")
    (folder / "comparison.json").unlink()
    for path in (folder / "trials").glob("*.json"):
        path.unlink()
    with pytest.raises(OptionError, match="no trial has finished"):
        write_report(folder)
    (folder / "plan.json").unlink()
    with pytest.raises(ModelError, match="file is missing"):
        write_report(folder)
    assert not (folder / "report.html").exists()


def test_confusions_are_added_up_and_ranked():
    comparison = Comparison(curves=(TFIDF,), sizes=(300,), rows=500)
    trials, test_set = comparison.trials(), comparison.test_set()
    matrix = total_confusion(trials, test_set)
    assert matrix.sum() == 3 * 500
    top = top_confusions(matrix, test_set.labels)
    assert [entry.rows for entry in top] == sorted((entry.rows for entry in top), reverse=True)
    assert all(entry.gold != entry.predicted for entry in top)
    gold, guess = test_set.labels.index(top[0].gold), test_set.labels.index(top[0].predicted)
    assert top[0].rows == matrix[gold, guess]
    assert top[0].share == pytest.approx(matrix[gold, guess] / (3 * 100))


def test_confident_errors_are_wrong_and_sorted_by_joint_confidence():
    comparison = Comparison(curves=(TFIDF,), sizes=(300,), rows=500)
    trials, test_set = comparison.trials(), comparison.test_set()
    errors = confident_errors(trials, test_set)
    assert len(errors) == 20
    sureness = [error.confidence * error.wrong_seeds for error in errors]
    assert sureness == sorted(sureness, reverse=True)
    for error in errors:
        row = test_set.test_ids.index(error.id)
        assert error.gold == test_set.labels[test_set.gold[row]] != error.predicted
        assert error.wrong_seeds == sum(trial.predicted[row] != test_set.gold[row] for trial in trials)


def test_a_perfect_model_has_no_errors():
    comparison = Comparison(curves=(Curve("tfidf", lambda _: 0.9),), sizes=(10,), rows=10, leaked=range(10))
    assert confident_errors(comparison.trials(), comparison.test_set()) == []


def test_efforts_name_only_the_settings_that_differed():
    (effort,) = efforts(Comparison(curves=(TFIDF,), sizes=(300,)).trials())
    assert (effort.configurations, effort.seeds, effort.chosen) == (2, 3, "learning rate 0.001")


def test_a_large_confusion_matrix_keeps_the_labels_with_the_most_errors():
    matrix = np.diag(np.full(100, 50))
    matrix[90, 95] = 20
    figure = confusion_heatmap(matrix, [f"label {number}" for number in range(100)])
    shown = figure["layout"]["xaxis"]["ticktext"]
    assert len(shown) == MOST_LABELS
    assert {"label 90", "label 95"} <= set(shown)


def test_what_was_not_measured_at_all_rows_is_dotted_up_to_them(tmp_path):
    comparison = Comparison()
    folder = comparison.write(tmp_path / "comparison")
    trials = [one for one in comparison.trials() if not (one.contender == "lstm" and one.size == 3000)]
    verdict = judge(trials, comparison.test_set())
    dotted = {
        trace["name"]: trace["x"]
        for trace in learning_curves(verdict)["data"]
        if trace["line"].get("dash") == "dot"
    }
    assert dotted["lstm, predicted"] == [1000, 3000]
    assert set(dotted) == {"lstm, predicted", f"{verdict.pick}, predicted"}
    save_verdict(folder, verdict)
    assert "Not measured at 3,000 rows" in Page(write_report(folder).read_text()).visible


def test_who_learns_from_no_row_is_a_level_line():
    comparison = Comparison((TFIDF, Curve("zero-shot", lambda size: 0.6)), sizes=(100, 300))
    trials = [
        msgspec.structs.replace(one, size=0) if one.contender == "zero-shot" else one
        for one in comparison.trials()
        if one.contender == "tfidf" or (one.size, one.seed) == (100, 0)
    ]
    verdict = judge(trials, comparison.test_set())
    assert verdict.size == 300
    assert verdict.standing("zero-shot").size == 0
    assert len(verdict.pairs) == 1
    (level,) = (t for t in learning_curves(verdict)["data"] if t["line"].get("dash") == "dash")
    assert (level["x"][0], len(set(level["y"]))) == (100, 1)
    assert min(learning_curves(verdict)["layout"]["xaxis"]["tickvals"]) == 100
    assert verdict.crossings == []


def test_marks_in_tables_are_those_of_the_curves_and_no_two_are_alike(usual):
    looks = styles(list(dict.fromkeys(entry.name for entry in CONTENDERS)))
    shapes = {name: mark_svg("#000000", symbol) for name, (_, symbol) in looks.items()}
    assert len(set(shapes.values())) == len(shapes)
    assert usual.count(mark_svg(*looks["lstm"])) >= 3


@pytest.mark.parametrize(
    ("ends", "written"),
    [((-1.3, 2.2), ["0.1", "1", "10", "100"]), ((2.4, 4.2), ["1,000", "10,000"]), ((0.2, 0.9), ["2", "5"])],
)
def test_log_axes_have_ticks_at_powers_of_ten(ends, written):
    assert decades(*ends)[1] == written


def test_names_of_near_marks_do_not_meet():
    near = Score(0.8, 0.79, 0.81)
    placed = name_places(dict.fromkeys(("first", "second", "third"), (1.0, near)), (0.0, 2.0))
    known = [place for place in placed.values() if place]
    assert len(known) == len(set(known)) >= 1
    # At the right end a name stands on the left.
    alone = name_places({"bert-finetuned": (1.95, near)}, (0.0, 2.0))
    assert alone["bert-finetuned"] == "middle left"
