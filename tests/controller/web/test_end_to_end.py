"""A person at the keyboard beside a running loop: signs in, approves, rejects, forces a job, sees it after a restart.

The loop, its store, the console and the browser are real; the planning worker is the tests' own, which plans by rules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from controller.access.roles import Role
from controller.daemon.loop import Loop, LoopOptions
from controller.overrides.orders import PinJob
from controller.records.access import Access
from controller.records.commands import Commands
from controller.records.reading import Reader
from sites.ports import SystemClock
from tests.browser import chromium, chromium_paths, set_view
from tests.controller.daemon.prepared import SITE, START, job
from tests.controller.web.serving import serving

pytestmark = pytest.mark.browser
REVIEWED = SITE.model_copy(
    update={"planning": SITE.planning.model_copy(update={"review": "review", "answer_minutes": 1400.0})}
)
PATIENCE_S = 20


@contextmanager
def looping(url: str) -> Iterator[Loop]:
    """Yield a loop that runs in a thread, five minutes of the site in each second."""
    options = LoopOptions(
        site=REVIEWED, site_file="container", url=url, speed=300.0, start_utc=START, port=None,
        worker_memory_mb=2048, worker_module="tests.controller.daemon.stub_worker",
    )  # fmt: skip
    loop = Loop(options, host=SystemClock())
    thread = threading.Thread(target=lambda: loop.run(signals=False))
    thread.start()
    try:
        yield loop
    finally:
        loop.stop()
        thread.join(20)


def wait_for(browser: Chrome, there: Callable[[], object]) -> None:
    """Wait until something is so."""
    WebDriverWait(browser, PATIENCE_S, poll_frequency=0.3).until(lambda _: there())


def press(browser: Chrome, action: str, **fields: str) -> None:
    """Fill a form in and send it, by keyboard alone."""
    form = browser.find_element(By.CSS_SELECTOR, f"form[action='{action}']")
    for name, words in fields.items():
        form.find_element(By.NAME, name).send_keys(words)
    button = form.find_element(By.TAG_NAME, "button")
    for _ in range(120):
        if browser.switch_to.active_element == button:
            break
        ActionChains(browser).send_keys(Keys.TAB).perform()
    assert browser.switch_to.active_element == button, "the button cannot be reached by keyboard"
    ActionChains(browser).send_keys(Keys.ENTER).perform()


def text_of(browser: Chrome) -> str:
    return browser.find_element(By.ID, "main").text


def test_a_shift_at_the_keyboard(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    chromium_paths()
    url = f"sqlite:///{tmp_path / 'mdc.sqlite'}"
    with (
        looping(url) as loop,
        serving(url) as address,
        Reader(url, SITE.name) as reader,
        chromium(tmp_path_factory.mktemp("profile")) as browser,
    ):
        set_view(browser, width=1440, height=900, dark=False)
        with Access(url, SITE.name) as access:
            key = access.link("asha", Role.OPERATOR, by="root", by_role="shell", now=SystemClock().now_utc())
        wait_for(browser, reader.pending_plans)
        browser.get(f"{address}enter?key={key}")
        browser.get(f"{address}review")
        first = reader.pending_plans()[0].id
        press(browser, f"/review/{first}/approve")
        wait_for(browser, lambda: loop._ladder.approved is not None and loop._ladder.approved.id == first)

        wait_for(browser, reader.pending_plans)
        second = reader.pending_plans()[0].id
        browser.get(f"{address}review")
        press(browser, f"/review/{second}/reject", why="too dear")
        wait_for(browser, lambda: reader.plan(second).head.review == "rejected")  # type: ignore[union-attr]
        newest = reader.reviews()[0]
        assert (newest.who, newest.verdict, newest.why) == ("asha", "rejected", "too dear")

        at = reader.now().at_utc  # type: ignore[union-attr]
        with Commands(url, SITE.name) as commands:
            commands.submit_jobs([job("mine", at)], who="asha", at_utc=at)
        wait_for(browser, lambda: "mine" in loop._book.jobs)
        browser.get(f"{address}jobs/mine")
        press(browser, "/previews", why="the customer waits")
        preview = browser.current_url
        assert "/previews/" in preview

        def shown() -> bool:
            browser.get(preview)
            return bool(browser.find_elements(By.CSS_SELECTOR, "form[action$='/give']"))

        wait_for(browser, shown)
        assert "Costs more" in text_of(browser)
        press(browser, "/" + preview.split("/", 3)[3] + "/give")
        wait_for(browser, lambda: reader.overrides(at))
        (given,) = reader.overrides(at)
        assert isinstance(given.order, PinJob)
        assert (given.who, given.why) == ("asha", "the customer waits")

        def replanned() -> bool:
            newest = loop._ladder.newest
            pinned = [each for each in newest.problem.jobs if each.name == "mine"] if newest is not None else []
            return any(each.running and not each.preemptible for each in pinned)

        wait_for(browser, replanned)
        browser.get(f"{address}review")
        assert "job mine" in text_of(browser)
        loop.stop()
    with looping(url) as loop, serving(url) as address, chromium(tmp_path_factory.mktemp("again")) as browser:
        wait_for(browser, lambda: [each.id for each in loop._recorder.inbox.overrides] == [given.id])
        browser.get(address)
        wait_for(browser, lambda: "the customer waits" in browser.find_element(By.ID, "plan").text)
