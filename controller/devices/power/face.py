"""The simulated plant seen as equipment: what each device would tell, and what an order to it does.

A twin reads a face directly; a stand-in server puts the same face behind Modbus. So twin and driver can be held
against each other: whatever differs is the driver.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from controller.devices.power.curtailment import Droop, limit_at_frequency
from controller.devices.power.signals import OUTLET, Value
from controller.devices.simulated_plant import SimulatedPlant
from controller.setpoints import GensetCommand, Setpoints
from controller.snapshot import Snapshot
from sites.plant.site import Flows, Load
from sites.schema.equipment import Equipment, Kind
from sites.schema.site import Site

DROOP = Droop(deadband_hz=0.2, slope_frac=0.04)
"""Over-frequency droop of the simulated PV inverters: from 50.2 Hz down to nothing at 52.2 Hz."""
TRIPS_HZ = (47.0, 53.0)
"""Frequencies at which the simulated inverters trip, set wide as for an island."""
PV_DC_TO_AC = 0.98
BANK_V = 512.0
"""Nominal voltage of the simulated bank: 160 LFP cells in series."""


class Face(Protocol):
    """One device of the simulated plant."""

    @property
    def kind(self) -> Kind:
        """What it is."""
        ...

    def tell(self) -> Mapping[str, Value | None]:
        """Return its signals."""
        ...

    def order(self, name: str, value: Value) -> None:
        """Take an order.

        Raises:
            ValueError: it takes no such order or value.
        """
        ...


class PlantBench:
    """A simulated plant on a bench: moved from outside, with a face for every device of the site file."""

    def __init__(self, site: Site, plant: SimulatedPlant, start_utc: datetime) -> None:
        self.site, self.plant, self.at_utc = site, plant, start_utc
        self.snapshot: Snapshot = plant.read(start_utc)
        self.rating_kw = sum(inverter.ac_kw for inverter in site.pv.inverters) if site.pv else 0.0
        self.pv_ratings_kw: dict[str, float] = {}
        self.pv_limits_kw: dict[str, float] = {}
        self.gensets: dict[str, GensetCommand] = {}
        self.frequency_hz = DROOP.nominal_hz
        self.outlets: dict[str, bool] = {}
        self.charge_max_kw = self.discharge_max_kw = math.inf
        self.setpoint_c = site.cooling.setpoint_c
        self.emergency_stop = self.fire = False
        self.remote = dict.fromkeys((genset.name for genset in site.gensets), True)
        """Injected: whether a genset's panel is in AUTO."""
        self.on_local: set[str] = set()
        """Injected: inverters that are operated at their panel."""
        self.heartbeats: dict[str, int] = {}
        """Heartbeat of the controller that each inverter heard last."""

    def pv_limit_kw(self) -> float | None:
        """Return the ceiling that the PV inverters hold: by setpoint or by the frequency they see."""
        held = [self.pv_limits_kw.get(name, rating_kw) for name, rating_kw in self.pv_ratings_kw.items()]
        limit_kw = sum(held) if held else math.inf
        limit_kw = min(limit_kw, limit_at_frequency(self.frequency_hz, self.rating_kw, DROOP))
        return None if limit_kw >= self.rating_kw else limit_kw

    def step(self, loads: tuple[Load, ...], dt_s: float) -> Flows:
        """Move the plant with its present orders."""
        end = self.at_utc + timedelta(seconds=dt_s)
        orders = Setpoints(
            at_utc=self.at_utc,
            expires_utc=end,
            gensets=tuple(self.gensets.values()),
            pv_limit_kw=self.pv_limit_kw(),
        )
        flows = self.plant.step(loads, orders, self.at_utc, dt_s)
        self.at_utc = end
        self.snapshot = self.plant.read(end)
        return flows

    def faces(self, equipment: Iterable[Equipment]) -> dict[str, BenchFace]:
        """Return a face for each device."""
        listed = tuple(equipment)
        inverters = [each for each in listed if each.kind is Kind.PV]
        rated = sum(each.rating_kw or 0.0 for each in inverters)
        made: dict[str, BenchFace] = {}
        for each in listed:
            share = 1.0
            if each.kind is Kind.PV:
                share = (each.rating_kw or 0.0) / rated if rated > 0.0 else 1.0 / len(inverters)
            made[each.name] = BenchFace(self, each.kind, each.name, each.of, share)
        self.pv_ratings_kw = {each.name: made[each.name].rating_kw() for each in inverters}
        return made


