"""The devices of :mod:`benchmarks.devices` at noon under load, and their drivers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from controller.devices.power.bench.modbus_server import Seat
from controller.devices.power.driver import PowerDevice
from controller.devices.power.face import PlantBench
from controller.devices.power.link import ModbusLink
from controller.devices.power.mapped import MappedDevice
from controller.devices.power.register_map import load_map
from controller.devices.power.sunspec import SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.simulated_plant import SimulatedPlant
from sites.load import load_site
from sites.plant.site import Load
from sites.schema.equipment import Equipment, Kind
from sites.series import TimeSeries
from sites.world import World

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
TIMEOUT_S, STALE_S = 1.0, 3.0
TOLD = [
    ("battery inverter", Kind.BATTERY, "", "", "charge_max_kw", (200.0, 400.0)),
    ("PV inverter, 701-711", Kind.PV, "", "", "limit_kw", (100.0, 330.0)),
    ("PV inverter, 103/123", Kind.PV, "", "", "limit_kw", (50.0, 165.0)),
    ("meter SDM630", Kind.METER, "eastron-sdm630", "load", "", ()),
    ("genset ComAp IL4", Kind.GENSET, "comap-il4", "diesel-1", "run", (True, False)),
    ("genset DSE GenComm", Kind.GENSET, "dse-gencomm", "diesel-2", "run", (True, False)),
    ("BMS on Victron GX", Kind.BMS, "victron-bms", "", "", ()),
    ("PDU", Kind.PDU, "bench-pdu", "h100", "outlet_1", (False, True)),
]
LEGACY = {"PV inverter, 103/123": (1, 103, 120, 122, 123)}
SLUG = {told[0]: f"device-{number}" for number, told in enumerate(TOLD, start=1)}


def entry(name: str, kind: Kind, described: str, of: str) -> Equipment:
    """Return a device as the site file would list it."""
    return Equipment(
        name=SLUG[name],
        kind=kind,
        driver="register-map" if described else "sunspec",
        map=described,
        address="tcp://127.0.0.1:502",
        of=of,
        rating_kw={"PV inverter, 701-711": 330.0, "PV inverter, 103/123": 165.0}.get(name),
        stale_s=STALE_S,
    )


ENTRIES = {name: entry(name, kind, described, of) for name, kind, described, of, _, _ in TOLD}
UNITS = {name: unit for unit, name in enumerate(ENTRIES, start=1)}


def seats() -> tuple[Seat, ...]:
    """Return every device at noon under load."""
    site = load_site("container")
    flat = TimeSeries(start_utc=START, step_s=3600.0, values=(250.0,) * 24)
    world = World(
        pv_available_kw=flat, outdoor_c=TimeSeries(start_utc=START, step_s=3600.0, values=(20.0,) * 24), rate_rps={}
    )
    bench = PlantBench(site, SimulatedPlant(site, world, perturb=False), START)
    bench.step((Load(40.0),), 60.0)
    faces = bench.faces(ENTRIES.values())
    return tuple(
        Seat(
            UNITS[name],
            faces[each.name],
            load_map(each.map) if each.map else None,
            faces[each.name].rating_kw() or 1000.0,
            LEGACY.get(name),
        )
        for name, each in ENTRIES.items()
    )


def driver(name: str, link: ModbusLink) -> PowerDevice:
    """Return a device's driver on a line."""
    each = ENTRIES[name]
    if each.map:
        return MappedDevice(each.name, load_map(each.map), link, UNITS[name], time.monotonic)
    return SunSpecDevice(each.name, each.kind, SunSpecLine(link, UNITS[name]), rating_kw=each.rating_kw)


def set_unit(device: PowerDevice, unit: int | None) -> int:
    """Return the unit id that a driver asks, after setting another."""
    holder: Any = device if isinstance(device, MappedDevice) else device.line._device  # type: ignore[attr-defined]
    before: int = holder._unit
    if unit is not None:
        holder._unit = unit
    return before
