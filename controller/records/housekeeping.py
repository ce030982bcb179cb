"""Roll-ups and retention: years of records on a small disk.

Telemetry is averaged over five minutes and an hour once an interval is over; the detail is dropped after
``KEEP_DETAIL``. Means already there are left as they are, so that rolling up twice changes nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete, func, select, text
from sqlalchemy.orm import Session

from controller.records.base import new_id
from controller.records.forecast_tables import PredictionRow
from controller.records.measured_tables import NumberingRow, RollupRow, ServiceTelemetryRow, TelemetryRow
from controller.records.people_tables import ReviewRow
from controller.records.planning_tables import DecisionRow, ForecastRow, PlanRow, ProblemRow, SetpointRow
from controller.records.rollups import ROLLUP_STEPS_S, average
from controller.records.store import open_engine
from controller.records.views import TelemetryPoint
from controller.records.writing import insert_ignore

KEEP_DETAIL = timedelta(days=60)
ROLLED_AT_ONCE = timedelta(days=1)
"""Span of telemetry that one pass reads, to bound memory."""


def floor_to(moment: datetime, step_s: int) -> datetime:
    """Return the start of the interval of ``step_s`` that holds a moment."""
    return datetime.fromtimestamp(moment.timestamp() // step_s * step_s, tz=UTC)


def roll_up(session: Session, site: str, until_utc: datetime) -> int:
    """Average what has come since the last roll-up, up to the last whole interval; returns the intervals added."""
    added = 0
    for step_s in ROLLUP_STEPS_S:
        last = session.scalar(
            select(func.max(RollupRow.at_utc)).where(RollupRow.site == site, RollupRow.step_s == step_s)
        )
        begin = last + timedelta(seconds=step_s) if last else None
        if begin is None:
            first = session.scalar(select(func.min(TelemetryRow.at_utc)).where(TelemetryRow.site == site))
            if first is None:
                return added
            begin = floor_to(first, step_s)
        end = floor_to(until_utc, step_s)
        while begin < end:
            part_end = min(begin + ROLLED_AT_ONCE, end)
            added += _roll_part(session, site, begin, part_end, step_s)
            begin = part_end
    return added


def _roll_part(session: Session, site: str, begin: datetime, end: datetime, step_s: int) -> int:
    rows = session.scalars(
        select(TelemetryRow)
        .where(TelemetryRow.site == site, TelemetryRow.at_utc >= begin, TelemetryRow.at_utc < end)
        .order_by(TelemetryRow.at_utc)
    ).all()
    points = [
        TelemetryPoint.model_construct(**{name: getattr(row, name) for name in TelemetryPoint.model_fields})
        for row in rows
    ]
    made = []
    for mean in average(points, start_utc=begin, step_s=step_s):
        until = mean.at_utc + timedelta(seconds=step_s)
        inside = [point for point in points if mean.at_utc <= point.at_utc < until]
        socs = [point.soc_frac for point in inside if point.soc_frac is not None]
        made.append(
            {
                "site": site,
                "step_s": step_s,
                "samples": len(inside),
                "soc_min_frac": min(socs, default=None),
                "soc_max_frac": max(socs, default=None),
                **mean.model_dump(),
            }
        )
    insert_ignore(session, RollupRow, made)
    return len(made)


def prune(session: Session, site: str, before_utc: datetime) -> dict[str, int]:
    """Delete detail older than a moment: rolled-up telemetry, read-backs, and plans nobody decided by or reviewed.

    Decisions, jobs, alarms, reviews, guard actions and the audit trail are kept. Returns the rows deleted by table.
    """
    roll_up(session, site, before_utc)
    gone: dict[str, int] = {}

    def remove(name: str, statement: object) -> None:
        gone[name] = session.execute(statement).rowcount  # type: ignore[call-overload]

    rolled = session.scalar(select(func.max(RollupRow.at_utc)).where(RollupRow.site == site, RollupRow.step_s == 3600))
    edge = min(before_utc, rolled + timedelta(hours=1)) if rolled else before_utc
    remove("telemetry", delete(TelemetryRow).where(TelemetryRow.site == site, TelemetryRow.at_utc < edge))
    remove(
        "service_telemetry",
        delete(ServiceTelemetryRow).where(ServiceTelemetryRow.site == site, ServiceTelemetryRow.at_utc < before_utc),
    )
    remove("setpoints", delete(SetpointRow).where(SetpointRow.site == site, SetpointRow.at_utc < before_utc))
    used = select(DecisionRow.plan_id).where(DecisionRow.plan_id.is_not(None))
    reviewed = select(ReviewRow.plan_id)
    remove(
        "plans",
        delete(PlanRow).where(
            PlanRow.site == site,
            PlanRow.made_utc < before_utc,
            PlanRow.id.not_in(used),
            PlanRow.id.not_in(reviewed),
        ),
    )
    kept = select(PlanRow.problem_id)
    remove(
        "problems",
        delete(ProblemRow).where(
            ProblemRow.site == site, ProblemRow.posed_utc < before_utc, ProblemRow.id.not_in(kept)
        ),
    )
    used_forecasts = select(ProblemRow.forecast_id).where(ProblemRow.forecast_id.is_not(None))
    remove(
        "forecasts",
        delete(ForecastRow).where(
            ForecastRow.site == site, ForecastRow.issued_utc < before_utc, ForecastRow.id.not_in(used_forecasts)
        ),
    )
    remove(
        "weather_predictions",
        delete(PredictionRow).where(PredictionRow.site == site, PredictionRow.issued_utc < before_utc),
    )
    return gone


def renumber(engine: Engine) -> None:
    """Note that the rows of an SQLite store have been numbered anew: a backfill begins again, and doubles nothing."""
    with Session(engine) as session:
        session.merge(NumberingRow(id=1, generation=new_id()))
        session.commit()


def prune_store(url: str, site: str, before_utc: datetime) -> dict[str, int]:
    """Prune one site's records in a store and give the space back; returns the rows deleted by table.

    Raises:
        InputError: the store cannot be used.
    """
    engine = open_engine(url, durable=True)
    try:
        with Session(engine) as session:
            gone = prune(session, site, before_utc)
            session.commit()
        if engine.dialect.name == "sqlite":
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("VACUUM"))
            renumber(engine)
    finally:
        engine.dispose()
    return gone