class BenchFace:
    """One device of a bench."""

    def __init__(self, bench: PlantBench, kind: Kind, name: str, of: str, share: float) -> None:
        self.kind, self._bench, self._name, self._of, self._share = kind, bench, name, of, share

    def rating_kw(self) -> float:
        """Return the rating of an inverter; 0 for other equipment."""
        if self.kind is Kind.BATTERY:
            return self._bench.site.bus.inverter_kw
        return self._bench.rating_kw * self._share if self.kind is Kind.PV else 0.0

    def tell(self) -> Mapping[str, Value | None]:
        told = {
            Kind.BATTERY: self._battery,
            Kind.BMS: self._battery,
            Kind.PV: self._pv,
            Kind.METER: self._meter,
            Kind.GENSET: self._genset,
            Kind.COOLING: self._cooling,
            Kind.TANK: self._tank,
            Kind.PDU: self._pdu,
            Kind.UPS: self._ups,
            Kind.SAFETY: self._safety,
        }
        return told[self.kind]()

    def _battery(self) -> Mapping[str, Value | None]:
        bench, reading = self._bench, self._bench.snapshot.battery
        if reading is None:
            return {}
        limits = {"charge_limit_kw": reading.charge_limit_kw, "discharge_limit_kw": reading.discharge_limit_kw}
        rating = self._bench.site.bus.inverter_kw
        return {
            **limits,
            "charge_limit_a": _amperes(reading.charge_limit_kw),
            "discharge_limit_a": _amperes(reading.discharge_limit_kw),
            "soc_frac": reading.soc_frac,
            "power_kw": reading.power_kw,
            "current_a": _amperes(reading.power_kw),
            "temperature_c": reading.temperature_c,
            "contactor_closed": reading.contactor_closed,
            "voltage_v": BANK_V,
            "frequency_hz": bench.frequency_hz,
            "charge_max_kw": min(bench.charge_max_kw, rating),
            "discharge_max_kw": min(bench.discharge_max_kw, rating),
            "dc_power_kw": reading.power_kw,
            "alarm": False,
            **self._inverter(),
        }

    def _inverter(self) -> Mapping[str, Value | None]:
        return {
            "remote_allowed": self._name not in self._bench.on_local,
            "trip_under_hz": TRIPS_HZ[0],
            "trip_over_hz": TRIPS_HZ[1],
            "dc_alarm": False,
        }

    def _pv(self) -> Mapping[str, Value | None]:
        seen, limit_kw = self._bench.snapshot, self._bench.pv_limits_kw.get(self._name)
        return {
            "power_kw": None if seen.pv_kw is None else seen.pv_kw * self._share,
            "available_kw": None if seen.pv_available_kw is None else seen.pv_available_kw * self._share,
            "frequency_hz": self._bench.frequency_hz,
            "limit_kw": self.rating_kw() if limit_kw is None else limit_kw,
            "droop_deadband_hz": DROOP.deadband_hz,
            "droop_frac": DROOP.slope_frac,
            "droop_least_frac": DROOP.least_frac,
            "dc_power_kw": None if seen.pv_kw is None else seen.pv_kw * self._share / PV_DC_TO_AC,
            **self._inverter(),
        }

    def _meter(self) -> Mapping[str, Value | None]:
        seen = self._bench.snapshot
        measured = {"load": seen.load_kw, "it": seen.it_kw, "cooling": seen.cooling_kw, "unserved": seen.unserved_kw}
        return {"power_kw": measured[self._of], "frequency_hz": self._bench.frequency_hz, "voltage_v": 230.0}

    def _genset(self) -> Mapping[str, Value | None]:
        reading = next(each for each in self._bench.snapshot.gensets if each.name == self._of)
        told, tank = self._bench.gensets.get(self._of), self._bench.site.tank
        level_l = self._bench.snapshot.tank_l
        return {
            "phase": reading.phase.value if reading.phase else None,
            "power_kw": reading.power_kw,
            "run_h": reading.run_h,
            "starts": reading.starts,
            "failed_starts": reading.failed_starts,
            "remote_allowed": self._bench.remote[self._of],
            "fuel_frac": level_l / tank.capacity_l if tank and level_l is not None else None,
            "run": told.run if told else False,
            "set_kw": told.kw if told else 0.0,
            "alarm": False,
        }

    def _cooling(self) -> Mapping[str, Value | None]:
        seen = self._bench.snapshot
        return {
            "inlet_c": seen.inlet_c,
            "outdoor_c": seen.outdoor_c,
            "power_kw": seen.cooling_kw,
            "setpoint_c": self._bench.setpoint_c,
        }

    def _tank(self) -> Mapping[str, Value | None]:
        tank, level_l = self._bench.site.tank, self._bench.snapshot.tank_l
        return {"level_l": level_l, "level_frac": level_l / tank.capacity_l if tank and level_l is not None else None}

    def _pdu(self) -> Mapping[str, Value | None]:
        outlets = self._bench.outlets
        on = {f"{OUTLET}{n}": outlets.get(f"{self._name}/{OUTLET}{n}", True) for n in range(1, 9)}
        return {"power_kw": 0.3 * sum(on.values()), **on}

    def _ups(self) -> Mapping[str, Value | None]:
        return {"soc_frac": self._bench.snapshot.ups_soc_frac}

    def _safety(self) -> Mapping[str, Value | None]:
        return {"emergency_stop": self._bench.emergency_stop, "fire": self._bench.fire}

    def order(self, name: str, value: Value) -> None:
        bench = self._bench
        if isinstance(value, str):
            raise ValueError(f"{value!r} is no order")
        if self.kind in (Kind.BATTERY, Kind.PV) and name == "heartbeat":
            bench.heartbeats[self._name] = int(value)
            return
        if self._name in bench.on_local:
            raise ValueError("it is operated at its panel")
        if self.kind is Kind.PV and name == "limit_kw":
            bench.pv_limits_kw[self._name] = min(float(value), self.rating_kw())
        elif self.kind is Kind.GENSET and name in ("run", "set_kw"):
            told = bench.gensets.get(self._of, GensetCommand(name=self._of, run=False))
            update: dict[str, object] = {"run": bool(value)} if name == "run" else {"kw": float(value)}
            if update.get("run") and not bench.remote[self._of]:
                raise ValueError("its panel is not in AUTO")
            bench.gensets[self._of] = told.model_copy(update=update)
        elif self.kind is Kind.BATTERY and name in ("charge_max_kw", "discharge_max_kw", "frequency_hz"):
            setattr(bench, name, float(value))
        elif self.kind is Kind.COOLING and name == "setpoint_c":
            bench.setpoint_c = float(value)
        elif self.kind is Kind.PDU and name.startswith(OUTLET):
            bench.outlets[f"{self._name}/{name}"] = bool(value)
        else:
            raise ValueError(f"it takes no order {name}")


def _amperes(power_kw: float | None) -> float | None:
    return None if power_kw is None else power_kw * 1000.0 / BANK_V
