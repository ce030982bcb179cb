"""Stores with years of history for the console's benchmark, filled by the databases themselves.

As at a running site, detail (a row each ten seconds) reaches back as far as it is kept and means of five minutes and of an
hour reach back to the beginning; four jobs ended a day, each with its line in the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import Connection, create_engine, insert, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from controller.records.base import new_id
from controller.records.housekeeping import KEEP_DETAIL
from controller.records.people_tables import AuditRow, JobRow
from controller.records.rollups import ROLLUP_STEPS_S
from controller.records.store import open_engine
from tests.controller.web.container_day import Day, write_day

DETAIL_S = 10
JOBS_A_DAY = 4
SERVER = "postgresql+psycopg://postgres@127.0.0.1:5432"
VALUES = "300.0 * abs(sin({s} / 27502.0)), 40.0, 0.5 + 0.3 * sin({s} / 27502.0), 2000.0 - 0.01 * (({s} / 600) % 90000)"
"""A sun, a load, a charge and a tank from a row's seconds."""
COLUMNS = "pv_kw, load_kw, soc_frac, tank_l"


def fill(url: str, day: Day, days: int) -> int:
    """Write the day, and the history of ``days`` before it; returns the rows of measurements."""
    write_day(url, day)
    end = day.snapshot.at_utc.replace(second=0, microsecond=0) - timedelta(minutes=5)
    begin = end - timedelta(days=days)
    engine = open_engine(url, durable=False)
    with engine.begin() as connection:
        count = _series(connection, "telemetry", max(begin, end - KEEP_DETAIL), end, DETAIL_S, day.site.name)
        for step_s in ROLLUP_STEPS_S:
            count += _series(connection, "telemetry_rollups", begin, end, step_s, day.site.name)
    with Session(engine) as session:
        _jobs(session, day, days)
        session.commit()
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    engine.dispose()
    return count


def _series(connection: Connection, table: str, begin: datetime, end: datetime, step_s: int, site: str) -> int:
    """Insert a row each ``step_s`` seconds, on whole multiples of it; returns how many."""
    first = int(begin.timestamp()) // step_s * step_s
    last = int(end.timestamp())
    extra = ", step_s, samples" if table == "telemetry_rollups" else ""
    more = f", {step_s}, {max(step_s // DETAIL_S, 1)}" if extra else ""
    if connection.dialect.name == "sqlite":
        source = (
            f"WITH RECURSIVE at(s) AS (SELECT {first} UNION ALL SELECT s + {step_s} FROM at WHERE s < {last}) "
            f"SELECT :site, strftime('%Y-%m-%d %H:%M:%S.000000', s, 'unixepoch'), {VALUES.format(s='s')}{more} FROM at"
        )
        statement = f"INSERT OR IGNORE INTO {table} (site, at_utc, {COLUMNS}{extra}) {source}"
    else:
        source = (
            f"SELECT :site, to_timestamp(s), {VALUES.format(s='s')}{more} "
            f"FROM generate_series({first}::bigint, {last}, {step_s}) AS s"
        )
        statement = f"INSERT INTO {table} (site, at_utc, {COLUMNS}{extra}) {source} ON CONFLICT DO NOTHING"
    connection.execute(text(statement), {"site": site})
    return (last - first) // step_s + 1


def _jobs(session: Session, day: Day, days: int) -> None:
    """Add jobs that ended, and who submitted them."""
    job = day.problem.jobs[0]
    jobs, audit = [], []
    for number in range(days * JOBS_A_DAY):
        at = day.snapshot.at_utc - timedelta(hours=6 * (number + 1))
        name = f"old-{number}"
        document = job.model_copy(update={"name": name, "release_utc": at, "deadline_utc": at + timedelta(hours=9)})
        jobs.append(
            {
                "id": new_id(), "site": day.site.name, "name": name, "who": "bench", "submitted_utc": at,
                "updated_utc": at + timedelta(hours=3), "state": "done", "done_frac": 1.0, "pool": "h100",
                "gpus": 4.0, "limit_w": 300.0, "document": document.model_dump_json(),
            }
        )  # fmt: skip
        audit.append(
            {
                "id": new_id(), "site": day.site.name, "at_utc": at, "who": "bench", "role": "operator",
                "action": "jobs submit", "outcome": "done", "detail": name,
            }
        )  # fmt: skip
    session.execute(insert(JobRow), jobs)
    session.execute(insert(AuditRow), audit)


@contextmanager
def database() -> Iterator[str | None]:
    """Yield the address of an empty database on the PostgreSQL of this machine, dropped after; none where there is none."""
    name = f"console_{new_id()[:8]}"
    admin = create_engine(f"{SERVER}/postgres", isolation_level="AUTOCOMMIT")
    try:
        with admin.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
    except OperationalError:
        admin.dispose()
        yield None
        return
    try:
        yield f"postgresql://postgres@127.0.0.1:5432/{name}"
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
