"""When machines are due: the next full charge of the battery and the next test run of each genset, for plans to foresee.

The dates go into the snapshot that plans are made from. A battery's days count from its last full charge, a genset's from
its last test, or from when they were first seen.
"""

from __future__ import annotations

from datetime import timedelta

from controller.guards.records import GensetMemory, GuardMemory
from controller.snapshot import BatteryReading, GensetReading, Snapshot
from sites.schema.energy import Battery, Genset
from sites.schema.site import Site
from sites.times import Utc

FULL_FRAC = 0.005
"""A battery this close to its upper limit is full."""


def is_full(battery: Battery | None, soc_frac: float | None) -> bool:
    """Return whether a battery takes no more; a site without one has nothing to fill."""
    return battery is None or (soc_frac is not None and soc_frac >= battery.soc_max_frac - FULL_FRAC)


def with_due_dates(snapshot: Snapshot, site: Site, memory: GuardMemory) -> tuple[Snapshot, GuardMemory]:
    """Return the snapshot with the dates at which machines are due, and the memory of the last full charge."""
    if snapshot.battery is not None and (memory.full_utc is None or is_full(site.battery, memory.soc_frac)):
        memory = memory._replace(full_utc=snapshot.at_utc)
    machines = {genset.name: genset for genset in site.gensets}
    seen = tuple(
        _tested(reading, machines.get(reading.name), memory.gensets.get(reading.name, GensetMemory()))
        for reading in snapshot.gensets
    )
    battery = _charged(snapshot.battery, site.battery, memory.full_utc)
    return snapshot.model_copy(update={"battery": battery, "gensets": seen}), memory


def _charged(reading: BatteryReading | None, battery: Battery | None, full_utc: Utc | None) -> BatteryReading | None:
    if reading is None or battery is None or battery.full_charge_days is None or full_utc is None:
        return reading
    return reading.model_copy(update={"full_due_utc": full_utc + timedelta(days=battery.full_charge_days)})


def _tested(reading: GensetReading, genset: Genset | None, memory: GensetMemory) -> GensetReading:
    if genset is None or genset.test_run_days is None or memory.tested_utc is None:
        return reading
    return reading.model_copy(update={"test_due_utc": memory.tested_utc + timedelta(days=genset.test_run_days)})
