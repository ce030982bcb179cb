"""Headless Chromium for tests: started with a fresh profile and nothing of its own to fetch.

A test that needs it is marked ``browser``. Where Chromium or its driver is missing the test is skipped and says so;
in continuous integration (``CI=true``) it fails instead.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PATIENCE_S = 120.0
"""How long a page may take on a busy machine."""
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
)


def chromium_paths() -> tuple[str, str]:
    """Return the paths of Chromium and its driver, or skip the test; with ``CI=true`` fail it."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        reason = "Chromium is not here; install it with: apt-get install chromium chromium-driver"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return browser, driver


@contextmanager
def chromium(profile: Path) -> Iterator[webdriver.Chrome]:
    """Yield a headless Chromium whose profile lives in ``profile``; it is ended in any case."""
    browser, driver = chromium_paths()
    options = Options()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    session = webdriver.Chrome(options=options, service=Service(driver))
    session.set_script_timeout(PATIENCE_S)
    try:
        yield session
    finally:
        session.quit()


def set_view(session: webdriver.Chrome, *, width: int, height: int, dark: bool) -> None:
    """Set the size of the page in px and the colour scheme the reader prefers."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    session.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]}
    session.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def console_errors(session: webdriver.Chrome) -> list[str]:
    """Return what the page wrote to the console as errors or warnings since last asked."""
    entries = session.get_log("browser")  # type: ignore[no-untyped-call]
    return [entry["message"] for entry in entries if entry["level"] in ("SEVERE", "WARNING")]


def whole_page_png(session: webdriver.Chrome, file: Path, *, width: int, dark: bool) -> None:
    """Write a picture of the whole page to ``file``."""
    set_view(session, width=width, height=900, dark=dark)
    height = int(session.execute_script("return document.documentElement.scrollHeight"))
    set_view(session, width=width, height=height, dark=dark)
    shot = session.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
    file.write_bytes(base64.b64decode(shot["data"]))
