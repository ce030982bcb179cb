"""Read API of the store: frozen records out, nothing in. Safe beside a running daemon; a read never blocks a write.

Every method answers for the one site the reader was opened for. Times are aware UTC; lists are in order of
time unless said otherwise. A missing thing is ``None`` or an empty tuple; nothing raises for absence.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Integer, Select, cast, extract, func, select
from sqlalchemy.orm import Session

from controller.overrides.comparing import PreviewAnswer
from controller.overrides.orders import ORDER, Standing
from controller.records.foresight import Foresight
from controller.records.measured_tables import (
    AlarmRow,
    DeliveryRow,
    NowRow,
    RollupRow,
    ServiceTelemetryRow,
    TelemetryRow,
)
from controller.records.people_tables import (
    AuditRow,
    JobEventRow,
    JobRow,
    OverrideRow,
    OverrideVersionRow,
    PreviewRow,
    ReviewRow,
)
from controller.records.planning_tables import (
    DecisionRow,
    ForecastRow,
    GuardActionRow,
    PlanRow,
    ProblemRow,
    SetpointRow,
    SiteRow,
)
from controller.records.rollups import MEASURED, average
from controller.records.store import open_engine
from controller.records.views import (
    Alarm,
    AuditEntry,
    Delivery,
    GuardAction,
    JobEvent,
    Override,
    PlanHead,
    Review,
    ServicePoint,
    SiteNow,
    StoredDecision,
    StoredJob,
    StoredOutcome,
    StoredPlan,
    StoredPreview,
    TelemetryPoint,
)
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from forecasting.records import Forecast
from optimizer.plan import Plan
from optimizer.problem import JobProblem, Problem
from sites.record import Record
from sites.schema.site import Site

View = TypeVar("View", bound=Record)

MAX_POINTS = 2000
"""Most telemetry points returned unless asked otherwise."""


class Reader(Foresight):
    """Reads one site's records.

    Raises:
        InputError: on opening, the address cannot be used.
    """

    def __init__(self, url: str, site: str) -> None:
        self._engine = open_engine(url, durable=False)
        self._site = site

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def _rows(self, query: Select[Any]) -> list[Any]:
        with Session(self._engine) as session:
            return list(session.scalars(query))

    def now(self) -> SiteNow | None:
        """Return the present as of the last completed cycle; none before the first."""
        with Session(self._engine) as session:
            row = session.get(NowRow, self._site)
        if row is None:
            return None
        return SiteNow(
            site=row.site,
            at_utc=row.at_utc,
            level=row.level,
            plan_id=row.plan_id,
            speed=row.speed,
            snapshot=Snapshot.model_validate_json(row.snapshot),
            setpoints=Setpoints.model_validate_json(row.setpoints) if row.setpoints else None,
        )

    def site(self) -> Site | None:
        """Return the site file in force."""
        query = select(SiteRow).where(SiteRow.site == self._site).order_by(SiteRow.recorded_utc.desc()).limit(1)
        rows = self._rows(query)
        return Site.model_validate_json(rows[0].document) if rows else None

    def telemetry(
        self, start_utc: datetime, end_utc: datetime, *, max_points: int = MAX_POINTS
    ) -> tuple[TelemetryPoint, ...]:
        """Return what was measured in [start, end), averaged to at most ``max_points`` where there is more.

        Averaged points are labelled by their interval's start. Long spans come from the roll-ups.
        """
        inside = (TelemetryRow.site == self._site, TelemetryRow.at_utc >= start_utc, TelemetryRow.at_utc < end_utc)
        with Session(self._engine) as session:
            first, count = session.execute(select(func.min(TelemetryRow.at_utc), func.count()).where(*inside)).one()
            points = self._rolled_up(session, start_utc, first if count else end_utc)
            if len(points) + count <= max_points:
                query = select(TelemetryRow).where(*inside).order_by(TelemetryRow.at_utc)
                return (*points, *(_point(row) for row in session.scalars(query)))
            step_s = (end_utc - start_utc).total_seconds() / max_points
            detail = _averaged(session, inside, start_utc, step_s)
        return (*average(points, start_utc=start_utc, step_s=step_s), *detail)

    def rolled_up(self, start_utc: datetime, end_utc: datetime, *, step_s: int = 3600) -> tuple[TelemetryPoint, ...]:
        """Return stored means of [start, end), labelled by their intervals' starts; few rows however long the span.

        ``step_s`` is one of :data:`~controller.records.rollups.ROLLUP_STEPS_S`; the newest one may still be missing.
        """
        query = select(RollupRow).where(
            RollupRow.site == self._site,
            RollupRow.step_s == step_s,
            RollupRow.at_utc >= start_utc,
            RollupRow.at_utc < end_utc,
        )
        return tuple(_point(row) for row in self._rows(query.order_by(RollupRow.at_utc)))

    def _rolled_up(self, session: Session, start_utc: datetime, before_utc: datetime) -> tuple[TelemetryPoint, ...]:
        """Return the stored means of a span whose detail has been dropped."""
        if before_utc <= start_utc:
            return ()
        step_s = 3600 if before_utc - start_utc > timedelta(days=15) else 300
        query = select(RollupRow).where(
            RollupRow.site == self._site,
            RollupRow.step_s == step_s,
            RollupRow.at_utc >= start_utc,
            RollupRow.at_utc < before_utc,
        )
        return tuple(_point(row) for row in session.scalars(query.order_by(RollupRow.at_utc)))

    def service_rates(self, start_utc: datetime, end_utc: datetime, *, service: str = "") -> tuple[ServicePoint, ...]:
        """Return requests of the services, or of one, in [start, end)."""
        query = select(ServiceTelemetryRow).where(
            ServiceTelemetryRow.site == self._site,
            ServiceTelemetryRow.at_utc >= start_utc,
            ServiceTelemetryRow.at_utc < end_utc,
        )
        if service:
            query = query.where(ServiceTelemetryRow.service == service)
        rows = self._rows(query.order_by(ServiceTelemetryRow.at_utc, ServiceTelemetryRow.service))
        return tuple(_view(ServicePoint, row) for row in rows)

    def latest_plan(self, *, followed: bool = False) -> StoredPlan | None:
        """Return the newest plan, or with ``followed`` the one in force now (none under rules)."""
        if followed:
            now = self.now()
            return self.plan(now.plan_id) if now and now.plan_id else None
        query = select(PlanRow.id).where(PlanRow.site == self._site).order_by(PlanRow.made_utc.desc()).limit(1)
        found = self._rows(query)
        return self.plan(found[0]) if found else None

    def plan(self, plan_id: str) -> StoredPlan | None:
        """Return a plan with its problem and forecast."""
        with Session(self._engine) as session:
            row = session.get(PlanRow, plan_id)
            if row is None or row.site != self._site:
                return None
            problem = session.get_one(ProblemRow, row.problem_id)
            forecast = session.get(ForecastRow, problem.forecast_id) if problem.forecast_id else None
            return StoredPlan(
                head=_head(row),
                plan=Plan.model_validate_json(row.document),
                problem=Problem.model_validate_json(problem.document),
                forecast=Forecast.model_validate_json(forecast.document) if forecast else None,
            )

    def plans(self, start_utc: datetime, end_utc: datetime, *, limit: int = 500) -> tuple[PlanHead, ...]:
        """Return the heads of plans made in [start, end), newest first."""
        query = (
            select(PlanRow)
            .where(PlanRow.site == self._site, PlanRow.made_utc >= start_utc, PlanRow.made_utc < end_utc)
            .order_by(PlanRow.made_utc.desc())
            .limit(limit)
        )
        return tuple(_head(row) for row in self._rows(query))

    def plan_documents(self, start_utc: datetime, end_utc: datetime) -> tuple[tuple[PlanHead, Plan], ...]:
        """Return all plans made in [start, end) in order of time, without the problems they answered."""
        query = (
            select(PlanRow)
            .where(PlanRow.site == self._site, PlanRow.made_utc >= start_utc, PlanRow.made_utc < end_utc)
            .order_by(PlanRow.made_utc)
        )
        return tuple((_head(row), Plan.model_validate_json(row.document)) for row in self._rows(query))

    def pending_plans(self) -> tuple[PlanHead, ...]:
        """Return plans that wait for a review, newest first."""
        query = select(PlanRow).where(PlanRow.site == self._site, PlanRow.review == "pending")
        return tuple(_head(row) for row in self._rows(query.order_by(PlanRow.made_utc.desc())))

    def jobs(self, states: Iterable[str] = (), *, limit: int = 500) -> tuple[StoredJob, ...]:
        """Return jobs in any of ``states`` (all when empty), newest submission first."""
        query = select(JobRow).where(JobRow.site == self._site)
        wanted = tuple(states)
        if wanted:
            query = query.where(JobRow.state.in_(wanted))
        return tuple(_job(row) for row in self._rows(query.order_by(JobRow.submitted_utc.desc()).limit(limit)))

    def job(self, name: str) -> StoredJob | None:
        """Return one job by its name."""
        rows = self._rows(select(JobRow).where(JobRow.site == self._site, JobRow.name == name))
        return _job(rows[0]) if rows else None

    def job_events(self, name: str) -> tuple[JobEvent, ...]:
        """Return the steps in a job's life."""
        query = (
            select(JobEventRow)
            .join(JobRow, JobRow.id == JobEventRow.job_id)
            .where(JobRow.site == self._site, JobRow.name == name)
            .order_by(JobEventRow.seq)
        )
        return tuple(JobEvent(at_utc=row.at_utc, event=row.event, text=row.text) for row in self._rows(query))

    def decisions(
        self, start_utc: datetime, end_utc: datetime, *, subject: str = "", limit: int = 500
    ) -> tuple[StoredDecision, ...]:
        """Return orders given in [start, end), newest first; ``subject`` narrows to one, e.g. ``genset diesel-1``."""
        query = select(DecisionRow).where(
            DecisionRow.site == self._site, DecisionRow.at_utc >= start_utc, DecisionRow.at_utc < end_utc
        )
        if subject:
            query = query.where(DecisionRow.subject == subject)
        rows = self._rows(query.order_by(DecisionRow.at_utc.desc(), DecisionRow.seq.desc()).limit(limit))
        return tuple(_view(StoredDecision, row) for row in rows)

    def guard_actions(self, start_utc: datetime, end_utc: datetime, *, limit: int = 500) -> tuple[GuardAction, ...]:
        """Return guards that began or ceased to act in [start, end), newest first."""
        query = select(GuardActionRow).where(
            GuardActionRow.site == self._site, GuardActionRow.at_utc >= start_utc, GuardActionRow.at_utc < end_utc
        )
        rows = self._rows(query.order_by(GuardActionRow.at_utc.desc()).limit(limit))
        return tuple(_view(GuardAction, row) for row in rows)

    def outcomes(
        self, start_utc: datetime, end_utc: datetime, *, only_odd: bool = False, limit: int = 500
    ) -> tuple[StoredOutcome, ...]:
        """Return setpoints written in [start, end) with verdicts, newest first; ``only_odd`` leaves out ``own``."""
        query = select(SetpointRow).where(
            SetpointRow.site == self._site, SetpointRow.at_utc >= start_utc, SetpointRow.at_utc < end_utc
        )
        if only_odd:
            query = query.where(SetpointRow.verdict != "own")
        rows = self._rows(query.order_by(SetpointRow.at_utc.desc()).limit(limit))
        return tuple(_view(StoredOutcome, row) for row in rows)

    def alarms(self, *, open_only: bool = True, limit: int = 200) -> tuple[Alarm, ...]:
        """Return alarms, newest first."""
        query = select(AlarmRow).where(AlarmRow.site == self._site)
        if open_only:
            query = query.where(AlarmRow.cleared_utc.is_(None))
        return tuple(_view(Alarm, row) for row in self._rows(query.order_by(AlarmRow.raised_utc.desc()).limit(limit)))

    def forecasts(self, start_utc: datetime, end_utc: datetime, *, limit: int = 100) -> tuple[Forecast, ...]:
        """Return forecasts issued in [start, end), newest first."""
        query = select(ForecastRow).where(
            ForecastRow.site == self._site, ForecastRow.issued_utc >= start_utc, ForecastRow.issued_utc < end_utc
        )
        rows = self._rows(query.order_by(ForecastRow.issued_utc.desc()).limit(limit))
        return tuple(Forecast.model_validate_json(row.document) for row in rows)

    def deliveries(self, *, limit: int = 100) -> tuple[Delivery, ...]:
        """Return diesel deliveries that stand, newest first."""
        standing = (DeliveryRow.site == self._site, DeliveryRow.withdrawn_utc.is_(None))
        query = select(DeliveryRow).where(*standing).order_by(DeliveryRow.at_utc.desc())
        return tuple(_view(Delivery, row) for row in self._rows(query.limit(limit)))

    def reviews(self, *, limit: int = 200) -> tuple[Review, ...]:
        """Return verdicts on plans, newest first."""
        query = (
            select(ReviewRow)
            .join(PlanRow, PlanRow.id == ReviewRow.plan_id)
            .where(PlanRow.site == self._site)
            .order_by(ReviewRow.at_utc.desc())
            .limit(limit)
        )
        return tuple(_view(Review, row) for row in self._rows(query))

    def overrides(self, at_utc: datetime | None = None, *, limit: int = 200) -> tuple[Override, ...]:
        """Return overrides, newest first; with ``at_utc`` only those that have not ended then."""
        query = select(OverrideRow).where(OverrideRow.site == self._site)
        if at_utc is not None:
            query = query.where(OverrideRow.expires_utc > at_utc, OverrideRow.withdrawn_utc.is_(None))
        rows = self._rows(query.order_by(OverrideRow.at_utc.desc(), OverrideRow.id).limit(limit))
        return tuple(_override(row) for row in rows)

    def order_version(self) -> int:
        """Return how often overrides and deliveries have changed."""
        with Session(self._engine) as session:
            row = session.get(OverrideVersionRow, self._site)
            return row.version if row is not None else 0

    def preview(self, preview_id: str) -> StoredPreview | None:
        """Return an order that somebody thinks of giving, and what the planner says to it."""
        with Session(self._engine) as session:
            row = session.get(PreviewRow, preview_id)
        if row is None or row.site != self._site:
            return None
        names = ("id", "asked_utc", "who", "why", "version", "state", "progress")
        fields = {name: getattr(row, name) for name in names}
        answer = PreviewAnswer.model_validate_json(row.result) if row.result is not None else None
        return StoredPreview.model_validate(
            {**fields, "standing": Standing.model_validate_json(row.document), "answer": answer}
        )

    def audit(self, *, limit: int = 200) -> tuple[AuditEntry, ...]:
        """Return commands that were given, newest first."""
        query = select(AuditRow).where(AuditRow.site == self._site).order_by(AuditRow.at_utc.desc()).limit(limit)
        return tuple(_view(AuditEntry, row) for row in self._rows(query))


