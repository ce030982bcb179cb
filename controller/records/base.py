"""Ground of the tables: UTC times, documents, the naming convention, and the revision the program expects.

SQLite keeps no time zones, so every time is bound and returned as aware UTC by one type; a naive time is refused.
Documents are JSON text of frozen records, readable by any tool on either database.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import uuid4

from sqlalchemy import DateTime, MetaData, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import TypeDecorator

HEAD_REVISION = "0008"
"""Newest migration; a store at this revision needs no upgrade."""


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the value to store; refuses a time without zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time needs a zone")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the stored time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {datetime: UtcTime, str: Text}  # noqa: RUF012


def new_id() -> str:
    """Return an identifier that no other row anywhere has."""
    return uuid4().hex


Id = Annotated[str, mapped_column(String(32), primary_key=True)]
Key = Annotated[str, mapped_column(String(120))]
Code = Annotated[str, mapped_column(String(40))]
