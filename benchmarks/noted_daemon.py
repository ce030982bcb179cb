"""A daemon that notes its cycles, as small as ``mdc run``: ``python -m benchmarks.noted_daemon SITE STORE LOG SPEED``."""

from __future__ import annotations

import resource
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from controller.daemon.loop import Loop, LoopOptions
from controller.devices.port import SiteDevices
from controller.devices.simulated import SimulatedSite
from sites.load import load_site
from sites.ports import SystemClock

MONTH_START = datetime(2025, 6, 1, tzinfo=UTC)
"""Where site time begins on a fast clock."""


class Noted:
    """Devices that note when they are read; everything else is passed on."""

    def __init__(self, devices: SiteDevices, log: Path) -> None:
        self._devices, self._log = devices, log.open("a", buffering=1)

    def read(self) -> object:
        """Note the moment, then read."""
        begun = time.monotonic()
        snapshot = self._devices.read()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        mb = pages * resource.getpagesize() / 1e6
        self._log.write(f"{begun:.6f} {snapshot.at_utc.isoformat()} {mb:.1f}\n")
        return snapshot

    def __getattr__(self, name: str) -> object:
        return getattr(self._devices, name)


def run(site_file: str, url: str, log: str, speed: float) -> int:
    """Run a daemon whose devices note its cycles."""

    def wrap(devices: SiteDevices) -> SiteDevices:
        return Noted(devices, Path(log)) if isinstance(devices, SimulatedSite) else devices  # type: ignore[return-value]

    site = load_site(site_file)
    start = None if speed == 1.0 else MONTH_START
    options = LoopOptions(site=site, site_file=site_file, url=url, speed=speed, start_utc=start, port=None)
    Loop(options, host=SystemClock(), wrap=wrap).run()
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4])))
