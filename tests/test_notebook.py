"""A notebook shows one bar while a comparison runs, and its result as a page."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from textgraft import bars
from textgraft.bars import NoBar, NotebookBar, TerminalBar, open_bar
from textgraft.errors import OptionError

CELLS = (
    "import sys; sys.path.insert(0, '.')\n"
    "import textgraft\n"
    "from tests.tiny import topic_rows\n"
    "texts, labels = map(list, zip(*topic_rows(60)))\n"
    "result = textgraft.compare(texts, labels, contenders='majority,tfidf', sizes='20,40', seeds=1,\n"
    "                           tuning=1, budget='10m', output={folder!r})",
    "result",
    "result.errors()",
    "result.plot().data[0].name",
)


@pytest.mark.slow
def test_a_notebook_from_rows_to_errors(tmp_path):
    """Takes a kernel of its own, which imports everything anew."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = [nbformat.v4.new_code_cell(cell.format(folder=str(tmp_path / "run"))) for cell in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    nbclient.NotebookClient(notebook, timeout=1200, kernel_name="python3").execute()
    shown = [[_html(output) for output in cell.outputs] for cell in notebook.cells]
    # One output: the bar, and in its place the verdict once all is done.
    assert len(shown[0]) == 1
    assert "took" in shown[0][0]
    assert "<progress" not in shown[0][0]
    assert "<svg" in shown[1][0]
    assert "tfidf" in shown[1][0]
    assert "tfidf confidence" in shown[2][0]


def _html(output: Any) -> str:
    return str(output.get("data", {}).get("text/html", output.get("text", "")))


class Handle:
    """Stands for a cell's output; keeps every picture."""

    def __init__(self) -> None:
        self.pictures: list[str] = []

    def update(self, picture: Any) -> None:
        self.pictures.append(picture.data)


@pytest.fixture
def handle(monkeypatch) -> Handle:
    display = pytest.importorskip("IPython.display")
    found = Handle()
    monkeypatch.setattr(display, "display", lambda *_, **__: found)
    monkeypatch.setattr(bars, "_PAUSE", 0.0)
    return found


def test_a_bar_is_drawn_in_one_place_and_its_texts_are_no_markup(handle):
    bar = NotebookBar()
    bar.update(1, 4, "<i>tfidf</i> · 20 rows")
    assert 'value="1" max="4"' in handle.pictures[-1]
    assert "&lt;i&gt;tfidf" in handle.pictures[-1]
    bar.say("resuming")
    bar.update(2, None, "lstm")
    assert "<progress style" in handle.pictures[-1]
    assert "resuming" in handle.pictures[-1]
    bar.close("Use tfidf.")
    bar.update(3, 4)
    bar.close()
    assert handle.pictures[-1] == "<div>Use tfidf.</div>"


def test_pictures_are_no_more_than_a_browser_can_take(handle, monkeypatch):
    monkeypatch.setattr(bars, "_PAUSE", 60.0)
    bar = NotebookBar()
    for step in range(100):
        bar.update(step, 100)
    assert len(handle.pictures) == 1


@pytest.mark.parametrize(
    ("progress", "notebook", "terminal", "kind"),
    [
        (None, False, False, NoBar),
        (None, False, True, TerminalBar),
        (None, True, False, NotebookBar),
        (True, False, False, TerminalBar),
        (False, True, True, NoBar),
    ],
)
def test_a_bar_is_shown_where_somebody_watches(handle, monkeypatch, progress, notebook, terminal, kind):
    monkeypatch.setattr(bars, "in_notebook", lambda: notebook)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with open_bar(progress) as bar:
        assert type(bar) is kind


def test_progress_is_yes_or_no():
    with pytest.raises(OptionError, match="progress is 'yes'"), open_bar("yes"):  # type: ignore[arg-type]
        pass
