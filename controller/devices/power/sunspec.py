"""Equipment that describes itself over SunSpec: battery inverters, PV inverters and meters.

Read: AC measurements (models 701, else 101-103, else a meter's 201-204), storage (713, 802, 803), available PV (122),
and now and then what the inverter is set to do by itself (:mod:`controller.devices.power.sunspec_settings`).
Written: a ceiling on power in percent of the rating or in watts (704, else 123) with a reversion time, so that an
inverter whose controller dies gives its full power again; charge and discharge ceilings of a battery (702); the
controller's heartbeat (715). A device that is on LOCAL takes no orders, and one whose own heartbeat stands still is lost,
however well a gateway answers for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from controller.devices.power.driver import DeviceLostError, DeviceRefusedError, Found
from controller.devices.power.signals import SIGNALS, Value, Values
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.power.sunspec_settings import SETTING_MODELS, settings_told
from sites.schema.equipment import Kind

REVERT_S = 60
"""An inverter that hears nothing for this long lets go of its ceiling; ceilings are written again well before."""
SETTINGS_S = 60.0
"""Time between two looks at settings and DC ports."""
HEART_S = 10.0
"""A device whose heartbeat was seen to move and then stood still for this long is lost."""
HEARTBEATS = 1 << 16


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
SUN = (Tell("available_kw", 122, "WAval", 0.001),)
CONTROL = (Tell("on_local", 715, "LocRemCtl"), Tell("heartbeat", 715, "DERHb"))
TELLS = {Kind.BATTERY: AC + STORAGE + CONTROL, Kind.PV: AC + SUN + CONTROL, Kind.METER: AC}
RATINGS = tuple(
    Tell("", model, point, 0.001) for model, point in ((702, "WMax"), (702, "WMaxRtg"), (121, "WMax"), (120, "WRtg"))
)
OPEN_STATES = {1, 2, 99}
"""States of an 802 bank with its contactor open: disconnected, initializing, fault."""


class Ceiling(NamedTuple):
    """Points of the model that limits power."""

    model: int
    point: str
    enable: str
    revert_s: str
    revert_enable: str = ""
    mode: str = ""
    """Point that says by 1 that the ceiling is in watts; without one it is in percent of the rating."""

    def unit_kw(self, rating_kw: float) -> float:
        """Return the power that one unit of the point stands for."""
        return 0.001 if self.mode else rating_kw / 100.0


CEILINGS = (
    Ceiling(704, "WMaxLimPct", "WMaxLimPctEna", "WMaxLimPctRvrtTms", "WMaxLimPctEnaRvrt"),
    Ceiling(704, "WSet", "WSetEna", "WSetRvrtTms", "WSetEnaRvrt", mode="WSetMod"),
    Ceiling(123, "WMaxLimPct", "WMaxLim_Ena", "WMaxLimPct_RvrtTms"),
)


class SunSpecDevice:
    """Driver of one SunSpec device."""

    def __init__(
        self,
        name: str,
        kind: Kind,
        line: SunSpecLine,
        *,
        rating_kw: float | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``rating_kw`` stands in for a rating that the device does not tell."""
        self.name, self.kind, self.line = name, kind, line
        self._told_rating_kw, self._now_s = rating_kw, monotonic_s
        self._tells: dict[int, tuple[Tell, ...]] | None = None
        self._settings: Values = {}
        self._settings_due_s = -math.inf
        self._heart: tuple[float, float, bool] | None = None
        """Heartbeat seen last, when it had moved last, and whether it ever did."""
        self._beats = 0

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
            self._look_at_settings(whole=whole)
            self._feel_heart(values.pop("heartbeat", None))
        except DeviceLostError:
            self._forget()
            raise
        values.update(self._settings)
        if limit_kw is not None:
            values["limit_kw"] = limit_kw
        state, local = values.pop("bank_state", None), values.pop("on_local", None)
        if isinstance(state, float):
            values["contactor_closed"] = int(state) not in OPEN_STATES
        if isinstance(local, float):
            values["remote_allowed"] = local == 0.0
        return values

    def _look_at_settings(self, *, whole: bool) -> None:
        now_s = self._now_s()
        if self.kind is Kind.METER or not (whole or now_s >= self._settings_due_s):
            return
        for model in SETTING_MODELS:
            if self.line.has(model):
                self.line.fetch_all(model)
        self._settings, self._settings_due_s = settings_told(self.line), now_s + SETTINGS_S

    def _feel_heart(self, beat: Value | None) -> None:
        """Tell a device that lives from a gateway that answers for one."""
        if not isinstance(beat, float):
            return
        now_s = self._now_s()
        if self._heart is None or beat != self._heart[0]:
            self._heart = beat, now_s, self._heart is not None
            return
        _, moved_s, moved = self._heart
        if moved and now_s - moved_s > HEART_S:
            raise DeviceLostError(f"{self.name}: somebody answers for it, but its heartbeat stands still")

    def beat(self) -> None:
        if self.kind is Kind.METER or not self.line.has(715):
            return
        self._beats = (self._beats + 1) % HEARTBEATS
        try:
            self.line.put(715, {"ControllerHb": float(self._beats)})
        except DeviceLostError:
            self._forget()
            raise

    def _forget(self) -> None:
        self.line.forget()
        self._tells, self._settings_due_s = None, -math.inf

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
        """Return the ceiling that the device implements; of those that none is told of, the first that it has."""
        there = [each for each in CEILINGS if self.line.has(each.model)]
        told = (each for each in there if self.line.value(each.model, each.point) is not None)
        return next(told, next(iter(there), None))

    def _limit_kw(self) -> float | None:
        """Return the ceiling in force; the rating while there is none."""
        use = self._ceiling()
        if use is None:
            return None
        self.line.fetch(use.model, (use.point, use.enable))
        found, enabled = self.line.value(use.model, use.point), self.line.value(use.model, use.enable)
        rating_kw = self.rating_kw()
        if not enabled or found is None:
            return rating_kw
        return min(found * use.unit_kw(rating_kw), rating_kw)

    def write(self, order: str, value: Value) -> Found:
        if order not in self.orders or isinstance(value, str):
            raise DeviceRefusedError(f"{self.name} takes no order {order}")
        if not math.isfinite(value) or value < 0.0:
            raise DeviceRefusedError(f"{self.name}: {value} is no ceiling")
        try:
            self._wanted()
            self._ask_panel()
            found = self._write_limit(float(value)) if order == "limit_kw" else self._write_battery(order, float(value))
        except DeviceLostError:
            self._forget()
            raise
        return Found(found, found is not None and self.same(order, value, found))

    def _ask_panel(self) -> None:
        """Refuse while the device is operated at its panel."""
        if not self.line.has(715):
            return
        self.line.fetch(715, ("LocRemCtl",))
        if self.line.value(715, "LocRemCtl"):
            raise DeviceRefusedError(f"{self.name} is on LOCAL: it is operated at its panel")

    def _write_limit(self, limit_kw: float) -> float | None:
        use = self._ceiling()
        if use is None:
            raise DeviceRefusedError(f"{self.name} has neither model 704 nor 123: its power cannot be limited")
        rating_kw = self.rating_kw()
        self.line.fetch(use.model, (use.point,))
        step, unit_kw = self.line.resolution(use.model, use.point), use.unit_kw(rating_kw)
        ceiling = math.floor(min(limit_kw, rating_kw) / unit_kw / step + 1e-6) * step
        held = ceiling < rating_kw / unit_kw - 1e-9
        values = {use.point: ceiling, use.revert_s: float(REVERT_S), use.enable: float(held)}
        for name, value in ((use.revert_enable, 0.0), (use.mode, 1.0)):
            if name:
                values[name] = value
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
            step_kw = use.unit_kw(most) * self.line.resolution(use.model, use.point) if use else most / 100.0
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
