"""The whole daemon on equipment behind Modbus, its plant in another process: the outcome is that on twins within 1 %."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from controller.daemon.loop import Loop, LoopOptions
from controller.records.reading import Reader
from controller.setpoints import Verdict
from sites.ports import SystemClock
from sites.schema.place import Devices
from sites.schema.site import Site
from tests.controller.daemon.prepared import START
from tests.controller.devices.power.whole_site import PlantProcess, bench_site, low_site

BEGIN = START.replace(hour=5, minute=50)
MINUTES = 140
"""Hours in which the battery falls to its reserve, a genset starts, the sun rises and jobs run. ``benchmarks.devices_day``
runs the day."""


@dataclass(frozen=True)
class Night:
    """What a night came to."""

    soc_frac: float
    tank_l: float
    load_kwh: float
    it_kwh: float
    genset_kwh: float
    battery_kwh: float
    unserved_kwh: float
    jobs_done: float


def live(site: Site, folder: Path) -> Night:
    """Run a daemon for the night and return what its records say."""
    folder.mkdir()
    url = f"sqlite:///{folder / 'mdc.sqlite'}"
    options = LoopOptions(
        site=site,
        site_file="container",
        url=url,
        speed=3600.0,
        start_utc=BEGIN,
        port=None,
        worker_memory_mb=2048,
        worker_module="tests.controller.daemon.stub_worker",
    )
    loop = Loop(options, host=SystemClock())
    try:
        while loop._clock.now_utc() < BEGIN + timedelta(minutes=MINUTES):
            loop._turn()
    finally:
        loop.close()
    with Reader(url, site.name) as reader:
        until = BEGIN + timedelta(minutes=MINUTES)
        points = reader.telemetry(BEGIN + timedelta(minutes=1), until + timedelta(seconds=1))
        wrong = [
            each
            for each in reader.outcomes(BEGIN, until)
            if each.verdict != Verdict.OWN.value and not each.what.startswith("job ")
        ]
        done = sum(each.done_frac for each in reader.jobs())
    assert wrong == []
    assert len(points) >= MINUTES - 3
    last = points[-1]
    assert last.soc_frac is not None
    assert last.tank_l is not None

    def energy_kwh(name: str) -> float:
        values = [getattr(point, name) for point in points]
        assert None not in values
        return sum(values) / 60.0

    names = ("load_kw", "it_kw", "genset_kw", "battery_kw", "unserved_kw")
    return Night(last.soc_frac, last.tank_l, *(energy_kwh(name) for name in names), jobs_done=done)


@pytest.mark.timeout(200)
def test_equipment_behind_modbus_ends_the_night_as_twins_do(tmp_path: Path) -> None:
    twins = live(low_site(Devices(driver="simulated", perturbed=False)), tmp_path / "twins")
    with PlantProcess(BEGIN) as plant:
        modbus = live(bench_site(plant.port, plant.wire), tmp_path / "modbus")
    assert twins.genset_kwh > 10.0
    assert twins.jobs_done > 0.0
    assert astuple(modbus) == pytest.approx(astuple(twins), rel=0.01, abs=0.01)
