"""The report in a real browser: it draws without errors and fits a phone."""

import pytest

from tests.browser.conftest import show
from tests.comparison.synthetic import Comparison
from textgraft.comparison.reporting.report import write_report

pytestmark = pytest.mark.browser
EVIL = "<script>window.stolen = 1</script><img src=x onerror='window.stolen = 1'>"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    comparison = Comparison(
        labels=tuple(f"{EVIL} label {number}" for number in range(30)),
        texts=[f"{EVIL} {'unbroken' * 60}"] * 300,
        rows=300,
        leaked=range(5),
    )
    return write_report(comparison.write(tmp_path_factory.mktemp("report") / "comparison"))


@pytest.mark.parametrize("width", [375, 768, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_draws_without_errors_and_never_scrolls_sideways(browser, page, width, theme):
    show(browser, page, width, theme)
    assert browser.get_log("browser") == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script("return window.stolen") is None
    plots = browser.execute_script(
        "return [...document.querySelectorAll('.plot')]"
        ".map(plot => plot.querySelectorAll('.trace, .hm').length)"
    )
    assert len(plots) == 4
    assert all(plots)


def test_wide_tables_scroll_in_their_own_box_on_a_phone(browser, page):
    show(browser, page, 375)
    box = browser.execute_script(
        "const box = document.querySelector('#results .scroll');"
        "return [box.clientWidth, box.scrollWidth, getComputedStyle(box).overflowX]"
    )
    assert box[0] <= 375 < box[1]
    assert box[2] == "auto"


def test_the_plots_follow_the_theme(browser, page):
    colour = "return getComputedStyle(document.querySelector('#plot-curves .xtick text')).fill"
    show(browser, page, 1280)
    light = browser.execute_script(colour)
    scheme = {"name": "prefers-color-scheme", "value": "dark"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 500))")
    assert browser.execute_script(colour) != light
