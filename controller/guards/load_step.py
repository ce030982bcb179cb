"""Load steps: work is admitted no faster than what forms the bus can follow.

After a black start every host wakes at once, and a plan may start many jobs in one interval. A genset takes a share
of its rating in one step (ISO 8528-5), a battery inverter what is left of its rating. So in each cycle jobs that do
not run yet are admitted, in their order, while

    sum of their draw at the limit <= step of the gensets that carry load   when the battery is not there      (1)
    sum of their draw at the limit <= inverter rating - what it gives now   when it is                         (2)

At least one job is admitted where (1) or (2) would let none in and nothing has been admitted for half a minute, so that a
large job is late, never locked out.
"""

from __future__ import annotations

from controller.guards.gensets_called import reading_of
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import JobCommand
from controller.snapshot import GensetPhase

LONGEST_WAIT_S = 30.0
UNREAD_FRAC = 0.5
"""Share of its rating that an inverter whose power is not read is taken to give."""


def guard_load_step(given: GuardInput) -> Narrowed:
    """Admit new jobs within the load step that the bus can take."""
    memory = given.memory
    running = {job.name for job in given.snapshot.jobs if job.state == "running"}
    factors = {pool.name: pool.wall_factor for pool in given.site.pools}
    room_kw, waited_s = _room_kw(given), memory.admit_wait_s + given.dt_s
    jobs: list[JobCommand] = []
    held: list[str] = []
    for job in given.setpoints.jobs:
        draw_kw = job.gpus * job.limit_w / 1000.0 * factors.get(job.pool, 1.0)
        if job.name in running:
            jobs.append(job)
        elif draw_kw <= room_kw or (waited_s >= LONGEST_WAIT_S and not held):
            jobs.append(job)
            room_kw, waited_s = room_kw - draw_kw, 0.0
        else:
            held.append(job.name)
    memory = memory._replace(admit_wait_s=waited_s if held else 0.0)
    if not held:
        return Narrowed(given.setpoints, memory)
    text = f"the load step leaves no room yet for {', '.join(held)}"
    setpoints = given.setpoints.model_copy(update={"jobs": tuple(jobs)})
    return Narrowed(setpoints, memory, (Reason("load_step", "LOAD_STEP", "load", text),))


def _room_kw(given: GuardInput) -> float:
    """Return the load [kW] that may be added in this cycle."""
    battery, site = given.snapshot.battery, given.site
    if site.battery is not None and battery is not None and battery.contactor_closed:
        given_kw = battery.power_kw if battery.power_kw is not None else UNREAD_FRAC * site.bus.inverter_kw
        return max(site.bus.inverter_kw - max(given_kw, 0.0), 0.0)
    room_kw = 0.0
    for genset in site.gensets:
        reading = reading_of(given.snapshot, genset.name)
        if reading is not None and reading.phase is GensetPhase.RUNNING:
            free_kw = genset.rating_kw - (reading.power_kw or 0.0)
            room_kw += max(min(genset.load_step_frac * genset.rating_kw, free_kw), 0.0)
    return room_kw
