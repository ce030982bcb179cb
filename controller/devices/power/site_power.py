"""All power equipment of a site as one: samples become a snapshot, setpoints become orders. Never waits.

Where several devices tell the same, the nearest to the thing wins: the BMS before the inverter for the battery's
state, a tank's own sender before the genset's. What nobody tells, or what is too old, is ``None``; the load, if no
meter tells it, is what the sources give (the bus balances). A contact of emergency stop or fire that was closed when its
module was last heard stays closed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime

from controller.devices.lapse import lapsed
from controller.devices.power.curtailment import Droop, frequency_for_limit
from controller.devices.power.signals import Value, Values
from controller.devices.power.watcher import Watcher
from controller.setpoints import Outcome, Setpoints, Verdict
from controller.snapshot import BatteryReading, GensetPhase, GensetReading, Snapshot
from sites.schema.equipment import Equipment, Kind
from sites.schema.site import Site

FULL_FRAC = 0.999
"""A PV inverter whose ceiling is this share of its rating gives all there is."""
TRIP_MARGIN_HZ = 0.2
"""How far below the lowest over-frequency trip the frequency is shifted at most."""


class SitePower:
    """The power side of a site."""

    def __init__(self, site: Site, equipment: Iterable[Equipment], watchers: Mapping[str, Watcher]) -> None:
        self._site, self.watchers = site, dict(watchers)
        self._listed = tuple(equipment)
        self._phases: dict[str, tuple[GensetPhase, datetime]] = {}

    def start(self) -> None:
        """Begin to poll."""
        for watcher in self.watchers.values():
            watcher.start()

    def refresh(self, timeout_s: float) -> bool:
        """Wait until every order is written and everything was read since; for clocks that run fast."""
        tickets = [(watcher, watcher.hurry()) for watcher in self.watchers.values()]
        done = [watcher.caught_up(ticket, timeout_s) for watcher, ticket in tickets]
        return all(done)

    def close(self, *, release: bool = True) -> None:
        """Leave the devices in their safe default and hang up."""
        for watcher in self.watchers.values():
            watcher.close(release=release)

    def _of(self, kind: Kind) -> list[tuple[Equipment, Values]]:
        return [
            (each, self.watchers[each.name].sample().fresh(each.stale_s)) for each in self._listed if each.kind is kind
        ]

    def read(self, now: datetime) -> Snapshot:
        """Return what is known now of the power side."""
        pv = [values for _, values in self._of(Kind.PV)]
        gensets = self._gensets(now)
        battery = self._battery()
        cooling = [values for _, values in self._of(Kind.COOLING)]
        pv_kw = _total(pv, "power_kw")
        cooling_kw = self._metered("cooling")
        closed = [self.watchers[each.name].sample().values for each in self._listed if each.kind is Kind.SAFETY]
        return Snapshot(
            at_utc=now,
            battery=battery,
            gensets=gensets,
            pv_kw=pv_kw,
            pv_available_kw=self._available_kw(pv),
            tank_l=self._tank_l(),
            load_kw=self._load_kw(pv_kw, battery, gensets),
            it_kw=self._metered("it"),
            cooling_kw=_first(cooling, "power_kw") if cooling_kw is None else cooling_kw,
            unserved_kw=self._metered("unserved") or 0.0,
            ups_soc_frac=_first([values for _, values in self._of(Kind.UPS)], "soc_frac"),
            outdoor_c=_first(cooling, "outdoor_c"),
            inlet_c=_first(cooling, "inlet_c"),
            emergency_stop=any(values.get("emergency_stop") is True for values in closed),
            fire=any(values.get("fire") is True for values in closed),
        )

    def _battery(self) -> BatteryReading | None:
        inverters, banks = ([values for _, values in self._of(kind)] for kind in (Kind.BATTERY, Kind.BMS))
        told = [*banks, *inverters]
        if not any(told):
            return None
        limits = {}
        for way in ("charge", "discharge"):
            known = [
                limit
                for limit in (
                    _first(told, f"{way}_limit_kw"),
                    _product_kw(banks, f"{way}_limit_a"),
                    _first(inverters, f"{way}_max_kw"),
                )
                if limit is not None
            ]
            limits[way] = min(known, default=None)
        closed = [values["contactor_closed"] for values in told if "contactor_closed" in values]
        return BatteryReading(
            soc_frac=_first(told, "soc_frac"),
            power_kw=_first([*inverters, *banks], "power_kw"),
            temperature_c=_first(told, "temperature_c"),
            charge_limit_kw=limits["charge"],
            discharge_limit_kw=limits["discharge"],
            contactor_closed=all(closed),
            voltage_v=_first(told, "voltage_v"),
        )

    def _gensets(self, now: datetime) -> tuple[GensetReading, ...]:
        told = {each.of: values for each, values in self._of(Kind.GENSET)}
        return tuple(self._genset(genset.name, told.get(genset.name, {}), now) for genset in self._site.gensets)

    def _genset(self, name: str, values: Values, now: datetime) -> GensetReading:
        said = values.get("phase")
        phase = GensetPhase(said) if isinstance(said, str) and said in set(GensetPhase) else None
        since = self._phases.get(name)
        if phase is not None and (since is None or since[0] is not phase):
            since = self._phases[name] = (phase, now)
        return GensetReading(
            name=name,
            phase=phase,
            power_kw=_number(values.get("power_kw")),
            phase_s=max((now - since[1]).total_seconds(), 0.0) if phase is not None and since else 0.0,
            run_h=_number(values.get("run_h")) or 0.0,
            starts=int(_number(values.get("starts")) or 0),
            failed_starts=int(_number(values.get("failed_starts")) or 0),
            remote_allowed=values.get("remote_allowed", True) is True,
        )

    def _available_kw(self, pv: list[Values]) -> float | None:
        """Return the PV that could be drawn; unknown while an inverter holds a ceiling and does not tell."""
        total = 0.0
        for (each, _), values in zip(self._of(Kind.PV), pv, strict=True):
            available = _number(values.get("available_kw"))
            if available is None and _number(values.get("limit_kw", self._rating_kw(each))) is not None:
                held = float(values.get("limit_kw", self._rating_kw(each))) < FULL_FRAC * self._rating_kw(each)
                available = None if held else _number(values.get("power_kw"))
            if available is None:
                return None
            total += available
        return total if pv else None

    def _tank_l(self) -> float | None:
        tank = self._site.tank
        if tank is None:
            return None
        told = [values for _, values in self._of(Kind.TANK)]
        level_l = _first(told, "level_l")
        if level_l is not None:
            return level_l
        frac = _first([*told, *(values for _, values in self._of(Kind.GENSET))], "level_frac")
        frac = _first([values for _, values in self._of(Kind.GENSET)], "fuel_frac") if frac is None else frac
        return None if frac is None else frac * tank.capacity_l

    def _metered(self, what: str) -> float | None:
        return _total([values for each, values in self._of(Kind.METER) if each.of == what], "power_kw")

    def _load_kw(
        self, pv_kw: float | None, battery: BatteryReading | None, gensets: tuple[GensetReading, ...]
    ) -> float | None:
        metered = self._metered("load")
        if metered is not None:
            return metered
        parts = [each.power_kw for each in gensets]
        if self._site.pv is not None:
            parts.append(pv_kw)
        if self._site.battery is not None:
            parts.append(battery.power_kw if battery else None)
        known = [part for part in parts if part is not None]
        return sum(known) if len(known) == len(parts) else None

    def write(self, setpoints: Setpoints) -> tuple[Outcome, ...]:
        """Leave orders with the devices' threads and return what became of those that stand."""
        good_for_s = (setpoints.expires_utc - setpoints.at_utc).total_seconds()
        refused = [
            *self._order_gensets(setpoints, good_for_s),
            *self._order_pv(setpoints.pv_limit_kw, good_for_s),
        ]
        self._order_battery(setpoints.battery_limit_kw, good_for_s)
        for watcher in self.watchers.values():
            watcher.lives(good_for_s)
            trouble = watcher.sample().trouble
            if trouble:
                refused.append(_outcome(watcher.device.name, "read", True, None, Verdict.STALE, trouble))
            refused += watcher.outcomes()
        return tuple(refused)

    def _order_gensets(self, setpoints: Setpoints, good_for_s: float) -> Iterable[Outcome]:
        told = {each.name: each for each in setpoints.gensets}
        later = {each.name: each for each in lapsed(setpoints, self._site).gensets}
        stopped = any(
            True in (values.get("emergency_stop"), values.get("fire"))
            for values in (
                self.watchers[each.name].sample().values for each in self._listed if each.kind is Kind.SAFETY
            )
        )
        for each, values in self._of(Kind.GENSET):
            command, then, watcher = told.get(each.of), later[each.of], self.watchers[each.name]
            if command is None:
                continue
            blocked = "an emergency stop or fire contact is closed" if stopped else ""
            if values.get("remote_allowed", True) is not True:
                blocked = "its panel is not in AUTO"
            if blocked and command.run:
                yield _outcome(each.name, "run", True, False, Verdict.REFUSED, f"not sent: {blocked}")
            orders: dict[str, Value] = {"run": command.run and not blocked, "set_kw": command.kw}
            after: dict[str, Value] = {"run": then.run and not blocked, "set_kw": then.kw}
            known = watcher.device.orders
            watcher.order({name: value for name, value in orders.items() if name in known}, good_for_s, after)

    def _order_pv(self, limit_kw: float | None, good_for_s: float) -> Iterable[Outcome]:
        inverters = [each for each in self._listed if each.kind is Kind.PV]
        total_kw = sum(self._rating_kw(each) for each in inverters)
        if self._site.pv is not None and self._site.pv.curtailment == "frequency-shift":
            yield from self._shift_frequency(limit_kw, total_kw, good_for_s)
            return
        for each in inverters:
            rating_kw = self._rating_kw(each)
            share_kw = rating_kw if limit_kw is None else min(limit_kw * rating_kw / total_kw, rating_kw)
            watcher = self.watchers[each.name]
            if "limit_kw" in watcher.device.orders:
                watcher.order({"limit_kw": share_kw}, good_for_s)
            elif limit_kw is not None:
                yield _outcome(each.name, "limit_kw", share_kw, None, Verdict.REFUSED, "it cannot be limited")

    def _shift_frequency(self, limit_kw: float | None, total_kw: float, good_for_s: float) -> Iterable[Outcome]:
        """Throttle PV by the island's frequency, as the inverters' own droop answers to it."""
        droops = [Droop.told(values) for _, values in self._of(Kind.PV)]
        known = [each for each in droops if each is not None]
        forming = [
            self.watchers[each.name]
            for each in self._listed
            if each.kind is Kind.BATTERY and "frequency_hz" in self.watchers[each.name].device.orders
        ]
        if not forming or not known:
            if limit_kw is not None:
                why = "no battery inverter takes a frequency" if not forming else "no PV inverter tells its droop"
                yield _outcome("pv", "limit_kw", limit_kw, None, Verdict.REFUSED, why)
            return
        wanted_hz = max(frequency_for_limit(limit_kw, total_kw, each) for each in known)
        trips_hz = [
            trip for kind in (Kind.PV, Kind.BATTERY) for _, values in self._of(kind) if (trip := _trip_hz(values))
        ]
        most_hz = min(trips_hz, default=math.inf) - TRIP_MARGIN_HZ
        if wanted_hz > most_hz:
            why = f"{wanted_hz:.2f} Hz would trip an inverter; held at {most_hz:.2f} Hz"
            yield _outcome("pv", "limit_kw", float(limit_kw or 0.0), None, Verdict.REFUSED, why)
            wanted_hz = most_hz
        for watcher in forming:
            watcher.order({"frequency_hz": round(wanted_hz, 3)}, good_for_s, {"frequency_hz": known[0].nominal_hz})

    def _order_battery(self, limits_kw: tuple[float, float] | None, good_for_s: float) -> None:
        most_kw = self._site.bus.inverter_kw
        charge_kw, discharge_kw = (most_kw, most_kw) if limits_kw is None else limits_kw
        for each in self._listed:
            watcher = self.watchers[each.name]
            wanted: dict[str, Value] = {"charge_max_kw": charge_kw, "discharge_max_kw": discharge_kw}
            taken = {name: value for name, value in wanted.items() if name in watcher.device.orders}
            if each.kind is Kind.BATTERY and taken:
                watcher.order(taken, good_for_s)

    def _rating_kw(self, each: Equipment) -> float:
        """Return a PV inverter's rating: its own, else its equal share of the site's."""
        if each.rating_kw is not None:
            return each.rating_kw
        count = sum(other.kind is Kind.PV for other in self._listed)
        return sum(inverter.ac_kw for inverter in self._site.pv.inverters) / count if self._site.pv else 0.0


def _trip_hz(values: Values) -> float | None:
    return _number(values.get("trip_over_hz"))


def _number(value: Value | None) -> float | None:
    return None if value is None or isinstance(value, str) else float(value)


def _first(told: Iterable[Values], signal: str) -> float | None:
    return next((number for values in told if (number := _number(values.get(signal))) is not None), None)


def _total(told: list[Values], signal: str) -> float | None:
    """Return the sum over all devices; none when there is none or one does not tell."""
    numbers = [_number(values.get(signal)) for values in told]
    known = [number for number in numbers if number is not None]
    return sum(known) if known and len(known) == len(numbers) else None


def _product_kw(banks: list[Values], amperes: str) -> float | None:
    volts, current = _first(banks, "voltage_v"), _first(banks, amperes)
    return None if volts is None or current is None else volts * current / 1000.0


def _outcome(device: str, what: str, asked: Value, found: Value | None, verdict: Verdict, text: str) -> Outcome:
    return Outcome(device=device, what=what, asked=asked, found=found, verdict=verdict, text=text)