def _view(kind: type[View], row: object) -> View:
    return kind.model_validate({name: getattr(row, name) for name in kind.model_fields})


def _override(row: OverrideRow) -> Override:
    fields = {name: getattr(row, name) for name in Override.model_fields if name != "order"}
    return Override.model_validate({**fields, "order": ORDER.validate_json(row.document)})


def _averaged(
    session: Session, inside: tuple[ColumnElement[bool], ...], start_utc: datetime, step_s: float
) -> tuple[TelemetryPoint, ...]:
    """Return the means of intervals of ``step_s``, worked out by the database: a chart must not read a day row by row."""
    interval: ColumnElement[int]
    if session.get_bind().dialect.name == "sqlite":
        since_s = (func.julianday(TelemetryRow.at_utc) - func.julianday(start_utc)) * 86400.0
        interval = cast((since_s + 0.001) / step_s, Integer)
    else:
        interval = cast(func.floor((extract("epoch", TelemetryRow.at_utc) - start_utc.timestamp()) / step_s), Integer)
    interval = interval.label("interval")
    means = [func.avg(getattr(TelemetryRow, name)).label(name) for name in MEASURED]
    rows = session.execute(select(interval, *means).where(*inside).group_by(interval).order_by(interval)).mappings()
    return tuple(
        TelemetryPoint(
            at_utc=start_utc + timedelta(seconds=int(row["interval"]) * step_s),
            **{name: row[name] for name in MEASURED},
        )
        for row in rows
    )


def _head(row: PlanRow) -> PlanHead:
    return _view(PlanHead, row)


def _point(row: TelemetryRow | RollupRow) -> TelemetryPoint:
    return _view(TelemetryPoint, row)


def _job(row: JobRow) -> StoredJob:
    fields = {name: getattr(row, name) for name in StoredJob.model_fields if name != "job"}
    return StoredJob.model_validate({**fields, "job": JobProblem.model_validate_json(row.document)})
