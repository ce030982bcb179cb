"""Equipment that describes itself over SunSpec: battery inverters, PV inverters and meters.

Read: AC measurements (models 701, else 101-103, else a meter's 201-204), storage (713, 802, 803), available PV (122).
Written: a ceiling on power in percent of the rating (704, else 123) with a reversion time, so that an inverter whose
controller dies gives its full power again; charge and discharge ceilings of a battery (702). Frequency droop (711)
tells how a PV inverter answers to a shifted frequency.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, Found
from controller.devices.power.signals import SIGNALS, Value, Values
from controller.devices.power.sunspec_line import SunSpecLine
from sites.schema.equipment import Kind

REVERT_S = 60
"""An inverter that hears nothing for this long lets go of its ceiling; ceilings are written again well before."""


class Tell(NamedTuple):
    """A signal, and the point of a model that tells it."""

    signal: str
    model: int
    point: str
    factor: float = 1.0


AC = tuple(Tell("power_kw", model, "W", 0.001) for model in (701, 103, 102, 101, 204, 203, 202, 201))
AC += tuple(Tell("frequency_hz", model, "Hz") for model in (701, 103, 102, 101, 204, 203, 202, 201))
AC += (Tell("energy_kwh", 701, "TotWhInj", 0.001), *(Tell("energy_kwh", m, "WH", 0.001) for m in (103, 102, 101)))
STORAGE = (
    Tell("soc_frac", 713, "SoC", 0.01),
    Tell("soc_frac", 802, "SoC", 0.01),
    Tell("charge_limit_kw", 802, "WChaRteMax", 0.001),
    Tell("discharge_limit_kw", 802, "WDisChaRteMax", 0.001),
    Tell("voltage_v", 802, "V"),
    Tell("bank_state", 802, "State"),
    Tell("temperature_c", 803, "ModTmpAvg"),
    Tell("charge_max_kw", 702, "WChaRteMax", 0.001),
    Tell("discharge_max_kw", 702, "WDisChaRteMax", 0.001),
)
SUN = (
    Tell("available_kw", 122, "WAval", 0.001),
    Tell("droop_deadband_hz", 711, "Ctl.DbOf"),
    Tell("droop_frac", 711, "Ctl.KOf"),
)
TELLS = {Kind.BATTERY: AC + STORAGE, Kind.PV: AC + SUN, Kind.METER: AC}
RATINGS = tuple(
    Tell("", model, point, 0.001) for model, point in ((702, "WMax"), (702, "WMaxRtg"), (121, "WMax"), (120, "WRtg"))
)
OPEN_STATES = {1, 2, 99}
"""States of an 802 bank with its contactor open: disconnected, initializing, fault."""


class Ceiling(NamedTuple):
    """Points of the model that limits power."""

    model: int
    percent: str
    enable: str
    revert_s: str
    revert_enable: str = ""


CEILINGS = (
    Ceiling(704, "WMaxLimPct", "WMaxLimPctEna", "WMaxLimPctRvrtTms", "WMaxLimPctEnaRvrt"),
    Ceiling(123, "WMaxLimPct", "WMaxLim_Ena", "WMaxLimPct_RvrtTms"),
)


class SunSpecDevice:
    """Driver of one SunSpec device."""

    def __init__(self, name: str, kind: Kind, line: SunSpecLine, *, rating_kw: float | None = None) -> None:
        """``rating_kw`` stands in for a rating that the device does not tell."""
        self.name, self.kind, self.line = name, kind, line
        self._told_rating_kw = rating_kw
        self._tells: dict[int, tuple[Tell, ...]] | None = None

    @property
    def orders(self) -> frozenset[str]:
        return SIGNALS[self.kind].takes - {"frequency_hz"}

    def _wanted(self) -> dict[int, tuple[Tell, ...]]:
        """Return what is read from each model that the device has."""
        if self._tells is None:
            self.line.scan()
            tells = [each for each in TELLS[self.kind] if self.line.has(each.model)]
            if not tells:
                raise DeviceRefusedError(f"{self.name}: none of its SunSpec models tells what a {self.kind} tells")
            models = dict.fromkeys(each.model for each in tells)
            self._tells = {model: tuple(each for each in tells if each.model == model) for model in models}
        return self._tells

    def read(self, *, whole: bool = False) -> Values:
        """Return all signals: of several models that tell the same, the first in the order of :data:`TELLS`."""
        values: dict[str, Value] = {}
        try:
            for model, tells in self._wanted().items():
                self.line.fetch(model, tuple(tell.point for tell in tells))
                for tell in tells:
                    found = self.line.value(model, tell.point)
                    if found is not None:
                        values.setdefault(tell.signal, found * tell.factor)
            limit_kw = self._limit_kw() if self.kind is Kind.PV else None
        except DeviceLostError:
            self._forget()
            raise
        if limit_kw is not None:
            values["limit_kw"] = limit_kw
        state = values.pop("bank_state", None)
        if isinstance(state, float):
            values["contactor_closed"] = int(state) not in OPEN_STATES
        return values

    def _forget(self) -> None:
        self.line.forget()
        self._tells = None

    def rating_kw(self) -> float:
        """Return the rating that percentages refer to.

        Raises:
            DeviceRefusedError: neither device nor site file tells it.
        """
        for tell in RATINGS:
            if self.line.has(tell.model):
                found = self.line.value(tell.model, tell.point)
                if found:
                    return found * tell.factor
        if self._told_rating_kw is None:
            raise DeviceRefusedError(f"{self.name} does not tell its rating: write rating_kw in the site file")
        return self._told_rating_kw

    def _ceiling(self) -> Ceiling | None:
        return next((each for each in CEILINGS if self.line.has(each.model)), None)

    def _limit_kw(self) -> float | None:
        """Return the ceiling in force; the rating while there is none."""
        use = self._ceiling()
        if use is None:
            return None
        self.line.fetch(use.model, (use.percent, use.enable))
        percent, enabled = self.line.value(use.model, use.percent), self.line.value(use.model, use.enable)
        if not enabled or percent is None:
            return self.rating_kw()
        return min(percent, 100.0) / 100.0 * self.rating_kw()

    def write(self, order: str, value: Value) -> Found:
        if order not in self.orders or isinstance(value, str):
            raise DeviceRefusedError(f"{self.name} takes no order {order}")
        if not math.isfinite(value) or value < 0.0:
            raise DeviceRefusedError(f"{self.name}: {value} is no ceiling")
        try:
            self._wanted()
            found = self._write_limit(float(value)) if order == "limit_kw" else self._write_battery(order, float(value))
        except DeviceLostError:
            self._forget()
            raise
        return Found(found, found is not None and self.same(order, value, found))

    def _write_limit(self, limit_kw: float) -> float | None:
        use = self._ceiling()
        if use is None:
            raise DeviceRefusedError(f"{self.name} has neither model 704 nor 123: its power cannot be limited")
        rating_kw = self.rating_kw()
        self.line.fetch(use.model, (use.percent,))
        step = self.line.resolution(use.model, use.percent)
        percent = math.floor(min(limit_kw / rating_kw, 1.0) * 100.0 / step + 1e-6) * step
        values = {use.percent: percent, use.revert_s: float(REVERT_S), use.enable: float(percent < 100.0)}
        if use.revert_enable:
            values[use.revert_enable] = 0.0
        self.line.put(use.model, values)
        return self._limit_kw()

    def _write_battery(self, order: str, most_kw: float) -> float | None:
        point, rated = (
            ("WChaRteMax", "WChaRteMaxRtg") if order == "charge_max_kw" else ("WDisChaRteMax", "WDisChaRteMaxRtg")
        )
        if not self.line.has(702):
            raise DeviceRefusedError(f"{self.name} has no model 702: {order} cannot be set")
        rated_w = self.line.value(702, rated)
        watts = most_kw * 1000.0 if rated_w is None else min(most_kw * 1000.0, rated_w)
        step = self.line.resolution(702, point)
        self.line.put(702, {point: math.floor(watts / step + 1e-6) * step})
        found_w = self.line.value(702, point)
        return None if found_w is None else found_w / 1000.0

    def same(self, order: str, asked: Value, found: Value) -> bool:
        if isinstance(asked, str) or isinstance(found, str):
            return False
        if order == "limit_kw":
            use, most = self._ceiling(), self.rating_kw()
            step_kw = most / 100.0 * (self.line.resolution(use.model, use.percent) if use else 1.0)
        else:
            rated = self.line.value(702, "WChaRteMaxRtg" if order == "charge_max_kw" else "WDisChaRteMaxRtg")
            most = math.inf if rated is None else rated / 1000.0
            step_kw = self.line.resolution(702, "WChaRteMax") / 1000.0
        return abs(min(float(asked), most) - float(found)) <= 1.001 * step_kw

    def release(self) -> None:
        """Give the ceilings back."""
        if self.kind is Kind.PV and self._ceiling() is not None:
            self._write_limit(math.inf)
        if self.kind is Kind.BATTERY and self.line.has(702):
            for order in ("charge_max_kw", "discharge_max_kw"):
                self._write_battery(order, 1e6)

    def close(self) -> None:
        self.line.close()
