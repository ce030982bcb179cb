"""Energy from measured powers: each sample holds until the next one, but not over a gap in the measurements.

Bus balance, in kWh over the same time:

    sun used + gensets + battery gives = IT + cooling + other + battery takes + residual      (1)

*Other* is what the load meter reads besides IT and cooling, so the residual is what meters of sources and loads
disagree by: noise, lag, and time steps. A value that was not read is left out, never counted as zero; ``measured_h``
says over how many hours all of (1) was known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from controller.records.views import TelemetryPoint
from optimizer.plan import GensetInterval, Interval
from sites.record import Record
from sites.times import HOUR, TimeGrid

SHORTEST_GAP = timedelta(minutes=15)
"""Time between samples that never counts as a gap."""


class EnergyBalance(Record):
    """Energy over a span, kWh."""

    measured_h: float
    """Hours in which all flows were known; the energies are over these."""
    pv_available_kwh: float
    pv_used_kwh: float
    genset_kwh: float
    battery_out_kwh: float
    battery_in_kwh: float
    it_kwh: float
    cooling_kwh: float
    other_kwh: float
    unserved_kwh: float

    @property
    def load_kwh(self) -> float:
        """All load served."""
        return self.it_kwh + self.cooling_kwh + self.other_kwh

    @property
    def supplied_kwh(self) -> float:
        """All that sources gave to the bus."""
        return self.pv_used_kwh + self.genset_kwh + self.battery_out_kwh

    @property
    def curtailed_kwh(self) -> float:
        """Sun that was there and not used."""
        return max(self.pv_available_kwh - self.pv_used_kwh, 0.0)

    @property
    def residual_kwh(self) -> float:
        """What (1) fails to close by; positive when sources gave more than was seen to be used."""
        return self.supplied_kwh - self.load_kwh - self.battery_in_kwh


def held(points: Sequence[TelemetryPoint], end_utc: datetime) -> Iterator[tuple[TelemetryPoint, datetime, datetime]]:
    """Yield each sample with the time it stands for; points ascend in time.

    A sample stands for 1.5 times the usual spacing at most, or for :data:`SHORTEST_GAP` if that is longer: what lies
    beyond is unmeasured.
    """
    spacings = sorted(later.at_utc - sooner.at_utc for sooner, later in pairwise(points))
    longest = max(SHORTEST_GAP, spacings[len(spacings) // 2] * 1.5) if spacings else SHORTEST_GAP
    for index, point in enumerate(points):
        following = points[index + 1].at_utc if index + 1 < len(points) else end_utc
        until = min(following, point.at_utc + longest, end_utc)
        if until > point.at_utc:
            yield point, point.at_utc, until


def whole(point: TelemetryPoint) -> bool:
    """Return whether all flows of the balance were read; a site without gensets or battery reads those as 0."""
    return None not in (point.pv_kw, point.load_kw, point.it_kw, point.cooling_kw)


def balance(points: Sequence[TelemetryPoint], end_utc: datetime) -> EnergyBalance:
    """Return the energies of ``points`` up to ``end_utc``."""
    sums: dict[str, float] = dict.fromkeys(EnergyBalance.model_fields, 0.0)
    for point, start, until in held(points, end_utc):
        if not whole(point):
            continue
        hours = (until - start) / HOUR
        sums["measured_h"] += hours
        for name, read in _FLOWS.items():
            sums[name] += read(point) * hours
    return EnergyBalance(**sums)


def _known(value: float | None) -> float:
    return 0.0 if value is None else value


_FLOWS: dict[str, Callable[[TelemetryPoint], float]] = {
    "pv_available_kwh": lambda p: _known(p.pv_available_kw if p.pv_available_kw is not None else p.pv_kw),
    "pv_used_kwh": lambda p: _known(p.pv_kw),
    "genset_kwh": lambda p: _known(p.genset_kw),
    "battery_out_kwh": lambda p: max(_known(p.battery_kw), 0.0),
    "battery_in_kwh": lambda p: max(-_known(p.battery_kw), 0.0),
    "it_kwh": lambda p: _known(p.it_kw),
    "cooling_kwh": lambda p: _known(p.cooling_kw),
    "other_kwh": lambda p: _known(p.load_kw) - _known(p.it_kw) - _known(p.cooling_kw),
    "unserved_kwh": lambda p: _known(p.unserved_kw),
}


def measured_intervals(points: Sequence[TelemetryPoint], grid: TimeGrid) -> tuple[Interval | None, ...]:
    """Return means over the intervals of ``grid`` in the form of a plan's; none where nothing was measured."""
    return tuple(
        _interval(points, start, start + hours * HOUR, hours)
        for start, hours in zip(grid.starts_utc, grid.hours, strict=True)
    )


def _interval(points: Sequence[TelemetryPoint], start: datetime, end: datetime, hours: float) -> Interval | None:
    inside = [point for point in points if start <= point.at_utc < end]
    found = balance(inside, end)
    charges = [point.soc_frac for point in inside if point.soc_frac is not None]
    if found.measured_h <= 0:
        return None
    measured = found.measured_h
    return Interval(
        start_utc=start,
        hours=hours,
        pv_available_kw=max(found.pv_available_kwh, found.pv_used_kwh) / measured,
        pv_used_kw=found.pv_used_kwh / measured,
        battery_kw=(found.battery_out_kwh - found.battery_in_kwh) / measured,
        soc_end_frac=charges[-1] if charges else 0.0,
        gensets=(GensetInterval(name="gensets", on=found.genset_kwh > 0, kw=found.genset_kwh / measured),),
        load_kw=found.load_kwh / measured,
        it_kw=found.it_kwh / measured,
        cooling_kw=found.cooling_kwh / measured,
        shed_kw=found.unserved_kwh / measured,
        reserve_kw=0.0,
        price_usd_per_kwh=0.0,
    )


def fuel_used_l(points: Sequence[TelemetryPoint], delivered_l: float) -> float | None:
    """Return litres burnt: what left the tank plus what was delivered; none without two readings."""
    levels = [point.tank_l for point in points if point.tank_l is not None]
    return levels[0] - levels[-1] + delivered_l if len(levels) >= 2 else None


def genset_hours(points: Sequence[TelemetryPoint], end_utc: datetime, *, least_kw: float = 0.1) -> float:
    """Return hours in which gensets together gave at least ``least_kw``."""
    return sum(
        (until - start) / HOUR for point, start, until in held(points, end_utc) if _known(point.genset_kw) >= least_kw
    )
