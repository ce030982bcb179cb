"""The control loop: the daemon's main process.

Small and quick to start: it imports no solver, no forecaster and no numpy. It runs a control cycle each
second of the host's time, or faster on a fast clock; planning happens in a worker that it asks and never
waits for (a fast clock waits, so that what is shown is what a real site would do); records are written by a
thread; the console is a process of its own.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

from controller.access.roles import SHELL, Role
from controller.cycle import Cycle, Cycled
from controller.daemon.clock_watch import ClockWatch
from controller.daemon.clocks import FastClock, LiveClock, SiteClock
from controller.daemon.console_process import ConsoleProcess
from controller.daemon.deciding import Ladder, PlanInForce, Work
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Ledger
from controller.daemon.messages import Failed, Planned, Prepared, Previewed, Progress
from controller.daemon.night_work import NightWork
from controller.daemon.planner_process import PlannerProcess, WorkerLost
from controller.daemon.planning_desk import PlanningDesk
from controller.daemon.reloading import Refused, Reloading, Taken, keep_copy
from controller.daemon.reporting import Alarms, Reporter, told_by_recorder, told_by_restart
from controller.daemon.sensing import Senses
from controller.daemon.service_manager import ServiceManager
from controller.daemon.side_process import SideProcess
from controller.daemon.timetable import Timetable
from controller.daemon.twin import NoDevices, catch_up, make_twin, move, twin_entry, world_ends_soon
from controller.devices.port import SiteDevices
from controller.devices.real_site import RealSite, make_real_site
from controller.devices.simulated import SimulatedSite
from controller.guards.keeping import document_of, memory_of
from controller.logs import log_context
from controller.records.access import Access
from controller.records.entries import SiteEntry, WorldEntry
from controller.records.keepsake import Keepsake
from controller.records.reading import Reader
from controller.records.recorder import Recorder
from controller.records.resume import Resumed
from controller.records.site_lock import SiteLock, state_folder
from controller.records.store import STORE_FAULTS, upgrade
from controller.snapshot import Snapshot
from sites.errors import InputError
from sites.load import find_site
from sites.ports import Clock
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
HOLD_S = 1.0
"""While a fast clock waits for a plan, a cycle still runs this often."""
WATCH_S = 0.02
"""How often answers are looked for while a fast clock waits."""
HOUSEKEEPING_S = 3600.0
STDIN = 0

REFUSALS: tuple[type[Exception], ...] = (*STORE_FAULTS, InputError)

Wrap = Callable[[SiteDevices], SiteDevices]


@dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """How a daemon runs."""

    site: Site
    site_file: str
    """As the worker and the console are told."""
    url: str
    speed: float = 1.0
    start_utc: datetime | None = None
    """Site time to begin at when the store is new; the host's time if absent."""
    port: int | None = 8080
    """Port of the console; none = no console."""
    listen: str = "127.0.0.1"
    """Address the console listens on; beyond this machine only when somebody holds a token."""
    invite: str = ""
    """Name of a person for whom a link that signs in as operator is said when the console is up; empty = none."""
    worker_memory_mb: int = 6144
    worker_module: str = "controller.daemon.worker"


