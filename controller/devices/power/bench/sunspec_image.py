"""The register image of a SunSpec device: models filled from a face, and ceilings taken back out of what is written."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sunspec2.device import Model
from sunspec2.mb import SUNS_END_MODEL_ID

from controller.devices.power.face import Face
from controller.devices.power.signals import Value
from sites.schema.equipment import Kind

BASE = 40000
WANTED: dict[Kind, tuple[int, ...]] = {
    Kind.BATTERY: (1, 701, 702, 704, 713, 802, 803),
    Kind.PV: (1, 122, 701, 702, 704, 711),
    Kind.METER: (1, 203),
}
LEGACY_PV = (1, 103, 120, 122, 123)
"""Models of an inverter from before IEEE 1547-2018."""
WATT_SCALES = frozenset({"W_SF", "WMax_SF", "WRtg_SF", "WAval_SF", "WChaDisChaMax_SF"})
SCALES: dict[str, int] = {
    "Hz_SF": -2,
    "ModTmp_SF": -1,
    "V_SF": -1,
    "Pct_SF": -2,
    "SoC_SF": -2,
    "WMaxLimPct_SF": -2,
    "Db_SF": -2,
    "K_SF": -3,
    "WH_SF": 2,
}
CONNECTED, DISCONNECTED = 3, 1


class Placed(NamedTuple):
    """A model at its address."""

    address: int
    model: Any


class SunSpecImage:
    """The map of one device."""

    def __init__(
        self,
        face: Face,
        *,
        rating_kw: float,
        models: tuple[int, ...] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._face, self._rating_w, self._now_s = face, rating_kw * 1000.0, monotonic_s
        self._percent, self._enabled, self._revert_s, self._held_since_s = 100.0, False, 0.0, 0.0
        self._filled: tuple[object, list[int]] = (None, [])
        """What the map was last filled with, and the map: a poll asks for it in many requests."""
        self._placed: list[Placed] = []
        address = BASE + 2
        for number in models or WANTED[face.kind]:
            model = _empty(number, watt_scale=_watt_scale(self._rating_w))
            self._placed.append(Placed(address, model))
            address += len(model.get_mb()) // 2
        self.count = address + 2 - BASE

    def registers(self) -> list[int]:
        """Return the whole map, filled with what the face tells now."""
        self._revert()
        told = self._face.tell()
        key = (tuple(told.items()), self._percent, self._enabled)
        if key != self._filled[0]:
            registers = self._encoded(told)
            self._filled = (tuple(told.items()), self._percent, self._enabled), registers
        return list(self._filled[1])

    def _encoded(self, told: Mapping[str, Value | None]) -> list[int]:
        data = b"SunS"
        for placed in self._placed:
            self._fill(placed.model, told)
            data += placed.model.get_mb()
        data += struct.pack(">HH", SUNS_END_MODEL_ID, 0)
        return list(struct.unpack(f">{len(data) // 2}H", data))

    def _fill(self, model: Any, told: Mapping[str, Value | None]) -> None:
        watts = _times(told.get("power_kw"), 1000.0)
        percent = _times(told.get("soc_frac"), 100.0)
        closed = told.get("contactor_closed")
        most = {"charge": told.get("charge_max_kw"), "discharge": told.get("discharge_max_kw")}
        values: dict[str, float | None] = {
            "W": watts,
            "Hz": _times(told.get("frequency_hz"), 1.0),
            "WAval": _times(told.get("available_kw"), 1000.0),
            "SoC": percent,
            "WMaxRtg": self._rating_w,
            "WMax": self._rating_w,
            "WRtg": self._rating_w,
            "WChaRteMaxRtg": self._rating_w,
            "WDisChaRteMaxRtg": self._rating_w,
            "WChaRteMax": _times(most["charge"] if model.model_id == 702 else told.get("charge_limit_kw"), 1000.0),
            "WDisChaRteMax": _times(
                most["discharge"] if model.model_id == 702 else told.get("discharge_limit_kw"), 1000.0
            ),
            "V": _times(told.get("voltage_v"), 1.0),
            "State": CONNECTED if closed else DISCONNECTED,
            "ModTmpAvg": _times(told.get("temperature_c"), 1.0),
        }
        for name, value in values.items():
            point = model.points.get(name)
            if point is not None:
                if value is None:
                    point.value = None
                else:
                    point.cvalue = value
        self._fill_limit(model, told)

    def _fill_limit(self, model: Any, told: Mapping[str, Value | None]) -> None:
        limit_w = _times(told.get("limit_kw"), 1000.0)
        enable = model.points.get("WMaxLimPctEna") or model.points.get("WMaxLim_Ena")
        if enable is not None and limit_w is not None:
            percent = 100.0 * limit_w / self._rating_w
            if abs(percent - (self._percent if self._enabled else 100.0)) > 0.01:
                self._percent, self._enabled = percent, percent < 100.0
            model.WMaxLimPct.cvalue, enable.value = self._percent, int(self._enabled)
        if model.model_id == 711:
            control = model.groups["Ctl"][0]
            control.DbOf.cvalue = told.get("droop_deadband_hz")
            control.KOf.cvalue = told.get("droop_frac")

    def _revert(self) -> None:
        """Let go of a ceiling that nobody has renewed for its reversion time."""
        if self._enabled and self._revert_s > 0.0 and self._now_s() - self._held_since_s > self._revert_s:
            self._enabled = False
            self._face.order("limit_kw", self._rating_w / 1000.0)

    def written(self, address: int, words: list[int]) -> None:
        """Take what was written into the map to the face.

        Raises:
            ValueError: there is nothing to write at that address, or the face does not take the value.
        """
        for placed in self._placed:
            length = len(placed.model.get_mb()) // 2
            if placed.address <= address < placed.address + length:
                self._take(placed, address, words)
                return
        raise ValueError("no model there")

    def _take(self, placed: Placed, address: int, words: list[int]) -> None:
        model = placed.model
        self._fill(model, self._face.tell())
        data = bytearray(model.get_mb())
        at = (address - placed.address) * 2
        data[at : at + 2 * len(words)] = struct.pack(f">{len(words)}H", *words)
        touched = {name for name, point in model.points.items() if at <= point.offset * 2 < at + 2 * len(words)}
        if any(model.points[name].pdef.get("access") != "RW" for name in touched):
            raise ValueError("these points are read only")
        model.set_mb(bytes(data))
        for revert in touched & {"WMaxLimPctRvrtTms", "WMaxLimPct_RvrtTms"}:
            self._revert_s = float(model.points[revert].value)
        if touched & {"WMaxLimPct", "WMaxLimPctEna", "WMaxLim_Ena"}:
            enable = model.points.get("WMaxLimPctEna") or model.points.get("WMaxLim_Ena")
            self._percent, self._enabled = min(model.WMaxLimPct.cvalue, 100.0), bool(enable.value)
            self._held_since_s = self._now_s()
            kept = self._percent / 100.0 if self._enabled else 1.0
            self._face.order("limit_kw", kept * self._rating_w / 1000.0)
        for point, order in (("WChaRteMax", "charge_max_kw"), ("WDisChaRteMax", "discharge_max_kw")):
            if point in touched:
                self._face.order(order, model.points[point].cvalue / 1000.0)


def _times(value: Value | None, factor: float) -> float | None:
    return None if value is None or isinstance(value, str) else float(value) * factor


def _watt_scale(rating_w: float) -> int:
    """Return the power of ten at which twice the rating fits into 16 bits with a sign."""
    scale = 0
    while 2.0 * rating_w / 10.0**scale > 32767.0:
        scale += 1
    return scale


def _empty(number: int, *, watt_scale: int) -> Any:
    """Return a model with its scale factors set and nothing else implemented."""
    data = {"NCtl": 1, "Ctl": [{}]} if number == 711 else {"NStr": 0} if number == 803 else {}
    model = Model(model_id=number, data={"ID": number, **data})
    for name, point in model.points.items():
        if point.pdef["type"] == "sunssf":
            point.value = watt_scale if name in WATT_SCALES else SCALES.get(name, 0)
    if number == 1:
        model.Mn.value, model.Md.value, model.SN.value = "Bench", "Simulated plant", "1"
    model.ID.value, model.L.value = number, len(model.get_mb()) // 2 - 2
    return model
