"""What careless writing does to the models of a comparison: measured once, for each that is kept."""

import pytest

import textgraft
from tests.tiny import write_topics
from textgraft.comparison.records.robustness import load_robustness
from textgraft.comparison.records.verdict import load_verdict
from textgraft.comparison.reporting.terminal import render
from textgraft.inference.evaluating import robustness
from textgraft.inference.evaluating.sentences import robustness_sentence
from textgraft.terminal import open_console


@pytest.fixture
def compare(tmp_path, monkeypatch):
    source = write_topics(tmp_path / "rows.csv", 200)
    choices = {"contenders": "majority,tfidf", "sizes": [60], "seeds": 1, "tuning": 1}
    # Its processes take most of the time, and nothing here depends on them.
    monkeypatch.setattr("textgraft.comparison.running.memory.measure_memory", lambda *given: {})
    return lambda **more: textgraft.compare(source, output=tmp_path / "run", **choices, **more)


def test_every_kept_model_is_measured_once_and_stays_so(compare, tmp_path, monkeypatch):
    verdict = compare().verdict
    assert verdict.robustness == {}
    verdict = compare(robustness=True).verdict
    assert set(verdict.robustness) == {"majority", "tfidf"}
    ignores_text, reads = verdict.robustness["majority"], verdict.robustness["tfidf"]
    assert all(one.change.value == 0 for one in ignores_text.changes)
    assert reads.of("truncation", "strong").change.value < 0
    assert load_verdict(tmp_path / "run").robustness == verdict.robustness
    assert len(load_robustness(tmp_path / "run").trials) == 2

    def again(*args, **options):
        raise AssertionError("it is known already")

    monkeypatch.setattr("textgraft.comparison.running.robustness.measure_robustness", again)
    assert compare(robustness=True).verdict.robustness == verdict.robustness
    assert compare().verdict.robustness == verdict.robustness
    page = (tmp_path / "run" / "report.html").read_text()
    assert 'id="plot-robustness"' in page
    assert "What careless writing does to them" in page
    console = open_console()
    with console.capture() as shown:
        console.print(render(verdict), soft_wrap=True)
    assert robustness_sentence(reads, "tfidf") in shown.get()


def test_a_damaged_record_is_measured_again(compare, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness, "MOST_ROWS", 20)
    compare(robustness=True)
    (tmp_path / "run" / "robustness.json").write_text("{")
    assert all(one.rows == 20 for one in compare(robustness=True).verdict.robustness.values())
