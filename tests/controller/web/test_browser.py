"""The page in a browser: no errors, nothing overflows or is clipped, keyboard, hover, new records, light and dark."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from sqlalchemy.orm import Session

from controller.records.entries import NowEntry
from controller.records.store import open_engine
from controller.records.views import StoredPlan
from controller.records.writing import write_entry
from optimizer.plan import Level
from tests.browser import PATIENCE_S, chromium, chromium_paths, console_errors, set_view
from tests.controller.web.container_day import container_day, store_with_day
from tests.controller.web.serving import serving

pytestmark = pytest.mark.browser

VIEWS = [(width, dark) for width in (390, 768, 1440) for dark in (False, True)]

OVERFLOWING = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 1 && box.height > 1 && (box.right > wide + 1 || box.left < -1);
}).map((each) => each.tagName + '.' + each.getAttribute('class'));
"""
CLIPPED = """
const clipped = [];
for (const drawing of document.querySelectorAll('svg')) {
  const frame = drawing.viewBox.baseVal;
  if (!drawing.getClientRects().length || !frame.width) continue;
  for (const label of drawing.querySelectorAll('text')) {
    const box = label.getBBox(), right = box.x + box.width, bottom = box.y + box.height;
    if (box.x < -0.5 || right > frame.width + 0.5 || box.y < -0.5 || bottom > frame.height + 0.5)
      clipped.push(label.textContent);
  }
}
return clipped;
"""
CONTRAST = """
const lightness = (colour) => {
  const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (each) => {
  for (let at = each; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (colour !== 'rgba(0, 0, 0, 0)') return colour;
  }
  return 'rgb(255, 255, 255)';
};
const weak = [];
for (const each of document.querySelectorAll('h1, h2, h3, p, small, li, dt, dd, b, span, a, text')) {
  if (!each.getClientRects().length || !each.textContent.trim()) continue;
  const style = getComputedStyle(each);
  const ink = lightness(each.tagName === 'text' ? style.fill : style.color);
  const paper = lightness(ground(each.tagName === 'text' ? each.closest('svg').parentElement : each));
  const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
  if (ratio < 4.5) weak.push([each.textContent.trim().slice(0, 30), ratio.toFixed(2)]);
}
return weak;
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a running console and of its store."""
    chromium_paths()
    store = store_with_day(tmp_path_factory.mktemp("served"))
    with serving(store) as address:
        yield address, store


