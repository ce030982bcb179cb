"""Writing entries into the tables, each idempotent: the same entry twice leaves one row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from sqlalchemy import CursorResult, func, select, update
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import DeclarativeBase, Session

from controller.access.roles import SHELL
from controller.records.base import new_id
from controller.records.entries import (
    ActedEntry,
    AlarmCleared,
    AlarmRaised,
    DecisionEntry,
    Entry,
    GuardEntry,
    JobProgress,
    JobSubmitted,
    NowEntry,
    OutcomeEntry,
    PlanEntry,
    PredictionEntry,
    PreviewEntry,
    ReviewEntry,
    ScoresEntry,
    SiteEntry,
    TelemetryEntry,
    TwinEntry,
    WorldEntry,
)
from controller.records.forecast_tables import ForecastScoreRow, PredictionRow
from controller.records.foresight import score_rows
from controller.records.measured_tables import AlarmRow, NowRow, ServiceTelemetryRow, TelemetryRow, TwinRow, WorldRow
from controller.records.people_tables import AuditRow, JobEventRow, JobRow, PreviewRow, ReviewRow
from controller.records.planning_tables import (
    DecisionRow,
    ForecastRow,
    GuardActionRow,
    PlanRow,
    ProblemRow,
    SetpointRow,
    SiteRow,
)
from optimizer.problem import JobProblem
from sites.schema.site import Site


def insert_ignore(session: Session, table: type[DeclarativeBase], rows: Iterable[Mapping[str, Any]]) -> None:
    """Insert rows; a row whose key is there already is left as it is."""
    values = [dict(row) for row in rows]
    if not values:
        return
    if session.get_bind().dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # only where it is used: it makes every start slower

        session.execute(postgresql.insert(table).on_conflict_do_nothing(), values)
    else:
        session.execute(sqlite.insert(table).on_conflict_do_nothing(), values)


def write_entry(session: Session, site: str, entry: Entry) -> None:
    """Write one entry of a site."""
    match entry:
        case PlanEntry():
            _plan(session, site, entry)
        case ReviewEntry():
            _review(session, site, entry)
        case PreviewEntry():
            answer = entry.answer.model_dump_json() if entry.answer is not None else None
            fields = {"state": entry.state, "progress": entry.progress, "result": answer}
            session.execute(update(PreviewRow).where(PreviewRow.id == entry.id).values(**fields))
        case DecisionEntry():
            fields = {name: getattr(entry, name) for name in DecisionEntry.__dataclass_fields__}
            insert_ignore(session, DecisionRow, [{**fields, "site": site, "acted_utc": None}])
        case ActedEntry(ids=ids, at_utc=at):
            session.execute(
                update(DecisionRow).where(DecisionRow.id.in_(ids), DecisionRow.acted_utc.is_(None)).values(acted_utc=at)
            )
        case NowEntry():
            _now(session, site, entry)
        case TwinEntry():
            session.merge(TwinRow(site=site, at_utc=entry.at_utc, document=entry.document()))
        case WorldEntry():
            session.merge(WorldRow(site=site, at_utc=entry.at_utc, document=entry.document))
        case SiteEntry():
            _site(session, entry)
        case TelemetryEntry(point=point, services=services):
            insert_ignore(session, TelemetryRow, [{"site": site, **point.model_dump()}])
            insert_ignore(session, ServiceTelemetryRow, [{"site": site, **each.model_dump()} for each in services])
        case PredictionEntry(prediction=run):
            row = {"site": site, "source": run.source, "issued_utc": run.issued_utc, "document": run.model_dump_json()}
            insert_ignore(session, PredictionRow, [row])
        case ScoresEntry(night=night):
            insert_ignore(session, ForecastScoreRow, score_rows(site, night))
        case GuardEntry():
            fields = {name: getattr(entry, name) for name in GuardEntry.__dataclass_fields__}
            session.add(GuardActionRow(id=new_id(), site=site, **fields))
        case OutcomeEntry():
            _outcome(session, site, entry)
        case AlarmRaised() | AlarmCleared():
            _alarm(session, site, entry)
        case JobSubmitted():
            if find_job(session, site, entry.job.name) is None:
                add_job(session, site, entry.job, who=entry.who, at_utc=entry.at_utc)
        case JobProgress():
            _progress(session, site, entry)
        case _:
            assert_never(entry)


def with_known_plan(session: Session, entry: DecisionEntry) -> DecisionEntry:
    """Return a decision without its plan where the store has not that plan: it is not the store that it was made on."""
    known = entry.plan_id is None or session.scalar(select(PlanRow.id).where(PlanRow.id == entry.plan_id)) is not None
    return entry if known else replace(entry, plan_id=None)


def record_site(session: Session, site: Site, at_utc: datetime) -> None:
    """Record a site file once for each of its contents."""
    document = site.model_dump_json()
    digest = hashlib.sha256(document.encode()).hexdigest()
    row = {"id": new_id(), "site": site.name, "digest": digest, "recorded_utc": at_utc}
    insert_ignore(session, SiteRow, [{**row, "document": document}])


def _site(session: Session, entry: SiteEntry) -> None:
    """Record a site file that was taken while the daemon ran, and that it was."""
    record_site(session, entry.site, entry.at_utc)
    row = {"id": new_id(), "site": entry.site.name, "at_utc": entry.at_utc, "who": "this machine", "role": SHELL}
    session.add(AuditRow(**row, action="site file", outcome="done", detail=", ".join(entry.changed) or "nothing new"))


def _plan(session: Session, site: str, entry: PlanEntry) -> None:
    if session.get(PlanRow, entry.id) is not None:
        return
    forecast_id = None
    if entry.forecast is not None:
        forecast_id = new_id()
        session.add(
            ForecastRow(
                id=forecast_id,
                site=site,
                issued_utc=entry.forecast.issued_utc,
                rung=entry.forecast.rung,
                source=entry.forecast.source,
                document=entry.forecast.model_dump_json(),
            )
        )
        session.flush()
    problem_id = new_id()
    session.add(
        ProblemRow(
            id=problem_id,
            site=site,
            posed_utc=entry.made_utc,
            forecast_id=forecast_id,
            document=entry.problem.model_dump_json(),
        )
    )
    session.flush()
    plan = entry.plan
    waiting = update(PlanRow).where(PlanRow.site == site, PlanRow.review == "pending")
    session.execute(waiting.values(review="superseded"))
    session.add(
        PlanRow(
            id=entry.id,
            site=site,
            problem_id=problem_id,
            made_utc=entry.made_utc,
            expires_utc=entry.expires_utc,
            policy=plan.policy,
            level=plan.level.value,
            status=plan.status.value,
            review=entry.review,
            review_why=entry.review_why,
            answer_by_utc=entry.answer_by_utc,
            document=plan.model_dump_json(),
        )
    )
    session.flush()


def judge(session: Session, plan_id: str, *, approve: bool, who: str, why: str, at_utc: datetime) -> bool:
    """Give the verdict on a plan that waits; returns whether it still did: of two who judge at once, one is heard."""
    verdict = "approved" if approve else "rejected"
    waiting = update(PlanRow).where(PlanRow.id == plan_id, PlanRow.review == "pending")
    judged = session.execute(waiting.values(review=verdict))
    if not isinstance(judged, CursorResult) or judged.rowcount != 1:
        return False
    session.add(ReviewRow(id=new_id(), plan_id=plan_id, at_utc=at_utc, who=who, verdict=verdict, why=why))
    return True


def _review(session: Session, site: str, entry: ReviewEntry) -> None:
    """Judge for the site file, with its line in the audit trail."""
    who = "site file"
    if not judge(session, entry.plan_id, approve=entry.approve, who=who, why=entry.why, at_utc=entry.at_utc):
        return
    action = f"review {'approved' if entry.approve else 'rejected'}"
    detail = f"{entry.plan_id}: {entry.why}"
    row = {"id": new_id(), "site": site, "at_utc": entry.at_utc, "who": who, "role": "", "action": action}
    session.add(AuditRow(**row, outcome="done", detail=detail))


def _now(session: Session, site: str, entry: NowEntry) -> None:
    session.merge(
        NowRow(
            site=site,
            at_utc=entry.at_utc,
            level=entry.level.value,
            plan_id=entry.plan_id,
            speed=entry.speed,
            snapshot=entry.snapshot.model_dump_json(),
            setpoints=entry.setpoints.model_dump_json() if entry.setpoints else None,
        )
    )


def _outcome(session: Session, site: str, entry: OutcomeEntry) -> None:
    found = entry.outcome
    session.add(
        SetpointRow(
            id=new_id(),
            site=site,
            at_utc=entry.at_utc,
            device=found.device,
            what=found.what,
            asked=str(found.asked),
            found=None if found.found is None else str(found.found),
            verdict=found.verdict.value,
            text=found.text,
        )
    )


def _alarm(session: Session, site: str, entry: AlarmRaised | AlarmCleared) -> None:
    query = select(AlarmRow).where(
        AlarmRow.site == site,
        AlarmRow.code == entry.code,
        AlarmRow.subject == entry.subject,
        AlarmRow.cleared_utc.is_(None),
    )
    present = session.scalars(query).all()
    if isinstance(entry, AlarmCleared):
        for row in present:
            row.cleared_utc = entry.at_utc
    elif not present:
        session.add(
            AlarmRow(
                id=new_id(),
                site=site,
                code=entry.code,
                subject=entry.subject,
                severity=entry.severity,
                text=entry.text,
                raised_utc=entry.at_utc,
            )
        )
    session.flush()


def find_job(session: Session, site: str, name: str) -> JobRow | None:
    """Return a job's row by its name."""
    return session.scalars(select(JobRow).where(JobRow.site == site, JobRow.name == name)).one_or_none()


