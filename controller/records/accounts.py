"""Accounts of whole local days in the store: written once a day is over, read by reports about longer spans."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from controller.records.measured_tables import DayAccountRow
from controller.records.store import open_engine
from sites.record import Record
from sites.times import Utc


class StoredAccount(Record):
    """One day's account as a document."""

    day: str
    """Local date, e.g. ``2026-01-15``."""
    start_utc: Utc
    """Its local midnight."""
    made_utc: Utc
    document: str
    """A day's report as JSON."""


def day_accounts(url: str, site: str, start_utc: datetime, end_utc: datetime) -> tuple[StoredAccount, ...]:
    """Return the accounts of days that began in [start, end), in order of time.

    Raises:
        InputError: the store cannot be used.
    """
    query = select(DayAccountRow).where(
        DayAccountRow.site == site, DayAccountRow.start_utc >= start_utc, DayAccountRow.start_utc < end_utc
    )
    return _read(url, query.order_by(DayAccountRow.start_utc))


def latest_accounts(url: str, site: str, end_utc: datetime, count: int) -> tuple[StoredAccount, ...]:
    """Return the last ``count`` accounts of days that began before ``end_utc``, the latest first.

    Raises:
        InputError: the store cannot be used.
    """
    query = select(DayAccountRow).where(DayAccountRow.site == site, DayAccountRow.start_utc < end_utc)
    return _read(url, query.order_by(DayAccountRow.start_utc.desc()).limit(count))


def _read(url: str, query: Select[DayAccountRow]) -> tuple[StoredAccount, ...]:
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        found = tuple(
            StoredAccount(day=row.day, start_utc=row.start_utc, made_utc=row.made_utc, document=row.document)
            for row in session.scalars(query)
        )
    engine.dispose()
    return found


def store_account(url: str, site: str, account: StoredAccount) -> None:
    """Write one day's account; an earlier one of the same day is replaced.

    Raises:
        InputError: the store cannot be used.
    """
    engine = open_engine(url, durable=True)
    with Session(engine) as session:
        session.merge(DayAccountRow(site=site, **account.model_dump()))
        session.commit()
    engine.dispose()
