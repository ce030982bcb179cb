"""One seeded day of faults: the control cycle on a simulated site, watched by what has to hold whatever happens.

Held, on the plant's truth and not on what its sensors say:

    every order within what the site has; nothing started past emergency stop, panel MANUAL or lock-out       (1)
    critical services and tiers are never ordered off but by the emergency stop                               (2)
    critical load is served whenever a source that could serve it is there, half a minute for a fault to settle
    (the UPS carries that long)                                                                               (3)
    no decision lost, doubled or acted on without a record                                                    (4)
    a fault that spoilt something is named in the records                                                     (5)

Steps are one second within :data:`NEAR` of a fault's beginning and end, else :data:`QUIET_STEP_S`. The
planner is the rules.
"""

from __future__ import annotations

import math
import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from controller.capability import Capability, capability
from controller.cycle import Cycle, Cycled
from controller.daemon.clock_watch import ClockWatch
from controller.daemon.deciding import Ladder, PlanInForce, Work, outlook_at, plan_faults
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Ledger
from controller.daemon.order_log import LoggedDevices, disagreements, read_log
from controller.daemon.reporting import Alarms, Reporter
from controller.daemon.sensing import Senses
from controller.devices.simulated import SimulatedSite, SiteStep
from controller.faults.faulty_devices import FaultyDevices
from controller.faults.kinds import NAMED_BY, Fault, Injection
from controller.faults.memory_records import MemoryRecords
from controller.posing import pose
from controller.setpoints import Setpoints
from controller.snapshot import Snapshot
from optimizer.plan import Plan
from optimizer.problem import JobProblem, PoolSpeed
from optimizer.rules.roll import rules_plan
from sites.compute.hardware import gpu_spec
from sites.plant import genset as gen
from sites.ports import ManualClock
from sites.schema.site import Site
from sites.series import TimeSeries
from sites.world import World

START = datetime(2026, 1, 15, tzinfo=UTC)
NEAR = timedelta(minutes=4)
QUIET_STEP_S = 60.0
SETTLE_S = 30.0
NEEDS_GENSETS = frozenset(
    {Fault.GENSET_NO_START, Fault.GENSET_TRIP, Fault.PANEL_MANUAL, Fault.EMERGENCY, Fault.BMS_OPEN}
)
"""Faults that spoil something only while gensets are needed: their days begin with a low battery."""
WORLD_STEP_S = 300.0


class Killed(BaseException):
    """The process is killed here."""


@dataclass(frozen=True, kw_only=True)
class DayResult:
    """What a day of faults showed."""

    seed: int
    injections: tuple[Injection, ...]
    spoilt: frozenset[Fault]
    violations: tuple[str, ...]
    cycles: int
    kills: int
    critical_missed_kwh: float
    """Critical load unserved, whether or not anything could have served it."""


@dataclass
class _Day:
    """Everything of one day that outlives a killed process."""

    site: Site
    work: Capability
    twin: SimulatedSite
    records: MemoryRecords
    host: ManualClock
    draws: random.Random
    devices: FaultyDevices
    log: Path
    without: tuple[str, ...]
    offset: timedelta = timedelta(0)
    violations: list[str] = field(default_factory=list)
    unserved_s: float = 0.0
    missed_kwh: float = 0.0
    kills: int = 0
    cycles: int = 0
    armed: str = ""
    """The call at which the process is killed next."""


def day_world(site: Site, seed: int, hours: float) -> World:
    """Return a made-up winter day: a sun of seeded cloudiness, a cool air, services at their mean rate with a swing."""
    draws = random.Random(f"world {seed}")
    count = int((hours + 2) * 3600 / WORLD_STEP_S)
    peak_kw = draws.uniform(0.05, 0.8) * sum(array.kwp for array in site.pv.arrays) if site.pv else 0.0
    clouds = [draws.uniform(0.4, 1.0) for _ in range(count)]

    def series(values: Sequence[float]) -> TimeSeries:
        return TimeSeries(start_utc=START, step_s=WORLD_STEP_S, values=tuple(values))

    clock_h = [i * WORLD_STEP_S / 3600.0 % 24 for i in range(count)]
    sun = [
        peak_kw * max(math.sin(math.pi * (h - 8) / 10), 0.0) * c if 8 < h < 18 else 0.0
        for h, c in zip(clock_h, clouds, strict=True)
    ]
    return World(
        pv_available_kw=series(sun),
        outdoor_c=series([5.0 + 6.0 * math.sin(math.pi * (h - 9) / 12) for h in clock_h]),
        rate_rps={
            service.name: series(
                [service.demand.mean_rps * (1 + 0.4 * math.sin(math.pi * (h - 6) / 12)) for h in clock_h]
            )
            for service in site.services
        },
    )


