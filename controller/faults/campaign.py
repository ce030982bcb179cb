"""One seeded day of faults: the control cycle on a simulated site, watched by what has to hold whatever happens.

Besides what :mod:`controller.faults.watching` holds on the plant's truth:

    no decision lost, doubled or acted on without a record                                                    (6)
    a fault that spoilt something is named in the records, and no jump of the clock that was none             (7)

Steps are one second within :data:`NEAR` of a fault's beginning and end, else :data:`QUIET_STEP_S`. The planner is
the rules, or the real planning worker; both answer through the daemon's own planning desk.
"""

from __future__ import annotations

import gc
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from controller.capability import Capability, capability
from controller.cycle import Cycle
from controller.daemon.clock_watch import ClockWatch
from controller.daemon.deciding import Ladder, Work
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Ledger
from controller.daemon.messages import Failed, Progress
from controller.daemon.order_log import LoggedDevices, disagreements, read_log
from controller.daemon.planner_process import WorkerLost
from controller.daemon.planning_desk import PlanningDesk
from controller.daemon.reporting import Alarms, Reporter, told_by_recorder, told_by_restart
from controller.daemon.sensing import Senses
from controller.devices.simulated import SimulatedSite
from controller.faults.days import day_jobs, day_start, day_world, draw_injections
from controller.faults.faulty_devices import FaultyDevices
from controller.faults.kinds import NAMED_BY, Fault, Injection
from controller.faults.memory_records import MemoryRecords
from controller.faults.planners import RulesPlanner, SpoiltWorker, fault_now
from controller.faults.watching import Watch, order_faults
from controller.setpoints import Setpoints
from optimizer.problem import JobProblem
from sites.ports import ManualClock
from sites.schema.site import Site

NEAR = timedelta(minutes=10)
QUIET_STEP_S = 180.0
PLAN_EVERY = timedelta(hours=2)
PLAN_EVERY_IN_FAULT = timedelta(minutes=2)
"""Time between plans while a fault of the planner is there: it has to meet a request."""
NEEDS_GENSETS = frozenset(
    {
        Fault.GENSET_NO_START,
        Fault.GENSET_TRIP,
        Fault.PANEL_MANUAL,
        Fault.EMERGENCY,
        Fault.BMS_OPEN,
        Fault.WRITE_REFUSED,
    }
)
"""Faults that spoil something only while gensets are needed: their days begin with a low battery."""
KILL_POINTS = ("read", "journal", "before commit", "after commit", "before write", "after write")
KILLS = 5
STORE_SAYS = {
    Fault.STORE_LOCKED: "OperationalError: database is locked",
    Fault.DISK_FULL: "OperationalError: database or disk is full",
}


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
    plans: int
    """Plans of the real planning worker that were taken."""
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
    watch: Watch
    planner: RulesPlanner | SpoiltWorker
    jobs: tuple[JobProblem, ...]
    without: tuple[str, ...]
    violations: list[str] = field(default_factory=list)
    kills: int = 0
    killed_utc: datetime | None = None
    """When it was killed last: a kill waits for the call that it is meant for."""
    cycles: int = 0
    armed: str = ""
    """The call at which the process is killed next."""

    def heard(self, call: str, told: Setpoints | None = None) -> None:
        """Check an order on its way to the devices, and be killed where this day's kill is to be."""
        if call == "before write" and told is not None:
            self.violations += order_faults(self.site, told, self.twin, self.devices)
        if self.armed == call:
            self.armed = ""
            raise Killed


