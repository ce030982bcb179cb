"""Tables of what was foreseen, planned, decided and written to devices."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.records.base import Base, Code, Id, Key


class SiteRow(Base):
    """A site file as it was in force from a moment on."""

    __tablename__ = "sites"
    __table_args__ = (UniqueConstraint("site", "digest"),)

    id: Mapped[Id]
    site: Mapped[Key]
    digest: Mapped[Key]
    recorded_utc: Mapped[datetime]
    document: Mapped[str]


class ForecastRow(Base):
    """A forecast with its issue time and source."""

    __tablename__ = "forecasts"
    __table_args__ = (Index(None, "site", "issued_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    issued_utc: Mapped[datetime]
    rung: Mapped[Code]
    source: Mapped[str]
    document: Mapped[str]


class ProblemRow(Base):
    """A planning problem; its plan can be solved again from it."""

    __tablename__ = "problems"
    __table_args__ = (Index(None, "site", "posed_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    posed_utc: Mapped[datetime]
    forecast_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("forecasts.id"))
    document: Mapped[str]


class PlanRow(Base):
    """A plan with the time it holds for and where it stands in review."""

    __tablename__ = "plans"
    __table_args__ = (Index(None, "site", "made_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    problem_id: Mapped[str] = mapped_column(String(32), ForeignKey("problems.id"))
    made_utc: Mapped[datetime]
    expires_utc: Mapped[datetime]
    policy: Mapped[Code]
    level: Mapped[Code]
    status: Mapped[Code]
    review: Mapped[Code]
    review_why: Mapped[str] = mapped_column(Text, server_default="")
    """Why a person has to see it; empty when nobody has to."""
    answer_by_utc: Mapped[datetime | None]
    """When the site file answers for a person who has not."""
    document: Mapped[str]


class DecisionRow(Base):
    """An order to one subject: committed before it is acted on, unless a guard gave it.

    ``seq`` counts the orders to one subject without gaps, so the newest row of a subject is what it was last
    told, and an order can be neither lost nor given twice.
    """

    __tablename__ = "decisions"
    __table_args__ = (UniqueConstraint("site", "subject", "seq"), Index(None, "site", "at_utc"))

    id: Mapped[Id]
    site: Mapped[Key]
    subject: Mapped[Key]
    seq: Mapped[int]
    order_text: Mapped[str]
    origin: Mapped[Code]
    reason_code: Mapped[Code]
    text: Mapped[str]
    plan_id: Mapped[str | None] = mapped_column(String(32), ForeignKey("plans.id"))
    at_utc: Mapped[datetime]
    expires_utc: Mapped[datetime]
    acted_utc: Mapped[datetime | None]


class SetpointRow(Base):
    """A setpoint that was written, and what was found when it was read back."""

    __tablename__ = "setpoints"
    __table_args__ = (Index(None, "site", "at_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    at_utc: Mapped[datetime]
    device: Mapped[Key]
    what: Mapped[Key]
    asked: Mapped[str]
    found: Mapped[str | None]
    verdict: Mapped[Code]
    text: Mapped[str]


class GuardActionRow(Base):
    """A guard that began or ceased to narrow what was asked."""

    __tablename__ = "guard_actions"
    __table_args__ = (Index(None, "site", "at_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    at_utc: Mapped[datetime]
    guard: Mapped[Key]
    reason_code: Mapped[Code]
    subject: Mapped[Key]
    text: Mapped[str]
    began: Mapped[bool]
