"""Alembic's entry: migrates over the connection it is given, or over ``-x url=...`` when a developer calls it."""

from __future__ import annotations

from alembic import context
from sqlalchemy import Connection

from controller.records import (
    access_tables,
    design_rows,
    forecast_tables,
    measured_tables,
    people_tables,
    planning_tables,
)
from controller.records.base import Base
from controller.records.store import open_engine

TABLES = (planning_tables, forecast_tables, measured_tables, people_tables, access_tables, design_rows)
"""Imported so that the metadata knows every table."""


def run(connection: Connection) -> None:
    """Run the wanted migrations; SQLite tables are altered by copying (batch mode)."""
    context.configure(
        connection=connection, target_metadata=Base.metadata, render_as_batch=True, transaction_per_migration=True
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if isinstance(given, Connection):
    run(given)
else:
    with open_engine(context.get_x_argument(as_dictionary=True)["url"], durable=True).connect() as opened:
        run(opened)