def run_day(
    site: Site,
    seed: int,
    *,
    hours: float = 24.0,
    injections: tuple[Injection, ...] | None = None,
    soc_frac: float | None = None,
    without: tuple[str, ...] = (),
    worker: bool = False,
) -> DayResult:
    """Run one day, on which nobody answers for plans, and return what was violated.

    Args:
        site: the site.
        seed: of world, jobs, faults and the moment of kills.
        hours: length of the day.
        injections: faults instead of drawn ones.
        soc_frac: state of charge at the start; drawn if absent.
        without: guards that are switched off, to see whether the campaign notices.
        worker: whether the real planning worker plans, not rules.
    """
    site = site.model_copy(update={"planning": site.planning.model_copy(update={"review": "auto"})})
    injected = draw_injections(site, seed, hours) if injections is None else injections
    with tempfile.TemporaryDirectory() as folder, _undisturbed(site, injected):
        log = Path(folder) / "orders.log"
        day = _begin(site, seed, hours, injected, soc_frac, log, without, Path(folder) if worker else None)
        try:
            _live(day, injected, hours)
        finally:
            day.planner.stop()
            day.devices.close()
        day.violations += day.watch.violations
        day.violations += disagreements(read_log(log), day.records.told())
    day.violations += _unnamed(day, injected)
    return DayResult(
        seed=seed,
        injections=injected,
        spoilt=frozenset(day.devices.spoilt),
        violations=tuple(dict.fromkeys(day.violations)),
        cycles=day.cycles,
        kills=day.kills,
        plans=day.planner.plans if isinstance(day.planner, SpoiltWorker) else 0,
        critical_missed_kwh=day.watch.missed_kwh,
    )


@contextmanager
def _undisturbed(site: Site, injected: tuple[Injection, ...]) -> Iterator[None]:
    """Leave garbage for the day's end, and give the host the site's zone where its clocks change."""
    zone, collects = os.environ.get("TZ"), gc.isenabled()
    gc.disable()
    if any(each.fault is Fault.SUMMER_TIME for each in injected):
        _set_zone(site.location.time_zone)
    try:
        yield
    finally:
        _set_zone(zone)
        if collects:
            gc.enable()


def _set_zone(zone: str | None) -> None:
    if os.environ.get("TZ") == zone:
        return
    if zone is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = zone
    time.tzset()


def _begin(
    site: Site,
    seed: int,
    hours: float,
    injected: tuple[Injection, ...],
    soc_frac: float | None,
    log: Path,
    without: tuple[str, ...],
    worker_folder: Path | None,
) -> _Day:
    draws, start = random.Random(f"day {seed}"), day_start(site, seed, injected)
    work, host = capability(site), ManualClock(start)
    twin = SimulatedSite(site, work.pools, day_world(site, seed, hours, start), start_utc=start, seed=seed)
    hungry = any(each.fault in NEEDS_GENSETS for each in injected)
    soc = draws.uniform(0.16, 0.24 if hungry else 0.9) if soc_frac is None else soc_frac
    battery = twin.state.plant.battery._replace(soc_frac=soc)
    twin.state = replace(twin.state, plant=twin.state.plant._replace(battery=battery))
    records = MemoryRecords()
    devices = FaultyDevices(site, twin, LoggedDevices(twin, log), injected)
    planner: RulesPlanner | SpoiltWorker
    if worker_folder is None:
        planner = RulesPlanner(site, work, host, draws, lambda: fault_now(devices.active))
    else:
        planner = SpoiltWorker.on(site, worker_folder, host, draws, lambda: fault_now(devices.active))
    day = _Day(
        site=site,
        work=work,
        twin=twin,
        records=records,
        host=host,
        draws=draws,
        devices=devices,
        watch=Watch(site, twin, devices),
        planner=planner,
        jobs=day_jobs(site, seed, hours, start),
        without=without,
    )
    devices.told = day.heard
    records.heard = day.heard
    return day


def _live(day: _Day, injected: tuple[Injection, ...], hours: float) -> None:
    """Live through the day, in as many processes as it takes."""
    process = _Process(day)
    end = day.twin.at_utc + timedelta(hours=hours)
    kills = sorted(
        each.start_utc + timedelta(seconds=day.draws.uniform(0, 120))
        for each in injected
        if each.fault is Fault.KILLED
        for _ in range(KILLS)
    )
    while day.twin.at_utc < end:
        at = day.twin.at_utc
        _spoil_host(day)
        if kills and kills[0] <= at:
            kills.pop(0)
            day.armed = day.draws.choice(KILL_POINTS)
        near = any(each.near(at, NEAR) for each in injected)
        step_s = 1.0 if near else min(QUIET_STEP_S, max((end - at).total_seconds(), 1.0))
        jumped = timedelta(hours=1) if day.devices.active(Fault.CLOCK_JUMP) else timedelta(0)
        try:
            process.cycle(at + jumped)
        except Killed:
            day.kills, day.killed_utc = day.kills + 1, at
            day.devices.spoilt.add(Fault.KILLED)
            day.records.lose_waiting()
            process = _Process(day, at + jumped)
        day.cycles += 1
        day.devices.spoil_plant()
        day.watch.see(day.twin.step(step_s))
        day.host.advance(step_s)
    day.records.failing = ""
    day.records.let_in()


