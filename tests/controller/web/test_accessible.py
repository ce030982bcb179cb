"""axe-core finds no serious fault on any page, on a phone and on a desk, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources

import pytest
from selenium.webdriver import Chrome

from controller.records.views import StoredPlan
from tests.browser import chromium, chromium_paths, set_view
from tests.controller.web.serving import serving

pytestmark = pytest.mark.browser
SERIOUS = ("serious", "critical")
RUN = """
const done = arguments[arguments.length - 1];
axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((each) =>
  [each.impact, each.id, each.nodes.slice(0, 3).map((node) => node.html.slice(0, 160))])));
"""
PATHS = ("", "jobs", "review", "history?day=2025-01-15", "forecast", "fuel", "alarms", "audit", "login")


@pytest.fixture(scope="module")
def address(measured: tuple[str, StoredPlan]) -> Iterator[str]:
    """Address of a console over a store with a measured day."""
    chromium_paths()
    with serving(measured[0]) as found:
        yield found


@pytest.fixture(scope="module")
def browser(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests here."""
    with chromium(tmp_path_factory.mktemp("profile")) as session:
        yield session


@pytest.mark.parametrize("path", PATHS)
def test_no_serious_fault(browser: Chrome, address: str, path: str) -> None:
    script = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    for width, dark in ((390, True), (1440, False)):
        set_view(browser, width=width, height=900, dark=dark)
        browser.get(address + path)
        browser.execute_script(script)
        found = browser.execute_async_script(RUN)
        assert [each for each in found if each[0] in SERIOUS] == []


def test_a_fault_would_be_found(browser: Chrome, address: str) -> None:
    browser.get(address)
    browser.execute_script("document.getElementById('main').insertAdjacentHTML('beforeend', '<button></button>')")
    browser.execute_script(resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    assert "button-name" in [each[1] for each in browser.execute_async_script(RUN)]