def day_jobs(site: Site, seed: int, hours: float) -> tuple[JobProblem, ...]:
    """Return a job about every hour for the site's first pool that has training or vision levels."""
    draws = random.Random(f"jobs {seed}")
    stream = site.batch[0] if site.batch else None
    if stream is None:
        return ()
    return tuple(
        JobProblem(
            name=f"job-{i}",
            profile=stream.profile,
            pools=tuple(PoolSpeed(pool=share.pool, speed=share.speed) for share in stream.pools),
            work_gpu_h=draws.uniform(4, 30),
            gpus_max=8,
            release_utc=START + timedelta(hours=i),
            deadline_utc=START + timedelta(hours=i + draws.uniform(3, 12)),
            value_usd=draws.uniform(5, 80),
            late_usd_per_h=2.0,
            priority=draws.choice([0, 0, 1]),
        )
        for i in range(1, int(hours))
    )


def draw_injections(
    seed: int, hours: float, faults: Sequence[Fault] = tuple(Fault), pairs: bool = True
) -> tuple[Injection, ...]:
    """Return one fault, or a pair that overlaps, at a seeded time of the day."""
    draws = random.Random(f"faults {seed}")
    first = list(faults)[seed % len(faults)]
    start = START + timedelta(hours=draws.uniform(0.5, max(hours - 3.0, 0.6)))
    chosen = [Injection(first, start, start + _length(first, draws))]
    if pairs and draws.random() < 0.5:
        second = draws.choice([each for each in faults if each is not first])
        again = start + timedelta(minutes=draws.uniform(0, 10))
        chosen.append(Injection(second, again, again + _length(second, draws)))
    return tuple(chosen)


def _length(fault: Fault, draws: random.Random) -> timedelta:
    if fault in (Fault.SOC_FROZEN, Fault.GENSET_NO_START, Fault.GENSET_TRIP):
        return timedelta(minutes=draws.uniform(60, 120))
    return timedelta(minutes=draws.uniform(6, 30))


def run_day(
    site: Site,
    seed: int,
    *,
    hours: float = 24.0,
    injections: tuple[Injection, ...] | None = None,
    soc_frac: float | None = None,
    without: tuple[str, ...] = (),
) -> DayResult:
    """Run one day and return what was violated.

    Args:
        site: the site.
        seed: of world, jobs, faults and the moment of kills.
        hours: length of the day.
        injections: faults instead of drawn ones.
        soc_frac: state of charge at the start; drawn if absent.
        without: guards that are switched off, to see whether the campaign notices.
    """
    injected = draw_injections(seed, hours) if injections is None else injections
    with tempfile.TemporaryDirectory() as folder:
        day = _begin(site, seed, hours, injected, soc_frac, Path(folder) / "orders.log", without)
        _live(day, injected, hours, seed)
        told = day.records.told()
        day.violations += list(disagreements(read_log(day.log), told))
    day.violations += _unnamed(day, injected)
    return DayResult(
        seed=seed,
        injections=injected,
        spoilt=frozenset(day.devices.spoilt),
        violations=tuple(dict.fromkeys(day.violations)),
        cycles=day.cycles,
        kills=day.kills,
        critical_missed_kwh=day.missed_kwh,
    )


def _begin(
    site: Site,
    seed: int,
    hours: float,
    injected: tuple[Injection, ...],
    soc_frac: float | None,
    log: Path,
    without: tuple[str, ...],
) -> _Day:
    draws = random.Random(f"day {seed}")
    work = capability(site)
    twin = SimulatedSite(site, work.pools, day_world(site, seed, hours), start_utc=START, seed=seed)
    hungry = any(each.fault in NEEDS_GENSETS for each in injected)
    soc = draws.uniform(0.16, 0.24 if hungry else 0.9) if soc_frac is None else soc_frac
    battery = twin.state.plant.battery._replace(soc_frac=soc)
    twin.state = replace(twin.state, plant=twin.state.plant._replace(battery=battery))
    records = MemoryRecords()
    day = _Day(
        site=site,
        work=work,
        twin=twin,
        records=records,
        host=ManualClock(START),
        draws=draws,
        devices=FaultyDevices(twin, LoggedDevices(twin, log), injected, lambda call, told: None),
        log=log,
        without=without,
    )
    day.devices = FaultyDevices(twin, LoggedDevices(twin, log), injected, lambda call, told: _heard(day, call, told))
    records.heard = lambda call: _heard(day, call, None)
    return day


