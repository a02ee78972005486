"""The service's page in a real browser."""

import time
from dataclasses import replace

import pytest

from tests.browser.conftest import violations
from tests.browser.test_report_page import EVIL
from tests.review.made import items
from tests.serving.conftest import models  # noqa: F401  a fixture
from tests.serving.running import running
from tests.tiny_encoders import save_tiny_encoder
from textgraft.inspection.word_view import WordView
from textgraft.models.encoders import resolve_encoder
from textgraft.review.items import Item
from textgraft.review.store import ReviewStore
from textgraft.serving.keys import Key, Keys
from textgraft.serving.viewing import ServedView

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(models, tmp_path_factory):  # noqa: F811
    folder = tmp_path_factory.mktemp("service")
    with ReviewStore(folder / "review.db") as store:
        store.add(items(3))
        evil = Item(
            task="classification", columns={"text": EVIL}, prediction=EVIL, scores={EVIL: 0.5}, priority=9
        )
        store.add([evil])
    report = folder / "a comparison" / "report.html"
    report.parent.mkdir()
    report.write_text("<!doctype html><title>r</title><p id=r></p><script>r.textContent = 'drawn'</script>")
    tiny = WordView(resolve_encoder(save_tiny_encoder(folder / "tiny", "bert")))
    for name, weights in tiny._model.named_parameters():
        if "query" in name or "key" in name:
            weights.data *= 10  # words that differ in what they attend to
    view = ServedView(tiny, "tiny")
    viewed = [replace(models[0], view=lambda: view), models[1]]
    with running(viewed, review=folder / "review.db", reports=[report.parent]) as found:
        yield found


def open_at(browser, url, width=1280, theme="light"):
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get("about:blank")
    browser.get_log("browser")  # what pages before it left there is not this one's
    browser.get(url)


def wait(browser, script):
    from selenium.common.exceptions import JavascriptException
    from selenium.webdriver.support.ui import WebDriverWait

    # What a script asks of may not be there before the page is.
    waiting = WebDriverWait(browser, 20, ignored_exceptions=[JavascriptException])
    return waiting.until(lambda opened: opened.execute_script(f"return {script}"))


def choose(browser, title):
    wait(browser, "document.querySelectorAll('#what option').length > 0")
    browser.execute_script(
        "const what = document.getElementById('what');"
        "what.value = [...what.options].find((o) => o.textContent.startsWith(arguments[0])).value;"
        "what.dispatchEvent(new Event('change'))",
        title,
    )


def fill(browser, name, text):
    browser.execute_script(
        "document.getElementById(arguments[0]).value = arguments[1]", f"field-{name}", text
    )


def press(browser, name):
    browser.execute_script(
        "const buttons = [...document.querySelectorAll('#answer button')];"
        "buttons.find((b) => b.textContent === arguments[0]).click()",
        name,
    )


def answered(browser):
    browser.execute_script("document.getElementById('answer').hidden = true")
    browser.execute_script("document.querySelector('#ask button').click()")
    wait(browser, "!document.getElementById('answer').hidden")
    return browser.execute_script("return document.getElementById('answer').innerText")


def test_every_loaded_task_can_be_tried(browser, page):
    open_at(browser, page.url)
    choose(browser, "Classification")
    fill(browser, "inputs", f"My card was stolen! {EVIL}")
    assert "lost_or_stolen" in answered(browser)
    bars = browser.execute_script(
        "return [...document.querySelectorAll('#answer .bar')].map((b) => b.getBoundingClientRect().width)"
    )
    assert bars[0] > bars[1] >= 0
    choose(browser, "Similarity")
    fill(browser, "source", "a cat")
    fill(browser, "others", "a kitten\ntax law")
    assert "a kitten" in answered(browser)
    choose(browser, "Tokens")
    fill(browser, "inputs", EVIL)
    assert "tokens" in answered(browser)
    choose(browser, "Encoding")
    assert "384 numbers" in answered(browser)
    assert browser.execute_script("return window.stolen") is None
    assert browser.get_log("browser") == []


def test_attention_and_nearest_words(browser, page):
    open_at(browser, page.url)
    choose(browser, "Attention")
    fill(browser, "inputs", f"The team saw the goal of the match. {EVIL}")
    assert "What “The” attends to" in answered(browser)
    pressed = "[...document.querySelectorAll('.words button')]"
    browser.execute_script(f"{pressed}.find((b) => b.textContent === 'goal').click()")
    assert browser.execute_script(f"return {pressed}.filter((b) => b.ariaPressed === 'true').length") == 1
    shades = f"return {pressed}.map((b) => getComputedStyle(b).backgroundColor)"
    mean = browser.execute_script(shades)
    assert len(set(mean)) > 5
    browser.execute_script(
        "const layer = document.getElementById('layer'); layer.value = '0';"
        "layer.dispatchEvent(new Event('change'))"
    )
    assert browser.execute_script(shades) != mean
    press(browser, "Nearest words")
    wait(browser, "document.querySelectorAll('.columns .bars').length == 2")
    near = browser.execute_script("return document.querySelector('.columns').innerText")
    assert "Near “goal” by itself" in near
    assert browser.execute_script("return document.querySelectorAll('.columns li').length") == 16
    assert "In its place in this text" in near
    assert browser.execute_script("return window.stolen") is None
    assert browser.get_log("browser") == []


