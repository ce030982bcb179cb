"""Giving, previewing and withdrawing orders above the plan. Two people at once: the second is told, neither loses.

Each change counts the version of the orders up (:mod:`controller.records.order_version`). Times are site times, given by
the caller.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from controller.overrides.orders import Standing, subject_of
from controller.overrides.wording import short_words
from controller.records.base import new_id
from controller.records.command_base import StoreCommands
from controller.records.order_version import check_unchanged, count_up, order_version
from controller.records.people_tables import OverrideRow, PreviewRow
from sites.errors import InputError

KEEP_PREVIEWS = timedelta(days=1)


class OverrideCommands(StoreCommands):
    """Commands about overrides."""

    def ask(self, standing: Standing, *, who: str, why: str, at_utc: datetime, seen: int | None = None) -> str:
        """Ask the planner what an order would change; returns the preview's id.

        Raises:
            ChangedMeanwhileError: somebody gave or withdrew an order since ``seen``.
        """
        identity = new_id()
        with Session(self._engine) as session:
            check_unchanged(session, self._site, seen)
            old = delete(PreviewRow).where(PreviewRow.site == self._site, PreviewRow.asked_utc < at_utc - KEEP_PREVIEWS)
            session.execute(old)
            session.add(
                PreviewRow(
                    id=identity,
                    site=self._site,
                    asked_utc=at_utc,
                    who=who,
                    why=why,
                    version=order_version(session, self._site),
                    document=standing.model_dump_json(),
                    state="asked",
                    progress="waits for the planner",
                    result=None,
                )
            )
            session.commit()
        return identity

    def give(self, standing: Standing, *, who: str, why: str, at_utc: datetime, seen: int, note: str = "") -> str:
        """Give an order; returns its id.

        ``seen`` is the version of the overrides that ``who`` looked at; ``note`` goes into the audit trail.

        Raises:
            ChangedMeanwhileError: somebody gave or withdrew an order since.
        """
        row = OverrideRow(
            id=new_id(),
            site=self._site,
            at_utc=at_utc,
            from_utc=standing.from_utc,
            expires_utc=standing.expires_utc,
            withdrawn_utc=None,
            who=who,
            why=why,
            subject=subject_of(standing.order),
            order_text=short_words(standing.order),
            document=standing.order.model_dump_json(),
        )
        identity = row.id
        detail = f"{row.subject} {row.order_text} until {row.expires_utc:%Y-%m-%d %H:%M}Z: {why}{note}"
        with Session(self._engine) as session:
            count_up(session, self._site, seen)
            session.add(row)
            self._audit(session, who, "override", detail, at_utc)
            session.commit()
        return identity

    def withdraw(self, override_id: str, *, who: str, at_utc: datetime, seen: int | None = None) -> None:
        """End an override; with ``seen`` only if nothing has changed since.

        Raises:
            ChangedMeanwhileError: somebody gave or withdrew an order since.
            InputError: no such override in force.
        """
        with Session(self._engine) as session:
            count_up(session, self._site, seen)
            row = session.get(OverrideRow, override_id)
            if row is None or row.site != self._site or row.withdrawn_utc is not None:
                raise InputError.single(
                    source="override", field="id", found=override_id, mend="give the id of an override in force"
                )
            row.withdrawn_utc = at_utc
            self._audit(session, who, "override withdrawn", f"{row.subject} {row.order_text} ({row.id})", at_utc)
            session.commit()

    def version(self) -> int:
        """Return how often overrides and deliveries have changed."""
        with Session(self._engine) as session:
            return order_version(session, self._site)