def _heard(day: _Day, call: str, told: Setpoints | None) -> None:
    """Check an order on its way to the devices, and be killed where this day's kill is to be."""
    if call == "before write" and told is not None:
        day.violations += order_faults(day.site, told, day.twin, day.devices)
    if day.armed == call:
        day.armed = ""
        raise Killed


def order_faults(site: Site, told: Setpoints, twin: SimulatedSite, devices: FaultyDevices) -> list[str]:
    """Return which orders are outside what the site has, or start what must not be started."""
    faults = []
    emergency, manual = devices.active(Fault.EMERGENCY), devices.active(Fault.PANEL_MANUAL)
    for described, state in zip(site.gensets, twin.state.plant.gensets, strict=True):
        for order in told.gensets:
            if order.name != described.name or not order.run:
                continue
            if not 0 <= order.kw <= described.rating_kw + 1e-6:
                faults.append(f"genset at {order.kw:.1f} kW")
            stands = state.state in (gen.OFF, gen.LOCKED_OUT)
            if stands and (manual or state.state == gen.LOCKED_OUT):
                faults.append(f"{order.name} is started past its panel")
            if emergency:
                faults.append(f"{order.name} is run past the emergency stop")
    used: dict[str, float] = {}
    for service in told.services:
        used[service.mode.pool] = used.get(service.mode.pool, 0.0) + service.mode.gpus
    for job in told.jobs:
        used[job.pool] = used.get(job.pool, 0.0) + job.gpus
        limits = next((gpu_spec(pool.gpu).limits for pool in site.pools if pool.name == job.pool), None)
        if limits is None or not limits.min_limit_w <= job.limit_w <= limits.max_limit_w:
            faults.append(f"job at {job.limit_w:.0f} W")
    faults += [
        f"{used[pool.name]:g} of {pool.gpus} GPUs" for pool in site.pools if used.get(pool.name, 0) > pool.gpus + 1e-6
    ]
    critical = {tier.name for tier in site.tiers if tier.critical}
    faults += [f"critical tier {name} is shed" for name in told.shed_tiers if name in critical]
    return faults


def _live(day: _Day, injected: tuple[Injection, ...], hours: float, seed: int) -> None:
    """Live through the day, in as many processes as it takes."""
    jobs = day_jobs(day.site, seed, hours)
    process = _Process(day, jobs)
    end = START + timedelta(hours=hours)
    kills = sorted(
        each.start_utc + timedelta(seconds=day.draws.uniform(0, 120))
        for each in injected
        if each.fault is Fault.KILLED
        for _ in range(5)
    )
    jumps = [each for each in injected if each.fault is Fault.CLOCK_JUMP]
    while day.twin.state.at_utc < end:
        at = day.twin.state.at_utc
        day.records.locked = day.devices.active(Fault.STORE_LOCKED)
        day.records.let_in()
        day.offset = timedelta(hours=1) if any(each.active(at) for each in jumps) else timedelta(0)
        if day.devices.active(Fault.CLOCK_JUMP):
            day.devices.spoilt.add(Fault.CLOCK_JUMP)
        if kills and kills[0] <= at:
            kills.pop(0)
            day.armed = day.draws.choice(["read", "before commit", "after commit", "before write", "after write"])
        near = any(each.near(at, NEAR) for each in injected)
        step_s = 1.0 if near else min(QUIET_STEP_S, max((end - at).total_seconds(), 1.0))
        try:
            process.cycle(at + day.offset)
        except Killed:
            day.kills += 1
            day.records.lose_waiting()
            process = _Process(day, jobs)
        day.cycles += 1
        day.devices.spoil_plant()
        _watch_critical(day, day.twin.step(step_s))
        day.host.advance(step_s)


