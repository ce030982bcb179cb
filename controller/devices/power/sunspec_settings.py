"""What a SunSpec inverter is set to do by itself: curves, droop, trips; and its DC ports.

Models 703 (enter service), 705 (volt-var), 706 (volt-watt), 707-710 (trips), 711 (frequency droop), 712 (watt-var), 714
(DC ports), and the frequency-watt models 127 and 134 from before IEEE 1547-2018. The first curve of a model is the one in
force. All of it is read, none of it written: whoever commissions the inverter answers for its grid code.

On an island two of them matter to control. Droop or a frequency-watt curve is how an inverter can be throttled by
frequency; its frequency trips say how far that may go, for an inverter that trips takes minutes to come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from controller.devices.power.curtailment import Droop
from controller.devices.power.signals import Value
from controller.devices.power.sunspec_line import SunSpecLine
from sites.schema.equipment import Kind


class CurveModel(NamedTuple):
    """Where a model keeps its curve."""

    model: int
    name: str
    group: str
    x: str
    y: str
    units: tuple[str, str]


class Curve(NamedTuple):
    """The curve in force of one model."""

    model: int
    name: str
    enabled: bool
    points: tuple[tuple[float, float], ...]
    units: tuple[str, str]


class EnterService(NamedTuple):
    """When an inverter that has tripped or waits may come on (703); what it does not tell is ``None``."""

    allowed: bool
    volts_percent: tuple[float | None, float | None]
    hertz: tuple[float | None, float | None]
    delay_s: float | None


class Port(NamedTuple):
    """One DC port; what it does not tell is ``None``."""

    type: str
    power_kw: float | None
    voltage_v: float | None
    current_a: float | None
    temperature_c: float | None
    state: str
    alarm: bool


CURVES = (
    CurveModel(705, "volt-var", "Crv.0", "V", "Var", ("% V", "% var")),
    CurveModel(706, "volt-watt", "Crv.0", "V", "W", ("% V", "% W")),
    CurveModel(707, "under-voltage trip", "Crv.0.MustTrip", "V", "Tms", ("% V", "s")),
    CurveModel(708, "over-voltage trip", "Crv.0.MustTrip", "V", "Tms", ("% V", "s")),
    CurveModel(709, "under-frequency trip", "Crv.0.MustTrip", "Hz", "Tms", ("Hz", "s")),
    CurveModel(710, "over-frequency trip", "Crv.0.MustTrip", "Hz", "Tms", ("Hz", "s")),
    CurveModel(712, "watt-var", "Crv.0", "W", "Var", ("% W", "% var")),
)
LEGACY_POINTS = 20
"""Points that a curve of model 134 has room for."""
PORT_TYPES = ("PV", "battery", "vehicle", "injecting", "absorbing", "both ways", "DC/DC")
PORT_STATES = ("off", "on", "warning", "error")
SETTING_MODELS = (703, *(each.model for each in CURVES), 711, 127, 134, 714)


def curves(line: SunSpecLine) -> tuple[Curve, ...]:
    """Return the curves in force of all models that the device has, as fetched last."""
    return tuple(_curve(line, each) for each in CURVES if line.has(each.model))


def _curve(line: SunSpecLine, of: CurveModel) -> Curve:
    active = line.value(of.model, f"{of.group}.ActPt")
    count = line.count(of.model, f"{of.group}.Pt")
    points: list[tuple[float, float]] = []
    for index in range(min(int(active), count) if active is not None else 0):
        x, y = (line.value(of.model, f"{of.group}.Pt.{index}.{name}") for name in (of.x, of.y))
        if x is not None and y is not None:
            points.append((x, y))
    return Curve(of.model, of.name, line.value(of.model, "Ena") == 1.0, tuple(points), of.units)


def enter_service(line: SunSpecLine) -> EnterService | None:
    """Return when the inverter may come on, as fetched last; none without model 703."""
    if not line.has(703):
        return None
    low_v, high_v, low_hz, high_hz, delay_s = (
        line.value(703, name) for name in ("ESVLo", "ESVHi", "ESHzLo", "ESHzHi", "ESDlyTms")
    )
    return EnterService(line.value(703, "ES") != 0.0, (low_v, high_v), (low_hz, high_hz), delay_s)


def ports(line: SunSpecLine) -> tuple[Port, ...]:
    """Return the DC ports (714), as fetched last."""
    return tuple(_port(line, f"Prt.{index}") for index in range(line.count(714, "Prt")))


def _port(line: SunSpecLine, at: str) -> Port:
    def told(name: str) -> float | None:
        return line.value(714, f"{at}.{name}")

    power_w = told("DCW")
    return Port(
        type=_named(PORT_TYPES, told("PrtTyp")),
        power_kw=None if power_w is None else power_w / 1000.0,
        voltage_v=told("DCV"),
        current_a=told("DCA"),
        temperature_c=told("Tmp"),
        state=_named(PORT_STATES, told("DCSta")),
        alarm=bool(told("DCAlrm")),
    )


def _named(names: tuple[str, ...], number: float | None) -> str:
    return names[int(number)] if number is not None and 0 <= number < len(names) else "not told"


def settings_told(line: SunSpecLine) -> Mapping[str, Value]:
    """Return the signals that follow from the settings; a function that is switched off tells nothing."""
    told: dict[str, Value] = {**_droop(line)}
    for curve in curves(line):
        hertz = [x for x, _ in curve.points] if curve.enabled else []
        if curve.model == 709 and hertz:
            told["trip_under_hz"] = max(hertz)
        if curve.model == 710 and hertz:
            told["trip_over_hz"] = min(hertz)
    found = ports(line) if line.has(714) else ()
    powers = [port.power_kw for port in found if port.power_kw is not None]
    if powers and len(powers) == len(found):
        told["dc_power_kw"] = sum(powers)
    if found:
        told["dc_alarm"] = any(port.alarm for port in found)
    return told


def setting_warnings(line: SunSpecLine, kind: Kind, *, by_frequency: bool) -> tuple[str, ...]:
    """Return what in an inverter's settings does not go with an island; ``by_frequency``: PV is throttled that way."""
    told, found = settings_told(line), []
    if kind is Kind.PV and by_frequency:
        droop, trip_hz = Droop.told(told), told.get("trip_over_hz")
        if droop is None:
            found.append("it does not throttle by frequency: switch on its droop (711) or frequency-watt (127, 134)")
        elif isinstance(trip_hz, float) and trip_hz <= droop.end_hz:
            found.append(f"it trips at {trip_hz:g} Hz, before it is throttled as far as it goes at {droop.end_hz:g} Hz")
    if kind is Kind.BATTERY and line.value(704, "AntiIslEna") == 1.0:
        found.append("its anti-islanding is on: whoever forms an island's grid trips by it")
    service = enter_service(line)
    if service is not None and not service.allowed:
        found.append("it may not enter service (703): once off it stays off")
    if line.value(715, "LocRemCtl"):
        found.append("it is on LOCAL: no order is taken until its panel says REMOTE")
    return tuple(found)


