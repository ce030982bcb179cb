"""Hypothesis strategies for plans that may look like anything, with flows that balance."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from controller.reports.charts.frame import Horizon
from optimizer.plan import GensetInterval, Interval, JobPlan
from sites.times import TimeGrid

ZONES = ("America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC")
powers = st.one_of(st.just(0.0), st.floats(0.0, 500.0))


@st.composite
def horizons(draw: st.DrawFn) -> Horizon:
    """Return a horizon of 1 to 30 unequal steps, anywhere in a year."""
    start = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=draw(st.integers(0, 365 * 1440)))
    hours = tuple(draw(st.lists(st.sampled_from((0.25, 0.5, 1.0, 4.0)), min_size=1, max_size=30)))
    now = start + timedelta(hours=draw(st.floats(-1, 60)))
    dark = tuple(draw(st.booleans()) for _ in hours)
    return Horizon(
        grid=TimeGrid(start_utc=start, hours=hours),
        zone=ZoneInfo(draw(st.sampled_from(ZONES))),
        now_utc=draw(st.sampled_from((now, None))),
        dark=dark,
    )


@st.composite
def interval_rows(draw: st.DrawFn, horizon: Horizon) -> tuple[Interval, ...]:
    """Return intervals on a horizon whose flows balance."""
    found = []
    for start, hours in zip(horizon.grid.starts_utc, horizon.grid.hours, strict=True):
        pv, engine, it_kw, cooling = (draw(powers) for _ in range(4))
        load = it_kw + cooling + draw(st.floats(0, 10))
        found.append(
            Interval(
                start_utc=start,
                hours=hours,
                pv_available_kw=pv + draw(powers),
                pv_used_kw=pv,
                battery_kw=load - pv - engine,
                soc_end_frac=draw(st.floats(0, 1)),
                gensets=(GensetInterval(name="diesel-1", on=engine > 0, kw=engine),),
                load_kw=load,
                it_kw=it_kw,
                cooling_kw=cooling,
                shed_kw=draw(powers),
                reserve_kw=0.0,
                price_usd_per_kwh=draw(st.floats(-0.2, 30)),
            )
        )
    return tuple(found)


@st.composite
def job_plans(draw: st.DrawFn, horizon: Horizon) -> tuple[JobPlan, ...]:
    """Return up to twenty jobs with names of any length that run at any time, with pauses."""
    count = len(horizon.grid)
    found = []
    for index in range(draw(st.integers(0, 20))):
        gpus = tuple(draw(st.sampled_from((0.0, 4.0, 16.0))) for _ in range(count))
        limits = tuple(draw(st.sampled_from((200.0, 310.0))) if each else 0.0 for each in gpus)
        first = next((i for i, each in enumerate(gpus) if each), None)
        last = max((i for i, each in enumerate(gpus) if each), default=None)
        found.append(
            JobPlan(
                name=draw(st.sampled_from(("job", "a-very-long-job-name-that-nobody-should-choose"))) + f"-{index}",
                pool=draw(st.sampled_from(("h100", "l40s"))),
                profile="training",
                start_utc=None if first is None else horizon.moments[first],
                end_utc=None if last is None else horizon.moments[last + 1],
                gpus=max(gpus),
                power_limit_w=max(limits),
                done_frac=0.5,
                late=draw(st.booleans()),
                gpus_by_interval=gpus,
                limit_w_by_interval=limits,
            )
        )
    return tuple(found)
