"""How fast and how small the console's pages are with years of history, and what fifty viewers cost the control cycle.

``python -m benchmarks.console [--quick]``: a store with a year in SQLite and one with ten years in PostgreSQL (a week and
a month with ``--quick``; PostgreSQL is left out, saying so, where there is none), the console as a process of its own.
First paint is what headless Chromium reports (left out, saying so, where there is none). The cycle is that of ``mdc run``
at real time on the simulated plant: how far the starts of its cycles lie from a second apart, alone and with viewers who
hold the event stream and fetch both halves of the page every two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import httpx

from benchmarks.console_store import database, fill
from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS
from sites.errors import InputError
from tests.browser import chromium, set_view
from tests.controller.web.container_day import container_day

NOT_THERE_YET: tuple[type[Exception], ...] = (InputError, *STORE_FAULTS)
"""A store that the daemon has still to make or to migrate."""
VIEWERS = 50
PAGES = ("/", "/jobs", "/review", "/history?day=2025-01-10", "/forecast", "/fuel", "/alarms", "/audit")
START_S = 240.0
"""How long a daemon may take until it follows a plan."""


def line(what: str, *found: str) -> None:
    """Print one row of the table."""
    print(f"{what:34s}" + "".join(f"{each:>22s}" for each in found), flush=True)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def console(url: str) -> Iterator[str]:
    """Yield the address of a console process."""
    port = free_port()
    command = [sys.executable, "-m", "controller.web", "--store", url, "--site", "container", "--port", str(port)]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(400):
            try:
                httpx.get(f"{address}/healthz", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def visit_bytes(address: str, path: str) -> int:
    """Return the bytes of a first visit, compressed: page, its files and the parts that it fetches."""
    page = httpx.get(f"{address}{path}", timeout=30).text
    others = re.findall(r'"(/static/[^"]+)"', page) + re.findall(r'data-fragment="([^"]+)"', page)
    parts = [page.encode(), *(httpx.get(f"{address}{other}", timeout=30).content for other in sorted(set(others)))]
    return sum(len(gzip.compress(part)) for part in parts)


def answer_s(address: str, path: str, count: int) -> float:
    """Return the median time to a whole page from the server."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        httpx.get(f"{address}{path}", timeout=30).raise_for_status()
        taken.append(time.perf_counter() - start)
    return median(taken)


def pages(address: str, count: int) -> None:
    """Print each page's first paint, answer and size."""
    line("page", "paint 390 px [ms]", "paint 1440 px [ms]", "answer [ms]", "compressed [kB]")
    paints = first_paints(address, count)
    for path in PAGES:
        size, answer = visit_bytes(address, path), answer_s(address, path, count)
        line(path, *paints.get(path, ("no Chromium",) * 2), f"{answer * 1e3:.0f}", f"{size / 1000:.0f}")


def first_paints(address: str, count: int) -> dict[str, tuple[str, str]]:
    """Return median and worst first contentful paint of each page at both widths."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        return {}
    found = {}
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        for path in PAGES:
            words = []
            for width in (390, 1440):
                set_view(browser, width=width, height=900, dark=False)
                taken = []
                for _ in range(count):
                    browser.get("about:blank")
                    browser.get(f"{address}{path}")
                    time.sleep(0.2)
                    script = "return performance.getEntriesByType('paint').map((e) => e.startTime)"
                    taken.append(max(browser.execute_script(script), default=float("nan")))
                words.append(f"{median(taken):.0f} / {max(taken):.0f}")
            found[path] = (words[0], words[1])
    return found


@contextmanager
def daemon(url: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Yield the console's address of a daemon at real time that follows a plan, and its process."""
    port = free_port()
    code = "from controller.cli.main import main; main()"
    command = [sys.executable, "-c", code, "run", "container", "--store", url, "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONUNBUFFERED": "1"}, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + START_S
        while time.monotonic() < end and not _follows(url):
            time.sleep(1.0)
        yield f"http://127.0.0.1:{port}", process
    finally:
        process.terminate()
        process.wait(20)


def _follows(url: str) -> bool:
    try:
        with Reader(url, "container") as reader:
            now = reader.now()
    except NOT_THERE_YET:
        return False
    return now is not None and now.plan_id is not None


def cycle_starts(url: str, seconds: float) -> list[datetime]:
    """Return the starts of a daemon's cycles over a while, as its store tells them."""
    seen: list[datetime] = []
    with Reader(url, "container") as reader:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = reader.now()
            if now is not None and (not seen or now.at_utc != seen[-1]):
                seen.append(now.at_utc)
            time.sleep(0.2)
    return seen


def jitter(starts: list[datetime]) -> str:
    """Return median and largest distance from a whole number of seconds between cycles, ms."""
    steps = [(b - a).total_seconds() for a, b in pairwise(starts)]
    off = sorted(abs(step - max(round(step), 1)) * 1e3 for step in steps)
    return f"{median(off):.1f} / {off[-1]:.1f}" if off else "no cycles"


async def watch(address: str, viewers: int, seconds: float) -> int:
    """Let ``viewers`` look at the page for a while; returns the fragments fetched."""
    fetched = 0

    async def viewer() -> None:
        nonlocal fetched
        async with httpx.AsyncClient(timeout=30) as client, client.stream("GET", f"{address}/v1/events"):
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for half in ("now", "plan"):
                    (await client.get(f"{address}/fragments/{half}")).raise_for_status()
                    fetched += 1
                await asyncio.sleep(2)

    await asyncio.gather(*(viewer() for _ in range(viewers)))
    return fetched


def crowd(seconds: float) -> None:
    """Print what viewers cost the control cycle."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/mdc.sqlite"
        with daemon(url) as (address, _):
            line("cycle jitter", "median / worst [ms]", "cycles")
            alone = cycle_starts(url, seconds)
            line("alone", jitter(alone), str(len(alone)))
            counted: list[int] = []
            thread = threading.Thread(target=lambda: counted.append(asyncio.run(watch(address, VIEWERS, seconds))))
            thread.start()
            together = cycle_starts(url, seconds)
            thread.join()
            line(f"with {VIEWERS} viewers", jitter(together), str(len(together)))
            line("parts of pages served meanwhile", str(counted[0] if counted else 0))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    day, count = container_day(), 3 if quick else 9
    with tempfile.TemporaryDirectory() as folder:
        url, days = f"sqlite:///{folder}/mdc.sqlite", 7 if quick else 365
        print(f"SQLite, {days} days, {fill(url, day, days):,} rows of measurements; median / worst of {count}")
        with console(url) as address:
            pages(address, count)
    with database() as address_of:
        if address_of is None:
            print("PostgreSQL: left out, there is none on 127.0.0.1:5432")
        else:
            days = 30 if quick else 3650
            print(f"PostgreSQL, {days} days, {fill(address_of, day, days):,} rows of measurements")
            with console(address_of) as address:
                pages(address, count)
    crowd(15.0 if quick else 60.0)


if __name__ == "__main__":
    main()
