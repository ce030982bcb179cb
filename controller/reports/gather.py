"""What a report about a day or a week says, read from the store and added up; nothing here is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from controller.records.reading import Reader
from controller.records.views import (
    Alarm,
    GuardAction,
    Override,
    Review,
    ServicePoint,
    StoredDecision,
    StoredJob,
    TelemetryPoint,
)
from controller.reports.bridge import Bridge, bridge, planned_intervals
from controller.reports.energy import EnergyBalance, balance, fuel_used_l, genset_hours, held, measured_intervals
from controller.reports.period import Span
from controller.reports.regret import Hindsight
from controller.reports.taken import TakenDecision, taken_decisions
from controller.reports.upkeep import BatteryAccount, GensetAccount, battery_account, genset_accounts
from forecasting.records import NightScores
from optimizer.plan import Interval
from sites.record import Record
from sites.schema.site import Site
from sites.times import HOUR, TimeGrid, Utc

ALL_POINTS = 400_000
"""Telemetry is read whole: averages of averages would not add up to the day."""
PLAN_REACH = timedelta(hours=12)
"""How long before the span the plan in force at its start may have been made."""
NIGHT = timedelta(hours=12)
"""Scores of the night that ends a span come this long after it at the latest."""
DAY_STEP_H = 0.25
LONG_STEP_H = 1.0
SHOWN = 200
SHORT_FRAC = 0.001
JUST_BEFORE = timedelta(minutes=10)
"""A genset that gave power until then did not start anew at the span's beginning."""


class ServiceAccount(Record):
    """One service over the span."""

    name: str
    asked: float
    """Requests that came."""
    served: float
    measured_h: float
    short_h: float = 0.0
    """Hours of samples in which more than a thousandth of the requests went unserved."""

    @property
    def kept_frac(self) -> float | None:
        """Share of the time in which the service took what came; none if it was not measured."""
        return 1.0 - self.short_h / self.measured_h if self.measured_h > 0 else None

    @property
    def served_frac(self) -> float | None:
        """Share of the requests that was served; none if none came."""
        return min(self.served / self.asked, 1.0) if self.asked > 0 else None


class JobAccount(Record):
    """One job that moved during the span."""

    name: str
    state: str
    done_frac: float
    moved_utc: Utc
    """Its last step, within or after the span."""
    deadline_utc: Utc
    late: bool
    value_usd: float


class SunAccount(Record):
    """Forecast against the sun that was there, over intervals with sun in either."""

    hours: float
    forecast_kwh: float
    happened_kwh: float
    error_frac: float | None
    """Mean absolute error of the intervals over the mean that happened."""


class PeriodReport(Record):
    """All that the report says."""

    site: str
    span: Span
    until_utc: Utc
    """End of what could be read: the end of the span, or the present within it."""
    energy: EnergyBalance
    fuel_l: float | None
    delivered_l: float
    genset_h: float
    genset_starts: int
    soc_low_frac: float | None
    soc_high_frac: float | None
    cycles: float | None
    """Energy out of the battery over its capacity."""
    grid_hours: tuple[float, ...]
    happened: tuple[Interval | None, ...]
    planned: tuple[Interval | None, ...]
    bridge: Bridge
    sun: SunAccount
    services: tuple[ServiceAccount, ...]
    jobs: tuple[JobAccount, ...]
    alarms: tuple[Alarm, ...]
    guards: tuple[GuardAction, ...]
    orders: tuple[StoredDecision, ...]
    """Oldest first: gensets, load tiers, the rung of the ladder."""
    decisions: tuple[TakenDecision, ...] = ()
    """Oldest first: what plans decided and gave a reason for, as it was carried out."""
    reviews: tuple[Review, ...] = ()
    """Oldest first."""
    overrides: tuple[Override, ...] = ()
    """In force at some time in the span, oldest first."""
    gensets: tuple[GensetAccount, ...] = ()
    battery: BatteryAccount | None = None
    skill: NightScores | None = None
    """How good forecasts have been, as of the last night of the span."""
    hindsight: Hindsight | None = None
    """What the span would have cost with all known before; worked out by night."""

    @property
    def grid(self) -> TimeGrid:
        """The intervals of ``happened`` and ``planned``."""
        return TimeGrid(start_utc=self.span.start_utc, hours=self.grid_hours)


