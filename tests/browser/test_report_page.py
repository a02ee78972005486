"""The report in a real browser: it draws without errors and fits a phone."""

import base64

import pytest

from tests.browser.conftest import show, violations
from tests.comparison.synthetic import Comparison
from textgraft.comparison.records.preferences import Preferences
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


@pytest.fixture(scope="module")
def usual(tmp_path_factory):
    """A report of ordinary names and texts, with prices."""
    comparison = Comparison(rows=300)
    return write_report(
        comparison.write(tmp_path_factory.mktemp("usual") / "comparison", preferences=Preferences(price=0.4))
    )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser, usual, theme):
    show(browser, usual, 1280, theme)
    assert violations(browser) == []


def test_plots_are_drawn_anew_for_a_phone(browser, usual):
    show(browser, usual, 390)
    cut = browser.execute_script(
        "return [...document.querySelectorAll('#curves .plot text, #cost .plot text')].filter((text) => {"
        " const box = text.getBoundingClientRect(); return box.width && (box.left < 0 || box.right > 390)"
        "}).map((text) => text.textContent)"
    )
    assert cut == []
    assert browser.execute_script("return document.querySelectorAll('#plot-latency .legendtext').length") == 4


def test_the_main_table_fits(browser, usual):
    show(browser, usual, 1280)
    box = "const box = document.querySelector('#results .scroll');"
    assert browser.execute_script(f"{box} return box.scrollWidth - box.clientWidth") == 0


def test_what_scrolls_has_a_name_and_can_be_reached(browser, usual):
    show(browser, usual, 390)
    found = browser.execute_script(
        "return [...document.querySelectorAll('.scroll')].filter((box) => box.scrollWidth > box.clientWidth)"
        ".map((box) => [box.tabIndex, box.getAttribute('aria-label')])"
    )
    assert found
    assert all(place == 0 and label for place, label in found)
    assert len({label for _, label in found}) == len(found)


def test_paper_is_filled_and_nothing_is_cut(browser, usual):
    show(browser, usual, 700, "dark")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True, "printBackground": True})
    pages = base64.b64decode(printed["data"]).count(b"/Type /Page\n")
    assert 0 < pages <= 9
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    wide = (
        "return [...document.querySelectorAll('table, .plot')]"
        ".filter((one) => one.offsetParent && one.getBoundingClientRect().right > innerWidth + 1).length"
    )
    try:
        assert browser.execute_script(wide) == 0
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_plot_of_many_labels_is_no_larger_than_a_sheet(browser, page):
    show(browser, page, 1280)
    sizes = (
        "window.dispatchEvent(new Event('beforeprint'));"
        "const box = document.querySelector('#plot-confusion .main-svg').getBoundingClientRect();"
        "window.dispatchEvent(new Event('afterprint'));"
        "return [box.width, box.height]"
    )
    width, height = browser.execute_script(sizes)
    assert 500 < width <= 681  # 180 mm
    assert height <= 900
