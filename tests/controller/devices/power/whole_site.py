"""The container with its battery, sun, gensets and the rest behind Modbus, and a plant server for it in another process.

As a program it is that plant server: ``python -m tests.controller.devices.power.whole_site PORT WIRE START``.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from datetime import datetime
from types import TracebackType

from controller.devices.power.plant_server import PlantServer
from sites.schema.equipment import Equipment, Kind
from sites.schema.place import Devices
from sites.schema.site import Site
from tests.controller.daemon.prepared import SITE, world

LISTED: tuple[tuple[str, Kind, str, str, float | None], ...] = (
    ("inverter", Kind.BATTERY, "", "", None),
    ("pv-a", Kind.PV, "", "", 330.0),
    ("pv-b", Kind.PV, "", "", 165.0),
    ("genset-1", Kind.GENSET, "bench-genset", "diesel-1", None),
    ("genset-2", Kind.GENSET, "bench-genset", "diesel-2", None),
    ("meter-load", Kind.METER, "eastron-sdm630", "load", None),
    ("meter-it", Kind.METER, "eastron-sdm630", "it", None),
    ("meter-unserved", Kind.METER, "eastron-sdm630", "unserved", None),
    ("tank", Kind.TANK, "bench-tank", "", None),
    ("cooling", Kind.COOLING, "bench-cooling", "", None),
    ("ups", Kind.UPS, "bench-ups", "", None),
)
"""Name, kind, register map (SunSpec without one), what it belongs to, rating."""
ASKED_ONLY_S = 600.0
"""On a fast clock devices are read when the clock has moved, not by themselves."""


def equipment(port: int) -> tuple[Equipment, ...]:
    """Return the site file's entries, all on one port."""
    return tuple(
        Equipment(
            name=name,
            kind=kind,
            driver="register-map" if described else "sunspec",
            map=described,
            of=of,
            rating_kw=rating_kw,
            address=f"tcp://127.0.0.1:{port}",
            unit=unit,
            poll_s=ASKED_ONLY_S,
            timeout_s=10.0,
            stale_s=3600.0,
        )
        for unit, (name, kind, described, of, rating_kw) in enumerate(LISTED, start=1)
    )


def low_site(devices: Devices) -> Site:
    """Return the container with a battery near its reserve: gensets have to start before morning."""
    assert SITE.battery is not None
    battery = SITE.battery.model_copy(update={"soc_initial_frac": 0.205})
    return SITE.model_copy(update={"battery": battery, "devices": devices})


def bench_site(port: int, wire: int) -> Site:
    """Return the container on a bench."""
    bench = f"tcp://127.0.0.1:{wire}"
    return low_site(Devices(driver="real", perturbed=False, equipment=equipment(port), bench=bench))


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


class PlantProcess:
    """The plant server in its own process."""

    def __init__(self, start: datetime) -> None:
        self.port, self.wire = free_port(), free_port()
        command = [sys.executable, "-m", __name__, str(self.port), str(self.wire), start.isoformat()]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE)

    def __enter__(self) -> PlantProcess:
        assert self._child.stdout is not None
        assert self._child.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._child.kill()
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()


if __name__ == "__main__":
    begin = datetime.fromisoformat(sys.argv[3])
    PlantServer(bench_site(int(sys.argv[1]), int(sys.argv[2])), world(begin), start_utc=begin)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    threading.Event().wait()
