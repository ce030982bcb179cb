"""Export of a store: every row of every table as one JSON line, readable without this program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from controller.records import forecast_tables, measured_tables, people_tables, planning_tables
from controller.records.access_tables import PRIVATE
from controller.records.base import Base
from controller.records.store import open_engine
from sites.errors import InputError

TABLES = (planning_tables, forecast_tables, measured_tables, people_tables)
"""Imported so that the metadata knows every table."""
BATCH = 1000


def table_names() -> tuple[str, ...]:
    """Return the names of the tables that may leave the machine, those that others point to first."""
    return tuple(table.name for table in Base.metadata.sorted_tables if table.name not in PRIVATE)


def export_lines(url: str, tables: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield the rows of the wanted tables (all when empty) as JSON objects with a ``table`` key; times in ISO 8601.

    Raises:
        InputError: no such table.
    """
    unknown = [name for name in tables if name not in table_names()]
    if unknown:
        raise InputError.single(
            source="--table", field="", found=unknown[0], mend=f"name one of: {', '.join(table_names())}"
        )
    engine = open_engine(url, durable=False)
    try:
        with Session(engine) as session:
            for table in Base.metadata.sorted_tables:
                if table.name not in (tables or table_names()):
                    continue
                rows = session.execute(select(table).execution_options(yield_per=BATCH))
                for row in rows.mappings():
                    yield json.dumps({"table": table.name, **{key: _plain(value) for key, value in row.items()}})
    finally:
        engine.dispose()


def _plain(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
