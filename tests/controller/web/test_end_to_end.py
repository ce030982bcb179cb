"""A person at the keyboard beside ``mdc run``: everything is real, the planner included; only the plant is simulated.

Signs in by the printed link, approves a plan, rejects one, submits a job, forces it after seeing what that costs, sees the
plan made around it, and finds the order in force after the daemon was stopped and started again. Keyboard alone.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from controller.overrides.orders import PinJob
from controller.records.reading import Reader
from controller.records.store import exists
from controller.records.views import SiteNow
from sites.load import find_site
from tests.browser import chromium, chromium_paths, set_view

pytestmark = pytest.mark.browser
NAME = "cell-tower"
PLANNING = (
    "planning: {review: review, answer_minutes: 1400, unanswered: reject, solve_seconds: 2, interval_minutes: 15}\n"
)
LINK = re.compile(r"http://127\.0\.0\.1:\d+/enter\?key=\S+")
PATIENCE_S = 240


def site_file(folder: Path) -> Path:
    """Return a site file like the example's, whose plans all wait for a person and are found soon."""
    file = folder / "site.yaml"
    file.write_text(find_site(NAME).read_text(encoding="utf-8") + PLANNING, encoding="utf-8")
    return file


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(folder: Path, url: str) -> Iterator[str]:
    """Yield the link that signs in at a daemon, five minutes of the site in each second; it is stopped as systemd would."""
    log = folder / "run.log"
    log.unlink(missing_ok=True)
    call = "from controller.cli.main import main; main()"
    command = [
        sys.executable, "-c", call, "run", str(folder / "site.yaml"), "--speed", "300", "--store", url,
        "--port", str(free_port()), "--start", "2025-06-16T06:00",
    ]  # fmt: skip
    with log.open("w", encoding="utf-8") as out:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        environment.pop("NOTIFY_SOCKET", None)
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=subprocess.STDOUT)
    try:
        yield until(lambda: LINK.findall(log.read_text(encoding="utf-8")), process, log)[0]
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def until(there: Callable[[], list[str]], process: subprocess.Popen[bytes], log: Path) -> list[str]:
    """Wait until a daemon has said something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        if found := there():
            return found
        time.sleep(0.1)
    pytest.fail(log.read_text(encoding="utf-8"))


class Person:
    """Somebody who has a keyboard and eyes."""

    def __init__(self, browser: Chrome, link: str) -> None:
        self.browser = browser
        self.console = link.partition("/enter")[0]
        browser.get(link)

    def open(self, path: str) -> None:
        self.browser.get(f"{self.console}{path}")

    def wait_for(self, there: Callable[[], object]) -> None:
        waiting = WebDriverWait(
            self.browser, PATIENCE_S, poll_frequency=0.3, ignored_exceptions=(StaleElementReferenceException,)
        )
        waiting.until(lambda _: there())

    def sees(self, path: str, words: str) -> None:
        """Look at a page until it says something."""

        def said() -> bool:
            self.open(path)
            return words in self.text()

        self.wait_for(said)

    def text(self) -> str:
        return str(self.browser.find_element(By.ID, "main").text)

    def keys(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def tab_to(self, wanted: WebElement) -> None:
        for _ in range(150):
            if self.browser.switch_to.active_element == wanted:
                return
            self.keys(Keys.TAB)
        pytest.fail(f"{wanted.tag_name} {wanted.get_attribute('name')} cannot be reached by keyboard")

    def press(self, title: str, **fields: str) -> None:
        """Fill the form with this title in and send it."""
        for form in self.browser.find_elements(By.CSS_SELECTOR, ".form-card"):
            if form.find_element(By.TAG_NAME, "h3").text.startswith(title):
                break
        else:
            pytest.fail(f"no form {title} in: {self.text()}")
        for name, words in fields.items():
            field = form.find_element(By.NAME, name)
            self.tab_to(field)
            self.keys(words)
        self.tab_to(form.find_element(By.TAG_NAME, "button"))
        self.keys(Keys.ENTER)


@pytest.mark.timeout(1200)
def test_a_shift_at_the_keyboard(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    chromium_paths()
    site_file(tmp_path)
    url = f"sqlite:///{tmp_path / 'mdc.sqlite'}"
    with running(tmp_path, url) as link, chromium(tmp_path_factory.mktemp("profile")) as browser:
        set_view(browser, width=1440, height=900, dark=False)
        person = Person(browser, link)
        person.wait_for(lambda: exists(url))
        with Reader(url, NAME) as reader:
            given = _shift(person, reader)
    with Reader(url, NAME) as reader:
        stopped_utc, last = _now(reader).at_utc, _newest(reader)
        with running(tmp_path, url) as link, chromium(tmp_path_factory.mktemp("again")) as browser:
            person = Person(browser, link)
            person.wait_for(lambda: _now(reader).at_utc > stopped_utc)
            assert [each.id for each in reader.overrides(_now(reader).at_utc)] == [given]
            person.sees("/", "the customer waits")
            person.wait_for(lambda: _newest(reader) != last and _around(reader))


def _newest(reader: Reader) -> str:
    newest = reader.latest_plan()
    return newest.head.id if newest is not None else ""


def _now(reader: Reader) -> SiteNow:
    found = reader.now()
    assert found is not None
    return found


def _shift(person: Person, reader: Reader) -> str:
    """Work through a shift; returns the id of the order that was given."""
    person.wait_for(reader.pending_plans)
    first = reader.pending_plans()[0].id
    person.sees("/review", "If nobody answers by")
    person.press("Approve")
    person.wait_for(lambda: _now(reader).plan_id == first)

    person.wait_for(reader.pending_plans)
    second = reader.pending_plans()[0].id
    person.sees("/review", second)
    person.press("Reject", why="too dear")
    person.wait_for(lambda: reader.reviews()[0].verdict == "rejected")
    newest = reader.reviews()[0]
    assert (newest.plan_id, newest.why) == (second, "too dear")

    person.open("/jobs")
    person.press("Submit a job", name="mine", work_gpu_h="8", value_usd="2")
    person.wait_for(lambda: browser_at(person, "/jobs/mine"))
    assert "Why not now?" in person.text()
    person.press("Force now", why="the customer waits")
    person.wait_for(lambda: browser_at(person, "/previews/"))
    person.wait_for(lambda: "Give this order" in person.text())
    assert "Costs more" in person.text()
    assert "Diesel more" in person.text()
    person.press("Confirm")
    person.wait_for(lambda: reader.overrides(_now(reader).at_utc))
    (given,) = reader.overrides(_now(reader).at_utc)
    assert isinstance(given.order, PinJob)
    assert given.why == "the customer waits"
    person.wait_for(lambda: _around(reader))
    person.sees("/review", "Start job mine")
    (waits, *_) = reader.pending_plans()
    person.press("Approve")
    person.wait_for(lambda: _now(reader).plan_id == waits.id)
    person.wait_for(lambda: any(each.event == "started" for each in reader.job_events("mine")))
    person.sees("/jobs/mine", "the customer waits")
    return given.id


def browser_at(person: Person, path: str) -> bool:
    return path in person.browser.current_url


def _around(reader: Reader) -> bool:
    """Return whether the newest plan was made around the forced job."""
    newest = reader.latest_plan()
    pinned = [each for each in newest.problem.jobs if each.name == "mine"] if newest is not None else []
    return any(each.running and not each.preemptible for each in pinned)
