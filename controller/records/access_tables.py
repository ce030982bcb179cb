"""Tables of who may ask what: tokens and sessions, of which only digests are kept. Never sent to a fleet's store."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from controller.records.base import Base, Code, Id, Key

PRIVATE = frozenset({"access_tokens", "access_sessions"})
"""Tables that never leave the machine."""


class TokenRow(Base):
    """A token that was given out. ``once`` tokens open one session and are then used up."""

    __tablename__ = "access_tokens"
    __table_args__ = (UniqueConstraint("digest"), Index(None, "site", "name"))

    id: Mapped[Id]
    site: Mapped[Key]
    name: Mapped[Key]
    role: Mapped[Code]
    digest: Mapped[str] = mapped_column(String(64))
    once: Mapped[bool]
    made_utc: Mapped[datetime]
    made_by: Mapped[str]
    expires_utc: Mapped[datetime | None]
    used_utc: Mapped[datetime | None]
    revoked_utc: Mapped[datetime | None]


class SessionRow(Base):
    """A browser that signed in with a token."""

    __tablename__ = "access_sessions"
    __table_args__ = (UniqueConstraint("digest"),)

    id: Mapped[Id]
    token_id: Mapped[str] = mapped_column(String(32), ForeignKey("access_tokens.id", ondelete="CASCADE"))
    digest: Mapped[str] = mapped_column(String(64))
    made_utc: Mapped[datetime]
    expires_utc: Mapped[datetime]
