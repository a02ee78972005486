"""Pages of inspections in a real browser: they draw without errors, fit a phone, and run nothing of texts."""

import pytest

from tests.browser.conftest import show
from tests.browser.test_report_page import EVIL
from textgraft.inspection.attention import SELF, Attention, Map
from textgraft.inspection.gates import Gate, GateActivations, LayerGates
from textgraft.inspection.gradients.flow import WORD_VECTORS, GradientFlow, Norms

pytestmark = pytest.mark.browser
TOKENS = [EVIL, "a" * 60, "c", "d", EVIL, "f"] * 3
COUNT = len(TOKENS)


def gates():
    gate = [Gate(name, [0.4] * COUNT, [0.1] * COUNT, [0.2] * COUNT) for name in ("forget", "input", "output")]
    kept = [[0.9 ** (later - at) if later >= at else 0.0 for later in range(COUNT)] for at in range(COUNT)]
    layer = LayerGates(1, "rightward", gate, kept)
    return GateActivations(
        model=EVIL, network=EVIL, text=EVIL, tokens=TOKENS, keeping="forget", layers=[layer]
    ), 3  # fmt: skip


def attention():
    maps = [Map(f"{EVIL} {at}", [[1 / COUNT] * COUNT] * COUNT) for at in range(3)]
    return Attention(
        model=EVIL, network=EVIL, text=EVIL, kind=SELF, looking=TOKENS, tokens=TOKENS, maps=maps
    ), 1  # fmt: skip


def gradients():
    norms = [10.0 ** (-20 * at) for at in range(COUNT)]
    series = [
        Norms(WORD_VECTORS, norms[::-1]),
        Norms(f"hidden state, {EVIL}", norms, 1e20),
        Norms("layer 1", norms),
    ]
    return GradientFlow(
        model=EVIL, network=EVIL, text=EVIL, tokens=TOKENS, target=EVIL, loss=0.5, series=series
    ), 2  # fmt: skip


@pytest.mark.parametrize(
    ("made", "width", "theme"), [(gates, 390, "dark"), (attention, 390, "light"), (gradients, 1280, "light")]
)
def test_it_draws_without_errors_and_never_scrolls_sideways(made, width, theme, browser, tmp_path):
    found, plots = made()
    show(browser, found.write(tmp_path), width, theme, plots=plots)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return window.stolen") is None
    drawn = browser.execute_script(
        "return [...document.querySelectorAll('.plot')]"
        ".map(plot => plot.querySelectorAll('.trace, .hm').length)"
    )
    assert len(drawn) == plots
    assert all(drawn)
