"""Load steps: what adds load at once is admitted no faster than what forms the bus can follow.

After a black start every host wakes at once, and a plan may start services, hosts and many jobs in one interval. A genset
takes a share of its rating in one step (ISO 8528-5), a battery inverter what is left of its rating. So in each cycle
critical services that are not served yet, hosts that are off, other services and jobs that do not run yet are admitted, in
this order, while

    sum of their draw at the limit <= step of the gensets that carry load   when the battery is not there      (1)
    sum of their draw at the limit <= inverter rating - what it gives now   when it is                         (2)

The first that (1) or (2) hold back is admitted after half a minute, whatever smaller ones after it come on meanwhile, so that
a large job is late, never locked out. What is admitted stays so until it is on, and its draw takes up room until then:
runners, hosts and servers need more than a cycle to start. What was on and went dark is admitted anew, services that swap
their servers apart. What a plan has in one interval so comes up over some cycles of it. The overload that an inverter bears
for some seconds is left to what nobody admits; neither does the operating reserve count it, which has to last for a quarter
of an hour.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.guards.gensets_called import reading_of
from controller.guards.records import GuardInput, Narrowed, Reason
from controller.setpoints import JobCommand, ServiceCommand
from controller.snapshot import GensetPhase
from sites.schema.site import Site

LONGEST_WAIT_S = 30.0
UNREAD_FRAC = 0.5
"""Share of its rating that an inverter whose power is not read is taken to give."""


class Door:
    """Admits one load after the other while there is room."""

    def __init__(self, room_kw: float, waited_s: float) -> None:
        self._room_kw, self._waited_s = room_kw, waited_s
        self.held: list[str] = []

    def admits(self, name: str, draw_kw: float) -> bool:
        """Return whether a load may come on now."""
        if draw_kw > self._room_kw and (self._waited_s < LONGEST_WAIT_S or self.held):
            self.held.append(name)
            return False
        self.takes(draw_kw)
        if not self.held:
            self._waited_s = 0.0
        return True

    def takes(self, draw_kw: float) -> None:
        """Keep room for a load that has been admitted and is not on yet."""
        self._room_kw -= draw_kw

    @property
    def waited_s(self) -> float:
        """How long the first that is held has been so; 0 when nothing is held."""
        return self._waited_s if self.held else 0.0


def guard_load_step(given: GuardInput) -> Narrowed:
    """Admit new services, hosts and jobs within the load step that the bus can take."""
    memory, asked, site = given.memory, given.setpoints, given.site
    door = Door(_room_kw(given), memory.admit_wait_s + given.dt_s)
    critical = {service.name for service in site.services if service.critical}
    first = _services(given, door, [each for each in asked.services if each.name in critical])
    nodes_on, hosts_let = _hosts(given, door)
    rest = _services(given, door, [each for each in asked.services if each.name not in critical])
    services = tuple(each for each in asked.services if each.name in first | rest)
    jobs = tuple(_jobs(given, door))
    running = _running(given)
    memory = memory._replace(
        admit_wait_s=door.waited_s,
        services_let=tuple(each.name for each in services if each.mode.gpus),
        hosts_let=hosts_let,
        jobs_let=tuple(each.name for each in jobs if each.name not in running),
    )
    if not door.held:
        return Narrowed(asked, memory)
    text = f"the load step leaves no room yet for {', '.join(door.held)}"
    setpoints = asked.model_copy(update={"services": services, "jobs": jobs, "nodes_on": nodes_on})
    return Narrowed(setpoints, memory, (Reason("load_step", "LOAD_STEP", "load", text),))


def _services(given: GuardInput, door: Door, asked: list[ServiceCommand]) -> set[str]:
    """Return the services that may be served: those that are, in whatever mode, and those that are admitted.

    One of which nothing is known is taken to be served.
    """
    let = given.memory.services_let
    idle = {each.name for each in given.snapshot.services if not each.mode}
    served = {each.name for each in asked if each.name not in idle} if let is None else set(let)
    factors = _wall_factors(given.site)
    draws_kw = {each.name: each.mode.busy_w / 1000.0 * factors.get(each.mode.pool, 1.0) for each in asked}
    on = [each for each in asked if each.name in served or not each.mode.gpus]
    for each in on:
        if each.name in idle:
            door.takes(draws_kw[each.name])
    new = [each for each in asked if each not in on]
    return {each.name for each in on} | {each.name for each in new if door.admits(each.name, draws_kw[each.name])}


def _hosts(given: GuardInput, door: Door) -> tuple[dict[str, int] | None, dict[str, tuple[int, int]]]:
    """Return the hosts of each pool that are to be on, those that are and those that are admitted; and what is remembered."""
    asked, known = given.setpoints.nodes_on, dict(given.memory.hosts_let)
    wanted = asked if asked is not None else {pool.name: pool.nodes for pool in given.site.pools}
    now = {reading.name: reading.nodes_on for reading in given.snapshot.pools}
    let = dict(wanted)
    for pool in given.site.pools:
        if not pool.can_power_off or pool.name not in now:
            continue
        on, most, draw_kw = now[pool.name], wanted.get(pool.name, pool.nodes), pool.host_w / 1000.0
        on_before, let_before = known.get(pool.name, (on, on))
        admitted = max(min(let_before, most) - on, 0) if on >= on_before else 0
        door.takes(admitted * draw_kw)
        while on + admitted < most and door.admits(f"a host of {pool.name}", draw_kw):
            admitted += 1
        known[pool.name] = (on, on + admitted)
        if on < most:
            let[pool.name] = on + admitted
    return (let if let != wanted else asked), known


def _running(given: GuardInput) -> set[str]:
    return {job.name for job in given.snapshot.jobs if job.state == "running"}


def _jobs(given: GuardInput, door: Door) -> Iterator[JobCommand]:
    """Yield the jobs that may run: those that do, those let in that their runner has not started yet, and the admitted."""
    running, let = _running(given), set(given.memory.jobs_let)
    factors = _wall_factors(given.site)
    draws_kw = {
        each.name: each.gpus * each.limit_w / 1000.0 * factors.get(each.pool, 1.0) for each in given.setpoints.jobs
    }
    door.takes(sum(draw_kw for name, draw_kw in draws_kw.items() if name in let - running))
    for job in given.setpoints.jobs:
        if job.name in running or job.name in let or door.admits(job.name, draws_kw[job.name]):
            yield job


def _wall_factors(site: Site) -> dict[str, float]:
    return {pool.name: pool.wall_factor for pool in site.pools}


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