def add_job(session: Session, site: str, job: JobProblem, *, who: str, at_utc: datetime) -> None:
    """Add a queued job and its first event."""
    row = JobRow(
        id=new_id(),
        site=site,
        name=job.name,
        who=who,
        submitted_utc=at_utc,
        updated_utc=at_utc,
        state="queued",
        done_frac=0.0,
        pool="",
        gpus=0.0,
        limit_w=0.0,
        document=job.model_dump_json(),
    )
    session.add(row)
    session.flush()
    add_job_event(session, row.id, at_utc, "submitted", f"by {who}")


def add_job_event(session: Session, job_id: str, at_utc: datetime, event: str, text: str) -> None:
    """Add the next step in a job's life."""
    last = session.scalar(select(func.max(JobEventRow.seq)).where(JobEventRow.job_id == job_id))
    session.add(JobEventRow(id=new_id(), job_id=job_id, seq=(last or 0) + 1, at_utc=at_utc, event=event, text=text))
    session.flush()


def _progress(session: Session, site: str, entry: JobProgress) -> None:
    """Write how far a job is, in one statement: a cancellation that comes meanwhile is not written over."""
    row = find_job(session, site, entry.name)
    if row is None:
        return
    changed = row.state != entry.state
    told: dict[str, object] = {"state": entry.state, "done_frac": entry.done_frac, "updated_utc": entry.at_utc}
    if entry.gpus > 0:
        told |= {"pool": entry.pool, "gpus": entry.gpus, "limit_w": entry.limit_w}
    going_on = update(JobRow).where(JobRow.id == row.id, JobRow.state.not_in(("done", "cancelled")))
    written = session.execute(going_on.values(**told))
    if not isinstance(written, CursorResult) or written.rowcount != 1:
        return
    if entry.event and changed:
        add_job_event(session, row.id, entry.at_utc, entry.event, entry.text)
