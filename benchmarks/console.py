"""How fast and how small the console is, and what fifty viewers cost the site.

``python -m benchmarks.console [--quick]``: a store with a year of telemetry (a week with ``--quick``), the console as
a process of its own. First paint is what headless Chromium reports (left out, saying so, where there is none); the
writer commits one present a tenth of a second as the control loop's recorder does, alone and with viewers who hold
the event stream and fetch both halves of the page every two seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import math
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from statistics import median

import httpx
from sqlalchemy import insert
from sqlalchemy.orm import Session

from controller.records.entries import NowEntry
from controller.records.measured_tables import TelemetryRow
from controller.records.store import open_engine
from controller.records.writing import write_entry
from tests.browser import chromium, set_view
from tests.controller.web.container_day import Day, container_day, write_day

PORT = 8391
VIEWERS = 50
EVERY_S = 60
"""Spacing of the stored telemetry."""


def line(what: str, found: str, target: str = "") -> None:
    """Print one row of the table."""
    print(f"{what:54s} {found:>26s}   {target}")


def fill(url: str, day: Day, days: int) -> int:
    """Write the day and ``days`` of telemetry before it; returns the rows written."""
    write_day(url, day)
    engine = open_engine(url, durable=False)
    count = days * 86_400 // EVERY_S
    with Session(engine) as session:
        for first in range(0, count, 20_000):
            session.execute(insert(TelemetryRow), [_row(day, i) for i in range(first, min(first + 20_000, count))])
        session.commit()
    engine.dispose()
    return count


def _row(day: Day, index: int) -> dict[str, object]:
    at = day.snapshot.at_utc - timedelta(seconds=EVERY_S * (index + 1))
    sun = 300.0 * max(math.cos((at.hour - 17) / 24 * 2 * math.pi), 0.0)
    return {"site": day.site.name, "at_utc": at, "pv_kw": sun, "load_kw": 40.0, "soc_frac": 0.5, "tank_l": 2000.0}


@contextmanager
def console(url: str) -> Iterator[str]:
    """Yield the address of a console process."""
    command = [sys.executable, "-m", "controller.web", "--store", url, "--site", "container", "--port", str(PORT)]
    process = subprocess.Popen(command)
    address = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(200):
            try:
                httpx.get(f"{address}/healthz", timeout=1)
                break
            except httpx.TransportError:
                time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)


def sizes(address: str) -> None:
    """Bytes of the first visit, compressed."""
    page = httpx.get(f"{address}/").text
    files = sorted(set(re.findall(r'"(/static/[^"]+)"', page)))
    parts = [page.encode(), *(httpx.get(f"{address}{path}").content for path in files)]
    total = sum(len(gzip.compress(part)) for part in parts)
    line("first visit, compressed", f"{total / 1000:.0f} kB", "<= 300 kB")


def answers(address: str, count: int) -> None:
    """Time to the whole first page."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        httpx.get(f"{address}/")
        taken.append(time.perf_counter() - start)
    line("page from the server, median / worst", f"{median(taken) * 1e3:.0f} / {max(taken) * 1e3:.0f} ms")


def paints(address: str, count: int) -> None:
    """First contentful paint in Chromium at both widths."""
    if shutil.which("chromium") is None or shutil.which("chromedriver") is None:
        line("first paint", "left out", "no Chromium here")
        return
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        for width in (390, 1440):
            taken = []
            for _ in range(count):
                set_view(browser, width=width, height=900, dark=False)
                browser.get("about:blank")
                browser.get(f"{address}/")
                time.sleep(0.3)
                entries = browser.execute_script("return performance.getEntriesByType('paint').map((e) => e.startTime)")
                taken.append(max(entries))
            line(f"first paint at {width} px, median / worst", f"{median(taken):.0f} / {max(taken):.0f} ms", "< 300 ms")


def commits(url: str, day: Day, seconds: float) -> list[float]:
    """Commit the present ten times a second; returns the seconds each took."""
    engine = open_engine(url, durable=False)
    taken = []
    for step in range(int(seconds * 10)):
        snapshot = day.snapshot.model_copy(update={"at_utc": day.snapshot.at_utc + timedelta(seconds=step)})
        entry = NowEntry(
            at_utc=snapshot.at_utc,
            level=day.plan.level,
            plan_id="a" * 32,
            speed=1.0,
            snapshot=snapshot,
            setpoints=None,
        )
        start = time.perf_counter()
        with Session(engine) as session:
            write_entry(session, day.site.name, entry)
            session.commit()
        taken.append(time.perf_counter() - start)
        time.sleep(0.1)
    engine.dispose()
    return taken


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


def worst_of_100(taken: list[float]) -> str:
    """Return median and 99th percentile in milliseconds."""
    ordered = sorted(taken)
    return f"{median(taken) * 1e3:.1f} / {ordered[int(len(ordered) * 0.99)] * 1e3:.1f} ms"


def crowd(address: str, url: str, day: Day, seconds: float) -> None:
    """What viewers cost the writer."""
    line("commit of the present alone, median / P99", worst_of_100(commits(url, day, seconds)))
    counted: list[int] = []
    thread = threading.Thread(target=lambda: counted.append(asyncio.run(watch(address, VIEWERS, seconds))))
    thread.start()
    line(f"the same with {VIEWERS} viewers", worst_of_100(commits(url, day, seconds)), "P99 < 100 ms")
    thread.join()
    line("fragments served meanwhile", f"{counted[0]} in {seconds:.0f} s")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    day = container_day()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/mdc.sqlite"
        rows = fill(url, day, 7 if quick else 365)
        line("telemetry rows in the store", f"{rows:,}")
        with console(url) as address:
            sizes(address)
            answers(address, 5 if quick else 30)
            paints(address, 3 if quick else 15)
            crowd(address, url, day, 5 if quick else 20)


if __name__ == "__main__":
    main()