class Loop:
    """One site's daemon."""

    def __init__(
        self,
        options: LoopOptions,
        *,
        host: Clock,
        say: Callable[[str], None] = lambda text: None,
        wrap: Wrap = lambda devices: devices,
    ) -> None:
        """Open the store and take up where the last daemon stood.

        ``wrap`` stands between the loop and its devices: fault studies put their faults there.

        Raises:
            InputError: the store cannot be used, or another daemon runs on it.
        """
        self._options, self._host, self._say, self._wrap = options, host, say, wrap
        site = options.site
        upgrade(options.url)
        self._lock = SiteLock(options.url, site.name)
        folder = state_folder(options.url)
        journal = folder / f"{site.name}.journal"
        self._recorder = Recorder(options.url, site, clock=host, journal=journal)
        resumed = self._recorder.start()
        self._clock: SiteClock = self._make_clock(resumed)
        begin = self._began = self._clock.now_utc()
        self._keepsake = Keepsake(folder / f"{site.name}.guards")
        self._alarms = Alarms(resumed.alarms)
        self._ladder = Ladder(site)
        self._book = JobBook(streamed_until=resumed.at_utc or begin)
        reporter = Reporter(telemetry_every_s=site.store.telemetry_every_s, speed=options.speed, alarms=self._alarms)
        self._cycle = Cycle(
            site,
            records=self._recorder,
            ladder=self._ladder,
            ledger=Ledger(resumed.orders),
            book=self._book,
            reporter=reporter,
            senses=Senses(site, host),
            watch=ClockWatch(host) if options.speed == 1.0 else None,
            memory=memory_of(self._keepsake.read(), begin),
        )
        self._work: Work | None = None
        self._twin: SimulatedSite | RealSite | None = None
        self._real = make_real_site(
            site, now=self._clock.now_utc, folder=Path(options.site_file).parent, state=state_folder(options.url)
        )
        self._devices: SiteDevices = wrap(self._real or NoDevices(site, begin))
        self._resume(resumed)
        self._site, self._reloading = site, Reloading(options.site_file)
        self._site_copy = folder / f"{site.name}.site.json"
        keep_copy(site, self._site_copy)
        arguments = ["--site", str(self._site_copy), "--store", options.url]
        beside = ["--folder", str(find_site(options.site_file).parent), "--memory-mb", str(options.worker_memory_mb)]
        self._planner = PlannerProcess([*arguments, *beside], clock=host, module=options.worker_module)
        self._desk = PlanningDesk(site, self._planner, self._ladder, self._recorder, self._alarms, host)
        self._console: ConsoleProcess | None = None
        if options.port is not None:
            self._console = ConsoleProcess(arguments, host=options.listen, port=options.port, clock=host)
        published = _published(site)
        self._bridge = SideProcess("the bridge to MQTT", "controller.mqtt", arguments, clock=host, wanted=published)
        self._timetable = self._make_timetable(begin)
        self._night = NightWork(arguments, clock=host)
        self._manager = ServiceManager()
        self._stop = threading.Event()
        self._cycled = self._announced = self._terminal = False
        self._prepared = self._has_past = False
        """Whether the worker has the site's past: asked for anew whenever the worker is."""

    def _make_clock(self, resumed: Resumed) -> SiteClock:
        if self._options.speed == 1.0:
            return LiveClock(self._host)
        begin = resumed.at_utc or self._options.start_utc or self._host.now_utc()
        return FastClock(self._host, begin.replace(microsecond=0), self._options.speed)

    def _make_timetable(self, begin: datetime) -> Timetable:
        site = self._site
        return Timetable(
            {"plan": site.planning.interval_minutes * 60.0, "housekeeping": HOUSEKEEPING_S},
            start_utc=begin,
            live=self._options.speed == 1.0,
            daily={"night": site.reports.at_local},
            zone=site.location.time_zone,
        )

    def _resume(self, resumed: Resumed) -> None:
        """Take up the plan that still holds, the one that waits for a person, and the simulated plant."""
        for plan_id in dict.fromkeys(each for each in (resumed.approved_id, resumed.plan_id) if each is not None):
            with Reader(self._options.url, self._options.site.name) as reader:
                stored = reader.plan(plan_id)
            if stored is not None:
                self._work = Work(
                    pools=stored.problem.pools, menus={each.name: each.modes for each in stored.problem.services}
                )
                self._ladder.take(
                    PlanInForce(
                        id=stored.head.id,
                        made_utc=stored.head.made_utc,
                        expires_utc=stored.head.expires_utc,
                        review=stored.head.review,
                        plan=stored.plan,
                        problem=stored.problem,
                        forecast=stored.forecast,
                    )
                )
        if resumed.world is None or resumed.twin is None:
            return
        try:
            prepared = Prepared.model_validate_json(resumed.world)
            twin = make_twin(
                self._options.site, prepared, start_utc=self._clock.now_utc(), state=resumed.twin, real=self._real
            )
        except ValueError as error:
            LOG.warning("the stored plant is of another version and starts anew: %s", error)
            return
        self._work = Work(pools=prepared.pools, menus=prepared.menus)
        self._book.stream(prepared.jobs)
        if twin is not None:
            self._connect(twin)

    def _connect(self, twin: SimulatedSite | RealSite) -> None:
        if self._options.speed == 1.0:
            catch_up(twin, self._clock.now_utc())
        self._twin = twin
        self._devices = self._wrap(twin)
        self._book.hand_over(self._devices)

    def stop(self) -> None:
        """Ask the loop to end after its cycle; safe from a signal handler and from other threads."""
        self._stop.set()

    def run(self, *, cycles: int | None = None, signals: bool = True) -> None:
        """Run until stopped, or for a number of cycles."""
        if signals:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._on_signal)
            self._terminal = os.isatty(STDIN)
            signal.signal(signal.SIGHUP, self._on_hangup)
        done = 0
        try:
            while not self._stop.is_set() and (cycles is None or done < cycles):
                self._turn()
                done += 1
        finally:
            self.close()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop()

    def _on_hangup(self, number: int, frame: FrameType | None) -> None:
        """Read the site file again; end if the signal means that the terminal has gone."""
        if self._terminal and not os.isatty(STDIN):
            self.stop()
        else:
            self.reload()

    def reload(self) -> None:
        """Ask for the site file to be read again; safe from a signal handler and from other threads."""
        self._reloading.ask()

    def _turn(self) -> None:
        """Run one cycle, move the plant, see to the other processes, and wait for the next cycle."""
        now = self._clock.now_utc()
        log_context(cycle_utc=now.isoformat())
        result = self._cycle.run(self._devices, self._work, now, reachable=self._reachable)
        kept = self._keepsake.keep(document_of(self._cycle.memory))
        text = "" if kept else "the guards' memory is longer than its place on disk: a restart would forget it"
        self._recorder.post(*self._alarms.put("RECORDS_BEHIND", "guard memory", not kept, text, now))
        self._manager.cycle_done()
        if not self._cycled:
            self._cycled = True
            self._say(f"first control cycle done, {result.decided.level.value}")
        self._answers(now)
        self._requests(now, result)
        self._see_to_site_file(now)
        self._see_to_console()
        self._bridge.poll()
        if self._night.poll() and self._site.devices.compute.serving:
            self._learn_again()
        self._watch_records(now)
        if self._held():
            self._wait_held()
            return
        step_s = self._clock.next_step_s()
        if self._twin is not None:
            move(self._twin, step_s)
            self._recorder.post(twin_entry(self._twin))
            self._clock.moved(step_s)
        self._stop.wait(self._clock.pause_s())

    @property
    def _reachable(self) -> bool:
        """Whether there is anybody to give orders to."""
        return self._twin is not None or self._real is not None

    def _held(self) -> bool:
        """Return whether a fast clock waits: for its plant, or for a plan that is wanted or being made."""
        return self._options.speed != 1.0 and (self._twin is None or self._desk.owing)

    def _wait_held(self) -> None:
        deadline_s = self._host.monotonic_s() + HOLD_S
        while self._held() and self._host.monotonic_s() < deadline_s and not self._stop.wait(WATCH_S):
            if self._answers(self._clock.now_utc()):
                return

    def _answers(self, now: datetime) -> bool:
        """Take what the worker has answered; returns whether something has come that may want a further request."""
        events = self._planner.poll()
        for event in events:
            match event:
                case Progress():
                    self._desk.tell(event)
                    if not event.preview_id:
                        self._say(event.text)
                case Prepared():
                    self._take_world(event)
                case Planned() | Previewed():
                    self._desk.take(event, now)
                case Failed(text=text):
                    self._say(f"planning failed: {text}")
                    self._prepared = self._has_past
                    self._desk.take(event, now)
                case WorkerLost(text=text):
                    self._say(f"planning worker lost: {text}")
                    self._prepared = self._has_past = False
                    self._desk.take(event, now)
        self._desk.settle(now)
        return any(not isinstance(event, Progress) for event in events)

    def _take_world(self, prepared: Prepared) -> None:
        self._prepared = self._has_past = True
        self._work = Work(pools=prepared.pools, menus=prepared.menus)
        self._book.stream(prepared.jobs)
        if prepared.world is None:
            return
        self._recorder.post(WorldEntry(at_utc=self._clock.now_utc(), document=prepared.model_dump_json()))
        if self._twin is not None:
            self._twin.extend(prepared.world.world())
            return
        now = self._clock.now_utc()
        twin = make_twin(self._options.site, prepared, start_utc=now, state=None, real=self._real)
        if twin is not None:
            self._connect(twin)

    def _requests(self, now: datetime, result: Cycled) -> None:
        """Ask the worker for what is wanted: its past and a world that reaches far enough, then plans."""
        if self._timetable.due("plan", now):
            self._desk.want()
        if self._timetable.due("housekeeping", now):
            self._recorder.keep_house(now)
        if self._timetable.due("night", now):
            self._night.start()
        ends_soon = self._twin is not None and world_ends_soon(self._twin)
        if not self._prepared or ends_soon:
            self._prepared = self._desk.prepare(now) or self._prepared
        elif self._twin is not None:
            self._ask_for_plans(now, result.snapshot)

    def _ask_for_plans(self, now: datetime, snapshot: Snapshot) -> None:
        """Ask for a plan where one is wanted, else for what somebody wants to know before giving an order."""
        inbox, jobs = self._recorder.inbox, self._book.left()
        self._desk.answer_for_nobody(now)
        if self._desk.plan(now, snapshot, jobs, inbox.deliveries, news=self._book.news, orders=inbox.overrides):
            self._book.news = False
        else:
            self._desk.preview(now, snapshot, jobs, inbox.deliveries, orders=inbox.overrides, asked=inbox.previews)

    def _see_to_site_file(self, now: datetime) -> None:
        """Take a site file that was to be read again, or refuse it and go on with the one in force."""
        if self._reloading.begin(self._site):
            self._manager.reloading()
        found = self._reloading.poll()
        match found:
            case None:
                return
            case Taken(site=site, changed=changed):
                text = f"site file taken: {', '.join(changed) or 'nothing has changed'}"
                self._say(text)
                if changed:
                    self._take_site(site, now)
                    self._recorder.post(SiteEntry(at_utc=now, site=site, changed=changed))
                refused = ""
            case Refused(text=refused):
                text = f"site file refused, the one before stays in force: {refused}"
                LOG.warning("site file refused, the one before stays in force: %s", refused)
        self._recorder.post(*self._alarms.put("SITE_FILE_REFUSED", "site file", bool(refused), refused, now))
        self._manager.reloaded(text)

    def _take_site(self, site: Site, now: datetime) -> None:
        """Go by another site file: the rules, the timetable, and fresh processes for planning and the console."""
        self._site = site
        keep_copy(site, self._site_copy)
        self._ladder.take_site(site)
        self._desk.take_site(site)
        self._timetable.close()
        self._timetable = self._make_timetable(now)
        self._planner.renew()
        self._prepared = self._has_past = False
        if self._console is not None:
            self._console.renew()
        self._bridge.wanted = _published(site)
        self._bridge.renew()

    def _learn_again(self) -> None:
        """Have a fresh worker: it plans with what gateways have measured since the last one began."""
        self._planner.renew()
        self._prepared = self._has_past = False

    def _see_to_console(self) -> None:
        if self._console is None:
            return
        self._console.poll()
        if not self._announced and self._work is not None and self._console.answers():
            self._announced = True
            self._say(f"console: {self._console.address}")
            if self._options.invite:
                self._invite(self._console.address)

    def _invite(self, address: str) -> None:
        try:
            with Access(self._options.url, self._options.site.name) as access:
                who, now = self._options.invite, self._host.now_utc()
                key = access.link(who, Role.OPERATOR, by=who, by_role=SHELL, now=now)
        except REFUSALS as error:
            self._say(f"no link to command there could be made ({type(error).__name__}): mdc access link NAME")
            return
        self._say(f"to command there, sign in once within the hour: {address}/enter?key={key}")

    def _watch_records(self, now: datetime) -> None:
        self._recorder.post(*told_by_recorder(self._recorder.health, self._alarms, now))
        self._recorder.post(*told_by_restart(self._began, self._lock.left_open, self._alarms, now))
        failed = self._night.failed
        self._recorder.post(*self._alarms.put("NIGHT_WORK_FAILED", "reports", bool(failed), failed, now))

    def close(self) -> None:
        """Leave the devices in their safe default and stop everything that was started."""
        self._manager.stopping()
        self._timetable.close()
        self._planner.stop()
        self._night.stop()
        if self._console is not None:
            self._console.stop()
        self._bridge.stop()
        self._devices.close()
        if self._twin is not None:
            self._recorder.post(twin_entry(self._twin))
        self._recorder.close()
        self._keepsake.close()
        self._lock.release()


def _published(site: Site) -> bool:
    """Return whether the daemon has the site published at an MQTT broker."""
    return site.mqtt is not None and site.mqtt.with_daemon
