"""What a daemon takes up again after a restart, read once at start and then kept by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TypeVar

from pydantic import ValidationError
from sqlalchemy import Engine, func, literal, or_, select
from sqlalchemy.orm import Session

from controller.overrides.orders import ORDER, Standing
from controller.records.measured_tables import AlarmRow, DeliveryRow, NowRow, TwinRow, WorldRow
from controller.records.people_tables import JobRow, OverrideRow, PreviewRow
from controller.records.planning_tables import DecisionRow, PlanRow
from optimizer.problem import FuelDelivery, JobProblem

LOG = logging.getLogger(__name__)
Row = TypeVar("Row")
Read = TypeVar("Read")
LIVE_STATES = ("queued", "running", "paused")
"""Job states that the loop has to know."""


@dataclass(frozen=True, kw_only=True)
class LastOrder:
    """The newest order to one subject."""

    subject: str
    seq: int
    order_text: str
    decision_id: str
    acted: bool
    expires_utc: datetime


@dataclass(frozen=True, kw_only=True)
class LiveJob:
    """A job that waits, runs or is paused, and one that was cancelled but may still be at the runner."""

    name: str
    state: str
    done_frac: float
    who: str
    job: JobProblem


@dataclass(frozen=True, kw_only=True)
class Inbox:
    """What people and other programs asked for, as last seen in the store."""

    jobs: tuple[LiveJob, ...] = ()
    cancelled: tuple[str, ...] = ()
    """Jobs cancelled lately."""
    reviews: tuple[tuple[str, str], ...] = ()
    """(plan id, review state) of plans that were made lately."""
    overrides: tuple[Standing, ...] = ()
    """Orders of people that have not ended; some may begin later."""
    previews: tuple[tuple[str, Standing], ...] = ()
    """(id, order) of previews that nobody has answered, oldest first."""
    deliveries: tuple[FuelDelivery, ...] = ()
    """Diesel that is on its way."""


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """Where the last daemon stood."""

    at_utc: datetime | None
    """Site time of its last cycle."""
    plan_id: str | None
    """Its newest plan, expired or not."""
    approved_id: str | None
    """Its newest plan that may be followed."""
    orders: tuple[LastOrder, ...]
    twin: str | None
    """State of the simulated plant."""
    world: str | None
    """The world prepared for it."""
    alarms: tuple[tuple[str, str], ...]
    """(code, subject) of alarms still open."""


def read_resumed(engine: Engine, site: str) -> Resumed:
    """Return where the last daemon of a site stood; all empty on a new store."""
    with Session(engine) as session:
        now = session.get(NowRow, site)
        twin = session.get(TwinRow, site)
        world = session.get(WorldRow, site)
        plan_id = session.scalar(
            select(PlanRow.id).where(PlanRow.site == site).order_by(PlanRow.made_utc.desc()).limit(1)
        )
        approved_id = session.scalar(
            select(PlanRow.id)
            .where(PlanRow.site == site, PlanRow.review.in_(("auto", "approved")))
            .order_by(PlanRow.made_utc.desc())
            .limit(1)
        )
        alarms = session.execute(
            select(AlarmRow.code, AlarmRow.subject).where(AlarmRow.site == site, AlarmRow.cleared_utc.is_(None))
        ).all()
        return Resumed(
            at_utc=now.at_utc if now else None,
            plan_id=plan_id,
            approved_id=approved_id,
            orders=_orders(session, site),
            twin=twin.document if twin else None,
            world=world.document if world else None,
            alarms=tuple((code, subject) for code, subject in alarms),
        )


def _orders(session: Session, site: str) -> tuple[LastOrder, ...]:
    """Return the newest order of every subject that still exists: finished jobs are left out."""
    live = select(literal("job ") + JobRow.name).where(JobRow.site == site, JobRow.state.in_(LIVE_STATES))
    newest = (
        select(DecisionRow.subject, func.max(DecisionRow.seq).label("seq"))
        .where(DecisionRow.site == site)
        .where(or_(DecisionRow.subject.not_like("job %"), DecisionRow.subject.in_(live)))
        .group_by(DecisionRow.subject)
        .subquery()
    )
    query = (
        select(DecisionRow)
        .join(newest, (newest.c.subject == DecisionRow.subject) & (newest.c.seq == DecisionRow.seq))
        .where(DecisionRow.site == site)
    )
    return tuple(
        LastOrder(
            subject=row.subject,
            seq=row.seq,
            order_text=row.order_text,
            decision_id=row.id,
            acted=row.acted_utc is not None,
            expires_utc=row.expires_utc,
        )
        for row in session.scalars(query)
    )


def read_inbox(engine: Engine, site: str, at_utc: datetime, *, plans: int = 5, cancelled: int = 100) -> Inbox:
    """Return what is asked for now; ``at_utc`` is site time."""
    with Session(engine) as session:
        jobs = session.scalars(
            select(JobRow).where(JobRow.site == site, JobRow.state.in_(LIVE_STATES)).order_by(JobRow.submitted_utc)
        )
        live = _readable(jobs, _live_job)
        gone = session.scalars(
            select(JobRow.name)
            .where(JobRow.site == site, JobRow.state == "cancelled")
            .order_by(JobRow.updated_utc.desc())
            .limit(cancelled)
        ).all()
        reviews = session.execute(
            select(PlanRow.id, PlanRow.review)
            .where(PlanRow.site == site)
            .order_by(PlanRow.made_utc.desc())
            .limit(plans)
        ).all()
        overrides = session.scalars(
            select(OverrideRow)
            .where(OverrideRow.site == site, OverrideRow.expires_utc > at_utc, OverrideRow.withdrawn_utc.is_(None))
            .order_by(OverrideRow.at_utc, OverrideRow.id)
        )
        previews = session.execute(
            select(PreviewRow.id, PreviewRow.document)
            .where(PreviewRow.site == site, PreviewRow.state.in_(("asked", "working")))
            .order_by(PreviewRow.asked_utc, PreviewRow.id)
        ).all()
        return Inbox(
            jobs=live,
            cancelled=tuple(gone),
            reviews=tuple((plan_id, review) for plan_id, review in reviews),
            deliveries=tuple(
                FuelDelivery(at_utc=row.at_utc, litres=row.litres)
                for row in session.scalars(
                    select(DeliveryRow)
                    .where(DeliveryRow.site == site, DeliveryRow.at_utc > at_utc, DeliveryRow.withdrawn_utc.is_(None))
                    .order_by(DeliveryRow.at_utc)
                )
            ),
            overrides=_readable(overrides, _standing),
            previews=_readable(previews, lambda row: (row.id, Standing.model_validate_json(row.document))),
        )


def _readable(rows: Iterable[Row], read: Callable[[Row], Read]) -> tuple[Read, ...]:
    """Return what can be read; what another version or hand wrote is left out and told, so that the records go on."""
    found = []
    for row in rows:
        try:
            found.append(read(row))
        except ValidationError as error:
            _tell(
                f"{type(row).__name__} {getattr(row, 'name', None) or getattr(row, 'id', '')}: {error.errors()[0]['msg']}"
            )
    return tuple(found)


@cache
def _tell(unread: str) -> None:
    """Say once that a row is left out."""
    LOG.error("%s; it is left out as this version cannot read it", unread)


def _live_job(row: JobRow) -> LiveJob:
    return LiveJob(
        name=row.name,
        state=row.state,
        done_frac=row.done_frac,
        who=row.who,
        job=JobProblem.model_validate_json(row.document),
    )


def _standing(row: OverrideRow) -> Standing:
    return Standing(
        order=ORDER.validate_json(row.document),
        from_utc=row.from_utc,
        expires_utc=row.expires_utc,
        id=row.id,
        who=row.who,
    )