@pytest.fixture(scope="module")
def browser(served: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """One browser for all tests here."""
    with chromium(tmp_path_factory.mktemp("profile")) as session:
        yield session


def _open(browser: Chrome, address: str, *, width: int, dark: bool) -> None:
    set_view(browser, width=width, height=900, dark=dark)
    browser.get(address)
    WebDriverWait(browser, PATIENCE_S).until(lambda page: page.find_elements(By.ID, "figure-price"))


@pytest.mark.parametrize(("width", "dark"), VIEWS)
def test_the_page_fits_and_can_be_read(browser: Chrome, served: tuple[str, str], width: int, dark: bool) -> None:
    _open(browser, served[0], width=width, dark=dark)
    assert console_errors(browser) == []
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert browser.execute_script(OVERFLOWING) == []
    assert browser.execute_script(CLIPPED) == []
    assert browser.execute_script(CONTRAST) == []


@pytest.fixture(scope="module")
def served_day(measured: tuple[str, StoredPlan]) -> Iterator[str]:
    """Address of a console over a store with a measured day."""
    chromium_paths()
    with serving(measured[0]) as address:
        yield address


@pytest.mark.parametrize("path", ["jobs", "history?day=2025-01-15", "forecast", "fuel", "alarms", "audit"])
def test_the_other_pages_fit_too(browser: Chrome, served_day: str, path: str) -> None:
    for width, dark in ((390, True), (1440, False)):
        set_view(browser, width=width, height=900, dark=dark)
        browser.get(served_day + path)
        if path.startswith("history"):
            WebDriverWait(browser, PATIENCE_S).until(
                lambda page: "Energy balance" in page.find_element(By.ID, "main").text
            )
        assert console_errors(browser) == []
        assert browser.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.execute_script(CLIPPED) == []
        assert browser.execute_script(CONTRAST) == []


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_each_figure_shows_one_drawing(browser: Chrome, served: tuple[str, str], width: int) -> None:
    _open(browser, served[0], width=width, dark=False)
    for figure in browser.find_elements(By.CSS_SELECTOR, ".figure, .flow-card"):
        shown = [each for each in figure.find_elements(By.CSS_SELECTOR, ".drawing") if each.is_displayed()]
        assert len(shown) == 1, figure.get_attribute("id")


def test_light_and_dark_differ(browser: Chrome, served: tuple[str, str]) -> None:
    papers = []
    for dark in (False, True):
        _open(browser, served[0], width=1440, dark=dark)
        papers.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert papers[0] != papers[1]


def test_keyboard_walks_along_a_chart_and_reads_it(browser: Chrome, served: tuple[str, str]) -> None:
    _open(browser, served[0], width=1440, dark=False)
    first = browser.find_element(By.CSS_SELECTOR, "#figure-power .drawing.wide .hit")
    browser.execute_script("arguments[0].focus()", first)
    tip = browser.find_element(By.ID, "tip")
    assert "Wed 15 Jan 12:00–12:15" in tip.text
    ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
    assert "Wed 15 Jan 12:15–12:30" in tip.text
    marked = browser.find_elements(By.CSS_SELECTOR, ".columns .hit.on")
    assert len([each for each in marked if each.is_displayed()]) == 4
    ActionChains(browser).send_keys(Keys.END).perform()
    assert "Fri 17 Jan" in tip.text
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    assert not tip.is_displayed()


def test_hovering_a_job_explains_it(browser: Chrome, served: tuple[str, str]) -> None:
    _open(browser, served[0], width=1440, dark=False)
    rows = browser.find_elements(By.CSS_SELECTOR, "#figure-schedule .drawing.wide .hit")
    late = next(row for row in rows if "satellite-tiles-0116-1" in str(row.get_attribute("aria-label")))
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", late)
    WebDriverWait(browser, PATIENCE_S).until(lambda page: _hover(page, late).is_displayed())
    tip = browser.find_element(By.ID, "tip")
    assert "8 GPUs of l40s at 200\u202fW" in tip.text
    assert "late" in tip.text


def _hover(browser: Chrome, mark: WebElement) -> WebElement:
    """Move the pointer onto a mark; returns the tool tip."""
    ActionChains(browser).move_to_element(mark).move_by_offset(1, 1).perform()
    return browser.find_element(By.ID, "tip")


def test_everything_can_be_reached_in_a_few_tabs(browser: Chrome, served: tuple[str, str]) -> None:
    _open(browser, served[0], width=390, dark=False)
    stops = browser.execute_script(
        "return [...document.querySelectorAll('a, button, [tabindex]')]"
        ".filter((each) => each.tabIndex >= 0 && each.getClientRects().length).length"
    )
    assert 10 <= stops <= 22


def test_a_new_cycle_appears_by_itself(browser: Chrome, served: tuple[str, str]) -> None:
    address, store = served
    _open(browser, address, width=1440, dark=False)
    before = float(browser.find_element(By.CSS_SELECTOR, "#figure-soc .drawing.wide .present").get_attribute("x1") or 0)
    day = container_day()
    later = day.snapshot.model_copy(update={"at_utc": day.snapshot.at_utc + timedelta(hours=2), "tank_l": 1234.0})
    engine = open_engine(store, durable=False)
    now = NowEntry(
        at_utc=later.at_utc, level=Level.OPTIMAL, plan_id="a" * 32, speed=120.0, snapshot=later, setpoints=None
    )
    with Session(engine) as session:
        write_entry(session, "container", now)
        session.commit()
    engine.dispose()
    WebDriverWait(browser, PATIENCE_S).until(lambda page: "1\u202f234\u202fL" in page.find_element(By.ID, "now").text)
    WebDriverWait(browser, PATIENCE_S).until(lambda page: "14:04 EST" in page.find_element(By.ID, "head").text)
    present = browser.find_element(By.CSS_SELECTOR, "#figure-soc .drawing.wide .present")
    moved = float(present.get_attribute("x1") or 0) - before
    assert moved == pytest.approx((940 - 48 - 14) * 2 / 48, abs=0.5)
    assert console_errors(browser) == []


def test_an_empty_site_is_calm(browser: Chrome, tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path / 'none.sqlite'}") as address:
        set_view(browser, width=390, height=900, dark=False)
        browser.get(address)
        assert "Preparing" in browser.find_element(By.TAG_NAME, "body").text
        assert console_errors(browser) == []
        assert browser.execute_script(OVERFLOWING) == []
        browser.get("about:blank")
