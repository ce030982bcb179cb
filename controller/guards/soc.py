"""State of charge: below the reserve a genset is asked for; near the hard limit load goes.

    SoC < reserve                      one genset until reserve + 5 %                                         (1)
    SoC unknown for five minutes       each genset as its site file says: start, keep what it does, or stop   (2)
    SoC <= hard limit + 3 %            all gensets; jobs pause and soft tiers go                              (3)
    SoC <= hard limit + 1 %            all but critical services go as well                                   (4)

(3) and (4) end 3 % above where they began. A rate-aware margin widens (3) and (4) by what the measured
discharge takes in one minute, so that a long control step does not overrun them.
"""

from __future__ import annotations

from controller.guards.gensets_called import TURNING, call_gensets, command_of, reading_of, with_command
from controller.guards.load_cut import cut_order, without
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import GensetCommand

RECOVER_FRAC = 0.05
CUT_FRAC = (0.03, 0.01)
RELEASE_FRAC = 0.03
LOST_AFTER_S = 300.0
CHARGING_LOAD_FRAC = 0.8
"""Load at which a genset that was called charges the battery: near its best efficiency, with room for a step."""


def guard_reserve(given: GuardInput) -> Narrowed:
    """Ask for a genset below the reserve, rule (1)."""
    battery, memory, soc = given.site.battery, given.memory, given.memory.soc_frac
    if battery is None or not given.site.gensets or soc is None:
        return Narrowed(given.setpoints, memory)
    enough = min(battery.soc_reserve_frac + RECOVER_FRAC, battery.soc_max_frac - 0.01)
    run = soc < battery.soc_reserve_frac or (memory.reserve_run and soc < enough)
    memory = memory._replace(reserve_run=run)
    if not run:
        return Narrowed(given.setpoints, memory)
    setpoints = call_gensets(
        given.setpoints, given.snapshot, given.site, count=1, load_frac=CHARGING_LOAD_FRAC, reason_code="SOC_RESERVE"
    )
    text = f"state of charge {soc:.1%}, reserve {battery.soc_reserve_frac:.0%}: a genset runs until {enough:.0%}"
    return Narrowed(setpoints, memory, (Reason("reserve", "SOC_RESERVE", "gensets", text),))


def guard_lost_soc(given: GuardInput) -> Narrowed:
    """Run, keep or stop each genset when the state of charge is unknown, rule (2)."""
    setpoints, lost_s = given.setpoints, given.memory.soc_lost_s
    if given.site.battery is None or lost_s < LOST_AFTER_S:
        return Narrowed(setpoints, given.memory)
    done = []
    for genset in given.site.gensets:
        asked, reading = command_of(setpoints, genset.name), reading_of(given.snapshot, genset.name)
        by_hand = asked is not None and asked.reason_code in ("OPERATOR", "TEST_RUN")
        runs = asked is not None and asked.run
        turning = reading is not None and reading.phase in TURNING
        if genset.on_lost_soc == "stop" and lost_s > LOST_AFTER_S and not by_hand:
            setpoints = with_command(setpoints, GensetCommand(name=genset.name, run=False, reason_code="SENSOR_LOST"))
        elif genset.on_lost_soc == "start" or (genset.on_lost_soc == "keep" and turning):
            kw = max(CHARGING_LOAD_FRAC * genset.rating_kw, asked.kw if asked is not None and runs else 0.0)
            command = GensetCommand(name=genset.name, run=True, kw=kw, reason_code="SENSOR_LOST")
            setpoints = setpoints if by_hand else with_command(setpoints, command)
        done.append(f"{genset.name}: {genset.on_lost_soc}")
    text = f"state of charge unknown for {lost_s:.0f} s: {', '.join(done)}"
    return Narrowed(setpoints, given.memory, (Reason("lost_soc", "SENSOR_LOST", "gensets", text),) if done else ())


def guard_soc_low(given: GuardInput) -> Narrowed:
    """Take load off near the hard limit, rules (3) and (4)."""
    battery, memory, soc = given.site.battery, given.memory, given.memory.soc_frac
    if battery is None or soc is None:
        return Narrowed(given.setpoints, memory)
    out_kw = given.snapshot.battery.power_kw if given.snapshot.battery else None
    minute_frac = max(out_kw or 0.0, 0.0) / 60.0 / battery.capacity_kwh
    left = soc - battery.soc_min_frac - minute_frac
    reached = sum(left <= margin for margin in CUT_FRAC)
    held = sum(left <= margin + RELEASE_FRAC for margin in CUT_FRAC)
    level = max(reached, min(memory.soc_low, held))
    memory = memory._replace(soc_low=level)
    if level == 0:
        return Narrowed(given.setpoints, memory)
    setpoints = call_gensets(
        given.setpoints,
        given.snapshot,
        given.site,
        count=len(given.site.gensets),
        load_frac=CHARGING_LOAD_FRAC,
        reason_code="SOC_LOW",
    )
    kinds = ("job", "tier") if level == 1 else ("job", "tier", "service")
    cuts = tuple(cut for cut in cut_order(setpoints, given.site, given.jobs) if cut.kind in kinds)
    text = f"state of charge {soc:.1%}, hard limit {battery.soc_min_frac:.0%}: {', '.join(kinds)} load goes"
    return Narrowed(without(setpoints, cuts), memory, (Reason("soc_low", "SOC_LOW", "load", text),))
