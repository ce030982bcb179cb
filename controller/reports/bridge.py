"""From planned to happened: which deviation moved the gensets' energy, term by term, with the rest on its own line.

What the gensets give is what the load takes and the sun and the battery do not (bus balance). So, over the time in
which both a plan was in force and everything was measured, in kWh:

    gensets happened - gensets planned =
        (IT + cooling + other) happened - planned
      - (sun there happened - planned) + (sun not used happened - planned)
      - (battery out - in) happened - planned
      + residual
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from controller.records.views import PlanHead
from optimizer.plan import Interval, Plan
from sites.record import Record
from sites.times import HOUR, TimeGrid


class Term(Record):
    """One cause."""

    name: str
    planned_kwh: float
    happened_kwh: float
    effect_kwh: float
    """What it adds to the energy of the gensets."""


class Bridge(Record):
    """Planned genset energy, what moved it, and what happened."""

    compared_h: float
    planned_kwh: float
    terms: tuple[Term, ...]
    residual_kwh: float
    happened_kwh: float
    turnover_kwh: float
    """All energy that sources gave in that time, what the residual is held against."""


def planned_intervals(plans: Sequence[tuple[PlanHead, Plan]], grid: TimeGrid) -> tuple[Interval | None, ...]:
    """Return for each interval of ``grid`` what the plan in force at its middle said; none where there was none.

    The plan in force is the newest that had been made by then, was not rejected and had not expired.
    """
    kept = [(head, plan) for head, plan in plans if head.review != "rejected"]
    ordered = sorted(kept, key=lambda each: each[0].made_utc)
    return tuple(
        _planned(ordered, start, start + hours * HOUR, hours)
        for start, hours in zip(grid.starts_utc, grid.hours, strict=True)
    )


def _planned(ordered: Sequence[tuple[PlanHead, Plan]], start: datetime, end: datetime, hours: float) -> Interval | None:
    middle = start + (end - start) / 2
    made = [plan for head, plan in ordered if head.made_utc <= middle < head.expires_utc]
    if not made or not made[-1].start_utc <= middle < made[-1].grid.end_utc:
        return None
    plan = made[-1]
    return plan.intervals[plan.interval_at(middle)].model_copy(update={"start_utc": start, "hours": hours})


def bridge(planned: Sequence[Interval | None], happened: Sequence[Interval | None]) -> Bridge:
    """Return the bridge over the intervals that have both."""
    pairs = [(p, h) for p, h in zip(planned, happened, strict=True) if p is not None and h is not None]
    before, after = [p for p, _ in pairs], [h for _, h in pairs]
    causes = (
        ("IT", 1.0, _energy(before, "it_kw"), _energy(after, "it_kw")),
        ("Cooling", 1.0, _energy(before, "cooling_kw"), _energy(after, "cooling_kw")),
        ("Other load", 1.0, _other(before), _other(after)),
        ("Sun that was there", -1.0, _energy(before, "pv_available_kw"), _energy(after, "pv_available_kw")),
        ("Sun left unused", 1.0, _curtailed(before), _curtailed(after)),
        ("Battery, out less in", -1.0, _energy(before, "battery_kw"), _energy(after, "battery_kw")),
    )
    terms = tuple(
        Term(name=name, planned_kwh=was, happened_kwh=now, effect_kwh=sign * (now - was))
        for name, sign, was, now in causes
    )
    planned_kwh, happened_kwh = _gensets(before), _gensets(after)
    return Bridge(
        compared_h=sum(each.hours for each in before),
        planned_kwh=planned_kwh,
        terms=terms,
        residual_kwh=happened_kwh - planned_kwh - sum(term.effect_kwh for term in terms),
        happened_kwh=happened_kwh,
        turnover_kwh=happened_kwh + _energy(after, "pv_used_kw") + sum(max(h.battery_kw, 0.0) * h.hours for h in after),
    )


def _energy(intervals: Sequence[Interval], field: str) -> float:
    return sum(float(getattr(each, field)) * each.hours for each in intervals)


def _other(intervals: Sequence[Interval]) -> float:
    return sum((each.load_kw - each.it_kw - each.cooling_kw) * each.hours for each in intervals)


def _curtailed(intervals: Sequence[Interval]) -> float:
    return sum((each.pv_available_kw - each.pv_used_kw) * each.hours for each in intervals)


def _gensets(intervals: Sequence[Interval]) -> float:
    return sum(genset.kw * each.hours for each in intervals for genset in each.gensets)
