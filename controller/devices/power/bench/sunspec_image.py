"""The register image of a SunSpec device: models filled from a face, and ceilings taken back out of what is written."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sunspec2.device import Model
from sunspec2.mb import SUNS_END_MODEL_ID

from controller.devices.power.bench.inverter_settings import SETTINGS, fill_port, fill_settings, shape
from controller.devices.power.face import Face
from controller.devices.power.signals import Value
from sites.schema.equipment import Kind

BASE = 40000
WANTED: dict[Kind, tuple[int, ...]] = {
    Kind.BATTERY: (1, 701, 702, 703, 704, *range(705, 711), 712, 713, 714, 715, 802, 803),
    Kind.PV: (1, 122, *range(701, 713), 714, 715),
    Kind.METER: (1, 203),
}
LEGACY_PV = (1, 103, 120, 122, 123)
"""Models of an inverter from before IEEE 1547-2018."""
WATT_SCALES = frozenset({"W_SF", "WMax_SF", "WRtg_SF", "WAval_SF", "WChaDisChaMax_SF", "DCW_SF"})
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
    "Tms_SF": -2,
    "DCV_SF": -1,
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
        in_watts: bool = False,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """``in_watts``: model 704 implements its ceiling in watts (``WSet``) and not in percent."""
        self._face, self._rating_w, self._now_s = face, rating_kw * 1000.0, monotonic_s
        self._in_watts = in_watts
        self._percent, self._enabled, self._revert_s, self._held_since_s = 100.0, False, 0.0, 0.0
        self._filled: tuple[object, list[int]] = (None, [])
        """What the map was last filled with, and the map: a poll asks for it in many requests."""
        self._controller_beat = 0
        self._placed: list[Placed] = []
        address = BASE + 2
        for number in models or WANTED[face.kind]:
            model = _empty(number, watt_scale=_watt_scale(self._rating_w))
            self._placed.append(Placed(address, model))
            address += len(model.get_mb()) // 2
        self._fixed = {
            placed.address: placed.model.get_mb() for placed in self._placed if placed.model.model_id in SETTINGS
        }
        """Models that stay as they are: filled once."""
        self.count = address + 2 - BASE

    def registers(self) -> list[int]:
        """Return the whole map, filled with what the face tells now."""
        self._revert()
        told = self._face.tell()
        beats = int(self._now_s()), self._controller_beat
        if (tuple(told.items()), self._percent, self._enabled, beats) != self._filled[0]:
            registers = self._encoded(told)
            self._filled = (tuple(told.items()), self._percent, self._enabled, beats), registers
        return list(self._filled[1])

    def _encoded(self, told: Mapping[str, Value | None]) -> list[int]:
        data = b"SunS"
        for placed in self._placed:
            fixed = self._fixed.get(placed.address)
            if fixed is None:
                self._fill(placed.model, told)
                fixed = placed.model.get_mb()
            data += fixed
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
        enable = self._enable(model)
        if enable is not None and limit_w is not None:
            percent = 100.0 * limit_w / self._rating_w
            if abs(percent - (self._percent if self._enabled else 100.0)) > 0.01:
                self._percent, self._enabled = percent, percent < 100.0
            if self._in_watts:
                model.WSet.cvalue, model.WSetMod.value = self._percent / 100.0 * self._rating_w, 1
            else:
                model.WMaxLimPct.cvalue = self._percent
            enable.value = int(self._enabled)
        if model.model_id == 714:
            fill_port(model, self._face.kind, told)
        if model.model_id == 715:
            model.LocRemCtl.value = int(told.get("remote_allowed") is False)
            model.DERHb.value, model.ControllerHb.value = int(self._now_s()), self._controller_beat

    def _enable(self, model: Any) -> Any:
        """Return the point that switches the ceiling on; none in models that have no ceiling."""
        names = ("WSetEna",) if self._in_watts else ("WMaxLimPctEna", "WMaxLim_Ena")
        return next((model.points[name] for name in names if name in model.points), None)

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
        if not touched or any(model.points[name].pdef.get("access") != "RW" for name in touched):
            raise ValueError("these points are read only")
        model.set_mb(bytes(data))
        if "ControllerHb" in touched:
            self._controller_beat = int(model.ControllerHb.value)
            self._face.order("heartbeat", self._controller_beat)
        for revert in touched & {"WMaxLimPctRvrtTms", "WMaxLimPct_RvrtTms", "WSetRvrtTms"}:
            self._revert_s = float(model.points[revert].value)
        if touched & {"WMaxLimPct", "WMaxLimPctEna", "WMaxLim_Ena", "WSet", "WSetEna"}:
            percent = 100.0 * model.WSet.cvalue / self._rating_w if self._in_watts else model.WMaxLimPct.cvalue
            self._percent, self._enabled = min(percent, 100.0), bool(self._enable(model).value)
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
    model = Model(model_id=number, data={"ID": number, **shape(number)})
    for name, point in model.points.items():
        if point.pdef["type"] == "sunssf":
            in_watts = name in WATT_SCALES and number not in SETTINGS
            point.value = watt_scale if in_watts else SCALES.get(name, 0)
    if number == 1:
        model.Mn.value, model.Md.value, model.SN.value = "Bench", "Simulated plant", "1"
    fill_settings(model)
    model.ID.value, model.L.value = number, len(model.get_mb()) // 2 - 2
    return model
