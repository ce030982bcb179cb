"""Tables of what was measured, its roll-ups, the present state and alarms."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from controller.records.base import Base, Code, Id, Key


class Measured:
    """The measured columns; a value that could not be read is null."""

    pv_kw: Mapped[float | None]
    pv_available_kw: Mapped[float | None]
    battery_kw: Mapped[float | None]
    soc_frac: Mapped[float | None]
    battery_c: Mapped[float | None]
    genset_kw: Mapped[float | None]
    load_kw: Mapped[float | None]
    it_kw: Mapped[float | None]
    cooling_kw: Mapped[float | None]
    unserved_kw: Mapped[float | None]
    tank_l: Mapped[float | None]
    ups_soc_frac: Mapped[float | None]
    outdoor_c: Mapped[float | None]
    inlet_c: Mapped[float | None]


class TelemetryRow(Measured, Base):
    """What was measured at one moment; site and time are the key, so filling in late never doubles a row."""

    __tablename__ = "telemetry"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    at_utc: Mapped[datetime] = mapped_column(primary_key=True)


class ServiceTelemetryRow(Base):
    """Requests of one service around one moment."""

    __tablename__ = "service_telemetry"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    service: Mapped[str] = mapped_column(String(120), primary_key=True)
    at_utc: Mapped[datetime] = mapped_column(primary_key=True)
    rate_rps: Mapped[float | None]
    served_rps: Mapped[float | None]
    mode: Mapped[str]


class RollupRow(Measured, Base):
    """Means over whole intervals of ``step_s``; ``samples`` says of how many rows."""

    __tablename__ = "telemetry_rollups"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    step_s: Mapped[int] = mapped_column(primary_key=True)
    at_utc: Mapped[datetime] = mapped_column(primary_key=True)
    samples: Mapped[int]
    soc_min_frac: Mapped[float | None]
    soc_max_frac: Mapped[float | None]


class DayAccountRow(Base):
    """What a local day that is over came to: reports about weeks and months add these up. Kept for good."""

    __tablename__ = "day_accounts"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    """Local date, e.g. ``2026-01-15``."""
    start_utc: Mapped[datetime]
    made_utc: Mapped[datetime]
    document: Mapped[str]


class NowRow(Base):
    """The present of a site, overwritten each cycle."""

    __tablename__ = "site_now"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    at_utc: Mapped[datetime]
    level: Mapped[Code]
    plan_id: Mapped[str | None] = mapped_column(String(32))
    speed: Mapped[float]
    snapshot: Mapped[str]
    setpoints: Mapped[str | None]


class TwinRow(Base):
    """State of the simulated plant, so that a restart goes on where it was."""

    __tablename__ = "twins"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    at_utc: Mapped[datetime]
    document: Mapped[str]


class WorldRow(Base):
    """The world prepared for a simulated plant, so that a restart need not wait for it."""

    __tablename__ = "worlds"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    at_utc: Mapped[datetime]
    document: Mapped[str]


class AlarmRow(Base):
    """Something a person should know, from when to when."""

    __tablename__ = "alarms"
    __table_args__ = (Index(None, "site", "raised_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    code: Mapped[Code]
    subject: Mapped[Key]
    severity: Mapped[Code]
    text: Mapped[str]
    raised_utc: Mapped[datetime]
    cleared_utc: Mapped[datetime | None]
    acknowledged_utc: Mapped[datetime | None]
    acknowledged_by: Mapped[str | None]


class DeliveryRow(Base):
    """Diesel that was or will be delivered."""

    __tablename__ = "fuel_deliveries"
    __table_args__ = (Index(None, "site", "at_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    at_utc: Mapped[datetime]
    litres: Mapped[float]
    usd_per_l: Mapped[float | None]
    who: Mapped[str]
    recorded_utc: Mapped[datetime]
    withdrawn_utc: Mapped[datetime | None]


class BackfillRow(Base):
    """In a fleet's store: how far one table of one site has come. Written in the same transaction as the rows."""

    __tablename__ = "backfill"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    source_table: Mapped[str] = mapped_column(String(60), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger)
    """Highest row number of the site's own store that is here."""
    generation: Mapped[str] = mapped_column(String(40))
    """Which numbering the position belongs to: pruning a store numbers its rows anew."""


class NumberingRow(Base):
    """In a site's store: the present numbering of its rows, one row."""

    __tablename__ = "numbering"

    id: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[str] = mapped_column(String(40))
