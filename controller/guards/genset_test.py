"""Test runs: a genset that has not run loaded for its days is run, so that it starts on the day it is needed.

A run of the genset's skip minutes since the last test makes a test unnecessary; with the tank below its reserve
a test waits for fuel. A test lasts its minutes or,
where the site file says so, until the battery is full; with a full battery such a test waits.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from controller.guards.fuel_low import is_fuel_low
from controller.guards.gensets_called import can_run, command_of, reading_of, with_command
from controller.guards.quiet import is_quiet
from controller.guards.records import GensetMemory, GuardInput, Narrowed, Reason
from controller.guards.upkeep import is_full
from controller.setpoints import GensetCommand
from controller.snapshot import GensetPhase, GensetReading
from sites.schema.energy import Genset

TEST_LOAD_FRAC = 0.5
LONGEST = timedelta(hours=12)
"""A test until full ends after this at the latest."""


def guard_test_run(given: GuardInput) -> Narrowed:
    """Ask for the test runs that are due."""
    setpoints, now, known, reasons = given.setpoints, given.snapshot.at_utc, dict(given.memory.gensets), []
    for genset in given.site.gensets:
        reading = reading_of(given.snapshot, genset.name)
        memory = _run_kept(known.get(genset.name, GensetMemory()), reading, genset, now, given.dt_s)
        memory = _begun(given, genset, reading, memory)
        if memory.test_until_utc is not None:
            if now >= memory.test_until_utc or (
                genset.test_run_until_full and is_full(given.site.battery, given.memory.soc_frac)
            ):
                memory = memory._replace(test_until_utc=None, tested_utc=now, loaded_s=0.0)
            else:
                asked = command_of(setpoints, genset.name)
                kw = max(TEST_LOAD_FRAC * genset.rating_kw, asked.kw if asked is not None and asked.run else 0.0)
                setpoints = with_command(
                    setpoints, GensetCommand(name=genset.name, run=True, kw=kw, reason_code="TEST_RUN")
                )
                until = "the battery is full" if genset.test_run_until_full else f"{memory.test_until_utc:%H:%M}Z"
                reasons.append(Reason("test_run", "TEST_RUN", f"genset {genset.name}", f"test run until {until}"))
        known[genset.name] = memory
    return Narrowed(setpoints, given.memory._replace(gensets=known), tuple(reasons))


def _run_kept(
    memory: GensetMemory, reading: GensetReading | None, genset: Genset, now: datetime, dt_s: float
) -> GensetMemory:
    if memory.tested_utc is None:
        memory = memory._replace(tested_utc=now)
    if reading is None or reading.phase is not GensetPhase.RUNNING:
        return memory
    loaded_s = memory.loaded_s + dt_s
    skip_minutes = genset.test_run_minutes if genset.test_run_skip_minutes is None else genset.test_run_skip_minutes
    if memory.test_until_utc is None and loaded_s >= skip_minutes * 60.0:
        return memory._replace(loaded_s=0.0, last_run_utc=now, tested_utc=now)
    return memory._replace(loaded_s=loaded_s, last_run_utc=now)


def _begun(given: GuardInput, genset: Genset, reading: GensetReading | None, memory: GensetMemory) -> GensetMemory:
    """Return memory with the test run begun if it is due and may begin now."""
    now = given.snapshot.at_utc
    if genset.test_run_days is None or memory.test_until_utc is not None or memory.tested_utc is None:
        return memory
    if now - memory.tested_utc < timedelta(days=genset.test_run_days):
        return memory
    if is_fuel_low(given) or not can_run(genset, reading) or is_quiet(genset, now, given.site.location.time_zone):
        return memory
    if genset.test_run_until_full:
        return (
            memory
            if is_full(given.site.battery, given.memory.soc_frac)
            else memory._replace(test_until_utc=now + LONGEST)
        )
    return memory._replace(test_until_utc=now + timedelta(minutes=genset.test_run_minutes))
