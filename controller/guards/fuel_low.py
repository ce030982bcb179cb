"""Low fuel: what is left in the tank below its reserve is for what cannot wait.

    tank < reserve of the tank                                  said; test runs do not begin (``genset_test``)      (1)
    and a genset runs or is asked for, or the battery is low    preemptible jobs pause                              (2)

(2) ends when no genset is needed and the battery is :data:`SPARE_FRAC` above its own reserve: then sun has filled it, and
a job takes nothing from the tank. Jobs that cannot be preempted run to their end; load tiers and services are left alone.
"""

from __future__ import annotations

from controller.guards.records import GuardInput, Narrowed, Reason

LOW_FRAC, SPARE_FRAC = 0.10, 0.20
"""Charge above the battery's reserve at which (2) begins, and ends."""


def is_fuel_low(given: GuardInput) -> bool:
    """Return whether the tank is known to be below its reserve."""
    tank, level_l = given.site.tank, given.snapshot.tank_l
    return tank is not None and level_l is not None and level_l < tank.reserve_l


def guard_fuel_low(given: GuardInput) -> Narrowed:
    """Keep the last fuel from batch work, rules (1) and (2)."""
    memory, setpoints, tank = given.memory, given.setpoints, given.site.tank
    if tank is None or not is_fuel_low(given):
        return Narrowed(setpoints, memory._replace(fuel_saved=False))
    saved = any(each.run for each in setpoints.gensets) or _battery_low(given)
    memory = memory._replace(fuel_saved=saved)
    paused = {each.name for each in setpoints.jobs if _can_wait(given, each.name)} if saved else set()
    kept = tuple(each for each in setpoints.jobs if each.name not in paused)
    text = f"{given.snapshot.tank_l:.0f} L left, {tank.reserve_l:.0f} L are the reserve"
    text += f"; paused for it: {', '.join(sorted(paused))}" if paused else ""
    return Narrowed(
        setpoints.model_copy(update={"jobs": kept}), memory, (Reason("fuel_low", "FUEL_SHORT", "tank", text),)
    )


def _battery_low(given: GuardInput) -> bool:
    battery, soc = given.site.battery, given.memory.soc_frac
    if battery is None or soc is None:
        return False
    margin = SPARE_FRAC if given.memory.fuel_saved else LOW_FRAC
    return soc < battery.soc_reserve_frac + margin


def _can_wait(given: GuardInput, name: str) -> bool:
    job = given.jobs.get(name)
    return job is not None and job.preemptible
