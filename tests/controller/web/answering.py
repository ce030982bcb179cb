"""A stand-in for the daemon's planner: answers what people ask before they give an order, while a test waits for it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from controller.overrides.orders import Standing
from controller.records.reading import Reader
from controller.records.resume import read_inbox
from controller.records.site_lock import SiteLock
from controller.records.store import open_engine
from tests.controller.web.test_actions import worked_out


@contextmanager
def answering(
    url: str, *, faults: tuple[str, ...] = (), nearest: Standing | None = None, site: str = "container"
) -> Iterator[None]:
    """Answer previews as the planner would, as the one daemon of the site."""
    over = threading.Event()
    lock = SiteLock(url, site)

    def answer() -> None:
        engine = open_engine(url, durable=False)
        with Reader(url, site) as reader:
            newest = reader.now()
        assert newest is not None
        while not over.wait(0.05):
            for identity, _ in read_inbox(engine, site, newest.at_utc).previews:
                worked_out(url, identity, faults=faults, nearest=nearest)
        engine.dispose()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        lock.release()
