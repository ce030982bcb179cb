"""A day of ``mdc run`` on twins and on wires: ``python -m benchmarks.devices_day [--quick]``.

The container on twins, on equipment behind Modbus with its plant in another process, and with its jobs on Slurm besides
where Slurm is here. By rules, which decide the same whenever they see the same; jobs on Slurm play the simulated work.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from controller.devices.compute.bench.slurm_cluster import SlurmCluster, missing_tools
from controller.records.reading import Reader
from controller.records.store import STORE_FAULTS
from sites.errors import InputError
from sites.load import find_site
from sites.times import HOUR

LOCAL_START, BEGIN = "2025-06-01T04:00", datetime(2025, 6, 1, 8, tzinfo=UTC)
"""Before sunrise at the container, which is four hours behind UTC in summer."""
NOT_THERE_YET: tuple[type[Exception], ...] = (InputError, *STORE_FAULTS)
"""A store that the daemon has still to make or to migrate."""
PLAYED = ["sh", "-c", "while [ ! -e finish ]; do sleep 0.05; done"]
LISTED: list[tuple[str, str, str, int | None]] = [
    ("battery", "", "", None),
    ("pv", "", "", 330),
    ("pv", "", "", 165),
    ("genset", "bench-genset", "diesel-1", None),
    ("genset", "bench-genset", "diesel-2", None),
    ("meter", "eastron-sdm630", "load", None),
    ("meter", "eastron-sdm630", "it", None),
    ("meter", "eastron-sdm630", "unserved", None),
    ("tank", "bench-tank", "", None),
    ("cooling", "bench-cooling", "", None),
    ("ups", "bench-ups", "", None),
]
"""Kind, register map (SunSpec without one), what it belongs to, rating kW."""
READ_EVERY_S = 0.05
ON_A_FAST_CLOCK = {"poll_s": 600, "stale_s": 3600, "timeout_s": 10}
"""Devices are read when the clock has moved, not by themselves."""
GPUS, WATTS = 128, 100_000
"""What the site's Slurm has: all GPUs of the container, and licences for more than they draw at their highest limit."""


class Total(NamedTuple):
    """What a day came to."""

    soc_frac: float
    fuel_l: float
    pv_kwh: float
    genset_kwh: float
    load_kwh: float
    work_done: float
    """Of all jobs by the end, between the readings around it: the daemon is stopped somewhat later."""


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def listing(unit: int, kind: str, described: str, of: str, rating_kw: int | None) -> dict[str, Any]:
    """Return a device as the site file lists it."""
    each: dict[str, Any] = {"name": f"{kind}-{unit}", "kind": kind, "unit": unit, **ON_A_FAST_CLOCK}
    each |= {"driver": "register-map", "map": described} if described else {"driver": "sunspec"}
    return each | ({"of": of} if of else {}) | ({"rating_kw": rating_kw} if rating_kw else {})


def day_site(folder: Path, *, modbus: bool, slurm: bool) -> Path:
    """Write the container's site file: on twins, or on equipment behind Modbus."""
    document = yaml.safe_load(find_site("container").read_text())
    document["planning"] = {"policy": "rules"}
    document["battery"]["soc_initial_frac"] = 0.25
    devices: dict[str, Any] = {"driver": "simulated", "perturbed": False}
    if modbus:
        address = f"tcp://127.0.0.1:{free_port()}"
        listed = [listing(unit, *told) | {"address": address} for unit, told in enumerate(LISTED, start=1)]
        devices |= {"driver": "real", "equipment": listed, "bench": f"tcp://127.0.0.1:{free_port()}"}
    if slurm:
        program = {"job": "any", "command": PLAYED}
        jobs = {
            "driver": "slurm",
            "programs": [program],
            "spool": str(folder / "jobs"),
            "work": "played",
            "settle_s": 20,
        }
        devices["compute"] = {"jobs": jobs}
    document["devices"] = devices
    file = folder / "site.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def run_day(
    folder: Path, hours: float, *, modbus: bool, slurm: bool = False, **environment: str
) -> tuple[Total, float]:
    """Run ``mdc run`` until so many hours of site time are over; return what it came to and how long it took."""
    folder.mkdir()
    site, began_s = day_site(folder, modbus=modbus, slurm=slurm), time.monotonic()
    plant = plant_server(site) if modbus else None
    url = f"sqlite:///{folder / 'mdc.sqlite'}"
    command = [sys.executable, "-c", "from controller.cli.main import main; main()", "run", str(site)]
    command += ["--speed", "3600", "--start", LOCAL_START, "--port", "0", "--store", url]
    with open(folder / "run.log", "w") as log:
        daemon = subprocess.Popen(command, stderr=log, env={**os.environ, **environment})
    readings: list[tuple[float, float]] = []
    try:
        while daemon.poll() is None and (not readings or readings[-1][0] < hours):
            readings += _read(url)
            threading.Event().wait(READ_EVERY_S)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(30.0)
        if plant is not None:
            plant.kill()
            plant.wait()
    return _total(url, hours, readings), time.monotonic() - began_s