def gather(
    reader: Reader, site: Site, span: Span, *, step_h: float | None = None, before: BatteryAccount | None = None
) -> PeriodReport:
    """Return the report about ``span``; what lies in the future is left out.

    Args:
        reader: the store.
        site: the site.
        span: the time it is about.
        step_h: length of its intervals; by the length of the span if absent.
        before: where the battery's ageing stood when the span began.
    """
    now = reader.now()
    until = min(span.end_utc, now.at_utc) if now is not None else span.end_utc
    until = max(until, span.start_utc)
    points = reader.telemetry(span.start_utc, span.end_utc, max_points=ALL_POINTS)
    grid = span.grid(step_h or (DAY_STEP_H if span.hours <= 49 else LONG_STEP_H))
    plans = reader.plan_documents(span.start_utc - PLAN_REACH, span.end_utc)
    happened, planned = measured_intervals(points, grid), planned_intervals(plans, grid)
    delivered = sum(d.litres for d in reader.deliveries(limit=1000) if span.start_utc <= d.at_utc < until)
    charges = [point.soc_frac for point in points if point.soc_frac is not None]
    energy = balance(points, until)
    jobs = _jobs(reader.jobs(limit=5000), span, until)
    orders = _orders(reader.decisions(span.start_utc, span.end_utc, limit=20_000))
    return PeriodReport(
        site=site.name,
        span=span,
        until_utc=until,
        energy=energy,
        fuel_l=fuel_used_l(points, delivered) if site.tank is not None else None,
        delivered_l=delivered,
        genset_h=genset_hours(points, until),
        genset_starts=_starts((*reader.telemetry(span.start_utc - JUST_BEFORE, span.start_utc), *points)),
        soc_low_frac=min(charges, default=None),
        soc_high_frac=max(charges, default=None),
        cycles=energy.battery_out_kwh / site.battery.capacity_kwh if site.battery else None,
        grid_hours=grid.hours,
        happened=happened,
        planned=planned,
        bridge=bridge(planned, happened),
        sun=_sun(planned, happened),
        services=_services(reader.service_rates(span.start_utc, span.end_utc), until),
        jobs=jobs,
        alarms=_alarms(reader.alarms(open_only=False, limit=1000), span),
        guards=tuple(reversed(reader.guard_actions(span.start_utc, span.end_utc, limit=SHOWN))),
        orders=orders,
        decisions=taken_decisions(plans, [job.name for job in jobs[:SHOWN]], reader.job_events, orders, span),
        reviews=tuple(r for r in reversed(reader.reviews(limit=5000)) if span.start_utc <= r.at_utc < span.end_utc),
        overrides=_overrides(reader.overrides(limit=5000), span),
        gensets=genset_accounts(site, now, span.end_utc),
        battery=battery_account(site, points, before),
        skill=next(iter(reader.night_scores(until_utc=until + NIGHT)), None),
    )


def _overrides(overrides: Sequence[Override], span: Span) -> tuple[Override, ...]:
    standing = [
        each
        for each in overrides
        if each.at_utc < span.end_utc and min(each.expires_utc, each.withdrawn_utc or each.expires_utc) > span.start_utc
    ]
    return tuple(sorted(standing, key=lambda each: each.at_utc))


def _starts(points: Sequence[TelemetryPoint], *, least_kw: float = 0.1) -> int:
    """Return how often gensets together went from giving nothing to giving something."""
    giving = [point.genset_kw >= least_kw for point in points if point.genset_kw is not None]
    return sum(later and not sooner for sooner, later in pairwise(giving))


def _sun(planned: Sequence[Interval | None], happened: Sequence[Interval | None]) -> SunAccount:
    pairs = [
        (p, h)
        for p, h in zip(planned, happened, strict=True)
        if p is not None and h is not None and max(p.pv_available_kw, h.pv_available_kw) > 0
    ]
    there = sum(h.pv_available_kw * h.hours for _, h in pairs)
    error = sum(abs(p.pv_available_kw - h.pv_available_kw) * h.hours for p, h in pairs)
    return SunAccount(
        hours=sum(h.hours for _, h in pairs),
        forecast_kwh=sum(p.pv_available_kw * h.hours for p, h in pairs),
        happened_kwh=there,
        error_frac=error / there if there > 0 else None,
    )


def _services(points: Sequence[ServicePoint], until: datetime) -> tuple[ServiceAccount, ...]:
    rows: dict[str, list[ServicePoint]] = {}
    for point in points:
        rows.setdefault(point.service, []).append(point)
    return tuple(_service(name, row, until) for name, row in sorted(rows.items()))


def _service(name: str, points: Sequence[ServicePoint], until: datetime) -> ServiceAccount:
    times = [TelemetryPoint(at_utc=point.at_utc) for point in points]
    asked = served = measured = short = 0.0
    for point, (_, start, end) in zip(points, held(times, until), strict=False):
        if point.rate_rps is None or point.served_rps is None:
            continue
        seconds = (end - start).total_seconds()
        asked += point.rate_rps * seconds
        served += point.served_rps * seconds
        measured += seconds / 3600
        short += seconds / 3600 if point.served_rps < point.rate_rps * (1.0 - SHORT_FRAC) else 0.0
    return ServiceAccount(name=name, asked=asked, served=served, measured_h=measured, short_h=short)


def _jobs(jobs: Sequence[StoredJob], span: Span, until: datetime) -> tuple[JobAccount, ...]:
    moved = [job for job in jobs if job.updated_utc >= span.start_utc and job.submitted_utc < span.end_utc]
    return tuple(_job(job, until) for job in sorted(moved, key=lambda job: job.job.deadline_utc))


def _job(job: StoredJob, until: datetime) -> JobAccount:
    ended = job.state in ("done", "failed", "cancelled")
    reached = job.updated_utc if ended else until
    return JobAccount(
        name=job.name,
        state=job.state,
        done_frac=job.done_frac,
        moved_utc=job.updated_utc,
        deadline_utc=job.job.deadline_utc,
        late=reached > job.job.deadline_utc and job.state != "cancelled",
        value_usd=job.job.value_usd,
    )


def _alarms(alarms: Sequence[Alarm], span: Span) -> tuple[Alarm, ...]:
    """Return alarms that stood at some time in the span, oldest first."""
    standing = [
        alarm
        for alarm in alarms
        if alarm.raised_utc < span.end_utc and (alarm.cleared_utc is None or alarm.cleared_utc >= span.start_utc)
    ]
    return tuple(sorted(standing, key=lambda alarm: alarm.raised_utc))


def _orders(decisions: Sequence[StoredDecision]) -> tuple[StoredDecision, ...]:
    kept = [each for each in decisions if each.subject in ("tiers", "level") or each.subject.startswith("genset ")]
    return tuple(reversed(kept[:SHOWN]))


def measured_share(report: PeriodReport) -> float:
    """Return the share of the time so far in which everything was measured."""
    passed = (report.until_utc - report.span.start_utc) / HOUR
    return min(report.energy.measured_h / passed, 1.0) if passed > 0 else 0.0
