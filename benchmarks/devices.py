"""Devices on real wires: ``python -m benchmarks.devices [--quick]``.

Two tables: time of a poll and of a write for each power driver, and what each kind of spoilt line does to every driver and
to the control cycle. :mod:`benchmarks.compute_devices` times the compute drivers, :mod:`benchmarks.devices_day` runs a day.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import time
from collections.abc import Callable

from benchmarks.devices_bench import TIMEOUT_S, TOLD, driver, seats
from benchmarks.devices_lines import lines_table
from controller.devices.nodes.bench.redfish_server import RedfishServer
from controller.devices.nodes.redfish import RedfishNode
from controller.devices.nodes.switch import TwinNode
from controller.devices.power.bench.modbus_server import SERIAL_BAUD, StandInServer
from controller.devices.power.bench.serial_pair import SerialPair
from controller.devices.power.driver import PowerDevice
from controller.devices.power.link import ModbusLink, parse_address
from controller.devices.power.signals import Value


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


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer polls, shorter faults")
    quick = parser.parse_args().quick
    logging.disable(logging.WARNING)
    times_table(40 if quick else 400)
    lines_table(4.0 if quick else 12.0)


if __name__ == "__main__":
    main()
