"""Settings of the simulated inverters as SunSpec models: curves and trips as set for an island, DC ports, control."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from controller.devices.power.face import BANK_V, DROOP, PV_DC_TO_AC, TRIPS_HZ
from controller.devices.power.signals import Value
from sites.schema.equipment import Kind

Points = tuple[tuple[float, float], ...]
CURVES: dict[int, tuple[tuple[str, str], Points]] = {
    705: (("V", "Var"), ((92.0, 44.0), (98.0, 0.0), (102.0, 0.0), (108.0, -44.0))),
    706: (("V", "W"), ((106.0, 100.0), (110.0, 0.0))),
    712: (("W", "Var"), ((20.0, 0.0), (50.0, 0.0), (100.0, -44.0))),
}
TRIPS: dict[int, tuple[tuple[str, str], Points]] = {
    707: (("V", "Tms"), ((70.0, 2.0), (45.0, 0.16))),
    708: (("V", "Tms"), ((115.0, 2.0), (120.0, 0.16))),
    709: (("Hz", "Tms"), ((TRIPS_HZ[0], 5.0), (TRIPS_HZ[0] - 1.0, 0.16))),
    710: (("Hz", "Tms"), ((TRIPS_HZ[1], 5.0), (TRIPS_HZ[1] + 1.0, 0.16))),
}
ENABLED = frozenset(TRIPS)
"""Trips are on; reactive power of an island is the grid former's business, so the volt and var curves are off."""
SPARE = 1
"""Points of a curve that are there and not in use: not implemented."""
PORT_TYPES = {Kind.PV: 0, Kind.BATTERY: 1}
SETTINGS = frozenset({703, *CURVES, *TRIPS, 711})


def shape(number: int) -> dict[str, Any]:
    """Return how often the groups of a model repeat, as pysunspec2 wants it said when a model is made."""
    if number in CURVES:
        count = len(CURVES[number][1]) + SPARE
        return {"NPt": count, "NCrv": 1, "Crv": [{"Pt": [{}] * count}]}
    if number in TRIPS:
        count = len(TRIPS[number][1]) + SPARE
        zones: dict[str, Any] = {zone: {"Pt": [{}] * count} for zone in ("MustTrip", "MayTrip", "MomCess")}
        return {"NPt": count, "NCrvSet": 1, "Crv": [zones]}
    others: dict[int, dict[str, Any]] = {
        134: {"NPt": 20, "NCrv": 1, "curve": [{}]},
        711: {"NCtl": 1, "Ctl": [{}]},
        714: {"NPrt": 1, "Prt": [{}]},
        803: {"NStr": 0},
    }
    return others.get(number, {})


def fill_settings(model: Any) -> None:
    """Set what does not change while the inverter runs."""
    number = model.model_id
    if number in CURVES:
        model.Ena.value = int(number in ENABLED)
        _draw(model.groups["Crv"][0], *CURVES[number])
    elif number in TRIPS:
        model.Ena.value = int(number in ENABLED)
        _draw(model.groups["Crv"][0].groups["MustTrip"], *TRIPS[number])
    elif number == 703:
        model.ES.value, model.ESDlyTms.value = 1, 60
        model.ESVLo.cvalue, model.ESVHi.cvalue = 88.0, 110.0
        model.ESHzLo.cvalue, model.ESHzHi.cvalue = TRIPS_HZ[0] + 1.0, 50.2
    elif number == 711:
        model.Ena.value = 1
        control = model.groups["Ctl"][0]
        control.DbOf.cvalue, control.KOf.cvalue = DROOP.deadband_hz, DROOP.slope_frac
        control.PMin.value = round(100.0 * DROOP.least_frac)


def _draw(group: Any, names: tuple[str, str], points: Points) -> None:
    group.points["ActPt"].value = len(points)
    for place, point in zip(group.groups["Pt"], points, strict=False):
        for name, value in zip(names, point, strict=True):
            place.points[name].cvalue = value


def fill_port(model: Any, kind: Kind, told: Mapping[str, Value | None]) -> None:
    """Set the DC port of model 714."""
    port, power_kw = model.groups["Prt"][0], told.get("dc_power_kw")
    volts = BANK_V if kind is Kind.BATTERY else BANK_V / PV_DC_TO_AC
    port.PrtTyp.value, port.ID.value, port.DCSta.value, port.DCAlrm.value = PORT_TYPES[kind], 1, 1, 0
    port.DCV.cvalue = volts
    for place in (port, model):
        if power_kw is None:
            place.points["DCW"].value = place.points["DCA"].value = None
        else:
            place.points["DCW"].cvalue = float(power_kw) * 1000.0
            place.points["DCA"].cvalue = float(power_kw) * 1000.0 / volts