def _droop(line: SunSpecLine) -> Mapping[str, Value]:
    """Return how the inverter answers to high frequency: by droop, else by a frequency-watt line or curve."""
    if line.has(711) and line.value(711, "Ena") == 1.0:
        deadband_hz, slope, least = (line.value(711, f"Ctl.0.{name}") for name in ("DbOf", "KOf", "PMin"))
        if deadband_hz is not None and slope:
            return _as_droop(deadband_hz, slope, max(least or 0.0, 0.0) / 100.0)
    if line.has(127) and int(line.value(127, "ModEna") or 0) & 1:
        start_hz, percent_per_hz = line.value(127, "HzStr"), line.value(127, "WGra")
        if start_hz is not None and percent_per_hz:
            return _as_droop(start_hz, 100.0 / percent_per_hz / _nominal_hz(line), 0.0)
    if line.has(134) and int(line.value(134, "ModEna") or 0) & 1:
        return droop_of_curve(_legacy_curve(line), _nominal_hz(line))
    return {}


def _as_droop(deadband_hz: float, slope_frac: float, least_frac: float) -> Mapping[str, Value]:
    return {"droop_deadband_hz": deadband_hz, "droop_frac": slope_frac, "droop_least_frac": least_frac}


def _nominal_hz(line: SunSpecLine) -> float:
    seen = next((hz for model in (701, 103, 102, 101) if (hz := line.value(model, "Hz"))), 50.0)
    return 60.0 if seen > 55.0 else 50.0


def _legacy_curve(line: SunSpecLine) -> tuple[tuple[float, float], ...]:
    """Return the curve in force of model 134 as (Hz, share of power)."""
    at = f"curve.{int(line.value(134, 'ActCrv') or 1) - 1}"
    active = int(line.value(134, f"{at}.ActPt") or 0)
    points: list[tuple[float, float]] = []
    for number in range(1, min(active, LEGACY_POINTS) + 1):
        hertz, percent = line.value(134, f"{at}.Hz{number}"), line.value(134, f"{at}.W{number}")
        if hertz is not None and percent is not None:
            points.append((hertz, percent / 100.0))
    return tuple(points)


def droop_of_curve(points: tuple[tuple[float, float], ...], nominal_hz: float) -> Mapping[str, Value]:
    """Return the droop nowhere below a frequency-watt curve: shifted by it, the inverter gives at most what is asked.

    ``points`` are (Hz, share of rating), rising in Hz. Nothing for a curve that does not fall above nominal.
    """
    whole = [hertz for hertz, kept in points if kept >= 1.0 and hertz >= nominal_hz]
    start_hz = max(whole, default=nominal_hz)
    falling = [(hertz, kept) for hertz, kept in points if hertz > start_hz and kept < 1.0]
    if not falling:
        return {}
    slope = max((hertz - start_hz) / (nominal_hz * (1.0 - kept)) for hertz, kept in falling)
    return _as_droop(start_hz - nominal_hz, slope, min(max(kept, 0.0) for _, kept in falling))
