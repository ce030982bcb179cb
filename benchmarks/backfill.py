"""A site's records into a fleet's PostgreSQL after weeks offline, over a link that is cut again and again.

``python -m benchmarks.backfill [--quick] [--days N] [--cuts N]``: telemetry at 1 Hz is written into an SQLite
store, then sent to a database made for this run on the server at 127.0.0.1:5432, while another connection
terminates the sender's. Ends with a count and a checksum of both sides.
"""

from __future__ import annotations

import argparse
import logging
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import psycopg

from controller.records.backfill import backfill
from controller.records.store import upgrade
from sites.ports import SystemClock

SERVER = "host=127.0.0.1 port=5432 user=postgres"
START = datetime(2026, 1, 1, tzinfo=UTC)
SUMS = "count(*), sum(pv_kw), sum(soc_frac), count(distinct at_utc)"


def fill(path: Path, days: float) -> int:
    """Write telemetry at 1 Hz into a store; returns the rows."""
    count = int(days * 86400)
    rows = (
        (
            "container",
            f"{START + timedelta(seconds=i):%Y-%m-%d %H:%M:%S}.000000",
            float(i % 401),
            0.25 + (i % 1024) / 2048,
            float(i % 97),
        )
        for i in range(count)
    )
    with sqlite3.connect(path) as connection:
        connection.executemany(
            "insert into telemetry (site, at_utc, pv_kw, soc_frac, load_kw) values (?, ?, ?, ?, ?)", rows
        )
    return count


class Cutter:
    """Terminates every other connection to a database, some number of times."""

    def __init__(self, database: str, cuts: int, every_s: float) -> None:
        self._database, self._left, self._every_s = database, cuts, every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.cut = 0

    def __enter__(self) -> Cutter:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        query = (
            "select count(pg_terminate_backend(pid)) from pg_stat_activity "
            "where datname = %s and pid <> pg_backend_pid() and state <> 'idle'"
        )
        with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
            while self.cut < self._left and not self._stop.wait(self._every_s):
                row = server.execute(query, (self._database,)).fetchone()
                self.cut += bool(row and row[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the result; returns 1 when a row is lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill")
    parser.add_argument("--quick", action="store_true", help="one day and 10 cuts")
    parser.add_argument("--days", type=float, default=None)
    parser.add_argument("--cuts", type=int, default=None)
    given = parser.parse_args(arguments)
    logging.disable(logging.CRITICAL)
    days = given.days or (1.0 if given.quick else 30.0)
    cuts = given.cuts or (10 if given.quick else 100)
    database = f"mdc_bench_{uuid4().hex[:10]}"
    fleet = f"postgresql://postgres@127.0.0.1:5432/{database}"
    with psycopg.connect(f"{SERVER} dbname=postgres", autocommit=True) as server:
        server.execute(f"create database {database}")
        try:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "mdc.sqlite"
                upgrade(f"sqlite:///{path}")
                upgrade(fleet)
                count = fill(path, days)
                begin = time.perf_counter()
                with Cutter(database, cuts, 0.2 if given.quick else 1.0) as cutter:
                    sent = backfill(f"sqlite:///{path}", fleet, "container", wait=SystemClock().sleep, attempts=1000)
                seconds = time.perf_counter() - begin
                again = backfill(f"sqlite:///{path}", fleet, "container", wait=SystemClock().sleep)
                with sqlite3.connect(path) as connection:
                    here = connection.execute(f"select {SUMS} from telemetry").fetchone()
                with psycopg.connect(f"{SERVER} dbname={database}") as there_connection:
                    there = there_connection.execute(f"select {SUMS} from telemetry").fetchone()
                    size_row = there_connection.execute("select pg_database_size(%s)", (database,)).fetchone()
                size_mb = path.stat().st_size / 1e6
        finally:
            server.execute(f"drop database {database} with (force)")
    whole = there is not None and tuple(map(float, here)) == tuple(map(float, there))
    fleet_mb = size_row[0] / 1e6 if size_row else 0.0
    rate = count / seconds
    print(f"{count} rows of {days:g} days in {seconds:.0f} s ({rate:.0f} a second), link cut {cutter.cut} times")
    print(f"batches that failed and were sent again: {sent.cuts}; second run: {sum(again.rows.values())} rows")
    print(f"site's store {size_mb:.0f} MB, fleet's {fleet_mb:.0f} MB")
    print(f"both sides equal in count, sums and distinct times: {'yes' if whole else 'NO'}   target yes")
    return int(not whole)


if __name__ == "__main__":
    sys.exit(main())
