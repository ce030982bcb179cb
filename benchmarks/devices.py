"""Power devices on real wires: ``python -m benchmarks.devices [--quick]``.

Two tables: time of a poll and of a write for each driver, and what each kind of spoilt line does to a driver and to the
control cycle. :mod:`benchmarks.devices_day` runs a day.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from controller.devices.nodes.bench.redfish_server import RedfishServer
from controller.devices.nodes.redfish import RedfishNode
from controller.devices.nodes.switch import TwinNode
from controller.devices.power.bench.fault_proxy import FaultProxy, LineFault
from controller.devices.power.bench.modbus_server import SERIAL_BAUD, Seat, StandInServer
from controller.devices.power.bench.serial_pair import SerialPair
from controller.devices.power.driver import DeviceLostError, PowerDevice
from controller.devices.power.face import PlantBench
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.mapped import MappedDevice
from controller.devices.power.register_map import load_map
from controller.devices.power.signals import Value
from controller.devices.power.site_power import SitePower
from controller.devices.power.sunspec import SunSpecDevice
from controller.devices.power.sunspec_line import SunSpecLine
from controller.devices.power.watcher import Watcher
from controller.devices.simulated_plant import SimulatedPlant
from controller.setpoints import GensetCommand, Setpoints
from sites.load import load_site
from sites.plant.site import Load
from sites.schema.equipment import Equipment, Kind
from sites.series import TimeSeries
from sites.world import World

START = datetime(2025, 6, 1, 12, tzinfo=UTC)
TIMEOUT_S, STALE_S, POLL_S = 1.0, 3.0, 0.2
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


def took_ms(action: Callable[[], object], times: int) -> list[float]:
    """Return how long an action takes, ms, each time."""
    found = []
    for _ in range(times):
        began_s = time.perf_counter()
        action()
        found.append(1000.0 * (time.perf_counter() - began_s))
    return sorted(found)


def time_row(name: str, wire: str, device: PowerDevice, order: str, values: tuple[Value, ...], times: int) -> str:
    """Return a driver's row."""
    device.read(whole=True)
    polls = took_ms(lambda: device.read(whole=True), times)
    writes: list[float] = []
    for value in values:
        writes += took_ms(lambda value=value: device.write(order, value), max(times // 4, 2))  # type: ignore[misc]
    written = f"{statistics.median(writes):7.2f} {max(writes):7.2f}" if writes else f"{'-':>7} {'-':>7}"
    p99 = polls[min(int(0.99 * len(polls)), len(polls) - 1)]
    return f"{name:<22} {wire:<12} {statistics.median(polls):7.2f} {p99:7.2f}   {written}"


def times_table(times: int) -> None:
    """Print how long a poll of everything, and a write with its read-back, takes on each driver."""
    print(f"{'driver':<22} {'wire':<12} {'poll ms':>7} {'p99':>7}   {'write':>7} {'worst':>7}")
    pair = SerialPair()
    server = StandInServer({0: seats()}, serial={pair.ports[0]: seats()})
    lines = {
        "TCP": f"tcp://127.0.0.1:{server.ports[0]}",
        "RTU 115 kBd": f"rtu://{pair.ports[1]}?baud={SERIAL_BAUD}",
    }
    for wire, address in lines.items():
        link = ModbusLink(parse_address(address), timeout_s=TIMEOUT_S)
        for name, _, _, _, order, values in TOLD:
            print(time_row(name, wire, driver(name, link), order, values, times if wire == "TCP" else times // 4))
        link.close()
    server.close()
    pair.close()
    redfish = RedfishServer({"n1": TwinNode("n1", time.monotonic, boot_s=0.0, stop_s=0.0)})
    node = RedfishNode("n1", redfish.address, system="n1")
    node.power()
    polls = took_ms(node.power, times)
    writes = took_ms(node.turn_on, 2) + took_ms(lambda: node.turn_off(force=True), 2)
    row = f"{statistics.median(polls):7.2f} {polls[-1]:7.2f}   {statistics.median(writes):7.2f} {max(writes):7.2f}"
    print(f"{'host by Redfish':<22} {'HTTP':<12} {row}")
    node.close()
    redfish.close()


class Spoilt(NamedTuple):
    """What a spoilt line did."""

    call_s: float
    lost: bool
    unknown_s: float | None
    cycle_ms: float
    back_s: float | None


def until(condition: Callable[[], bool], seconds: float) -> float | None:
    """Return how long it took until a condition held; none when it did not."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < seconds:
        if condition():
            return time.monotonic() - began_s
        threading.Event().wait(0.01)
    return None


def spoilt(server: StandInServer, name: str, fault: LineFault | None, seconds: float) -> Spoilt:
    """Return what a fault of the line (none = a wrong unit id) does to one device and to the cycle."""
    proxy = FaultProxy(server.ports[0])
    proxy.spoil.latency_s = 5.0
    link = ModbusLink(parse_address(f"tcp://127.0.0.1:{proxy.port}"), timeout_s=TIMEOUT_S)
    device = driver(name, link)
    each = ENTRIES[name]
    site = load_site("container")
    power = SitePower(site, [each], {each.name: Watcher(device, poll_s=POLL_S)})
    power.start()

    def known() -> bool:
        seen = power.read(START)
        return seen.battery is not None if each.kind is Kind.BATTERY else seen.gensets[0].phase is not None

    assert until(known, 10.0) is not None
    good_unit = _set_unit(device, None)
    if fault is None:
        _set_unit(device, 99)
    else:
        proxy.spoil.fault = fault
    if fault is LineFault.REFUSED:
        link.close()
    began_s, cycles, unknown_s = time.monotonic(), [0.0], None
    while time.monotonic() - began_s < seconds:
        cycles += took_ms(lambda: (power.write(_orders()), power.read(START)), 1)
        if unknown_s is None and not known():
            unknown_s = time.monotonic() - began_s
        threading.Event().wait(0.02)
    call_s, lost = _one_call(device)
    proxy.spoil.fault = LineFault.NONE
    _set_unit(device, good_unit)
    link.close()
    fails = power.watchers[each.name].tally.failures
    back_s = until(lambda: known() and not power.watchers[each.name].sample().trouble, 40.0)
    power.close(release=False)
    proxy.close()
    return Spoilt(call_s, lost or fails > 0, unknown_s, max(cycles), back_s)


def _set_unit(device: PowerDevice, unit: int | None) -> int:
    """Return the unit id that a driver asks, after setting another."""
    holder: Any = device if isinstance(device, MappedDevice) else device.line._device  # type: ignore[attr-defined]
    before: int = holder._unit
    if unit is not None:
        holder._unit = unit
    return before


def _orders() -> Setpoints:
    return Setpoints(
        at_utc=START,
        expires_utc=START + timedelta(seconds=60),
        gensets=(GensetCommand(name="diesel-1", run=True, kw=20.0),),
        battery_limit_kw=(200.0, 200.0),
    )


def _one_call(device: PowerDevice) -> tuple[float, bool]:
    began_s = time.monotonic()
    try:
        device.read(whole=True)
    except DeviceLostError:
        return time.monotonic() - began_s, True
    return time.monotonic() - began_s, False


FAULTS: dict[str, LineFault | None] = {
    "sound": LineFault.NONE,
    "5 s late": LineFault.LATE,
    "20 % lost": LineFault.LOSSY,
    "half-open": LineFault.HALF_OPEN,
    "wrong unit id": None,
    "short frames": LineFault.SHORT,
    "garbled": LineFault.GARBLED,
    "refused": LineFault.REFUSED,
}


def faults_table(seconds: float) -> None:
    """Print what spoilt lines do."""
    print(
        f"\ntime-out {TIMEOUT_S:g} s, polled every {POLL_S:g} s, not believed after {STALE_S:g} s, spoilt for {seconds:g} s"
    )
    print(
        f"{'driver':<18} {'line':<14} {'a call s':>8} {'lost':>5} {'unknown after s':>16} {'worst cycle ms':>15} {'back s':>7}"
    )
    for name in ("battery inverter", "genset ComAp IL4"):
        for said, fault in FAULTS.items():
            server = StandInServer({0: seats()})
            found = spoilt(server, name, fault, seconds)
            server.close()
            unknown, back = ("-" if each is None else f"{each:.1f}" for each in (found.unknown_s, found.back_s))
            lost = "yes" if found.lost else "no"
            row = f"{found.call_s:>8.3f} {lost:>5} {unknown:>16} {found.cycle_ms:>15.2f} {back:>7}"
            print(f"{name:<18} {said:<14} {row}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer polls, shorter faults")
    quick = parser.parse_args().quick
    logging.disable(logging.WARNING)
    times_table(40 if quick else 400)
    faults_table(4.0 if quick else 12.0)


if __name__ == "__main__":
    main()
