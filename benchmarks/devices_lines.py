"""What spoilt lines do to every driver and to the control cycle; a table of ``python -m benchmarks.devices``.

Each driver runs as it does in the daemon, on a thread (or, for MQTT, in a process) of its own, behind a line that is
spoilt and mended again. All drivers are spoilt at the same time, each on its own line.
"""

from __future__ import annotations

import logging
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from benchmarks.devices_bench import TIMEOUT_S, seats
from benchmarks.devices_rig import BACK_S, LATE_S, POLL_S, Rig, until
from benchmarks.devices_rigs_compute import gateway_rig, jetson_rig, nvml_rig, slurm_rig
from benchmarks.devices_rigs_power import mqtt_rig, redfish_rig, rtu_rig, tcp_rig
from controller.devices.power.bench.fault_proxy import LineFault
from controller.devices.power.bench.modbus_server import StandInServer

WRONG = "wrong unit id"
FAULTS: dict[str, LineFault | None] = {
    "sound": LineFault.NONE,
    "5 s late": LineFault.LATE,
    "20 % lost": LineFault.LOSSY,
    "half-open": LineFault.HALF_OPEN,
    "short frames": LineFault.SHORT,
    WRONG: None,
}


class Spoilt(NamedTuple):
    """What a fault did."""

    call_s: float
    failed: bool
    cycle_ms: float | None
    back_s: float | None


def called(rig: Rig) -> tuple[float, bool]:
    """Return how long one call takes, and whether it failed."""
    began_s = time.monotonic()
    try:
        rig.call()
    except Exception:
        return time.monotonic() - began_s, True
    return time.monotonic() - began_s, False


def spoilt(rig: Rig, fault: LineFault | None, seconds: float) -> Spoilt:
    """Return what a fault does to a driver and to the control cycle."""
    assert until(rig.known, BACK_S) is not None, rig.name
    if fault is None and rig.wrong is not None:
        rig.wrong(True)
    elif fault is not None:
        rig.spoil(fault)
    end_s, cycles = time.monotonic() + seconds, [0.0]
    failed = False
    while time.monotonic() < end_s:
        began_s = time.perf_counter()
        if rig.cycle is not None:
            rig.cycle()
        cycles.append(1e3 * (time.perf_counter() - began_s))
        failed = failed or not rig.known()
        time.sleep(0.02)
    answer: list[tuple[float, bool]] = []
    caller = threading.Thread(target=lambda: answer.append(called(rig)), daemon=True)
    began_s = time.monotonic()
    caller.start()
    caller.join(3.0 * LATE_S)
    call_s, broke = answer[0] if answer else (time.monotonic() - began_s, True)
    if fault is None and rig.wrong is not None:
        rig.wrong(False)
    rig.spoil(LineFault.NONE)
    back_s = until(rig.known, BACK_S)
    return Spoilt(call_s, failed or broke, max(cycles) if rig.cycle is not None else None, back_s)


def rows_of(rig: Rig, seconds: float) -> list[str]:
    """Return a driver's rows."""
    rows = []
    for said, fault in FAULTS.items():
        if fault is None and rig.wrong is None:
            continue
        found = spoilt(rig, fault, seconds)
        cycle = "-" if found.cycle_ms is None else f"{found.cycle_ms:.2f}"
        back = "never" if found.back_s is None else f"{found.back_s:.1f}"
        failed = "yes" if found.failed else "no"
        rows.append(f"{rig.name:<24} {said:<14} {found.call_s:>8.3f} {failed:>8} {cycle:>15} {back:>7}")
    return rows


def lines_table(seconds: float) -> None:
    """Print what spoilt lines do to every driver."""
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / each for each in ("mqtt", "redfish", "slurm", "gateway", "jetson")]
        for folder in folders:
            folder.mkdir()
        server = StandInServer({0: seats()})
        port = server.ports[0]
        made = [
            tcp_rig("SunSpec battery, TCP", "battery inverter", port),
            tcp_rig("register map, TCP", "genset ComAp IL4", port),
            tcp_rig("PDU, TCP", "PDU", port),
            rtu_rig("register map, RTU", "genset ComAp IL4"),
            mqtt_rig(folders[0]),
            redfish_rig(folders[1]),
            slurm_rig(folders[2]),
            gateway_rig(folders[3]),
            nvml_rig(),
            jetson_rig(folders[4]),
        ]
        rigs = [each for each in made if each is not None]
        waits = f"time-out {TIMEOUT_S:g} s (gateway 2 s, MQTT's keepalive 30 s)"
        print(f"\n{waits}, polled every {POLL_S:g} s, spoilt for {seconds:g} s")
        print(f"{'driver':<24} {'line':<14} {'a call s':>8} {'unknown':>8} {'worst cycle ms':>15} {'back s':>7}")
        with ThreadPoolExecutor(len(rigs)) as pool:
            for rows in pool.map(lambda rig: rows_of(rig, seconds), rigs):
                print("\n".join(rows), flush=True)
        for rig in rigs:
            rig.close()
        server.close()
