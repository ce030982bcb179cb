"""Whether anything delays the control cycle, and what the loop takes: ``python -m benchmarks.cycle [--quick]``.

A daemon runs in real time on the simulated plant, on a store with a history. Its devices note when each cycle begins to
read them; *jitter* is how far from one second two beginnings lie apart. Measured are the cycle alone; while the site file is
read again and the worker prepares and plans; while the night's work accounts for days that were left open, holds them
against hindsight and writes every form of report; and beside a busy program for every core. Then a month goes by on
a fast clock (two days with ``--quick``), planned by rules so that it takes minutes: the memory of the loop day by day, and the
residual that reports of the days leave between what was planned and what happened.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from sqlalchemy.orm import Session

from benchmarks.noted_daemon import MONTH_START
from benchmarks.reports import SITE, account, fill
from controller.planning import plan_site
from controller.records.entries import PlanEntry
from controller.records.reading import Reader
from controller.records.store import open_engine
from controller.records.writing import write_entry
from controller.reports.gather import PeriodReport
from controller.reports.period import Span, day_span
from controller.reports.spans import stored_accounts
from sites.load import find_site

ZONE = ZoneInfo(SITE.location.time_zone)
FORMS = "html, pdf, txt, csv, parquet, ndjson"
START_S, NIGHT_S = 240.0, 600.0
"""How long the daemon may take until it follows a plan, and the night's work until it is done."""
PERIOD_S = 1.0


class Beat(NamedTuple):
    """The beginning of one cycle."""

    host_s: float
    """Monotonic time of the host."""
    site_utc: datetime
    rss_mb: float


@contextmanager
def daemon(site_file: Path, url: str, log: Path, speed: float) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a daemon that runs, and end it."""
    command = [sys.executable, "-m", "benchmarks.noted_daemon", str(site_file), url, str(log), str(speed)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def write_site(path: Path, **sections: str) -> None:
    """Write the example site with sections of its own."""
    words = find_site("container").read_text(encoding="utf-8")
    path.write_text(words + "".join(f"\n{name}: {text}" for name, text in sections.items()), encoding="utf-8")


def beats(log: Path) -> list[Beat]:
    """Return the cycles noted so far."""
    rows = [line.split() for line in log.read_text().splitlines() if line.count(" ") == 2]
    return [Beat(float(at), datetime.fromisoformat(site), float(mb)) for at, site, mb in rows]


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def night_runs(pid: int) -> bool:
    """Return whether a child of the daemon does the night's work."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for each in (task / "children").read_text().split():
            try:
                words = Path(f"/proc/{each}/cmdline").read_bytes()
            except OSError:
                continue
            if b"controller.reports.nightly" in words:
                return True
    return False


def wait_until(true: Callable[[], bool], seconds: float) -> bool:
    """Wait for something; returns whether it came."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if true():
            return True
        time.sleep(0.2)
    return False


def window(name: str, process: subprocess.Popen[bytes], log: Path, wait: Callable[[], object]) -> None:
    """Print the jitter of the cycles that begin while ``wait`` waits, and the loop's share of a core."""
    begun, used = time.monotonic(), cpu_s(process.pid)
    wait()
    ended = time.monotonic()
    share = (cpu_s(process.pid) - used) / (ended - begun)
    inside = [each.host_s for each in beats(log) if begun <= each.host_s < ended]
    off_ms = [abs(b - a - PERIOD_S) * 1e3 for a, b in pairwise(inside)]
    p50, p99, most = np.percentile(off_ms, (50, 99, 100)) if off_ms else (np.nan,) * 3
    load = os.getloadavg()[0]
    print(f"{name:44s}{len(inside):7d}{p50:9.1f}{p99:9.1f}{most:9.1f}{share:9.1%}{load:7.1f}", flush=True)