def test_without_torch_the_page_says_why_nothing_can_be_looked_at(browser, models):  # noqa: F811
    with running([replace(model, view=None) for model in models]) as page:
        open_at(browser, page.url)
        choose(browser, "Attention")
        assert "not installed where this service runs" in browser.execute_script(
            "return document.getElementById('fields').innerText"
        )
        assert browser.execute_script("return document.querySelector('#ask button').disabled")
        choose(browser, "Tokens")
        assert not browser.execute_script("return document.querySelector('#ask button').disabled")


def test_a_refusal_is_told(browser, page):
    open_at(browser, page.url)
    choose(browser, "Similarity")
    fill(browser, "source", "word " * 400)
    browser.execute_script("document.querySelector('#ask button').click()")
    wait(browser, "!document.getElementById('problem').hidden")
    assert "402 tokens" in browser.execute_script("return document.getElementById('problem').textContent")


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_part_scrolls_sideways(browser, page, width, theme):
    for part in ("try", "live", "review", "reports", "api"):
        open_at(browser, f"{page.url}/#{part}", width, theme)
        wait(browser, f"!document.getElementById('{part}').hidden")
        time.sleep(0.2)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width, part
    colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (colour == "rgb(251, 250, 248)") == (theme == "light")


def test_the_queue_is_worked_by_keyboard(browser, page):
    from selenium.webdriver import ActionChains

    open_at(browser, f"{page.url}/#review")
    wait(browser, "!document.getElementById('reviewer').hidden")
    ActionChains(browser).send_keys_to_element(browser.find_element("id", "reviewer-name"), "Ada\n").perform()
    texts = []
    for key in ("u", "1", "s", "\n"):
        wait(browser, f"document.getElementById('item-text').textContent != {texts[-1:] or ['']}[0]")
        texts.append(browser.execute_script("return document.getElementById('item-text').textContent"))
        ActionChains(browser).send_keys(key).perform()
    wait(browser, "document.getElementById('review-state').textContent.includes('Nothing is left')")
    assert texts == [EVIL, "text 0", "text 1", "text 2"]
    assert browser.execute_script("return window.stolen") is None
    decisions = page.http.get("/review/stats").json()
    assert decisions["items"] == {"open": 1, "held": 0, "decided": 3, "disputed": 0}
    assert decisions["unusable"] == 1


def test_throughput_and_latency_are_drawn(browser, page):
    open_at(browser, f"{page.url}/#live")
    wait(browser, "document.querySelectorAll('#figures dd').length > 0")
    page.post("/embed", {"inputs": ["a text"] * 50})
    wait(browser, "document.querySelector('#plot-tokens polyline')?.getAttribute('points').includes(' ')")
    assert "/embed" in browser.execute_script("return document.getElementById('routes').innerText")


def test_a_report_is_shown_in_a_sandbox(browser, page):
    open_at(browser, f"{page.url}/#reports")
    wait(browser, "document.querySelectorAll('#reports-list button').length > 0")
    browser.execute_script("document.querySelector('#reports-list button').click()")
    browser.switch_to.frame("report")
    try:
        assert wait(browser, "document.getElementById('r')?.textContent") == "drawn"
    finally:
        browser.switch_to.default_content()


def test_the_page_asks_for_a_key(browser, models):  # noqa: F811
    import hashlib

    keys = Keys([Key(hashlib.sha256(b"secret").hexdigest(), "ada")])
    with running(models, keys=keys) as page:
        open_at(browser, page.url)
        wait(browser, "!document.getElementById('key').hidden")
        browser.execute_script("document.getElementById('key-value').value = 'secret'")
        browser.execute_script("document.querySelector('#key button').click()")
        wait(browser, "document.querySelectorAll('#what option').length > 0")


def test_everything_has_a_name_and_can_be_reached(browser, page):
    """Labels for fields, headings, names for regions: what a screen reader goes by."""
    open_at(browser, page.url)
    wait(browser, "document.querySelectorAll('#what option').length > 0")
    nameless = browser.execute_script(
        "return [...document.querySelectorAll('input, select, textarea, button, iframe, svg, section')]"
        ".filter((e) => !(e.labels?.length || e.textContent.trim() || e.title || e.getAttribute('aria-label')"
        " || e.getAttribute('aria-labelledby'))).map((e) => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    assert browser.execute_script("return document.documentElement.lang") == "en"


@pytest.mark.parametrize("part", ["try", "live", "review", "reports", "api"])
def test_axe_finds_nothing(browser, page, part):
    """Needs axe.min.js of the npm package axe-core, named by $TEXTGRAFT_AXE."""
    open_at(browser, f"{page.url}/#{part}", 360 if part in ("try", "review") else 1280)
    wait(browser, f"!document.getElementById('{part}').hidden")
    time.sleep(0.3)
    assert violations(browser) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_in_a_look_inside(browser, page, theme):
    open_at(browser, page.url, 360, theme)
    choose(browser, "Attention")
    fill(browser, "inputs", "The team saw the goal of the match, unbelievably.")
    answered(browser)
    press(browser, "Nearest words")
    wait(browser, "document.querySelectorAll('.columns .bars').length == 2")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 360
    assert violations(browser) == []
