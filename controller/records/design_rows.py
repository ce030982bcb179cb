"""Results of design studies in a store: one row a run, one row a design, beside the records of sites.

The tables come with the store's migrations. A study's results are figures that can be computed again from its inputs, not
records of what happened, so they take no part in retention or backfill. A run is known by the hash of its inputs; writing
it again replaces it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Boolean, Column, Double, Integer, String, Table, Text, delete, insert

from controller.records.base import Base
from controller.records.store import open_engine, upgrade

RUNS = Table(
    "design_runs",
    Base.metadata,
    Column("input_hash", String(32), primary_key=True),
    Column("study", String(80), nullable=False),
    Column("seed", Integer, nullable=False),
    Column("designs", Integer, nullable=False),
    Column("allowed", Integer, nullable=False),
    Column("headline", Text, nullable=False),
)
ROWS = Table(
    "design_rows",
    Base.metadata,
    Column("input_hash", String(32), primary_key=True),
    Column("group_number", Integer, primary_key=True),
    Column("design_number", Integer, primary_key=True),
    Column("npc_usd", Double, nullable=False),
    Column("lcoe_usd_per_kwh", Double, nullable=False),
    Column("fuel_l", Double, nullable=False),
    Column("loss_frac", Double, nullable=False),
    Column("allowed", Boolean, nullable=False),
    Column("document", Text, nullable=False),
)
ROWS_A_WRITE = 2000


@dataclass(frozen=True, kw_only=True)
class DesignRun:
    """A finished study."""

    input_hash: str
    study: str
    seed: int
    headline: str


@dataclass(frozen=True, kw_only=True)
class DesignRow:
    """One design of it."""

    group_number: int
    design_number: int
    npc_usd: float
    lcoe_usd_per_kwh: float
    fuel_l: float
    loss_frac: float
    allowed: bool
    document: str
    """All its columns as JSON."""


def store_designs(url: str, run: DesignRun, rows: Sequence[DesignRow]) -> int:
    """Write a run and its designs in one transaction, replacing an earlier run of the same inputs; return the rows written.

    Raises:
        InputError: the address cannot be used.
    """
    upgrade(url)
    engine = open_engine(url, durable=True)
    with engine.begin() as connection:
        for table in (ROWS, RUNS):
            connection.execute(delete(table).where(table.c.input_hash == run.input_hash))
        allowed = sum(row.allowed for row in rows)
        connection.execute(insert(RUNS).values(**vars(run), designs=len(rows), allowed=allowed))
        for begin in range(0, len(rows), ROWS_A_WRITE):
            part = [{"input_hash": run.input_hash, **vars(row)} for row in rows[begin : begin + ROWS_A_WRITE]]
            connection.execute(insert(ROWS), part)
    engine.dispose()
    return len(rows)
