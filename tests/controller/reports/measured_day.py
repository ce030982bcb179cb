"""A store with a whole local day of the example container behind it: telemetry, a plan, jobs, services, an alarm.

What happened differs from the plan in known ways: 10 % less sun, 5 % more IT load; the battery takes the rest.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from controller.records.entries import Entry, JobProgress, JobSubmitted, NowEntry, TelemetryEntry
from controller.records.store import open_engine
from controller.records.views import ServicePoint, TelemetryPoint
from controller.records.writing import write_entry
from optimizer.plan import Level
from tests.controller.web.container_day import Day, container_day, write_day

DAY = date(2025, 1, 15)
MIDNIGHT = datetime(2025, 1, 15, 5, 0, tzinfo=UTC)
"""Start of the day in Greensboro."""
STEP = timedelta(minutes=5)
LESS_SUN, MORE_IT = 0.9, 1.05


def morning_day() -> Day:
    """Return the container's day as planned at its local midnight, in force for a day and more."""
    return container_day(MIDNIGHT)


def telemetry(day: Day) -> list[TelemetryPoint]:
    """Return 24 hours of samples, each the mean of the five minutes that it begins; flows balance exactly."""
    points, soc = [], 0.58
    for index in range(int(timedelta(hours=24) / STEP)):
        at = MIDNIGHT + index * STEP
        planned = day.plan.intervals[day.plan.interval_at(at)]
        available = planned.pv_available_kw * LESS_SUN
        used = min(planned.pv_used_kw, available)
        it_kw = planned.it_kw * MORE_IT
        other = planned.load_kw - planned.it_kw - planned.cooling_kw
        engine = sum(genset.kw for genset in planned.gensets)
        load = it_kw + planned.cooling_kw + other
        battery = load - used - engine
        soc -= battery / 12 / 1200
        points.append(
            TelemetryPoint(
                at_utc=at,
                pv_kw=used,
                pv_available_kw=available,
                battery_kw=battery,
                soc_frac=min(max(soc, 0.0), 1.0),
                genset_kw=engine,
                load_kw=load,
                it_kw=it_kw,
                cooling_kw=planned.cooling_kw,
                unserved_kw=0.0,
                tank_l=2710.0 - index * 0.05,
            )
        )
    return points


def store_with_measured_day(folder: Path, *, gap: tuple[int, int] = (0, 0)) -> str:
    """Return the address of the store; samples ``gap[0]`` up to ``gap[1]`` are missing."""
    url = f"sqlite:///{folder / 'measured.sqlite'}"
    day = morning_day()
    write_day(url, day, valid_h=30)
    engine = open_engine(url, durable=False)
    with Session(engine) as session:
        for entry in _entries(day, gap):
            write_entry(session, "container", entry)
        session.commit()
    engine.dispose()
    return url


def _entries(day: Day, gap: tuple[int, int]) -> list[Entry]:
    end = MIDNIGHT + timedelta(hours=25)
    found: list[Entry] = []
    for index, point in enumerate(telemetry(day)):
        if gap[0] <= index < gap[1]:
            continue
        service = ServicePoint(
            at_utc=point.at_utc, service="voice-agent", rate_rps=40.0, served_rps=40.0 if index % 2 else 39.0, mode="m"
        )
        found.append(TelemetryEntry(point=point, services=(service,)))
    for job, late in ((day.problem.jobs[0], False), (day.problem.jobs[1], True)):
        ended = job.deadline_utc + timedelta(hours=1) if late else MIDNIGHT + timedelta(hours=3)
        found.append(JobSubmitted(job=job, who="ops", at_utc=MIDNIGHT))
        found.append(
            JobProgress(
                name=job.name, state="done", done_frac=1.0, pool="h100", gpus=8, limit_w=300, at_utc=ended, event="done"
            )
        )
    snapshot = day.snapshot.model_copy(update={"at_utc": end})
    found.append(
        NowEntry(
            at_utc=end, level=Level.OPTIMAL, plan_id="a" * 32, speed=1.0, snapshot=snapshot, setpoints=day.setpoints
        )
    )
    return found
