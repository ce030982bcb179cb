"""A bench: the simulated plant of a site in a process of its own, its equipment on real Modbus TCP servers.

    python -m controller.devices.power.plant_server SITE --start 2025-06-01T00:00 --days 2

serves every ``tcp`` address under ``devices.equipment`` of the site file and the wire under ``devices.bench``. The
plant moves when a controller on the wire moves it.
"""

from __future__ import annotations

import argparse
import sys
import threading
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from controller.devices.power.bench.modbus_server import Seat, StandInServer
from controller.devices.power.bench.wire import Move, Moved, WireServer
from controller.devices.power.face import BenchFace, PlantBench
from controller.devices.power.register_map import load_map
from controller.devices.simulated_plant import SimulatedPlant
from sites.errors import InputError
from sites.plant.site import Load
from sites.schema.equipment import Equipment
from sites.schema.site import Site
from sites.world import World

METER_RATING_KW = 1000.0


def seats(site: Site, bench: PlantBench, folder: Path | None) -> dict[int, tuple[Seat, ...]]:
    """Return the devices of the site file by the port they are served on.

    Raises:
        InputError: a register map is not there, or wrong.
    """
    faces = bench.faces(site.devices.equipment)
    by_port: dict[int, list[Seat]] = defaultdict(list)
    for entry in site.devices.equipment:
        parts = urlsplit(entry.address)
        if parts.scheme == "tcp":
            by_port[parts.port or 502].append(_seat(entry, faces[entry.name], folder))
    return {port: tuple(found) for port, found in by_port.items()}


def _seat(entry: Equipment, face: BenchFace, folder: Path | None) -> Seat:
    described = load_map(entry.map, folder) if entry.driver == "register-map" else None
    return Seat(entry.unit, face, described, face.rating_kw() or METER_RATING_KW)


class PlantServer:
    """Servers in front of one plant. All of them act in the Modbus server's thread: the plant has no locks."""

    def __init__(self, site: Site, world: World, *, start_utc: datetime, folder: Path | None = None) -> None:
        self._bench = PlantBench(site, SimulatedPlant(site, world, seed=site.devices.seed), start_utc)
        self._moved = False
        self.modbus = StandInServer(seats(site, self._bench, folder))
        port = urlsplit(site.devices.bench).port or 0
        self.wire = WireServer(self._move, port=port)

    def _move(self, asked: Move) -> Moved:
        answer: list[Moved | Exception] = []

        def act() -> None:
            try:
                answer.append(self._moved_by(asked))
            except Exception as error:
                answer.append(error)

        self.modbus.call(act)
        if not answer:
            raise ValueError("the plant is too slow")
        if isinstance(answer[0], Exception):
            raise ValueError(str(answer[0])) from answer[0]
        return answer[0]

    def _moved_by(self, asked: Move) -> Moved:
        bench = self._bench
        if not self._moved or asked.at > bench.at_utc:
            bench.at_utc = asked.at
        if (bench.at_utc - asked.at).total_seconds() > 0.5:
            raise ValueError(f"the plant is at {bench.at_utc.isoformat()}, the controller at {asked.at.isoformat()}")
        flows = bench.step(tuple(Load(kw, it) for kw, it in asked.loads), asked.dt_s)
        self._moved = True
        return Moved(at=bench.at_utc, served=flows.served_kw, unserved=flows.unserved_kw, throttle=flows.throttle_frac)

    def close(self) -> None:
        """Stop serving."""
        self.wire.close()
        self.modbus.close()


def main() -> None:
    """Serve until ended."""
    from forecasting.prepare import prepare_period
    from sites.load import find_site, load_site
    from sites.times import parse_time

    parser = argparse.ArgumentParser(prog="python -m controller.devices.power.plant_server", description=__doc__)
    parser.add_argument("site", help="site file with devices.equipment and devices.bench")
    parser.add_argument("--start", required=True, help="site time to begin at; local without offset")
    parser.add_argument("--days", type=float, default=3.0, help="days of weather to prepare")
    options = parser.parse_args()
    try:
        site, folder = load_site(options.site), find_site(options.site).parent
        start = parse_time(options.start, site.location.time_zone, source="--start", field="")
        end = start + timedelta(days=options.days)
        period = prepare_period(site, start_utc=start, end_utc=end, step_s=300, folder=folder)
        world = World(pv_available_kw=period.pv_available_kw, outdoor_c=period.outdoor_c, rate_rps={})
        server = PlantServer(site, world, start_utc=start, folder=folder)
    except InputError as error:
        sys.stderr.write("".join(f"error: {fault}\n" for fault in error.faults))
        sys.exit(2)
    ports = ", ".join(map(str, server.modbus.ports))
    sys.stdout.write(f"plant of {site.name}: Modbus on {ports}, bench wire on {server.wire.port}\n")
    sys.stdout.flush()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.close()


if __name__ == "__main__":
    main()
