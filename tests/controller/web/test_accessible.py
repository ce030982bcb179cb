"""axe-core finds no serious fault on any page, on a phone and on a desk, light and dark."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources

import pytest
from selenium.webdriver import Chrome

from controller.access.roles import Role
from controller.operator_desk import OperatorDesk
from controller.overrides.orders import HoldSoc, Standing
from controller.records.access import Access
from controller.records.reading import Reader
from controller.records.views import StoredPlan
from sites.load import load_site
from sites.ports import SystemClock
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


@pytest.fixture(scope="module")
def signed_in(
    measured: tuple[str, StoredPlan], browser: Chrome, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Address of a console where the browser is signed in as an operator, who sees forms."""
    store = tmp_path_factory.mktemp("forms") / "mdc.sqlite"
    shutil.copy(measured[0].removeprefix("sqlite:///"), store)
    url, clock = f"sqlite:///{store}", SystemClock()
    with Reader(url, "container") as reader:
        newest = reader.now()
    assert newest is not None
    desk = OperatorDesk(url=url, site=load_site("container"), who="asha", now=newest.at_utc)
    hold = Standing(order=HoldSoc(soc_frac=0.5), expires_utc=newest.at_utc + timedelta(hours=3))
    desk.give_unchecked(hold, why="storm ahead")
    desk.deliver(newest.at_utc + timedelta(days=2), 500.0)
    job = (
        measured[1]
        .problem.jobs[0]
        .model_copy(update={"name": "waits", "deadline_utc": newest.at_utc + timedelta(hours=30), "running": False})
    )
    desk.submit(job.model_dump(mode="json"), source="test")
    with serving(url) as found, Access(url, "container") as access:
        key = access.link("asha", Role.OPERATOR, by="root", by_role="shell", now=clock.now_utc())
        browser.get(f"{found}enter?key={key}")
        yield found


@pytest.mark.parametrize(
    "path", ["jobs", "jobs/waits", "review", "fuel", "fuel/delivery?at=2025-01-18T09:00&litres=3000", "alarms"]
)
def test_no_serious_fault_in_forms(browser: Chrome, signed_in: str, path: str) -> None:
    script = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
    for width, dark in ((390, True), (1440, False)):
        set_view(browser, width=width, height=900, dark=dark)
        browser.get(signed_in + path)
        assert browser.find_elements("css selector", ".form-card")
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        browser.execute_script(script)
        found = browser.execute_async_script(RUN)
        assert [each for each in found if each[0] in SERIOUS] == []


def test_a_fault_would_be_found(browser: Chrome, address: str) -> None:
    browser.get(address)
    browser.execute_script("document.getElementById('main').insertAdjacentHTML('beforeend', '<button></button>')")
    browser.execute_script(resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    assert "button-name" in [each[1] for each in browser.execute_async_script(RUN)]
