import io
from dataclasses import replace

from rich.console import Console

from tests.comparison.synthetic import TFIDF, Comparison
from textgraft.comparison.records.preferences import Preferences
from textgraft.comparison.reporting.terminal import check_table, render, results_table


def printed(renderable, width=140):
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    return console.file.getvalue()


def test_the_table_marks_the_pick_and_the_verdict_follows():
    verdict = Comparison(sizes=(300,)).judge()
    text = printed(render(verdict), width=400)
    assert f"→ {verdict.pick}" in text
    assert text.count("→") == 1
    assert text.index("accuracy") < text.index(verdict.sentences[0])
    for sentence in verdict.sentences:
        assert sentence in text


def test_without_a_pick_nothing_is_marked():
    verdict = Comparison(curves=(TFIDF,), sizes=(100,)).judge(preferences=Preferences(max_size_mb=0.1))
    assert "→" not in printed(render(verdict))


def test_the_data_check_is_printed_and_its_markup_stays_text():
    check = Comparison().test_set().check
    check["rejected"] = {"rows": 3, "kinds": {"[bold]empty": 3}, "examples": []}
    text = printed(check_table(check))
    assert "3 (3 [bold]empty)" in text
    assert "usable rows" in text


def test_long_names_leave_room_for_scores_and_costs():
    """Those of several encoders do not fit 80 columns beside a second metric."""
    curves = [replace(TFIDF, name=name) for name in ("tfidf", "bert-finetuned@e5-small")]
    text = printed(results_table(Comparison(curves=curves, sizes=(100,)).judge()), width=80)
    assert "…" not in text
    assert "accuracy" not in text
    assert "accuracy" in printed(results_table(Comparison(sizes=(100,)).judge()), width=80)
