"""Backfill: bringing a site's records to the fleet's store after hours or weeks without a link.

Rows go in the order in which the site wrote them (SQLite's own row numbers), table by table, those that
others point to first, in batches of one transaction each that also holds how far the table has come. So a cut
link costs at most the batch under way, nothing is lost, and a row sent twice is one row. Tables whose rows
change later (jobs, plans, decisions, alarms, overrides, deliveries, the present) are sent again as a whole: they are
small.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Engine, Table, literal_column, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from controller.records import forecast_tables, measured_tables, people_tables, planning_tables
from controller.records.access_tables import PRIVATE
from controller.records.base import Base, new_id
from controller.records.measured_tables import BackfillRow, NumberingRow
from controller.records.store import open_engine, upgrade
from sites.errors import InputError

LOG = logging.getLogger(__name__)
TABLES = (planning_tables, forecast_tables, measured_tables, people_tables)
"""Imported so that the metadata knows every table."""
BATCH = 2000
LEAST_BATCH = 100
DESIGNS = frozenset({"design_runs", "design_rows"})
"""Can be computed again wherever they are wanted."""
LOCAL_ONLY = (
    frozenset({"backfill", "numbering", "twins", "worlds", "previews", "override_versions"}) | DESIGNS | PRIVATE
)
CHANGING = frozenset(
    {"jobs", "plans", "decisions", "alarms", "overrides", "fuel_deliveries", "site_now", "day_accounts"}
)


@dataclass(frozen=True, kw_only=True)
class Backfilled:
    """What a backfill did."""

    rows: dict[str, int]
    """Rows sent, by table."""
    cuts: int
    """Times that the link failed and was tried again."""


def backfill(
    local_url: str,
    fleet_url: str,
    site: str,
    *,
    wait: Callable[[float], None],
    attempts: int = 10,
    batch: int = BATCH,
) -> Backfilled:
    """Send what the fleet's store does not have yet.

    Args:
        local_url: the site's SQLite store.
        fleet_url: the fleet's store.
        site: name of the site.
        wait: waits for some seconds before a failed batch is tried again.
        attempts: failures in a row that are borne.
        batch: most rows of a transaction; halved while the link fails, so that a bad one still gets on.

    Raises:
        InputError: a store cannot be used.
        DBAPIError: the link fails more often in a row than is borne; what was sent stays, the next call goes on.
    """
    upgrade(local_url)
    upgrade(fleet_url)
    local, fleet = open_engine(local_url, durable=False), open_engine(fleet_url, durable=True)
    if local.dialect.name != "sqlite":
        raise InputError.single(source="backfill", field="from", found=local.dialect.name, mend="give an SQLite store")
    sender = _Sender(local, fleet, site, batch)
    sent: dict[str, int] = {}
    cuts = failures = 0
    try:
        tables = [table for table in Base.metadata.sorted_tables if table.name not in LOCAL_ONLY]
        while tables:
            table, asked = tables[0], sender.batch
            try:
                count = sender.send_batch(table)
            except DBAPIError as error:
                cuts, failures = cuts + 1, failures + 1
                sender.batch = max(asked // 2, min(LEAST_BATCH, batch))
                if failures > attempts:
                    raise
                LOG.warning("the link failed at %s (%d in a row): %s", table.name, failures, error.__class__.__name__)
                fleet.dispose()
                wait(min(2.0**failures * 0.1, 30.0))
                continue
            failures, sender.batch = 0, min(2 * asked, batch)
            sent[table.name] = sent.get(table.name, 0) + count
            if count < asked:
                tables.pop(0)
    finally:
        local.dispose()
        fleet.dispose()
    return Backfilled(rows={name: count for name, count in sent.items() if count}, cuts=cuts)


class _Sender:
    """Sends batches of one site's tables."""

    def __init__(self, local: Engine, fleet: Engine, site: str, batch: int) -> None:
        self._local, self._fleet, self._site = local, fleet, site
        self.batch = batch
        """Rows of the next transaction: half after a failure, twice as many after one that went through."""
        self._generation = _generation(local)
        self._changed: dict[str, int] = {}
        """How far a table of changing rows has been sent in this call."""

    def send_batch(self, table: Table) -> int:
        """Send the next rows of a table; returns how many."""
        changing = table.name in CHANGING
        with Session(self._fleet) as session:
            known = session.get(BackfillRow, (self._site, table.name))
            fresh = known is None or known.generation != self._generation
            position = 0 if fresh or known is None else known.position
            if changing:
                position = self._changed.get(table.name, 0)
            numbers, rows = self._read(table, position)
            if rows:
                self._write(session, table, rows, changing)
                session.merge(
                    BackfillRow(
                        site=self._site, source_table=table.name, position=numbers[-1], generation=self._generation
                    )
                )
                session.commit()
        if changing and rows:
            self._changed[table.name] = numbers[-1]
        return len(rows)

    def _read(self, table: Table, position: int) -> tuple[list[int], list[Mapping[str, Any]]]:
        number: ColumnElement[int] = literal_column("rowid").label("row_number_")
        query = select(number, table).where(text("rowid > :position")).order_by(text("rowid")).limit(self.batch)
        if "site" in table.c:
            query = query.where(table.c.site == self._site)
        with self._local.connect() as connection:
            found = connection.execute(query, {"position": position}).mappings().all()
        numbers = [int(row["row_number_"]) for row in found]
        return numbers, [{key: value for key, value in row.items() if key != "row_number_"} for row in found]

    def _write(self, session: Session, table: Table, rows: Sequence[Mapping[str, Any]], changing: bool) -> None:
        kind = postgresql.insert if self._fleet.dialect.name == "postgresql" else sqlite.insert
        statement = kind(table)
        if changing:
            keys = [column.name for column in table.primary_key]
            rest = {column.name: statement.excluded[column.name] for column in table.c if column.name not in keys}
            session.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest), list(rows))
        else:
            session.execute(statement.on_conflict_do_nothing(), list(rows))


def _generation(local: Engine) -> str:
    """Return the present numbering of a site's rows; the first time one is made up."""
    with Session(local) as session:
        row = session.get(NumberingRow, 1)
        if row is None:
            row = NumberingRow(id=1, generation=new_id())
            session.add(row)
            session.commit()
        return row.generation
