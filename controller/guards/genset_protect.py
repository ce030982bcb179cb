"""Protection of gensets: what a start or a stop must not do to the engine, whoever asks for it.

panel MANUAL / lock-out    nothing is started past them; what runs is left to the panel                  (1)
failed starts              no more than the site file's attempts, then a person has to look              (2)
rest                       no start before the minimum down time                                         (3)
minimum run                no stop before it; at minimum load meanwhile                                  (4)
quiet hours                no start at night, unless the battery is near its hard limit or load is short (5)
fuel                       no start on an empty tank                                                     (6)
power                      between minimum load and rating                                               (7)
test run                   loaded for its minutes when it has not run for its days                       (8)
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from controller.guards.gensets_called import TURNING, can_run, command_of, reading_of, with_command
from controller.guards.records import GensetMemory, GuardInput, Narrowed, Reason
from controller.setpoints import GensetCommand
from controller.snapshot import GensetPhase, GensetReading
from sites.schema.energy import Genset

TEST_LOAD_FRAC = 0.5
NIGHT_MARGIN_FRAC = 0.05
"""Above the hard limit by less than this, quiet hours are broken."""


def guard_test_run(given: GuardInput) -> Narrowed:
    """Ask for a loaded test run that is due, rule (8); a run long enough counts as one."""
    setpoints, now, known, reasons = given.setpoints, given.snapshot.at_utc, dict(given.memory.gensets), []
    for genset in given.site.gensets:
        reading = reading_of(given.snapshot, genset.name)
        memory = _run_kept(known.get(genset.name, GensetMemory()), reading, genset, now, given.dt_s)
        quiet = is_quiet(genset, now, given.site.location.time_zone)
        if _test_due(genset, memory, now) and can_run(genset, reading) and not quiet:
            memory = replace(memory, test_until_utc=now + timedelta(minutes=genset.test_run_minutes))
        if memory.test_until_utc is not None:
            if now >= memory.test_until_utc:
                memory = replace(memory, test_until_utc=None, tested_utc=now)
            else:
                kw = TEST_LOAD_FRAC * genset.rating_kw
                asked = command_of(setpoints, genset.name)
                kw = max(kw, asked.kw) if asked is not None and asked.run else kw
                command = GensetCommand(name=genset.name, run=True, kw=kw, reason_code="TEST_RUN")
                setpoints = with_command(setpoints, command)
                text = f"test run until {memory.test_until_utc:%H:%M}Z"
                reasons.append(Reason("test_run", "TEST_RUN", f"genset {genset.name}", text))
        known[genset.name] = memory
    return Narrowed(setpoints, replace(given.memory, gensets=known), tuple(reasons))


def _run_kept(
    memory: GensetMemory, reading: GensetReading | None, genset: Genset, now: datetime, dt_s: float
) -> GensetMemory:
    if memory.tested_utc is None:
        memory = replace(memory, tested_utc=now)
    if reading is None or reading.phase is not GensetPhase.RUNNING:
        return replace(memory, loaded_s=0.0)
    loaded_s = memory.loaded_s + dt_s
    tested = now if loaded_s >= genset.test_run_minutes * 60.0 else memory.tested_utc
    return replace(memory, loaded_s=loaded_s, last_run_utc=now, tested_utc=tested)


def _test_due(genset: Genset, memory: GensetMemory, now: datetime) -> bool:
    if genset.test_run_days is None or memory.test_until_utc is not None or memory.tested_utc is None:
        return False
    return now - memory.tested_utc >= timedelta(days=genset.test_run_days)


def is_quiet(genset: Genset, now: datetime, zone: str) -> bool:
    """Return whether ``now`` lies in a genset's quiet hours, which are local clock times."""
    if genset.quiet_hours is None:
        return False
    begin, end = genset.quiet_hours
    clock = f"{now.astimezone(ZoneInfo(zone)):%H:%M}"
    begin, end = begin.zfill(5), end.zfill(5)
    return begin <= clock < end if begin <= end else clock >= begin or clock < end


def guard_genset_protect(given: GuardInput) -> Narrowed:
    """Hold every genset's command within rules (1) to (7)."""
    setpoints, reasons = given.setpoints, []
    for genset in given.site.gensets:
        asked = command_of(setpoints, genset.name) or GensetCommand(name=genset.name, run=False)
        held, reason = _protected(given, genset, asked)
        setpoints = with_command(setpoints, held)
        if reason is not None:
            reasons.append(reason)
    return Narrowed(setpoints, given.memory, tuple(reasons))


def _protected(given: GuardInput, genset: Genset, asked: GensetCommand) -> tuple[GensetCommand, Reason | None]:
    reading = reading_of(given.snapshot, genset.name)
    subject = f"genset {genset.name}"
    turning = reading is not None and reading.phase in TURNING
    if asked.run and not turning:
        blocked = start_blocked(given, genset, reading)
        if blocked is not None:
            code, text = blocked
            return asked.model_copy(update={"run": False, "kw": 0.0, "reason_code": code}), Reason(
                "genset_protect", code, subject, text
            )
    if not asked.run and reading is not None and reading.phase is GensetPhase.RUNNING:
        left_s = genset.min_run_minutes * 60.0 - reading.phase_s
        if left_s > 0 and reading.remote_allowed:
            kept = asked.model_copy(
                update={"run": True, "kw": genset.min_load_frac * genset.rating_kw, "reason_code": "GENSET_PROTECT"}
            )
            text = f"minimum run: {left_s / 60:.0f} min to go"
            return kept, Reason("genset_protect", "GENSET_PROTECT", subject, text)
    if asked.run:
        low_kw = genset.min_load_frac * genset.rating_kw
        kw = min(max(asked.kw, low_kw), genset.rating_kw)
        if kw != asked.kw:
            asked = asked.model_copy(update={"kw": kw})
    return asked, None


def start_blocked(given: GuardInput, genset: Genset, reading: GensetReading | None) -> tuple[str, str] | None:
    """Return reason code and words why a standing genset must not be started now; none when it may."""
    if reading is None or reading.phase is None:
        return "SENSOR_LOST", "it does not answer"
    if not reading.remote_allowed:
        return "PANEL_MANUAL", "its panel is in MANUAL or locked out"
    if reading.phase is GensetPhase.LOCKED_OUT or reading.failed_starts >= genset.start_attempts:
        return "GENSET_FAILED", f"locked out after {reading.failed_starts} failed starts; a person has to reset it"
    if reading.phase is GensetPhase.COOLDOWN:
        return "GENSET_PROTECT", "it cools down"
    left_s = genset.min_down_minutes * 60.0 - reading.phase_s
    if reading.phase is GensetPhase.OFF and left_s > 0 and reading.starts > 0 and reading.failed_starts == 0:
        return "GENSET_PROTECT", f"minimum rest: {left_s / 60:.0f} min to go"
    tank_l = given.snapshot.tank_l
    if tank_l is not None and tank_l <= 0.0:
        return "FUEL_SHORT", "the tank is empty"
    if is_quiet(genset, given.snapshot.at_utc, given.site.location.time_zone) and not _dire(given):
        return "QUIET_HOURS", "quiet hours"
    return None


def _dire(given: GuardInput) -> bool:
    battery, soc = given.site.battery, given.memory.soc_frac
    if battery is None or soc is None or given.memory.short_run:
        return True
    return soc < battery.soc_min_frac + NIGHT_MARGIN_FRAC
