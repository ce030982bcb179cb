"""How long reports take on an old store, and how large they are.

``python -m benchmarks.reports [--quick]``: a store with a year behind it (a month with ``--quick``): telemetry each ten
seconds for the last sixty days, five-minute and hourly means before that, an account of each day. Times are
those of the whole command.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sqlalchemy import delete, insert
from sqlalchemy.orm import Session

from controller.records.accounts import StoredAccount, store_account
from controller.records.entries import NowEntry
from controller.records.measured_tables import DayAccountRow, RollupRow, ServiceTelemetryRow, TelemetryRow
from controller.records.reading import Reader
from controller.records.store import open_engine, upgrade
from controller.records.writing import write_entry
from controller.reports.period import day_span, month_span
from controller.reports.spans import account_of
from controller.snapshot import Snapshot
from optimizer.plan import Level
from sites.load import load_site

SITE = load_site("container")
ZONE = ZoneInfo(SITE.location.time_zone)
LAST = date(2025, 12, 31)
DETAIL_DAYS, DETAIL_S = 60, 10
FORMS = ("html", "pdf", "txt", "csv", "parquet", "ndjson")
BATCH = 20_000


def point(at: datetime) -> dict[str, object]:
    """Return one row of a plausible site: a bell of sun, a steady load, the battery takes the rest."""
    hour = at.astimezone(ZONE).hour + at.minute / 60.0
    sun = max(math.cos((hour - 12.5) / 6.0 * math.pi / 2), 0.0) * 320.0 if 6.5 < hour < 18.5 else 0.0
    load, genset = 62.0, 45.0 if 4.0 < hour < 6.0 else 0.0
    return {
        "site": SITE.name,
        "at_utc": at,
        "pv_kw": min(sun, 200.0),
        "pv_available_kw": sun,
        "battery_kw": load - min(sun, 200.0) - genset,
        "soc_frac": 0.6 + 0.3 * math.sin((hour - 12.0) / 24.0 * 2 * math.pi),
        "battery_c": 22.0,
        "genset_kw": genset,
        "load_kw": load,
        "it_kw": 50.0,
        "cooling_kw": 8.0,
        "unserved_kw": 0.0,
        "tank_l": 3000.0 - (at - datetime(2025, 1, 1, tzinfo=UTC)).total_seconds() / 86400.0 * 5.0,
        "outdoor_c": 12.0,
        "inlet_c": 24.0,
    }


def moments(begin: datetime, end: datetime, step_s: int) -> Iterator[datetime]:
    """Yield the moments from begin to end."""
    for index in range(int((end - begin).total_seconds() // step_s)):
        yield begin + timedelta(seconds=index * step_s)


def fill(url: str, days: int, last: date = LAST) -> int:
    """Write the store of the days up to ``last``; return its rows."""
    upgrade(url)
    engine = open_engine(url, durable=False)
    end = day_span(last, ZONE).end_utc
    begin, detail = end - timedelta(days=days), max(end - timedelta(days=DETAIL_DAYS), end - timedelta(days=days))
    rows = 0
    with Session(engine) as session:
        for table, step_s, since, more in (
            (TelemetryRow, DETAIL_S, detail, {}),
            (RollupRow, 300, begin, {"step_s": 300, "samples": 30}),
            (RollupRow, 3600, begin, {"step_s": 3600, "samples": 360}),
        ):
            batch: list[dict[str, object]] = []
            for at in moments(since, end, step_s):
                batch.append({**point(at), **more})
                if len(batch) == BATCH:
                    session.execute(insert(table), batch)
                    batch = []
                rows += 1
            session.execute(insert(table), batch)
        rates = [
            {
                "site": SITE.name,
                "service": "voice-agent",
                "at_utc": at,
                "rate_rps": 150.0,
                "served_rps": 150.0,
                "mode": "m",
            }
            for at in moments(detail, end, 60)
        ]
        session.execute(insert(ServiceTelemetryRow), rates)
        now = Snapshot(at_utc=end, battery=None)
        write_entry(
            session,
            SITE.name,
            NowEntry(at_utc=end, level=Level.OPTIMAL, plan_id=None, speed=1.0, snapshot=now, setpoints=None),
        )
        session.commit()
    engine.dispose()
    return rows + len(rates)


def account(url: str, days: int, last: date = LAST) -> float:
    """Account for the days up to ``last``; return the seconds a day."""
    started = time.perf_counter()
    with Reader(url, SITE.name) as reader:
        for index in range(days):
            day = last - timedelta(days=days - 1 - index)
            span = day_span(day, ZONE)
            report = account_of(reader, SITE, span, None)
            store_account(
                url,
                SITE.name,
                StoredAccount(
                    day=day.isoformat(),
                    start_utc=span.start_utc,
                    made_utc=span.end_utc,
                    document=report.model_dump_json(),
                ),
            )
    return (time.perf_counter() - started) / days


def command(kind: str, url: str, out: Path, day: date) -> float:
    """Return the seconds of one report command."""
    arguments = [kind, "--date", day.isoformat(), "--store", url, "--out", str(out)]
    started = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("mdc"), "report", *arguments], check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    days = 31 if parser.parse_args().quick else 365
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/year.sqlite"
        rows = fill(url, days)
        size = Path(folder, "year.sqlite").stat().st_size / 1e6
        print(f"a store of {days} days: {rows:,} rows, {size:,.0f} MB")
        print(f"{'accounting for a day':44s} {account(url, min(days, 62)):8.2f} s")
        for form in FORMS:
            out = Path(folder, f"month.{form}")
            seconds = command("month", url, out, LAST)
            target = "target 5 s" if form == "html" else ""
            print(f"{'month report, ' + form:44s} {seconds:8.2f} s {out.stat().st_size / 1000:8.0f} kB   {target}")
        engine = open_engine(url, durable=False)
        with Session(engine) as session:
            session.execute(delete(DayAccountRow))
            session.commit()
        engine.dispose()
        out = Path(folder, "bare.html")
        print(f"{'month report, no account of any day':44s} {command('month', url, out, LAST):8.2f} s")
        print(f"{'day report':44s} {command('day', url, Path(folder, 'day.html'), LAST):8.2f} s")
        assert month_span(LAST, ZONE).hours == 744


if __name__ == "__main__":
    main()