def _spoil_host(day: _Day) -> None:
    active = next((each for each in STORE_SAYS if day.devices.active(each)), None)
    day.records.failing = STORE_SAYS[active] if active is not None else ""
    day.records.let_in()
    day.devices.spoilt |= {
        each for each in (*STORE_SAYS, Fault.CLOCK_JUMP, Fault.SUMMER_TIME) if day.devices.active(each)
    }
    day.devices.spoilt |= day.planner.hit


class _Process:
    """The daemon's control cycle and planning desk in one life; ``after_kill`` is when the one before was killed."""

    def __init__(self, day: _Day, after_kill: datetime | None = None) -> None:
        self._day = day
        now = self._began = after_kill or day.twin.at_utc
        self._left_open = after_kill is not None
        self._book = JobBook(streamed_until=now - timedelta(seconds=1))
        self._book.stream(day.jobs)
        self._alarms = Alarms()
        ladder = Ladder(day.site)
        self._planned: datetime | None = None
        self._prepared = not isinstance(day.planner, SpoiltWorker)
        self._work = Work(pools=day.work.pools, menus=day.work.menus)
        self._desk = PlanningDesk(day.site, day.planner, ladder, day.records, self._alarms, day.host)
        self._cycle = Cycle(
            day.site,
            records=day.records,
            ladder=ladder,
            ledger=Ledger(day.records.last_orders()),
            book=self._book,
            reporter=Reporter(telemetry_every_s=60.0, speed=1.0, alarms=self._alarms),
            senses=Senses(day.site, day.host),
            watch=ClockWatch(day.host),
            without=day.without,
        )

    def cycle(self, now: datetime) -> None:
        """Run one cycle, take the planner's answers, and ask for a plan where one is due."""
        day, desk = self._day, self._desk
        result = self._cycle.run(day.devices, self._work, now)
        day.records.post(*told_by_recorder(day.records.health, self._alarms, now))
        day.records.post(*told_by_restart(self._began, self._left_open, self._alarms, now))
        self._answers(now)
        every = PLAN_EVERY_IN_FAULT if fault_now(day.devices.active) else PLAN_EVERY
        if self._planned is None or now < self._planned or now - self._planned >= every:
            self._planned = now
            desk.want()
        if not self._prepared:
            self._prepared = desk.prepare(now)
        else:
            desk.plan(now, result.snapshot, self._book.left(), (), news=False)
        self._answers(now)

    def _answers(self, now: datetime) -> None:
        """Take what the planner answers; simulated time stands still meanwhile."""
        for event in self._day.planner.poll():
            if isinstance(event, Progress):
                continue
            if isinstance(event, WorkerLost | Failed):
                self._prepared = not isinstance(self._day.planner, SpoiltWorker)
            self._desk.take(event, now)
        self._desk.settle(now)


def _unnamed(day: _Day, injected: tuple[Injection, ...]) -> list[str]:
    """Return the faults that spoilt something and are in no record, rule (7)."""
    found = []
    for each in injected:
        codes = NAMED_BY.get(each.fault)
        if codes is None or each.fault not in day.devices.spoilt:
            continue
        ended = day.killed_utc if each.fault is Fault.KILLED and day.killed_utc is not None else each.end_utc
        since, until = min(one.start_utc for one in injected), ended + timedelta(hours=2)
        if not any(code in codes and since <= at <= until for at, code in day.records.codes):
            found.append(f"'{each.fault.value}' is named nowhere")
    jumps = any(each.fault is Fault.CLOCK_JUMP for each in injected)
    if not jumps and any(code == "CLOCK_JUMP" for _, code in day.records.codes):
        found.append("a jump of the clock is told that was none")
    return found
