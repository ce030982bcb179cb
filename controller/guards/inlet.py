"""Inlet air: computers get less to do when it is too warm, and nothing new while it is too cold.

    above the limit - 2 K     jobs at their lowest limit                                                      (1)
    above the limit           jobs pause                                                                      (2)
    above the limit + 5 K     soft services go as well                                                        (3)
    below the lower limit     no job starts; what runs keeps the room warm                                    (4)

Limits: standard 10..35 C (ASHRAE TC 9.9, class A2), rugged -20..60 C. Each step ends 2 K below where it began.
"""

from __future__ import annotations

from controller.guards.load_cut import at_lowest_limits, cut_order, without
from controller.guards.records import GuardInput, Narrowed, Reason

LIMITS_C = {"standard": (10.0, 35.0), "rugged": (-20.0, 60.0)}
STEPS_K = (-2.0, 0.0, 5.0)
RELEASE_K = 2.0


def guard_inlet(given: GuardInput) -> Narrowed:
    """Narrow work by the inlet temperature, rules (1) to (4)."""
    inlet_c, memory = given.snapshot.inlet_c, given.memory
    if inlet_c is None:
        return Narrowed(given.setpoints, memory)
    low_c, high_c = LIMITS_C[given.site.cooling.climate_class]
    reached = sum(inlet_c >= high_c + step for step in STEPS_K)
    held = sum(inlet_c >= high_c + step - RELEASE_K for step in STEPS_K)
    hot = max(reached, min(memory.inlet_hot, held))
    cold = inlet_c < low_c or (memory.inlet_cold and inlet_c < low_c + RELEASE_K)
    memory = memory._replace(inlet_hot=hot, inlet_cold=cold)
    if hot:
        return _hot(given._replace(memory=memory), hot, f"inlet {inlet_c:.1f} C, limit {high_c:.0f} C")
    if cold:
        running = {job.name for job in given.snapshot.jobs if job.state == "running"}
        jobs = tuple(each for each in given.setpoints.jobs if each.name in running)
        text = f"inlet {inlet_c:.1f} C, lowest {low_c:.0f} C: nothing is started"
        return Narrowed(
            given.setpoints.model_copy(update={"jobs": jobs}), memory, (Reason("inlet", "INLET_COLD", "load", text),)
        )
    return Narrowed(given.setpoints, memory)


def _hot(given: GuardInput, level: int, text: str) -> Narrowed:
    setpoints = at_lowest_limits(given.setpoints, given.site)
    kinds = {1: (), 2: ("job",), 3: ("job", "service")}[level]
    cuts = tuple(cut for cut in cut_order(setpoints, given.site, given.jobs) if cut.kind in kinds)
    done = ("lowest limits", "jobs pause", "jobs and soft services pause")[level - 1]
    return Narrowed(without(setpoints, cuts), given.memory, (Reason("inlet", "INLET_HOT", "load", f"{text}: {done}"),))