class _Process:
    """The control cycle of one life of the daemon."""

    def __init__(self, day: _Day, jobs: tuple[JobProblem, ...]) -> None:
        self._day = day
        now = day.twin.state.at_utc
        self._book = JobBook(streamed_until=now - timedelta(seconds=1))
        self._book.stream(jobs)
        day.records.inbox = day.records.restart_inbox()
        self._ladder = Ladder(day.site)
        self._alarms = Alarms()
        self._planned: datetime | None = None
        self._cycle = Cycle(
            day.site,
            records=day.records,
            ladder=self._ladder,
            ledger=Ledger(day.records.last_orders()),
            book=self._book,
            reporter=Reporter(telemetry_every_s=60.0, speed=1.0, alarms=self._alarms),
            senses=Senses(day.site, day.host),
            watch=ClockWatch(day.host),
            without=day.without,
        )

    def cycle(self, now: datetime) -> Cycled:
        """Run one cycle, and every hour take a plan."""
        day = self._day
        result = self._cycle.run(day.devices, Work(pools=day.work.pools, menus=day.work.menus), now)
        day.records.over |= set(self._book.over)
        if self._planned is None or abs(now - self._planned) >= timedelta(hours=1):
            self._planned = now
            self._plan(result.snapshot, now)
        return result

    def _plan(self, snapshot: Snapshot, now: datetime) -> None:
        day = self._day
        outlook = outlook_at(now, snapshot, None)
        problem = pose(day.site, snapshot, outlook, self._book.left(), pools=day.work.pools, menus=day.work.menus)
        plan = rules_plan(problem)
        if day.devices.active(Fault.NONSENSE_PLAN):
            day.devices.spoilt.add(Fault.NONSENSE_PLAN)
            plan = nonsense(plan, day.draws)
        wrong = plan_faults(plan, problem)
        text = "; ".join(wrong[:3])
        day.records.post(*self._alarms.put("PLANNER_LOST", "planner", bool(wrong), text, now))
        if not wrong:
            self._ladder.take(
                PlanInForce(
                    id=f"plan-{now:%H%M%S}",
                    made_utc=now,
                    expires_utc=now + timedelta(hours=2),
                    review="auto",
                    plan=plan,
                    problem=problem,
                    forecast=outlook,
                )
            )


def nonsense(plan: Plan, draws: random.Random) -> Plan:
    """Return a plan that no one should follow."""
    first = plan.intervals[0]
    wild = first.model_copy(
        update={"gensets": tuple(each.model_copy(update={"kw": 9e3, "on": True}) for each in first.gensets)}
    )
    empty = first.model_copy(update={"soc_end_frac": -3.0})
    return draws.choice(
        [
            plan.model_copy(update={"intervals": (wild, *plan.intervals[1:])}),
            plan.model_copy(update={"intervals": (empty, *plan.intervals[1:])}),
            plan.model_copy(update={"intervals": plan.intervals[: len(plan.intervals) // 2]}),
            plan.model_copy(update={"start_utc": plan.start_utc + timedelta(days=3)}),
        ]
    )


def _watch_critical(day: _Day, step: SiteStep) -> None:
    """Hold critical load against what could have served it, rule (3)."""
    missed_kw = sum(kw for tier, kw in zip(day.site.tiers, step.tiers_unserved_kw, strict=True) if tier.critical)
    for service in day.site.services:
        flow = next((each for each in step.services if each.name == service.name), None)
        if service.critical and flow is not None and flow.mode and flow.served_rps < 0.3 * flow.rate_rps:
            missed_kw += 0.1
    day.missed_kwh += missed_kw * step.dt_s / 3600.0
    plant = day.twin.state.plant
    battery = day.site.battery
    stored = battery is not None and day.twin.battery_online and plant.battery.soc_frac > battery.soc_min_frac + 0.01
    carried = any(each.state == gen.RUNNING for each in plant.gensets)
    if missed_kw > 0.01 and (stored or carried) and not day.devices.active(Fault.EMERGENCY):
        day.unserved_s += step.dt_s
        if day.unserved_s > SETTLE_S + QUIET_STEP_S:
            day.violations.append("critical load is not served though a source is there")
    else:
        day.unserved_s = 0.0


def _unnamed(day: _Day, injected: tuple[Injection, ...]) -> list[str]:
    """Return the faults that spoilt something and are in no record, rule (5)."""
    found = []
    for each in injected:
        codes = NAMED_BY.get(each.fault)
        if codes is None or each.fault not in day.devices.spoilt:
            continue
        since, until = min(one.start_utc for one in injected), each.end_utc + timedelta(hours=2)
        named = any(code in codes and since <= at <= until for at, code in day.records.codes)
        if not named:
            found.append(f"'{each.fault.value}' is named nowhere")
    return found
