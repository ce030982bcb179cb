"""One control cycle: sense -> snapshot -> decide -> guards -> act -> record.

Orders that plan or rules change are committed to the store before they are acted on; when the store does not
take them in time, what stood before stands on, and they are acted on as soon as they are in. Orders that guards
change, and after a restart changes of orders that stand, are noted in a preallocated journal, acted on, and stored
after: safety never waits for a disk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from controller.daemon.clock_watch import ClockWatch
from controller.daemon.deciding import Decided, Ladder, Work
from controller.daemon.discipline import Discipline
from controller.daemon.job_book import JobBook
from controller.daemon.ledger import Ledger, held_back, orders_of
from controller.daemon.overriding import as_read, overridden, without_disabled
from controller.daemon.reporting import Reporter
from controller.daemon.sensing import Senses
from controller.devices.port import SiteDevices
from controller.guards.chain import apply_guards
from controller.guards.records import GuardMemory, GuardResult
from controller.records.entries import ActedEntry, DecisionEntry, Entry
from controller.records.resume import Inbox
from controller.setpoints import Outcome, Setpoints
from controller.snapshot import Snapshot
from sites.schema.site import Site

LOG = logging.getLogger(__name__)
COMMIT_S = 0.5
"""How long a cycle waits for its decisions to be on the disk."""


class Records(Protocol):
    """What the cycle asks of the recorder."""

    @property
    def inbox(self) -> Inbox:
        """What people asked for."""
        ...

    def commit(self, entries: Sequence[Entry], *, timeout_s: float) -> Future[None]:
        """Write durably, waiting a bounded time."""
        ...

    def act_first(self, decisions: Sequence[DecisionEntry]) -> None:
        """Note decisions that are acted on before they are stored."""
        ...

    def post(self, *entries: Entry) -> None:
        """Write later."""
        ...


@dataclass(frozen=True, kw_only=True)
class Cycled:
    """What a cycle did."""

    snapshot: Snapshot
    """With the state of charge that is believed."""
    decided: Decided
    guarded: GuardResult
    written: Setpoints
    outcomes: tuple[Outcome, ...]


class Cycle:
    """The stages of a site's control cycle, wired once and run again and again."""

    def __init__(
        self,
        site: Site,
        *,
        records: Records,
        ladder: Ladder,
        ledger: Ledger,
        book: JobBook,
        reporter: Reporter,
        senses: Senses,
        watch: ClockWatch | None = None,
        without: Sequence[str] = (),
        memory: GuardMemory | None = None,
    ) -> None:
        """Wire the stages.

        ``without`` names guards that are switched off, for fault studies only; ``memory`` is what the guards of the last
        daemon remembered.
        """
        self._site, self._records, self._ladder = site, records, ladder
        self._ledger, self._book, self._reporter = ledger, book, reporter
        self._senses, self._discipline, self._watch = senses, Discipline(site), watch
        self._memory = self._memory_before = memory if memory is not None else GuardMemory()
        self._without = tuple(without)
        self._before: Setpoints | None = None
        self._waiting: tuple[Future[None], tuple[DecisionEntry, ...]] | None = None

    def run(self, devices: SiteDevices, work: Work | None, now: datetime, *, reachable: bool = True) -> Cycled:
        """Run one cycle on ``devices`` at site time ``now``; not ``reachable`` = there is nobody to give orders to."""
        snapshot = self._senses.read(devices, now)
        reachable = reachable and self._senses.reachable
        inbox = self._records.inbox
        if reachable:
            nothing: tuple[Entry, ...] = ()
            work_of = self._senses.hand_over(lambda: self._jobs(devices, snapshot, inbox, now), nothing)
            self._records.post(*work_of)
        for reviewed_id, review in inbox.reviews:
            self._ladder.reviewed(reviewed_id, review)
        decided = self._ladder.decide(snapshot, self._book.left(), work, now, orders=inbox.overrides)
        wanted = self._live_only(overridden(decided.setpoints, inbox.overrides, self._site))
        fit = without_disabled(snapshot, inbox.overrides, now)
        guarded = apply_guards(fit, wanted, self._site, self._memory, jobs=self._book.jobs, without=self._without)
        guarded = as_read(guarded, snapshot)
        self._memory_before, self._memory = self._memory, guarded.memory
        checked = self._discipline.check(snapshot, self._before, now)
        written, outcomes = self._act(devices, snapshot, wanted, guarded, decided, now, reachable)
        if self._before is not None or (reachable and self._senses.reachable):
            self._before = written
        plan_id = decided.cause.plan_id
        self._records.post(
            *self._troubles(now),
            *self._reporter.cycle(
                snapshot, guarded, written, (*outcomes, *checked), decided.level, plan_id, reachable=reachable
            ),
        )
        return Cycled(snapshot=guarded.snapshot, decided=decided, guarded=guarded, written=written, outcomes=outcomes)

    @property
    def memory(self) -> GuardMemory:
        """What the guards remember after the last cycle."""
        return self._memory

    def _live_only(self, setpoints: Setpoints) -> Setpoints:
        """Return setpoints without orders to jobs that have ended since they were planned."""
        jobs = tuple(each for each in setpoints.jobs if each.name in self._book.jobs)
        return setpoints if len(jobs) == len(setpoints.jobs) else setpoints.model_copy(update={"jobs": jobs})

    def _troubles(self, now: datetime) -> tuple[Entry, ...]:
        """Return alarms about what is beneath the site: its devices' lines and the host's clock."""
        alarms, lost = self._reporter.alarms, self._senses.trouble
        jumped = self._watch.check(now) if self._watch is not None else ""
        return (
            *alarms.put("DEVICE_LOST", "devices", bool(lost), lost, now),
            *alarms.put("CLOCK_JUMP", "clock", bool(jumped), jumped, now),
        )

    def _jobs(self, devices: SiteDevices, snapshot: Snapshot, inbox: Inbox, now: datetime) -> tuple[Entry, ...]:
        """Hand jobs over and follow those that run."""
        return (*self._book.take(inbox, devices, now), *self._book.follow(snapshot))

    def _split(
        self, changes: tuple[DecisionEntry, ...], snapshot: Snapshot, allowed: Setpoints
    ) -> tuple[tuple[DecisionEntry, ...], tuple[DecisionEntry, ...]]:
        """Return the changes that are noted in the journal and acted on first, and those that wait to be committed.

        First are those that guards force; a planned change that guards would force on what stood before, since to hold it
        back would not be safe; and after a restart, changes of orders that stand: they are known as texts only, so that to
        hold them back would be to stop, for a moment, what runs.
        """

        def first(each: DecisionEntry) -> bool:
            restarted = self._before is None and self._ledger.knows(each.subject)
            return each.origin in ("guard", "safe_state") or restarted

        forced = [each for each in changes if first(each)]
        planned = [each for each in changes if not first(each)]
        if planned:
            held = held_back(allowed, self._before, (each.subject for each in planned))
            narrowed = apply_guards(snapshot, held, self._site, self._memory_before, without=self._without)
            orders = orders_of(narrowed.setpoints)
            sure = [each for each in planned if orders.get(each.subject, "") == each.order_text]
            forced += sure
            planned = [each for each in planned if each not in sure]
        return tuple(forced), tuple(planned)

    def _act(
        self,
        devices: SiteDevices,
        snapshot: Snapshot,
        wanted: Setpoints,
        guarded: GuardResult,
        decided: Decided,
        now: datetime,
        reachable: bool,
    ) -> tuple[Setpoints, tuple[Outcome, ...]]:
        allowed, level = guarded.setpoints, decided.level
        self._settle_waiting()
        changes = self._ledger.changes(
            wanted,
            allowed,
            decided.cause,
            guarded.reasons,
            level=level.value,
            over=self._book.over,
            reachable=reachable,
            now=now,
        )
        forced, planned = self._split(changes, snapshot, allowed)
        if forced:
            self._records.act_first(forced)
            self._issue(forced)
            self._ledger.take(forced)
            if planned:
                self._senses.write(devices, held_back(allowed, self._before, (each.subject for each in planned)))
        if planned and self._waiting is None:
            self._issue(planned)
            self._waiting = (self._records.commit(planned, timeout_s=COMMIT_S), planned)
            self._settle_waiting()
        missing = tuple(each.subject for each in planned if not self._ledger.stands(each.subject, each.order_text))
        written = held_back(allowed, self._before, missing)
        outcomes = self._senses.write(devices, written)
        reachable = reachable and self._senses.reachable
        ids = self._ledger.open_ids(written, level=level.value, reachable=reachable, over=self._book.over)
        self._ledger.acted(ids)
        if ids:
            self._records.post(ActedEntry(ids=ids, at_utc=now))
        return written, outcomes

    def _issue(self, orders: Sequence[DecisionEntry]) -> None:
        self._ledger.issue(orders)
        for each in orders:
            LOG.info("order to %s: %s (%s, %s)", each.subject, each.order_text, each.origin, each.reason_code)

    def _settle_waiting(self) -> None:
        """Let decisions stand that the store has taken meanwhile."""
        if self._waiting is not None and self._waiting[0].done():
            self._ledger.take(self._waiting[1])
            self._waiting = None
