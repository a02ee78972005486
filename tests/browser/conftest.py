"""A headless browser, and how a page is shown in it."""

import os
import shutil
from pathlib import Path

import pytest

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    # Where a browser is known to be there, nobody wants to hear that it was not looked for.
    refuse = pytest.fail if os.environ.get("TEXTGRAFT_BROWSER") == "required" else pytest.skip
    try:
        from selenium import webdriver
    except ImportError:
        refuse("selenium is not installed")
    binary = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not binary or not driver:
        refuse("no chromium with chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield opened
    opened.quit()


def show(browser, page, width, theme="light", *, plots=4):
    """Open a page and wait until its plots are drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    browser.get_log("browser")  # what pages before it left there is not this one's
    browser.get(page.as_uri())
    drawn = f"return document.querySelectorAll('.plot .main-svg').length >= {plots}"
    WebDriverWait(browser, 30).until(lambda opened: opened.execute_script(drawn))


def violations(browser):
    """Return what axe-core has to say, or skip the test."""
    script = os.environ.get("TEXTGRAFT_AXE", "")
    if not Path(script).is_file():
        pytest.skip("$TEXTGRAFT_AXE names no axe.min.js")
    browser.execute_script(Path(script).read_text())
    found = browser.execute_async_script("axe.run().then(arguments[0])")
    return [violation["id"] for violation in found["violations"]]