def plant_server(site: Path) -> subprocess.Popen[bytes]:
    """Return a plant server that has begun to serve."""
    command = [sys.executable, "-m", "controller.devices.power.plant_server", str(site), "--start", LOCAL_START]
    plant = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert plant.stdout is not None
    assert plant.stdout.readline(), "the plant server does not start"
    return plant


def _read(url: str) -> list[tuple[float, float]]:
    """Return the hours of site time that have passed and the GPU-hours done by then; nothing before the first cycle."""
    try:
        with Reader(url, "container") as reader:
            now = reader.now()
            work = sum(job.done_frac * job.job.work_gpu_h for job in reader.jobs())
    except NOT_THERE_YET:
        return []
    return [((now.at_utc - BEGIN) / HOUR, work)] if now is not None else []


def _total(url: str, hours: float, readings: Sequence[tuple[float, float]]) -> Total:
    with Reader(url, "container") as reader:
        points = reader.telemetry(BEGIN + timedelta(minutes=1), BEGIN + timedelta(hours=hours))
    last = points[-1]
    step_h = hours / len(points)

    def kwh(name: str) -> float:
        return sum(getattr(point, name) or 0.0 for point in points) * step_h

    return Total(
        last.soc_frac or 0.0,
        (points[0].tank_l or 0.0) - (last.tank_l or 0.0),
        kwh("pv_kw"),
        kwh("genset_kw"),
        kwh("load_kw"),
        float(np.interp(hours, [at for at, _ in readings], [done for _, done in readings])),
    )


def day_table(hours: float) -> None:
    """Print a day on twins and on wires."""
    print(f"\n{hours:g} h of mdc run by rules from {LOCAL_START}, battery at 25 %")
    print(
        f"{'':<28} {'SoC':>7} {'fuel L':>8} {'PV kWh':>8} {'genset kWh':>11} {'load kWh':>9} {'work GPU-h':>11} {'s':>5}"
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        twins, seconds = run_day(folder / "twins", hours, modbus=False)
        _day_row("twins", twins, seconds)
        modbus, seconds = run_day(folder / "modbus", hours, modbus=True)
        _day_row("Modbus", modbus, seconds, twins)
        missing = missing_tools()
        if missing or os.getuid() != 0:
            print(f"jobs on Slurm: not run, {', '.join(missing) or 'needs root'}")
            return
        cluster = SlurmCluster(folder / "cluster", cpus=GPUS, watts=WATTS)
        try:
            cluster.start()
            slurm, seconds = run_day(folder / "all", hours, modbus=True, slurm=True, SLURM_CONF=str(cluster.conf))
        finally:
            cluster.stop()
        _day_row("Modbus, jobs on Slurm", slurm, seconds, twins)


def _day_row(name: str, day: Total, seconds: float, like: Total | None = None) -> None:
    energies = f"{day.pv_kwh:8.1f} {day.genset_kwh:11.1f} {day.load_kwh:9.1f} {day.work_done:11.1f}"
    print(f"{name:<28} {day.soc_frac:7.4f} {day.fuel_l:8.2f} {energies} {seconds:5.0f}")
    if like is not None:
        apart = [abs(a - b) / abs(b) if abs(b) > 1e-6 else abs(a - b) for a, b in zip(day, like, strict=True)]
        print(f"{'':<28} furthest apart from twins: {100.0 * max(apart):.2f} %")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="five hours instead of a day")
    day_table(5.0 if parser.parse_args().quick else 24.0)


if __name__ == "__main__":
    main()
