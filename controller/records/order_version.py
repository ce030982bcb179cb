"""The version of what people have ordered at a site: overrides, and diesel that is to come.

A preview is worked out from both, so both share one version. Each change counts it up, in the transaction that makes it and
only from the version that the person saw. Whoever saw an older one is refused and looks again.
"""

from __future__ import annotations

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.orm import Session

from controller.records.command_base import ChangedMeanwhileError
from controller.records.people_tables import AuditRow, OverrideVersionRow
from controller.records.writing import insert_ignore


def order_version(session: Session, site: str) -> int:
    """Return how often overrides and deliveries of a site have changed."""
    row = session.get(OverrideVersionRow, site)
    return row.version if row is not None else 0


def count_up(session: Session, site: str, seen: int | None) -> None:
    """Count the version up, from ``seen`` only if it is given. The caller's transaction then holds the row.

    Raises:
        ChangedMeanwhileError: somebody has changed something since; says what.
    """
    insert_ignore(session, OverrideVersionRow, [{"site": site, "version": 0}])
    counting = update(OverrideVersionRow).where(OverrideVersionRow.site == site)
    if seen is not None:
        counting = counting.where(OverrideVersionRow.version == seen)
    counted = session.execute(counting.values(version=OverrideVersionRow.version + 1))
    if isinstance(counted, CursorResult) and counted.rowcount == 1:
        return
    raise _changed(session, site)


def check_unchanged(session: Session, site: str, seen: int | None) -> None:
    """Refuse who has seen an older version; none = it does not matter.

    Raises:
        ChangedMeanwhileError: somebody has changed something since; says what.
    """
    if seen is not None and seen != order_version(session, site):
        raise _changed(session, site)


def _changed(session: Session, site: str) -> ChangedMeanwhileError:
    newest = session.scalars(
        select(AuditRow)
        .where(AuditRow.site == site, or_(AuditRow.action.like("override%"), AuditRow.action.like("fuel%")))
        .order_by(AuditRow.at_utc.desc())
        .limit(1)
    ).first()
    told = f"{newest.who}: {newest.detail}" if newest is not None else "another change"
    return ChangedMeanwhileError.single(
        source="orders", field="version", found=told, mend="somebody was quicker; look at it and decide again"
    )
