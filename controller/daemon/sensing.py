"""Sensing and writing without trust: a device that raises, hangs up or talks nonsense never stops the loop.

A value that is not a number, or is beyond what the equipment can do, counts as not read. A single device that fails
is its driver's to leave alone, and its values are missing. What fails as a whole, reading, writing or handing jobs
over, is left alone for a while that doubles up to half a minute, and only that: a site that cannot be written is
still read, a runner that takes no jobs stops no order. While nothing is sensed guards act on what they last believed.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from controller.devices.port import SiteDevices
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import BatteryReading, GensetReading, Snapshot
from sites.ports import Clock
from sites.record import Record
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
PAUSE_S = (1.0, 30.0)
POWER_FACTOR = 3.0
"""No meter shows more than this multiple of a rating."""
SOC_RANGE = (-0.02, 1.02)
CELSIUS_RANGE = (-80.0, 150.0)

Part = TypeVar("Part", bound=Record)
Result = TypeVar("Result")


def plausible(snapshot: Snapshot, site: Site) -> Snapshot:
    """Return the snapshot with every value that cannot be true taken out."""
    battery = _finite(snapshot.battery) if snapshot.battery is not None else None
    if battery is not None:
        battery = _battery(battery, site)
    ratings = {genset.name: genset.rating_kw for genset in site.gensets}
    return _finite(snapshot).model_copy(
        update={
            "battery": battery,
            "gensets": tuple(_genset(_finite(each), ratings.get(each.name, 0.0)) for each in snapshot.gensets),
            "pools": tuple(_finite(each) for each in snapshot.pools),
            "services": tuple(_finite(each) for each in snapshot.services),
            "inlet_c": _within(snapshot.inlet_c, CELSIUS_RANGE),
            "outdoor_c": _within(snapshot.outdoor_c, CELSIUS_RANGE),
            "tank_l": _within(snapshot.tank_l, (-1.0, 1.2 * site.tank.capacity_l if site.tank else 0.0)),
        }
    )


def _battery(reading: BatteryReading, site: Site) -> BatteryReading:
    most_kw = POWER_FACTOR * max(site.battery.charge_kw, site.battery.discharge_kw) if site.battery else 0.0
    soc_frac = _within(reading.soc_frac, SOC_RANGE)
    return reading.model_copy(
        update={
            "soc_frac": None if soc_frac is None else min(max(soc_frac, 0.0), 1.0),
            "power_kw": _within(reading.power_kw, (-most_kw, most_kw)),
            "temperature_c": _within(reading.temperature_c, CELSIUS_RANGE),
        }
    )


def _genset(reading: GensetReading, rating_kw: float) -> GensetReading:
    most_kw = POWER_FACTOR * rating_kw
    return reading.model_copy(update={"power_kw": _within(reading.power_kw, (-most_kw, most_kw))})


def _within(value: float | None, span: tuple[float, float]) -> float | None:
    return value if value is not None and math.isfinite(value) and span[0] <= value <= span[1] else None


def _finite(part: Part) -> Part:
    """Return a record with the numbers that are none taken out; one that has to be there gets its default."""
    bad = [name for name, value in part if isinstance(value, float) and not math.isfinite(value)]
    if not bad:
        return part
    kinds = type(part).model_fields
    return part.model_copy(
        update={name: None if kinds[name].is_required() else kinds[name].get_default() for name in bad}
    )


class _Line:
    """One way to the devices: reading, writing or handing jobs over; it alone is left alone when it fails."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._pause_s = PAUSE_S[0]
        self._not_before_s = -1.0
        self.trouble = ""

    @property
    def waits(self) -> bool:
        return self._clock.monotonic_s() < self._not_before_s

    def good(self) -> None:
        self._pause_s, self.trouble = PAUSE_S[0], ""

    def failed(self, what: str, error: Exception) -> None:
        self.trouble = f"{what}: {type(error).__name__}: {error}"[:200]
        LOG.warning("devices fail, left alone for %.0f s: %s", self._pause_s, self.trouble)
        self._not_before_s = self._clock.monotonic_s() + self._pause_s
        self._pause_s = min(2.0 * self._pause_s, PAUSE_S[1])


class Senses:
    """Reads and writes devices that may fail. ``clock`` is the host's."""

    def __init__(self, site: Site, clock: Clock) -> None:
        self._site = site
        self._reading, self._writing, self._handing = _Line(clock), _Line(clock), _Line(clock)

    @property
    def trouble(self) -> str:
        """Why devices cannot be reached, in part or at all; empty while they can."""
        return "; ".join(line.trouble for line in (self._reading, self._writing, self._handing) if line.trouble)

    @property
    def reachable(self) -> bool:
        """Whether orders that are given now are tried: the site is read, and writing does not wait to be tried again."""
        return not self._reading.trouble and not self._writing.waits

    def read(self, devices: SiteDevices, now: datetime) -> Snapshot:
        """Return what could be read; nothing when the devices fail or are left alone."""
        if self._reading.waits:
            return self._nothing(now)
        try:
            snapshot = plausible(devices.read(), self._site)
        except Exception as error:
            self._reading.failed("read", error)
            return self._nothing(now)
        self._reading.good()
        return snapshot

    def write(self, devices: SiteDevices, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Write setpoints; devices that fail are answered by an outcome that says so."""
        if self._reading.waits or self._writing.waits:
            return ()
        try:
            outcomes = devices.write(setpoints)
        except Exception as error:
            self._writing.failed("write", error)
            text = self._writing.trouble
            return (Outcome(device="site", what="write", asked=True, found=None, verdict=Verdict.STALE, text=text),)
        self._writing.good()
        return outcomes

    def hand_over(self, action: Callable[[], Result], otherwise: Result) -> Result:
        """Hand jobs over to devices that may fail; returns ``otherwise`` when they do or are left alone."""
        if self._handing.waits:
            return otherwise
        try:
            done = action()
        except Exception as error:
            self._handing.failed("jobs", error)
            return otherwise
        self._handing.good()
        return done

    def _nothing(self, now: datetime) -> Snapshot:
        gensets = tuple(GensetReading(name=each.name, phase=None, power_kw=None) for each in self._site.gensets)
        return Snapshot(at_utc=now, battery=None, gensets=gensets)
