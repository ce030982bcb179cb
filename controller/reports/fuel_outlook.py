"""How long the diesel lasts, from what past days burnt, and what a delivery changes.

    days left at use u:          (level - reserve) / u
    with a delivery l in time t: t + (min(level - u t + l, capacity) - reserve) / u

Use is that of past days at their P10, median and P90; before there are any, that of the plan. What does not fit in the tank
is told, not counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.records.reading import Reader
from controller.records.views import Delivery, StoredPlan, TelemetryPoint
from controller.reports.charts.scales import day_text
from controller.reports.energy import fuel_used_l
from controller.reports.period import local_midnight
from controller.reports.summary import planned_fuel_l
from sites.record import Record
from sites.schema.energy import Tank
from sites.schema.site import Site
from sites.times import HOUR, Utc

DAYS = 14
YEAR_DAYS = 365.0
"""Days left beyond this are as good as none burnt."""


class DayUse(Record):
    """Litres burnt on one local day."""

    day: str
    start_utc: Utc
    litres: float


class FuelOutlook(Record):
    """The tank and how long it lasts."""

    at_utc: Utc
    tank_l: float | None
    """None = not read."""
    capacity_l: float
    reserve_l: float
    uses: tuple[DayUse, ...]
    """Past whole days, oldest first."""
    l_per_day: tuple[float, float, float] | None
    """Use at P10, P50 and P90; none = nothing to go by."""
    by_plan: bool
    """Whether the use is the plan's because no whole day is past yet."""
    days_left: tuple[float | None, float | None, float | None] | None
    """At P10, P50 and P90 of days left, deliveries to come not counted; an entry is none where it lasts over a year."""
    planned_l: float | None
    """What the plan shown burns; none without a plan."""
    planned_h: float | None
    """Hours that the plan reaches."""
    version: int
    """Of the orders and deliveries: what a change of them has to name."""
    deliveries: tuple[Delivery, ...]
    """Those that stand, newest first."""


class DeliveryEffect(Record):
    """What a delivery changes, at the median use."""

    at_utc: Utc
    litres: float
    level_before_l: float | None
    """In the tank when it comes; none = not known."""
    fits_l: float
    """Litres that the tank then takes."""
    empty_before: bool
    """Whether the tank is at its reserve before it comes."""
    days_left_without: float | None
    days_left_with: float | None
    """Days from now until the reserve; none = over a year, or nothing to go by."""


def fuel_outlook(reader: Reader, site: Site, tank: Tank, plan: StoredPlan | None) -> FuelOutlook | None:
    """Return the outlook; none before the first cycle."""
    now = reader.now()
    if now is None:
        return None
    zone = ZoneInfo(site.location.time_zone)
    today = local_midnight(now.at_utc.astimezone(zone).date(), zone)
    version, deliveries = reader.order_version(), reader.deliveries(limit=200)
    uses = daily_uses(reader.rolled_up(today - timedelta(days=DAYS), now.at_utc), deliveries, today, zone)
    planned_l = planned_fuel_l(plan.plan, plan.problem.gensets) if plan is not None else None
    planned_h = sum(plan.plan.grid.hours) if plan is not None else None
    level = now.snapshot.tank_l
    rates = _rates(uses) or ((planned_l / planned_h * 24.0,) * 3 if planned_l is not None and planned_h else None)
    return FuelOutlook(
        at_utc=now.at_utc,
        tank_l=level,
        capacity_l=tank.capacity_l,
        reserve_l=tank.reserve_l,
        uses=uses,
        l_per_day=rates,
        by_plan=not uses,
        days_left=(
            (
                _days(level, tank.reserve_l, rates[2]),
                _days(level, tank.reserve_l, rates[1]),
                _days(level, tank.reserve_l, rates[0]),
            )
            if rates is not None and level is not None
            else None
        ),
        planned_l=planned_l,
        planned_h=planned_h,
        version=version,
        deliveries=deliveries,
    )


def delivery_effect(outlook: FuelOutlook, at_utc: datetime, litres: float) -> DeliveryEffect:
    """Return what a delivery changes."""
    rate = outlook.l_per_day[1] if outlook.l_per_day is not None else None
    wait_days = max((at_utc - outlook.at_utc) / (24 * HOUR), 0.0)
    if outlook.tank_l is None or rate is None:
        return DeliveryEffect(
            at_utc=at_utc, litres=litres, level_before_l=None, fits_l=litres, empty_before=False,
            days_left_without=None, days_left_with=None,
        )  # fmt: skip
    burnt = rate * wait_days
    empty = outlook.tank_l - burnt < outlook.reserve_l
    before = max(outlook.tank_l - burnt, outlook.reserve_l if outlook.tank_l > outlook.reserve_l else outlook.tank_l)
    fits = min(litres, outlook.capacity_l - before)
    after = _days(before + fits, outlook.reserve_l, rate)
    return DeliveryEffect(
        at_utc=at_utc,
        litres=litres,
        level_before_l=before,
        fits_l=fits,
        empty_before=empty,
        days_left_without=_days(outlook.tank_l, outlook.reserve_l, rate),
        days_left_with=None if after is None else wait_days + after,
    )


def _rates(uses: Sequence[DayUse]) -> tuple[float, float, float] | None:
    if not uses:
        return None
    ordered = sorted(each.litres for each in uses)
    low, middle, high = (ordered[round(level * (len(ordered) - 1))] for level in (0.1, 0.5, 0.9))
    return low, middle, high


def _days(level_l: float | None, reserve_l: float, l_per_day: float) -> float | None:
    """Return the days until the reserve; none where it lasts over a year."""
    spare = max((level_l or 0.0) - reserve_l, 0.0)
    return None if l_per_day * YEAR_DAYS <= spare else spare / l_per_day


def daily_uses(
    points: Sequence[TelemetryPoint], deliveries: Sequence[Delivery], today: datetime, zone: ZoneInfo
) -> tuple[DayUse, ...]:
    """Return litres burnt on each whole local day before ``today`` with readings at both ends, oldest first."""
    found = []
    for back in range(DAYS, 0, -1):
        day = (today - timedelta(days=back) + timedelta(hours=12)).astimezone(zone).date()
        start, end = local_midnight(day, zone), local_midnight(day + timedelta(days=1), zone)
        inside = [point for point in points if start <= point.at_utc <= end and point.tank_l is not None]
        if len(inside) < 2 or (inside[-1].at_utc - inside[0].at_utc) / HOUR < 22:
            continue
        came = sum(each.litres for each in deliveries if start <= each.at_utc < end)
        litres = fuel_used_l(inside, came)
        if litres is not None:
            found.append(DayUse(day=day_text(day), start_utc=start, litres=max(litres, 0.0)))
    return tuple(found)
