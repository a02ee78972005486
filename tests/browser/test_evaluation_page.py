"""An evaluation's report in a real browser: it draws without errors and fits a phone."""

import numpy as np
import pytest

from tests.browser.conftest import show
from tests.browser.test_report_page import EVIL
from textgraft.data.slicing import name_slices, number_slices
from textgraft.evaluation.confusions import top_confusions
from textgraft.evaluation.intervals import Score
from textgraft.evaluation.label_scores import score_labels
from textgraft.evaluation.reliability import reliability
from textgraft.evaluation.risk_coverage import risk_coverage
from textgraft.evaluation.slices import score_slices, worst_slice
from textgraft.inference.evaluating.record import Calibration, CutText, Details, Evaluation
from textgraft.inference.evaluating.report import write_report
from textgraft.tasks.confident_errors import most_confident_errors
from textgraft.tasks.text.classification import SingleLabelClassification

pytestmark = pytest.mark.browser
ROWS = 300


def evaluation():
    """Make the record of a model with hostile labels, texts and columns."""
    rng = np.random.default_rng(0)
    task = SingleLabelClassification([f"{EVIL} label {number}" for number in range(30)])
    gold = rng.integers(0, 30, ROWS).tolist()
    answers = [label if rng.random() < 0.7 else int(rng.integers(30)) for label in gold]
    confidence = rng.beta(5, 2, ROWS).tolist()
    quality = task.qualities(gold, answers)
    channel = [f"{EVIL} {'unbroken' * 30} {rng.integers(6)}" for _ in range(ROWS)]
    slices = [*name_slices(EVIL, channel), *number_slices("words", rng.integers(1, 90, ROWS))]
    scores = score_slices(np.where(slices[0].members, 0, quality), slices)
    names, matrix = task.confusion(gold, answers)
    found = reliability(confidence, quality)
    details = Details(
        quality=task.quality_title,
        calibration=Calibration(temperature=1.3, before=found, after=found),
        risk_coverage=risk_coverage(confidence, 1 - quality),
        labels=score_labels(task.label_counts(gold, answers)),
        confusion_names=list(names),
        confusion=matrix.tolist(),
        confusions=top_confusions(matrix, names),
        errors=most_confident_errors(
            task, gold, [(answers, confidence)], [(str(row), f"{EVIL} {'long' * 99}") for row in range(ROWS)]
        ),
        slices=scores,
        worst=worst_slice(scores),
        numbers=[(1.0, 2.0), (2.0, 1.5)],
        truncated_fraction=0.1,
        cut=[CutText(name=f"{10 * at}%", rows=50, quality=scores[at].quality) for at in range(3)],
    )
    return Evaluation(
        model=EVIL,
        source=EVIL,
        task=task.name,
        rows=ROWS,
        skipped=3,
        metric="macro_f1",
        metrics={"macro_f1": Score(0.7, 0.6, 0.8), "accuracy": Score(0.7, None, None)},
        titles={"macro_f1": "macro F1", "accuracy": "accuracy"},
        details=details,
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report"), evaluation())


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_draws_without_errors_and_never_scrolls_sideways(browser, page, width, theme):
    show(browser, page, width, theme, plots=6)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return window.stolen") is None
    plots = browser.execute_script(
        "return [...document.querySelectorAll('.plot')]"
        ".map(plot => plot.querySelectorAll('.trace, .hm').length)"
    )
    assert len(plots) == 6
    assert all(plots)
