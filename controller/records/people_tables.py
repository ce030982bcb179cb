"""Tables of what people ask for: jobs and their events, reviews, overrides, and the audit trail."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.records.base import Base, Code, Id, Key


class JobRow(Base):
    """A batch job as submitted and how far it is."""

    __tablename__ = "jobs"
    __table_args__ = (UniqueConstraint("site", "name"), Index(None, "site", "state"))

    id: Mapped[Id]
    site: Mapped[Key]
    name: Mapped[Key]
    who: Mapped[str]
    submitted_utc: Mapped[datetime]
    updated_utc: Mapped[datetime]
    state: Mapped[Code]
    done_frac: Mapped[float]
    pool: Mapped[Key]
    gpus: Mapped[float]
    limit_w: Mapped[float]
    document: Mapped[str]


class JobEventRow(Base):
    """A step in a job's life; ``seq`` counts without gaps."""

    __tablename__ = "job_events"
    __table_args__ = (UniqueConstraint("job_id", "seq"),)

    id: Mapped[Id]
    job_id: Mapped[str] = mapped_column(String(32), ForeignKey("jobs.id", ondelete="CASCADE"))
    seq: Mapped[int]
    at_utc: Mapped[datetime]
    event: Mapped[Code]
    text: Mapped[str]


class ReviewRow(Base):
    """A person's verdict on a plan."""

    __tablename__ = "reviews"

    id: Mapped[Id]
    plan_id: Mapped[str] = mapped_column(String(32), ForeignKey("plans.id"))
    at_utc: Mapped[datetime]
    who: Mapped[str]
    verdict: Mapped[Code]
    why: Mapped[str]


class OverrideRow(Base):
    """An order of a person that stands above the plan until it expires or is withdrawn.

    ``document`` is the order; ``subject`` and ``order_text`` say it in words that SQL can be asked for.
    """

    __tablename__ = "overrides"
    __table_args__ = (Index(None, "site", "at_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    at_utc: Mapped[datetime]
    expires_utc: Mapped[datetime]
    withdrawn_utc: Mapped[datetime | None]
    who: Mapped[str]
    why: Mapped[str]
    subject: Mapped[Key]
    order_text: Mapped[str]
    from_utc: Mapped[datetime | None]
    document: Mapped[str] = mapped_column(Text, server_default="")


class OverrideVersionRow(Base):
    """How often a site's overrides have changed: who saw an older count has not seen what another gave meanwhile."""

    __tablename__ = "override_versions"

    site: Mapped[str] = mapped_column(String(120), primary_key=True)
    version: Mapped[int]


class PreviewRow(Base):
    """An order that somebody thinks of giving, and what the planner says to it. Kept for a day."""

    __tablename__ = "previews"
    __table_args__ = (Index(None, "site", "state"),)

    id: Mapped[Id]
    site: Mapped[Key]
    asked_utc: Mapped[datetime]
    who: Mapped[str]
    why: Mapped[str]
    version: Mapped[int]
    """Of the overrides when it was asked for."""
    document: Mapped[str]
    state: Mapped[Code]
    progress: Mapped[str]
    result: Mapped[str | None]


class AuditRow(Base):
    """A command that somebody gave, allowed or not."""

    __tablename__ = "audit"
    __table_args__ = (Index(None, "at_utc"),)

    id: Mapped[Id]
    site: Mapped[Key]
    at_utc: Mapped[datetime]
    who: Mapped[str]
    role: Mapped[str] = mapped_column(String(40), server_default="")
    """What entitled them: a role of the console, or ``shell`` for somebody on the machine itself."""
    action: Mapped[Key]
    outcome: Mapped[Code]
    detail: Mapped[str]
