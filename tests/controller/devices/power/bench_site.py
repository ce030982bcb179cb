"""The container site on a bench: every kind of equipment, as a twin on its face and behind a real Modbus server."""

from __future__ import annotations

import time
from dataclasses import dataclass

from controller.devices.power.bench.modbus_server import Seat, StandInServer
from controller.devices.power.driver import PowerDevice
from controller.devices.power.face import BenchFace, PlantBench
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.mapped import MappedDevice
from controller.devices.power.register_map import load_map
from controller.devices.power.sunspec import SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.power.twin import TwinDevice
from controller.devices.simulated_plant import SimulatedPlant
from sites.plant.site import Load
from sites.schema.equipment import Equipment, Kind
from tests.controller.daemon.prepared import SITE, START, world

LEGACY_PV = (1, 103, 120, 122, 123)


def entry(name: str, kind: Kind, described: str = "", *, of: str = "", rating_kw: float | None = None) -> Equipment:
    """Return an entry of the site file; its address is filled in where it matters."""
    return Equipment(
        name=name,
        kind=kind,
        driver="register-map" if described else "sunspec",
        map=described,
        address="tcp://127.0.0.1:502",
        of=of,
        rating_kw=rating_kw,
    )


EQUIPMENT = (
    entry("inverter", Kind.BATTERY),
    entry("shifting-inverter", Kind.BATTERY, "bench-battery"),
    entry("pv-a", Kind.PV, rating_kw=330.0),
    entry("pv-b", Kind.PV, rating_kw=165.0),
    entry("meter-load", Kind.METER, of="load"),
    entry("meter-it", Kind.METER, "eastron-sdm630", of="it"),
    entry("genset-1", Kind.GENSET, "bench-genset", of="diesel-1"),
    entry("genset-2", Kind.GENSET, "comap-il4", of="diesel-2"),
    entry("genset-3", Kind.GENSET, "dse-gencomm", of="diesel-2"),
    entry("bms", Kind.BMS, "victron-bms"),
    entry("tank", Kind.TANK, "bench-tank"),
    entry("cooling", Kind.COOLING, "bench-cooling"),
    entry("ups", Kind.UPS, "bench-ups"),
    entry("contacts", Kind.SAFETY, "bench-safety"),
    entry("pdu", Kind.PDU, "bench-pdu", of="h100"),
)
UNITS = {each.name: unit for unit, each in enumerate(EQUIPMENT, start=1)}
MODELS = {"pv-b": LEGACY_PV}


def loaded_bench() -> PlantBench:
    """Return a bench at noon that has run for a minute under load."""
    bench = PlantBench(SITE, SimulatedPlant(SITE, world(), perturb=False), START)
    bench.step((Load(30.0), Load(10.0, it=False)), 60.0)
    return bench


def seat(each: Equipment, face: BenchFace) -> Seat:
    """Return a device's place on the server."""
    described = load_map(each.map) if each.map else None
    return Seat(UNITS[each.name], face, described, face.rating_kw() or 1000.0, MODELS.get(each.name))


def driver(each: Equipment, link: ModbusLink, unit: int | None = None) -> PowerDevice:
    """Return a device's driver on a line."""
    unit = UNITS[each.name] if unit is None else unit
    if each.map:
        return MappedDevice(each.name, load_map(each.map), link, unit, time.monotonic)
    return SunSpecDevice(each.name, each.kind, SunSpecLine(link, unit), rating_kw=each.rating_kw)


@dataclass
class Bench:
    """Plant, server and the line to it."""

    plant: PlantBench
    faces: dict[str, BenchFace]
    server: StandInServer
    link: ModbusLink

    @classmethod
    def open(cls, *, timeout_s: float = 1.0) -> Bench:
        """Start everything on a free port."""
        plant = loaded_bench()
        faces = plant.faces(EQUIPMENT)
        server = StandInServer({0: tuple(seat(each, faces[each.name]) for each in EQUIPMENT)})
        link = ModbusLink(parse_address(f"tcp://127.0.0.1:{server.ports[0]}"), timeout_s=timeout_s)
        return cls(plant, faces, server, link)

    def pair(self, name: str) -> tuple[TwinDevice, PowerDevice]:
        """Return the twin and the driver of one device."""
        each = next(each for each in EQUIPMENT if each.name == name)
        return TwinDevice(name, self.faces[name]), driver(each, self.link)

    def close(self) -> None:
        """Stop the server."""
        self.link.close()
        self.server.close()
