"""Protection of gensets: what a start or a stop must not do to the engine, whoever asks for it.

panel MANUAL / lock-out    nothing is started past them; what runs is left to the panel                  (1)
failed starts              no more than the site file's attempts, then a person has to look              (2)
                           (1) and (2) are told as long as they last, asked for or not
rest                       no start before the minimum down time                                         (3)
minimum run                no stop before it; at minimum load meanwhile                                  (4)
quiet hours                no start at night, unless the battery is near its hard limit or load is short (5)
fuel                       no start on an empty tank                                                     (6)
power                      between minimum load and rating                                               (7)
test run                   loaded for its minutes when it has not run for its days                       (8)
"""

from __future__ import annotations

from datetime import datetime

from controller.guards.gensets_called import TURNING, command_of, reading_of, with_command
from controller.guards.quiet import is_quiet
from controller.guards.records import GensetMemory, GuardInput, Narrowed, Reason
from controller.setpoints import GensetCommand
from controller.snapshot import GensetPhase, GensetReading
from sites.schema.energy import Genset

NIGHT_MARGIN_FRAC = 0.05
"""Above the hard limit by less than this, quiet hours are broken."""


def guard_genset_protect(given: GuardInput) -> Narrowed:
    """Hold every genset's command within rules (1) to (9)."""
    setpoints, known, reasons = given.setpoints, dict(given.memory.gensets), []
    for genset in given.site.gensets:
        asked = command_of(setpoints, genset.name) or GensetCommand(name=genset.name, run=False)
        reading = reading_of(given.snapshot, genset.name)
        turning = reading is not None and reading.phase in TURNING
        memory = _counted(known.get(genset.name, GensetMemory()), asked.run, turning, given.snapshot.at_utc)
        known[genset.name] = memory
        held, why = _held(given, genset, asked, reading, memory)
        setpoints = with_command(setpoints, held)
        why = why if why is not None else _disabled(genset, reading)
        if why is not None:
            reasons.append(Reason("genset_protect", why[0], f"genset {genset.name}", why[1]))
    return Narrowed(setpoints, given.memory._replace(gensets=known), tuple(reasons))


def _counted(memory: GensetMemory, run: bool, turning: bool, now: datetime) -> GensetMemory:
    """Return memory with since when a call, or its end, has lasted."""
    call = (memory.call_since_utc or now) if run and not turning else None
    release = (memory.release_since_utc or now) if turning and not run else None
    return memory._replace(call_since_utc=call, release_since_utc=release)


def _lasted_s(since_utc: datetime | None, now: datetime) -> float:
    return (now - since_utc).total_seconds() if since_utc is not None else 0.0


def _held(
    given: GuardInput, genset: Genset, asked: GensetCommand, reading: GensetReading | None, memory: GensetMemory
) -> tuple[GensetCommand, tuple[str, str] | None]:
    """Return the command that is let through, and reason code and words when it is another."""
    turning = reading is not None and reading.phase in TURNING
    by_hand = asked.reason_code == "OPERATOR"
    if asked.run and not genset.autostart and not by_hand:
        return _off(asked, "AUTOSTART_OFF"), ("AUTOSTART_OFF", "it may be started by an operator only")
    if asked.run and not turning:
        blocked = start_blocked(given, genset, reading)
        called_s = _lasted_s(memory.call_since_utc, given.snapshot.at_utc)
        if blocked is None and called_s < genset.call_delay_s and not by_hand:
            blocked = "CALL_TOO_SHORT", f"called for {called_s:.0f} of {genset.call_delay_s:.0f} s"
        if blocked is not None:
            return _off(asked, blocked[0]), blocked
    if not asked.run and turning and reading is not None and reading.remote_allowed and genset.autostart:
        kept = _kept(genset, reading, _lasted_s(memory.release_since_utc, given.snapshot.at_utc), asked)
        if kept is not None:
            low_kw = genset.min_load_frac * genset.rating_kw
            return asked.model_copy(update={"run": True, "kw": low_kw, "reason_code": kept[0]}), kept
    if asked.run:
        kw = min(max(asked.kw, genset.min_load_frac * genset.rating_kw), genset.rating_kw)
        asked = asked if kw == asked.kw else asked.model_copy(update={"kw": kw})
    return asked, None


def _off(asked: GensetCommand, code: str) -> GensetCommand:
    return asked.model_copy(update={"run": False, "kw": 0.0, "reason_code": code})


def _kept(genset: Genset, reading: GensetReading, released_s: float, asked: GensetCommand) -> tuple[str, str] | None:
    """Return why a turning genset must not be stopped yet; none when it may."""
    if asked.reason_code == "REVERSE_POWER":
        return None
    left_s = genset.min_run_minutes * 60.0 - reading.phase_s
    if reading.phase is GensetPhase.RUNNING and left_s > 0:
        return "GENSET_PROTECT", f"minimum run: {left_s / 60:.0f} min to go"
    if released_s < genset.release_delay_s and asked.reason_code != "OPERATOR":
        return "CALL_TOO_SHORT", f"not called for {released_s:.0f} of {genset.release_delay_s:.0f} s"
    return None


def _disabled(genset: Genset, reading: GensetReading | None) -> tuple[str, str] | None:
    """Return reason code and words why a genset could not be started whoever asked; none when it could."""
    if reading is None or reading.phase is None:
        return None
    if not reading.remote_allowed:
        return "PANEL_MANUAL", "its panel is in MANUAL or locked out"
    if reading.phase is GensetPhase.LOCKED_OUT or reading.failed_starts >= genset.start_attempts:
        return "GENSET_FAILED", f"locked out after {reading.failed_starts} failed starts; a person has to reset it"
    return None


def start_blocked(given: GuardInput, genset: Genset, reading: GensetReading | None) -> tuple[str, str] | None:
    """Return reason code and words why a standing genset must not be started now; none when it may."""
    if reading is None or reading.phase is None:
        return "SENSOR_LOST", "it does not answer"
    disabled = _disabled(genset, reading)
    if disabled is not None:
        return disabled
    if reading.phase is GensetPhase.COOLDOWN:
        return "GENSET_PROTECT", "it cools down"
    left_s = genset.min_down_minutes * 60.0 - reading.phase_s
    if reading.phase is GensetPhase.OFF and left_s > 0 and reading.starts > 0 and reading.failed_starts == 0:
        return "GENSET_PROTECT", f"minimum rest: {left_s / 60:.0f} min to go"
    tank_l = given.snapshot.tank_l
    if tank_l is not None and tank_l <= 0.0:
        return "FUEL_SHORT", "the tank is empty"
    if is_quiet(genset, given.snapshot.at_utc, given.site.location.time_zone) and not _dire(given, genset):
        return "QUIET_HOURS", "quiet hours"
    return None


def _dire(given: GuardInput, genset: Genset) -> bool:
    """Return whether quiet hours have to be broken."""
    battery, soc = given.site.battery, given.memory.soc_frac
    if battery is None or soc is None or given.memory.short_run:
        return True
    floor = battery.soc_min_frac + NIGHT_MARGIN_FRAC if genset.quiet_soc_frac is None else genset.quiet_soc_frac
    return soc < floor
