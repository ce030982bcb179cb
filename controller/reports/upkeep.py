"""Health of the machines: genset hours towards the next service, and the battery's ageing by every model of its chemistry.

The battery is followed from the first day that has an account on: each day's swing, current and temperature advance each
published model of its chemistry (:mod:`sites.plant.ageing`). The models differ by much, so a band is told, never one figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from controller.records.rollups import average
from controller.records.views import SiteNow, TelemetryPoint
from sites.plant.ageing import (
    LFP_MODELS,
    MODEL_NAMES,
    NMC_MODELS,
    AgeState,
    Stress,
    advance,
    calendar_rates,
    health_frac,
)
from sites.record import Record
from sites.schema.site import Site
from sites.times import HOUR

INDOOR_C = 20.0
"""Cell temperature where none was measured."""
FRESH_H = 26.0
"""An odometer read this long after a span still tells of its end."""


class GensetAccount(Record):
    """One genset's odometer at the end of the span."""

    name: str
    run_h: float
    """Hours since it was built."""
    starts: int
    service_every_h: float

    @property
    def service_due_h(self) -> float:
        """Running hours left until the next service, if each was done when due."""
        return self.service_every_h - self.run_h % self.service_every_h


class Ageing(Record):
    """Losses by one model so far, as fractions of the first day's capacity."""

    model: int
    by_time_frac: float = 0.0
    by_cycles_frac: float = 0.0
    by_material_frac: float = 0.0

    @property
    def name(self) -> str:
        """Name of the model."""
        return MODEL_NAMES[self.model]

    @property
    def health_frac(self) -> float:
        """Capacity left over the first day's."""
        return health_frac(self.model, AgeState(self.by_time_frac, self.by_cycles_frac, self.by_material_frac))


class BatteryAccount(Record):
    """How the battery was used in the span, and what that did to it."""

    full_cycles: float
    """Half of all SoC moved."""
    mean_soc_frac: float
    mean_cell_c: float
    hot_cell_c: float
    ageing: tuple[Ageing, ...]
    """Where each model stands at the end of the span, counted from the first account."""
    loss_frac: tuple[float, float]
    """Least and most capacity lost in the span itself, over the models."""


def genset_accounts(site: Site, now: SiteNow | None, end_utc: datetime) -> tuple[GensetAccount, ...]:
    """Return the gensets' odometers, if the present is near enough to the span's end to tell them."""
    if now is None or (now.at_utc < end_utc and (end_utc - now.at_utc) / HOUR > FRESH_H):
        return ()
    if (now.at_utc - end_utc) / HOUR > FRESH_H:
        return ()
    every = {genset.name: genset.service_hours for genset in site.gensets}
    return tuple(
        GensetAccount(name=each.name, run_h=each.run_h, starts=each.starts, service_every_h=every[each.name])
        for each in now.snapshot.gensets
        if each.name in every
    )


def battery_account(
    site: Site, points: Sequence[TelemetryPoint], before: BatteryAccount | None
) -> BatteryAccount | None:
    """Return the battery's account over ``points``, going on from ``before``; none without two readings of its charge."""
    read = _hourly(points)
    if site.battery is None or len(read) < 2:
        return None
    models = LFP_MODELS if site.battery.chemistry == "lfp" else NMC_MODELS
    states = {each.model: each for each in before.ageing} if before is not None else {}
    ageing, losses = [], []
    for model in models:
        was = states.get(model, Ageing(model=model))
        now = _aged(was, _stress(model, read, was.health_frac))
        ageing.append(now)
        losses.append(was.health_frac - now.health_frac)
    cells = [_cell_c(point) for point in read]
    return BatteryAccount(
        full_cycles=0.5 * sum(abs(_soc(b) - _soc(a)) for a, b in pairwise(read)),
        mean_soc_frac=sum(_soc(point) for point in read) / len(read),
        mean_cell_c=sum(cells) / len(cells),
        hot_cell_c=max(cells),
        ageing=tuple(ageing),
        loss_frac=(min(losses), max(losses)),
    )


def _hourly(points: Sequence[TelemetryPoint]) -> list[TelemetryPoint]:
    """Return hourly means with a charge: a meter's noise from second to second is no cycling."""
    if not points:
        return []
    start = points[0].at_utc.replace(minute=0, second=0, microsecond=0)
    return [point for point in average(points, start_utc=start, step_s=3600.0) if point.soc_frac is not None]


def _soc(point: TelemetryPoint) -> float:
    return point.soc_frac if point.soc_frac is not None else 0.0


def _cell_c(point: TelemetryPoint) -> float:
    return point.battery_c if point.battery_c is not None else INDOOR_C


def _stress(model: int, read: Sequence[TelemetryPoint], health: float) -> Stress:
    """Return what the cells went through, weighted by the time between readings."""
    total_h = moved = soc_h = cell_h = rate_a = rate_b = 0.0
    for a, b in pairwise(read):
        hours = (b.at_utc - a.at_utc) / HOUR
        soc, cell = 0.5 * (_soc(a) + _soc(b)), 0.5 * (_cell_c(a) + _cell_c(b))
        first, second = calendar_rates(model, soc, cell)
        total_h += hours
        moved += abs(_soc(b) - _soc(a))
        soc_h, cell_h = soc_h + soc * hours, cell_h + cell * hours
        rate_a, rate_b = rate_a + first * hours, rate_b + second * hours
    charges = [_soc(point) for point in read]
    return Stress(
        days=total_h / 24.0,
        full_cycles=0.5 * moved * health,
        depth_frac=max(charges) - min(charges),
        current_per_h=moved / total_h * health,
        soc_frac=soc_h / total_h,
        cell_c=cell_h / total_h,
        rate_a=rate_a / total_h,
        rate_b=rate_b / total_h,
    )


def _aged(was: Ageing, stress: Stress) -> Ageing:
    state = advance(was.model, AgeState(was.by_time_frac, was.by_cycles_frac, was.by_material_frac), stress)
    return Ageing(
        model=was.model,
        by_time_frac=state.by_time_frac,
        by_cycles_frac=state.by_cycles_frac,
        by_material_frac=state.by_material_frac,
    )