def spin() -> None:
    """Keep a core busy."""
    while True:
        pass


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Keep ``count`` cores busy meanwhile."""
    spinners = [multiprocessing.get_context("spawn").Process(target=spin, daemon=True) for _ in range(count)]
    for each in spinners:
        each.start()
    try:
        yield
    finally:
        for each in spinners:
            each.kill()
            each.join()


def history(url: str, days: int, open_days: int) -> None:
    """Fill a store up to last midnight; its last ``open_days`` have a plan and no account yet."""
    last = datetime.now(ZONE).date() - timedelta(days=1)
    fill(url, days, last)
    account(url, days - open_days, last - timedelta(days=open_days))
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        for back in range(open_days):
            start = day_span(last - timedelta(days=back), ZONE).start_utc
            made = plan_site(SITE, at_utc=start, policy_name="rules")
            entry = PlanEntry(
                id=f"open-{back}", made_utc=start, expires_utc=start + timedelta(days=1), review="auto",
                forecast=made.forecast, problem=made.problem, plan=made.plan,
            )  # fmt: skip
            write_entry(session, SITE.name, entry)
        session.commit()
    engine.dispose()


def jitter(folder: Path, *, days: int, open_days: int, seconds: float) -> None:
    """Print the table of jitter."""
    url, log, site_file = f"sqlite:///{folder}/mdc.sqlite", folder / "beats", folder / "site.yaml"
    history(url, days, open_days)
    log.touch()
    never = (datetime.now(ZONE) + timedelta(hours=12)).strftime("%H:%M")
    reports = "{{folder: {folder}/reports, forms: [{forms}], at_local: '{at}'}}"
    write_site(site_file, reports=reports.format(folder=folder, forms=FORMS, at=never))
    print(f"{'cycle at 1 Hz':44s}{'cycles':>7s}{'P50 ms':>9s}{'P99 ms':>9s}{'max ms':>9s}{'of a core':>9s}{'load':>7s}")
    with daemon(site_file, url, log, 1.0) as process:
        wait_until(lambda: _follows(url), START_S)
        time.sleep(10.0)
        window("alone", process, log, lambda: time.sleep(seconds))
        due = datetime.now(ZONE) + timedelta(seconds=75)
        write_site(site_file, reports=reports.format(folder=folder, forms=FORMS, at=due.strftime("%H:%M")))
        process.send_signal(signal.SIGHUP)
        window(
            "site file read again, forecast and plan",
            process,
            log,
            lambda: wait_until(lambda: night_runs(process.pid), 150),
        )
        window(
            f"night's work: {open_days} days, every form", process, log,
            lambda: wait_until(lambda: not night_runs(process.pid), NIGHT_S),
        )  # fmt: skip
        with busy(os.cpu_count() or 1):
            window("a busy program on every core", process, log, lambda: time.sleep(seconds))
        window("alone again", process, log, lambda: time.sleep(seconds))
    written = list((folder / "reports").glob("*"))
    size_mb = sum(each.stat().st_size for each in written) / 1e6
    known = sum(each.hindsight is not None for each in _accounts(url, datetime.now(ZONE)))
    print(f"written meanwhile: {len(written)} reports, {size_mb:.1f} MB; {known} days held against hindsight")


def _accounts(url: str, end: datetime) -> list[PeriodReport]:
    """Return the accounts of the forty days before a moment."""
    reach = Span(title="", start_utc=end.astimezone(UTC) - timedelta(days=40), end_utc=end.astimezone(UTC))
    return list(stored_accounts(url, SITE, reach).values())


def _follows(url: str) -> bool:
    with Reader(url, SITE.name) as reader:
        now = reader.now()
    return now is not None and now.plan_id is not None and not now.plan_id.startswith("open-")


def _site_time(log: Path) -> datetime:
    """Return the site time of the newest cycle noted, from the end of the file."""
    with log.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - 200, 0))
        lines = file.read().decode().splitlines()[1:]
    return datetime.fromisoformat(lines[-1].split()[1]) if lines and lines[-1].count(" ") == 2 else MONTH_START


def memory(folder: Path, *, days: int) -> None:
    """Print the loop's memory over simulated days."""
    store, log, site_file = folder / "mdc.sqlite", folder / "beats", folder / "site.yaml"
    log.touch()
    write_site(
        site_file,
        planning="{policy: rules, interval_minutes: 240}",
        reports=f"{{folder: {folder}/reports, forms: [html, txt, parquet]}}",
    )
    begun, end = time.monotonic(), MONTH_START + timedelta(days=days)
    with daemon(site_file, f"sqlite:///{store}", log, 3600.0) as process:
        wait_until(lambda: process.poll() is not None or _site_time(log) >= end, 120.0 * days)
    seen: dict[int, float] = {}
    for beat in beats(log):
        seen[(beat.site_utc - MONTH_START).days] = beat.rss_mb
    print(
        f"memory of the loop over {days} simulated days ({time.monotonic() - begun:.0f} s, {len(beats(log)):,} cycles)"
    )
    shown = sorted({0, 1, *range(0, days, max(days // 6, 1)), days - 1} & set(seen))
    print("  end of day   " + "".join(f"{day + 1:8d}" for day in shown))
    print("  resident MB  " + "".join(f"{seen[day]:8.1f}" for day in shown))
    bridges = [each.bridge for each in _accounts(f"sqlite:///{store}", end) if each.bridge.turnover_kwh > 0]
    worst = max((abs(each.residual_kwh) / each.turnover_kwh for each in bridges), default=float("nan"))
    print(
        f"residual between planned and happened: at most {worst:.3%} of a day's energy, {len(bridges)} days (target 0.5 %)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables. Times depend on the machine: told only."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cycle")
    parser.add_argument("--quick", action="store_true", help="shorter windows, fewer days")
    parser.add_argument("--only", choices=("jitter", "memory"))
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        if options.only != "memory":
            days, open_days, seconds = (8, 3, 15.0) if options.quick else (60, 7, 120.0)
            jitter(Path(name), days=days, open_days=open_days, seconds=seconds)
    with tempfile.TemporaryDirectory() as name:
        if options.only != "jitter":
            memory(Path(name), days=2 if options.quick else 30)
    return 0


if __name__ == "__main__":
    sys.exit(main())
